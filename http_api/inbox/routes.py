"""All routes of inbox over its use cases."""

from domain.accounts import Accounts
from domain.presence import Presence
from http_api.inbox.accounts import AccountRoutes
from http_api.registry import RouteGroup


def inbox_groups(*, accounts: Accounts, presence: Presence) -> list[RouteGroup]:
    return AccountRoutes(accounts, presence).groups()
