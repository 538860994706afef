"""Password hashes: bcrypt, in threads of its own so that hashing (which takes a core for 0.2 s) never stops the
event loop."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import bcrypt

from domain.errors import InvalidValue

MIN_PASSWORD_CHARS: Final = 6
MAX_PASSWORD_BYTES: Final = 72
"""bcrypt reads no further; a longer password is refused, never cut."""


def check_password(password: str) -> None:
    """InvalidValue unless it has at least 6 characters and at most 72 bytes in UTF-8."""
    if len(password) < MIN_PASSWORD_CHARS:
        raise InvalidValue("password", f"at least {MIN_PASSWORD_CHARS} characters")
    if len(password.encode("utf-8", "surrogatepass")) > MAX_PASSWORD_BYTES:
        raise InvalidValue("password", f"at most {MAX_PASSWORD_BYTES} bytes in UTF-8")


DIGEST_CHARS: Final = 31
"""What follows the salt in a bcrypt hash."""

NO_PASSWORD: Final = ""
"""In place of a hash: nothing matches it."""


class Passwords:
    def __init__(self, rounds: int = 12, threads: int = 2) -> None:
        self._rounds = rounds
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="bcrypt")
        self._nobody = bcrypt.gensalt(rounds).decode() + "." * DIGEST_CHARS

    async def hash(self, password: str) -> str:
        """InvalidValue if the password is too short or too long."""
        check_password(password)
        salt = bcrypt.gensalt(self._rounds)
        loop = asyncio.get_running_loop()
        secret = password.encode("utf-8", "surrogatepass")
        return (await loop.run_in_executor(self._threads, bcrypt.hashpw, secret, salt)).decode()

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """Takes as long for an account that does not exist (`password_hash` of None) or has no password as for any
        other."""
        secret = password.encode("utf-8", "surrogatepass")
        fits = len(secret) <= MAX_PASSWORD_BYTES
        expected = (password_hash or self._nobody).encode()
        loop = asyncio.get_running_loop()
        ok = await loop.run_in_executor(self._threads, bcrypt.checkpw, secret[:MAX_PASSWORD_BYTES], expected)
        return ok and fits and bool(password_hash)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
