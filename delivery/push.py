"""Notifications over a provider's gateway to a user's devices."""

from collections.abc import Sequence

from delivery.webhook import SignedWebhook
from domain.records import Notification, NotificationRecord, Recipient

DELIVERY_HEADER = "X-Feige-Delivery"


class WebhookPush:
    """Implements `domain.ports.NotificationSender`: a signed post for each notification. `X-Feige-Delivery` stays the
    same when it is tried again, so that the receiver can tell."""

    def __init__(self, url: str, secret: str, timeout_s: float = 10.0) -> None:
        self._webhook = SignedWebhook(url, secret, timeout_s)

    async def send(self, to: Recipient, items: Sequence[tuple[NotificationRecord, Notification]]) -> None:
        for record, notification in items:
            payload = {
                "user_id": to.user_id,
                "user_uuid": to.uuid,
                "notification_id": record.id,
                "type": notification.kind.value,
                "title": notification.title,
                "content": notification.content,
                "priority": notification.priority.value,
                "action_url": notification.action_url,
                "created_at_ms": record.created_at_ms,
            }
            await self._webhook.post(payload, {DELIVERY_HEADER: record.uuid})
