"""Codes that log somebody in who holds a phone: six digits, a few minutes, a few tries, once."""

import secrets
from typing import Final

import msgspec

from domain.errors import RateLimited, WrongCode
from domain.ports import CodeSender, RateLimiter, ShortCodes

DIGITS: Final = 6


class CodeLimits(msgspec.Struct, frozen=True):
    """How long and how often; 0 requests are no limit."""

    valid_s: int = 300
    tries: int = 5
    requests_per_phone: int = 5
    requests_per_address: int = 100
    requests_window_s: int = 300


class LoginCodes:
    def __init__(self, *, codes: ShortCodes, sender: CodeSender, limiter: RateLimiter, limits: CodeLimits) -> None:
        self._codes = codes
        self._sender = sender
        self._limiter = limiter
        self._limits = limits

    async def send(self, phone: str, address: str) -> int:
        """Sends a code, which replaces an earlier one; whether there is an account is not told. Answers for how many
        seconds it is valid. RateLimited, Unavailable."""
        limits = self._limits
        throttles = (
            (f"code:phone:{phone}", limits.requests_per_phone),
            (f"code:address:{address}", limits.requests_per_address),
        )
        for key, limit in throttles:
            wait_s = await self._limiter.hit(key, limit, limits.requests_window_s)
            if wait_s:
                raise RateLimited(wait_s, "too many codes were asked for; try again later")
        code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
        await self._codes.put(f"login:{phone}", code, limits.valid_s)
        await self._sender.send(phone, code, limits.valid_s)
        return limits.valid_s

    async def check(self, phone: str, code: str) -> None:
        """Uses the code up. WrongCode, also when it has expired, was used, or after too many wrong ones."""
        if not await self._codes.take(f"login:{phone}", code, self._limits.tries):
            raise WrongCode
