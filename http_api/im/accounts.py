"""Login and users (im API 1 and 2)."""

from typing import Any

from domain.accounts import Accounts
from domain.model import DialectName
from domain.presence import Presence
from http_api.im import examples
from http_api.im.edge import IM
from http_api.registry import Access, Call, Route, RouteGroup
from protocol.im import requests, views


class AccountRoutes:
    def __init__(self, accounts: Accounts, presence: Presence) -> None:
        self._accounts = accounts
        self._presence = presence

    async def login(self, call: Call[requests.LoginForm, None]) -> Any:
        _, tokens = await self._accounts.login(
            DialectName.IM, call.body.password, username=call.body.username, address=call.address
        )
        return {
            "access_token": tokens.access_token,
            "token_type": "bearer",
            "refresh_token": tokens.refresh_token,
            "expires_in": tokens.expires_in_s,
        }

    async def create(self, call: Call[requests.UserCreate, None]) -> Any:
        return views.user(
            await self._accounts.register(
                username=call.body.standard_id,
                password=call.body.password,
                nickname=call.body.name,
                address=call.address,
            )
        )

    async def me(self, call: Call[None, None]) -> Any:
        return views.user(call.caller)

    async def search(self, call: Call[None, requests.UserSearch]) -> Any:
        return [views.user(user) for user in await self._accounts.search(call.query.keyword, call.query.limit)]

    async def statuses(self, call: Call[requests.UserStatuses, None]) -> Any:
        return views.statuses(self._presence.states(call.body.user_ids))

    def groups(self) -> list[RouteGroup]:
        auth = [
            Route(
                method="POST",
                path="/login/access-token",
                handler=self.login,
                summary="1.1 用户登录",
                access=Access.PUBLIC,
                form=requests.LoginForm,
                sends={"username": "test123", "password": "secret123"},
                errors=(400, 403, 429),
                returns={
                    "access_token": "eyJhbGciOiJIUzI1NiJ9…",
                    "token_type": "bearer",
                    "refresh_token": "eyJhbGciOiJIUzI1NiJ9…",
                    "expires_in": 86400,
                },
            )
        ]
        users = [
            Route(
                method="POST",
                path="/",
                handler=self.create,
                summary="2.1 创建用户",
                access=Access.PUBLIC,
                body=requests.UserCreate,
                errors=(400, 429),
                sends={"standard_id": "test123", "name": "测试用户", "password": "secret123"},
                returns=examples.USER,
            ),
            Route(
                method="GET",
                path="/me",
                handler=self.me,
                summary="2.2 获取当前用户信息",
                returns=examples.USER,
            ),
            Route(
                method="GET",
                path="/search",
                handler=self.search,
                summary="2.3 搜索用户",
                query=requests.UserSearch,
                returns=[examples.USER],
            ),
            Route(
                method="POST",
                path="/statuses",
                handler=self.statuses,
                summary="2.4 获取用户在线状态",
                body=requests.UserStatuses,
                sends={"user_ids": [1, 2, 3]},
                returns={"statuses": {"1": True, "2": False, "3": True}},
            ),
        ]
        return [
            RouteGroup(edge=IM, prefix="/api/v1/auth", routes=auth),
            RouteGroup(edge=IM, prefix="/api/v1/users", routes=users),
        ]
