"""messenger's envelope: `{"code", "message", "data", "timestamp"}`, with `error` in the place of `data` on failure."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from domain.errors import DomainError
from http_api.edge import Fault, Statuses
from protocol.messenger.errors import OF_STATUS, codes_of, message, outcome_of
from protocol.times import iso_time


class Answer(NamedTuple):
    """What a route of messenger answers: the sentence of its document, and the data."""

    message: str
    data: Any = None


class MessengerEdge:
    """Implements `http_api.edge.Edge`."""

    name: Final = "messenger"

    def success(self, value: Any) -> Any:
        answer = value if isinstance(value, Answer) else Answer("success", value)
        return {
            "code": 200,
            "message": answer.message,
            "data": {} if answer.data is None else answer.data,
            "timestamp": _now(),
        }

    def failure(self, error: DomainError, overrides: Statuses) -> tuple[int, Any]:
        outcome = outcome_of(type(error))
        return outcome.status, _failure(outcome.code, str(error))

    def invalid(self, faults: Sequence[Fault]) -> tuple[int, Any]:
        # The place of a fault begins with body, query or path, which the caller knows.
        texts = [f"{'.'.join(map(str, fault.loc[1:]))}: {fault.msg}".removeprefix(": ") for fault in faults]
        return 422, _failure(422, "; ".join(texts))

    def refusal(self, status: int, text: str) -> Any:
        return _failure(OF_STATUS.get(status, status), text)

    def codes(self, status: int) -> Mapping[int, str]:
        return codes_of(status)


def _failure(code: int, detail: str) -> dict[str, Any]:
    return {"code": code, "message": message(code), "error": detail, "timestamp": _now()}


def _now() -> str:
    return iso_time(time.time_ns() // 1_000_000)


MESSENGER: Final = MessengerEdge()
PREFIX: Final = "/api/"
"""What begins like this and is no route, nor another dialect's, is answered in messenger's envelope."""
