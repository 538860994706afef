"""The URL of a MySQL database: which driver, and what it is told."""

import importlib
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Final

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from storage.sql.errors import CannotOpen

DRIVERS: Final = ("aiomysql", "asyncmy")
DEFAULT_PORT: Final = 3306
CONNECT_TIMEOUT_S: Final = 4


class Target:
    """Where a database is. `str()` names it without user and password."""

    def __init__(self, url: str) -> None:
        """CannotOpen: the URL is not one that can be used."""
        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError):
            raise CannotOpen("the database URL cannot be read; it is mysql://user:password@host/database") from None
        family, _, driver = parsed.drivername.partition("+")
        self.driver = driver or DRIVERS[0]
        if family not in ("mysql", "mariadb") or self.driver not in DRIVERS:
            known = " or ".join(f"mysql+{name}://" for name in DRIVERS)
            raise CannotOpen(f"the database URL begins with {parsed.drivername}://, but it must be {known}")
        if not parsed.database:
            raise CannotOpen("the database URL names no database; it is mysql://user:password@host/database")
        self.database = parsed.database
        self._url = parsed
        self._options = _options(parsed)
        try:
            self._module: Any = importlib.import_module(self.driver)
        except ImportError:
            raise CannotOpen(f"the database driver {self.driver} is not installed: pip install {self.driver}") from None

    def __str__(self) -> str:
        place = self._url.query.get("unix_socket") or f"{self._url.host}:{self._url.port or DEFAULT_PORT}"
        return f"{self.database} at {place}"

    @property
    def connect_args(self) -> dict[str, Any]:
        """What both drivers, and SQLAlchemy's, take."""
        url = self._url
        return {
            "host": url.host or "localhost",
            "port": url.port or DEFAULT_PORT,
            "user": url.username,
            "password": url.password or "",
            "db": self.database,
            "charset": "utf8mb4",
            "connect_timeout": CONNECT_TIMEOUT_S,
            **self._options,
        }

    @property
    def connect(self) -> Callable[..., Awaitable[Any]]:
        connect: Callable[..., Awaitable[Any]] = self._module.connect
        return connect


def _options(url: URL) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name, value in url.query.items():
        if name == "ssl_ca":
            try:
                options["ssl"] = ssl.create_default_context(cafile=str(value))
            except OSError as error:
                raise CannotOpen(f"ssl_ca of the database URL cannot be read: {error.strerror or error}") from None
        elif name == "ssl" and value == "true":
            options["ssl"] = ssl.create_default_context()
        elif name == "unix_socket":
            options[name] = value
        else:
            raise CannotOpen(f"the database URL has an option {name} that is not known: ssl=true, ssl_ca, unix_socket")
    return options
