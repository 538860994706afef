"""inbox's tables from refusals to HTTP statuses and to the sentences of its document (inbox API, error codes)."""

from collections.abc import Mapping
from typing import Final

from domain import errors

STATUSES: Final[Mapping[type[errors.DomainError], int]] = {
    errors.DomainError: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.RateLimited: 429,
    errors.Unavailable: 503,
}
"""The nearest class in an error's ancestry decides; wrong credentials are 401."""

SENTENCES: Final[Mapping[type[errors.DomainError], str]] = {
    errors.UsernameTaken: "用户名已存在",
    errors.EmailTaken: "邮箱已存在",
    errors.BadCredentials: "用户名或密码错误",
}
"""What is said instead of the refusal's own text (inbox API, authentication 1 and 2)."""
REFRESH_REFUSED: Final = "无效的 Refresh Token"
"""inbox API, authentication 3."""
