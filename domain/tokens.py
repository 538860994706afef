"""Access and refresh tokens: JSON Web Tokens (RFC 7519), signed with HMAC-SHA256, each of one login (a token
family)."""

import secrets
from typing import Any, Final, Literal

import jwt
import msgspec

from domain.errors import TokenExpired, TokenInvalid
from domain.model import MAX_ID, DialectName
from domain.ports import Clock

ALGORITHM: Final = "HS256"
TokenKind = Literal["access", "refresh"]

MAX_REMEMBERED: Final = 2048
"""Tokens of clients that come again and again. About 700 bytes each; checking a signature takes 70 µs, a quarter of
what a small REST request costs."""


class TokenLimits(msgspec.Struct, frozen=True):
    """Lifetimes in seconds. `access_short_s` is for inbox and social."""

    access_s: int = 86_400
    access_short_s: int = 900
    refresh_s: int = 7 * 86_400

    @property
    def longest_access_s(self) -> int:
        """For so long a revoked login must be remembered."""
        return max(self.access_s, self.access_short_s)

    def access_for(self, dialect: DialectName) -> int:
        short = dialect is DialectName.INBOX or dialect is DialectName.SOCIAL
        return self.access_short_s if short else self.access_s


class Claims(msgspec.Struct, frozen=True, gc=False):
    user_id: int
    login_id: str
    token_id: str
    dialect: DialectName
    expires_at_ms: int


class Tokens:
    """Signs and verifies. Whether the login was revoked is not its concern."""

    def __init__(self, secret: bytes, clock: Clock, limits: TokenLimits) -> None:
        self._secret = secret
        self._clock = clock
        self._verified: dict[tuple[TokenKind, str], Claims] = {}
        self.limits = limits

    def sign(self, kind: TokenKind, claims: Claims) -> str:
        payload = {
            "sub": str(claims.user_id),
            "typ": kind,
            "fam": claims.login_id,
            "jti": claims.token_id,
            "dialect": claims.dialect.value,
            "iat": self._clock.now_ms() // 1000,
            "exp": claims.expires_at_ms // 1000,
        }
        return jwt.encode(payload, self._secret, ALGORITHM)

    def verify(self, token: str, kind: TokenKind) -> Claims:
        """TokenExpired, TokenInvalid (forged, malformed, or of the other kind)."""
        claims = self._verified.get((kind, token)) or self._decode(token, kind)
        if claims.expires_at_ms <= self._clock.now_ms():
            self._verified.pop((kind, token), None)
            raise TokenExpired
        return claims

    def _decode(self, token: str, kind: TokenKind) -> Claims:
        """What is said by a token with our signature, expired or not. TokenInvalid."""
        try:
            payload: dict[str, Any] = jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                options={"require": ["sub", "exp", "jti"], "verify_exp": False, "verify_iat": False},
            )
            user_id = int(payload["sub"])
            expires_at_ms = int(payload["exp"]) * 1000
            claims = Claims(
                user_id, str(payload["fam"]), str(payload["jti"]), DialectName(payload["dialect"]), expires_at_ms
            )
        except (jwt.InvalidTokenError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise TokenInvalid from error
        if payload.get("typ") != kind or not 0 < user_id <= MAX_ID:
            raise TokenInvalid
        if len(self._verified) == MAX_REMEMBERED:
            del self._verified[next(iter(self._verified))]
        self._verified[kind, token] = claims
        return claims


def new_id() -> str:
    """128 random bits in hexadecimal: ids of logins, tokens and sessions."""
    return secrets.token_hex(16)
