"""The search for users and groups (social API 3)."""

from typing import Any, Final

from domain.accounts import Accounts
from domain.conversations import Conversations
from domain.groups import Groups
from http_api.registry import Call, Route, RouteGroup
from http_api.social import examples
from http_api.social.edge import SOCIAL
from protocol.social import requests, views

MAX_FOUND: Final = 100


class SearchRoutes:
    def __init__(self, accounts: Accounts, groups: Groups, conversations: Conversations) -> None:
        self._accounts = accounts
        self._groups = groups
        self._conversations = conversations

    async def search(self, call: Call[None, requests.SearchQuery]) -> Any:
        users = await self._accounts.search(call.query.keyword, MAX_FOUND)
        groups, total = await self._groups.search(call.query.keyword, limit=MAX_FOUND)
        owners = await self._conversations.owners([group.id for group in groups])
        return {
            "groups": views.groups(groups, owners),
            "totalGroups": total,
            "totalUsers": len(users),
            "users": [views.user(user) for user in users],
        }

    def groups(self) -> list[RouteGroup]:
        route = Route(
            method="GET",
            path="/search",
            handler=self.search,
            summary="3.1 搜索用户和群组",
            query=requests.SearchQuery,
            returns={"groups": [examples.GROUP], "totalGroups": 1, "totalUsers": 1, "users": [examples.USER]},
        )
        return [RouteGroup(edge=SOCIAL, prefix="", routes=[route])]
