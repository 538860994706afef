"""All routes of inbox over its use cases."""

from domain.accounts import Accounts
from domain.notification_delivery import NotificationDelivery
from domain.notification_sending import NotificationSending
from domain.notifications import Notifications
from domain.presence import Presence
from http_api.inbox.accounts import AccountRoutes
from http_api.inbox.notifications import AdministrationRoutes, NotificationRoutes
from http_api.registry import RouteGroup


def inbox_groups(
    *,
    accounts: Accounts,
    notifications: Notifications,
    sending: NotificationSending,
    delivery: NotificationDelivery,
    presence: Presence,
) -> list[RouteGroup]:
    """To be bound before those of im: a notification's path is im's unless it has a UUID."""
    return [
        *AccountRoutes(accounts, presence).groups(),
        *NotificationRoutes(notifications).groups(),
        *AdministrationRoutes(sending, delivery).groups(),
    ]
