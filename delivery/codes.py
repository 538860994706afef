"""Ways to bring a login code to a phone."""

import hashlib
import hmac

import aiohttp
import orjson
import structlog

from domain.errors import Unavailable

log = structlog.get_logger("codes")

SIGNATURE_HEADER = "X-Feige-Signature"


class LogCodeSender:
    """Implements `domain.ports.CodeSender` where there is no provider: the operator reads the code in the log."""

    async def send(self, phone: str, code: str, valid_s: int) -> None:
        log.warning("login code", phone=phone, code=code, valid_s=valid_s)


class WebhookCodeSender:
    """Implements `domain.ports.CodeSender`: posts `{"phone", "code", "valid_s"}` to a provider's gateway, with the
    HMAC-SHA256 of the body, in hexadecimal, in `X-Feige-Signature`. Any status of 200 to 299 means it was taken."""

    def __init__(self, url: str, secret: str, timeout_s: float = 5.0) -> None:
        self._url = url
        self._secret = secret.encode()
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)

    async def send(self, phone: str, code: str, valid_s: int) -> None:
        body = orjson.dumps({"phone": phone, "code": code, "valid_s": valid_s})
        headers = {
            "Content-Type": "application/json",
            SIGNATURE_HEADER: hmac.new(self._secret, body, hashlib.sha256).hexdigest(),
        }
        try:
            async with (
                aiohttp.ClientSession(timeout=self._timeout) as session,
                session.post(self._url, data=body, headers=headers, allow_redirects=False) as response,
            ):
                if not 200 <= response.status < 300:
                    raise Unavailable("the code could not be sent; try again")
        except (TimeoutError, aiohttp.ClientError) as error:
            raise Unavailable("the code could not be sent; try again") from error
