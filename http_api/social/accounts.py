"""Registration, login, the own account and the search (social API 1 to 3)."""

from typing import Any

from domain.accounts import Accounts
from domain.model import DialectName
from http_api.registry import Access, Call, Route, RouteGroup
from http_api.social import examples
from http_api.social.edge import SOCIAL
from protocol.social import requests, views


class AccountRoutes:
    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def register(self, call: Call[requests.Register, None]) -> Any:
        body = call.body
        await self._accounts.register(
            username=body.username,
            password=body.password,
            email=body.email,
            nickname=body.nickname,
            avatar=body.avatar or "",
            address=call.address,
        )
        return {"message": "注册成功"}

    async def login(self, call: Call[requests.Login, None]) -> Any:
        _, tokens = await self._accounts.login(
            DialectName.SOCIAL, call.body.password, username=call.body.username, address=call.address
        )
        return views.tokens(tokens)

    async def refresh(self, call: Call[requests.Refresh, None]) -> Any:
        return views.tokens(await self._accounts.refresh(call.body.refresh_token))

    async def profile(self, call: Call[None, None]) -> Any:
        return views.user(await self._accounts.get(call.caller.id))

    async def info(self, call: Call[None, requests.UserQuery]) -> Any:
        return views.user(await self._accounts.get(call.query.user_id))

    async def update(self, call: Call[requests.ProfileUpdate, None]) -> Any:
        body = call.body
        given = {"nickname": body.nickname, "avatar": body.avatar, "email": body.email}
        fields = {name: value for name, value in given.items() if value is not None}
        if fields:
            await self._accounts.update_profile(call.caller.id, **fields)
        return {"message": "更新成功"}

    async def change_password(self, call: Call[requests.PasswordUpdate, None]) -> Any:
        await self._accounts.change_password(call.proven, call.body.old_password, call.body.new_password)
        return {"message": "密码修改成功"}

    def groups(self) -> list[RouteGroup]:
        routes = [
            Route(
                method="POST",
                path="/register",
                handler=self.register,
                summary="1.1 用户注册",
                access=Access.PUBLIC,
                body=requests.Register,
                errors=(409, 429),
                sends={
                    "username": "admin",
                    "password": "123456",
                    "email": "admin@admin.com",
                    "nickname": "admin",
                },
                returns={"message": "注册成功"},
            ),
            Route(
                method="POST",
                path="/login",
                handler=self.login,
                summary="1.2 用户登录",
                access=Access.PUBLIC,
                body=requests.Login,
                errors=(403, 429),
                sends={"username": "testuser", "password": "123456"},
                returns=examples.TOKENS,
            ),
            Route(
                method="POST",
                path="/refresh_token",
                handler=self.refresh,
                summary="1.3 刷新Token",
                access=Access.PUBLIC,
                body=requests.Refresh,
                errors=(401, 403),
                sends={"refresh_token": "eyJhbGciOiJIUzI1NiJ9…"},
                returns=examples.TOKENS,
            ),
            Route(
                method="GET",
                path="/user/profile",
                handler=self.profile,
                summary="2.1 获取用户个人资料",
                returns=examples.USER,
            ),
            Route(
                method="GET",
                path="/user/info",
                handler=self.info,
                summary="2.2 获取用户信息",
                query=requests.UserQuery,
                errors=(404,),
                returns=examples.USER,
            ),
            Route(
                method="PUT",
                path="/user/update/info",
                handler=self.update,
                summary="2.3 更新用户信息",
                body=requests.ProfileUpdate,
                errors=(409,),
                sends={
                    "nickname": "新昵称",
                    "email": "new@example.com",
                },
                returns={"message": "更新成功"},
            ),
            Route(
                method="PUT",
                path="/user/update/password",
                handler=self.change_password,
                summary="2.4 修改密码",
                body=requests.PasswordUpdate,
                errors=(429,),
                sends={"old_password": "123456", "new_password": "654321"},
                returns={"message": "密码修改成功"},
            ),
        ]
        return [RouteGroup(edge=SOCIAL, prefix="", routes=routes)]
