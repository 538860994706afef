"""Authentication and users (messenger API)."""

from typing import Any

from domain.accounts import Accounts
from domain.login_codes import LoginCodes
from domain.model import DialectName, User
from domain.presence import Presence
from http_api.messenger import examples
from http_api.messenger.edge import MESSENGER, Answer
from http_api.registry import Access, Call, Route, RouteGroup
from protocol.messenger import requests, views


class AccountRoutes:
    def __init__(self, accounts: Accounts, codes: LoginCodes, presence: Presence) -> None:
        self._accounts = accounts
        self._codes = codes
        self._presence = presence

    async def code(self, call: Call[requests.CodeRequest, None]) -> Answer:
        return Answer("验证码已发送", {"expires_in": await self._codes.send(call.body.phone, call.address)})

    async def login(self, call: Call[requests.LoginBody, None]) -> Answer:
        body = call.body
        if body.password is not None:
            user, tokens = await self._accounts.login(
                DialectName.MESSENGER, body.password, phone=body.phone, address=call.address
            )
        else:
            await self._codes.check(body.phone, body.code or "")
            user, tokens = await self._accounts.login_by_phone(DialectName.MESSENGER, body.phone)
        return Answer("登录成功", {"user": self._shown(user)} | views.tokens(tokens))

    async def register(self, call: Call[requests.Register, None]) -> Answer:
        body = call.body
        user = await self._accounts.register(
            username=body.username,
            password=body.password,
            nickname=body.nickname,
            phone=body.phone,
            address=call.address,
        )
        tokens = await self._accounts.open_login(user.id, DialectName.MESSENGER)
        return Answer("注册成功", {"user": self._shown(user)} | views.tokens(tokens))

    def _shown(self, user: User) -> Any:
        is_online = self._presence.is_online(user.id)
        return views.login_user(user, is_online=is_online, last_seen_ms=self._presence.last_seen_of(user))

    async def refresh(self, call: Call[requests.Refresh, None]) -> Answer:
        return Answer("令牌刷新成功", views.tokens(await self._accounts.refresh(call.body.refresh_token)))

    async def logout(self, call: Call[None, None]) -> Answer:
        await self._accounts.logout(call.proven)
        return Answer("登出成功")

    async def me(self, call: Call[None, None]) -> Answer:
        user = await self._accounts.get(call.caller.id)
        is_online = self._presence.is_online(user.id)
        return Answer(
            "获取用户信息成功",
            views.own_user(user, is_online=is_online, last_seen_ms=self._presence.last_seen_of(user)),
        )

    async def update(self, call: Call[requests.ProfileUpdate, None]) -> Answer:
        changes = call.body.changes()
        if changes:
            await self._accounts.update_profile(call.caller.id, **changes)
        return Answer("用户信息更新成功")

    async def get(self, call: Call[None, None]) -> Answer:
        user = await self._accounts.get(call.ids["user_id"])
        is_online = self._presence.is_online(user.id)
        return Answer(
            "获取用户信息成功",
            views.public_user(user, is_online=is_online, last_seen_ms=self._presence.last_seen_of(user)),
        )

    def groups(self) -> list[RouteGroup]:
        auth = [
            Route(
                method="POST",
                path="/code",
                handler=self.code,
                summary="获取登录验证码",
                access=Access.PUBLIC,
                body=requests.CodeRequest,
                errors=(503,),
                sends={"phone": "13800138000"},
                returns=Answer("验证码已发送", {"expires_in": 300}),
            ),
            Route(
                method="POST",
                path="/login",
                handler=self.login,
                summary="用户登录",
                access=Access.PUBLIC,
                body=requests.LoginBody,
                errors=(401, 403),
                sends={"phone": "13800138000", "password": "password123"},
                returns=Answer("登录成功", {"user": examples.LOGIN_USER} | examples.TOKENS),
            ),
            Route(
                method="POST",
                path="/register",
                handler=self.register,
                summary="用户注册",
                access=Access.PUBLIC,
                body=requests.Register,
                errors=(409,),
                sends={
                    "phone": "13800138000",
                    "username": "testuser",
                    "password": "password123",
                    "nickname": "测试用户",
                },
                returns=Answer("注册成功", {"user": examples.LOGIN_USER | {"online": False}} | examples.TOKENS),
            ),
            Route(
                method="POST",
                path="/refresh",
                handler=self.refresh,
                summary="刷新令牌",
                access=Access.PUBLIC,
                body=requests.Refresh,
                errors=(401, 403),
                sends={"refresh_token": "eyJhbGciOiJIUzI1NiJ9…"},
                returns=Answer("令牌刷新成功", examples.TOKENS),
            ),
            Route(
                method="POST",
                path="/logout",
                handler=self.logout,
                summary="用户登出",
                returns=Answer("登出成功"),
            ),
        ]
        users = [
            Route(
                method="GET",
                path="/me",
                handler=self.me,
                summary="获取当前用户信息",
                returns=Answer("获取用户信息成功", examples.OWN_USER),
            ),
            Route(
                method="PUT",
                path="/me",
                handler=self.update,
                summary="更新用户信息",
                body=requests.ProfileUpdate,
                sends={"nickname": "新昵称", "bio": "新的个人简介"},
                returns=Answer("用户信息更新成功"),
            ),
            Route(
                method="GET",
                path="/{user_id:id}",
                handler=self.get,
                summary="获取用户信息",
                errors=(404,),
                returns=Answer("获取用户信息成功", examples.PUBLIC_USER),
            ),
        ]
        return [
            RouteGroup(edge=MESSENGER, prefix="/api/auth", routes=auth),
            RouteGroup(edge=MESSENGER, prefix="/api/users", routes=users),
        ]
