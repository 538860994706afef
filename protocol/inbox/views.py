"""How accounts look in inbox (inbox API, authentication). Ids are UUIDs."""

from typing import Any

from domain.accounts import TokenPair
from domain.model import User
from protocol.times import iso_time, iso_time_or_none


def user(who: User, *, is_online: bool) -> dict[str, Any]:
    """inbox API, authentication 1 and 4. An account of another dialect may have no e-mail address: it shows
    `""`."""
    return {
        "id": who.uuid,
        "username": who.username,
        "email": who.email or "",
        "avatar_url": who.avatar or None,
        "status": "online" if is_online else "offline",
        "last_login_at": iso_time_or_none(who.last_login_at_ms),
        "created_at": iso_time(who.created_at_ms),
        "updated_at": iso_time(who.updated_at_ms),
    }


def tokens(pair: TokenPair) -> dict[str, Any]:
    """inbox API, authentication 2 and 3; `expires_in` (seconds) is an extra."""
    return {
        "access_token": pair.access_token,
        "refresh_token": pair.refresh_token,
        "token_type": "bearer",
        "expires_in": pair.expires_in_s,
    }
