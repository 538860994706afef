"""social's one table from refusals to HTTP statuses and body codes (social API, response codes)."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from domain import errors


class Code(IntEnum):
    """The `code` of a body."""

    SUCCESS = 20000
    REFUSED = 40000
    """Anything that is wrong with the request: also forbidden, not found, a conflict, too many."""
    UNAUTHENTICATED = 40001
    FAILED = 50000
    UNAVAILABLE = 50001
    """A backing service cannot be reached."""


STATUSES: Final[Mapping[type[errors.DomainError], int]] = {
    errors.DomainError: 400,
    errors.BadCredentials: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.TooLarge: 413,
    errors.RateLimited: 429,
    errors.Unavailable: 503,
}
"""The nearest class in an error's ancestry decides."""

LABELS: Final[Mapping[int, str]] = {
    400: "参数错误",
    401: "用户未登录或ID无效",
    403: "没有权限",
    404: "资源不存在",
    405: "请求方法不支持",
    408: "请求超时",
    409: "资源冲突",
    413: "请求体过大",
    429: "请求过于频繁",
    500: "服务器内部错误",
    503: "RPC服务调用失败",
}


def code_of(status: int) -> Code:
    """The body code that goes with an HTTP status."""
    if status == 401:
        return Code.UNAUTHENTICATED
    if status == 503:
        return Code.UNAVAILABLE
    return Code.FAILED if status >= 500 else Code.REFUSED


def message(status: int, detail: str) -> str:
    """What the body says: what kind of refusal it is, and what to do about it."""
    label = LABELS.get(status, LABELS[400])
    return f"{label}: {detail}" if detail else label
