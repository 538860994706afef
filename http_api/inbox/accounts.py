"""Registration, login, and the life of a login (inbox API, authentication)."""

from typing import Any, Final

from domain.accounts import Accounts
from domain.errors import Unauthenticated
from domain.model import DialectName
from domain.presence import Presence
from http_api.inbox.edge import INBOX
from http_api.registry import Access, Call, Route, RouteGroup
from protocol.inbox import requests, views
from protocol.inbox.errors import REFRESH_REFUSED

USER: Final = {
    "id": "1b671a64-40d5-491e-99b0-da01ff1f3341",
    "username": "alice",
    "email": "alice@example.com",
    "avatar_url": None,
    "status": "offline",
    "last_login_at": "2025-01-08T10:00:00Z",
    "created_at": "2025-01-08T09:00:00Z",
    "updated_at": "2025-01-08T09:00:00Z",
}
TOKENS: Final = {
    "access_token": "eyJhbGciOiJIUzI1NiJ9…",
    "refresh_token": "eyJhbGciOiJIUzI1NiJ9…",
    "token_type": "bearer",
    "expires_in": 900,
}


class AccountRoutes:
    def __init__(self, accounts: Accounts, presence: Presence) -> None:
        self._accounts = accounts
        self._presence = presence

    async def register(self, call: Call[requests.Register, None]) -> Any:
        user = await self._accounts.register(
            username=call.body.username,
            password=call.body.password,
            email=call.body.email,
            address=call.address,
        )
        return views.user(user, is_online=False)

    async def login(self, call: Call[requests.Login, None]) -> Any:
        named = call.body.username
        _, tokens = await self._accounts.login(
            DialectName.INBOX, call.body.password, username=named, email=named, address=call.address
        )
        return views.tokens(tokens)

    async def refresh(self, call: Call[requests.Refresh, None]) -> Any:
        try:
            return views.tokens(await self._accounts.refresh(call.body.token))
        except Unauthenticated as error:
            raise type(error)(REFRESH_REFUSED) from error

    async def me(self, call: Call[None, None]) -> Any:
        user = await self._accounts.get(call.caller.id)
        return views.user(user, is_online=self._presence.is_online(user.id))

    async def logout(self, call: Call[None, None]) -> Any:
        await self._accounts.logout(call.proven)
        return {"message": "登出成功，请删除客户端 Token"}

    def groups(self) -> list[RouteGroup]:
        routes = [
            Route(
                method="POST",
                path="/register",
                handler=self.register,
                summary="用户注册",
                access=Access.PUBLIC,
                body=requests.Register,
                status=201,
                errors=(400, 429),
                sends={"username": "alice", "email": "alice@example.com", "password": "secret123"},
                returns=USER | {"last_login_at": None},
            ),
            Route(
                method="POST",
                path="/login",
                handler=self.login,
                summary="用户登录",
                access=Access.PUBLIC,
                body=requests.Login,
                errors=(401, 403, 429),
                sends={"username": "alice@example.com", "password": "secret123"},
                returns=TOKENS,
            ),
            Route(
                method="POST",
                path="/refresh",
                handler=self.refresh,
                summary="刷新 Token",
                access=Access.PUBLIC,
                body=requests.Refresh,
                errors=(401, 403),
                sends={"token": "eyJhbGciOiJIUzI1NiJ9…"},
                returns=TOKENS,
            ),
            Route(method="GET", path="/me", handler=self.me, summary="获取当前用户信息", returns=USER),
            Route(
                method="POST",
                path="/logout",
                handler=self.logout,
                summary="用户登出",
                returns={"message": "登出成功，请删除客户端 Token"},
            ),
        ]
        return [RouteGroup(edge=INBOX, prefix="/api/v1/auth", routes=routes)]
