"""Ways to bring a login code to a phone."""

import structlog

from delivery.webhook import SignedWebhook
from domain.errors import Unavailable

log = structlog.get_logger("codes")


class LogCodeSender:
    """Implements `domain.ports.CodeSender` where there is no provider: the operator reads the code in the log."""

    async def send(self, phone: str, code: str, valid_s: int) -> None:
        log.warning("login code", phone=phone, code=code, valid_s=valid_s)


class WebhookCodeSender:
    """Implements `domain.ports.CodeSender`: posts `{"phone", "code", "valid_s"}`, signed, to a provider's gateway."""

    def __init__(self, url: str, secret: str, timeout_s: float = 5.0) -> None:
        self._webhook = SignedWebhook(url, secret, timeout_s)

    async def send(self, phone: str, code: str, valid_s: int) -> None:
        try:
            await self._webhook.post({"phone": phone, "code": code, "valid_s": valid_s})
        except Unavailable as error:
            raise Unavailable("the code could not be sent; try again") from error
