"""social's envelope: `{"code", "message", "data"}`."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from domain.errors import DomainError
from http_api.edge import Fault, Statuses, nearest_status
from protocol.social.errors import STATUSES, Code, code_of, message


class SocialEdge:
    """Implements `http_api.edge.Edge`. It has no 422: missing and malformed fields are 400 with 40000."""

    name: Final = "social"

    def success(self, value: Any) -> Any:
        return {"code": Code.SUCCESS, "message": "success", "data": {} if value is None else value}

    def failure(self, error: DomainError, overrides: Statuses) -> tuple[int, Any]:
        status = nearest_status(error, STATUSES, overrides)
        return status, self.refusal(status, str(error))

    def invalid(self, faults: Sequence[Fault]) -> tuple[int, Any]:
        # The place of a fault begins with body, query or path, which the caller knows.
        texts = [f"{'.'.join(map(str, fault.loc[1:]))}: {fault.msg}".removeprefix(": ") for fault in faults]
        return 400, self.refusal(400, "; ".join(texts))

    def refusal(self, status: int, text: str) -> Any:
        return {"code": code_of(status), "message": message(status, text)}

    def codes(self, status: int) -> Mapping[int, str]:
        return {code_of(status): message(status, "")}


SOCIAL: Final = SocialEdge()
PREFIXES: Final = (
    "/register",
    "/login",
    "/refresh_token",
    "/user/",
    "/search",
    "/friend/",
    "/group/",
    "/notification/",
    "/file/",
    "/chat/",
)
"""What begins like this and is no route is answered in social's envelope."""
