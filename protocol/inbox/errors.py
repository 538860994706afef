"""inbox's table from refusals to HTTP statuses (inbox API, error codes)."""

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
