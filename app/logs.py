"""Structured logs on standard error, as text for people or JSON for machines. Tracebacks come without local variables:
those hold passwords and tokens."""

import logging
import sys
from typing import Any

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from app.config import LogConfig


def configure_logs(config: LogConfig) -> None:
    level = logging.getLevelNamesMapping()[config.level.upper()]
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    shared: list[Any] = [structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, stamp]
    renderer: list[Any] = (
        [
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            structlog.processors.JSONRenderer(),
        ]
        if config.format == "json"
        else [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    )
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(
        level=max(level, logging.WARNING), stream=sys.stderr, format="%(levelname)s %(name)s %(message)s"
    )
    # What a stranger sends is no error of ours: aiohttp answers malformed requests with 400 and a traceback.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    # A connection that the database has closed cannot be ended politely, which is reported with a traceback.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
