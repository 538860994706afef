"""im's one table from refusals to HTTP statuses (im API, error codes)."""

from collections.abc import Mapping
from typing import Final

from domain import errors

STATUSES: Final[Mapping[type[errors.DomainError], int]] = {
    errors.DomainError: 400,
    errors.BadCredentials: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.RateLimited: 429,
    errors.Unavailable: 503,
}
"""The nearest class in an error's ancestry decides: a taken name, a refused value or state is 400."""
