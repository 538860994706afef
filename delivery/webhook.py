"""Signed posts to a service of the operator's."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson

from domain.errors import Unavailable

SIGNATURE_HEADER = "X-Feige-Signature"


class SignedWebhook:
    """Posts JSON with the HMAC-SHA256 of the body, in hexadecimal, in `X-Feige-Signature`. Any status of 200 to 299
    means it was taken. A redirect is not followed: it could lead to an address that only this machine reaches."""

    def __init__(self, url: str, secret: str, timeout_s: float) -> None:
        self._url = url
        self._secret = secret.encode()
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)

    async def post(self, value: Any, headers: Mapping[str, str] | None = None) -> None:
        """Unavailable, with what happened."""
        body = orjson.dumps(value)
        signature = hmac.new(self._secret, body, hashlib.sha256).hexdigest()
        sent = {"Content-Type": "application/json", SIGNATURE_HEADER: signature, **(headers or {})}
        try:
            async with (
                aiohttp.ClientSession(timeout=self._timeout) as session,
                session.post(self._url, data=body, headers=sent, allow_redirects=False) as response,
            ):
                if not 200 <= response.status < 300:
                    raise Unavailable(f"the webhook answered {response.status}")
        except TimeoutError as error:
            raise Unavailable("the webhook did not answer in time") from error
        except aiohttp.ClientError as error:
            raise Unavailable("the webhook cannot be reached") from error
