"""Conversations, their members, and the older group endpoints (im API 3, 7.1 and 7.2)."""

from typing import Any

from domain.conversations import Conversations
from domain.errors import UserNotFound
from domain.model import MemberStatus, Role
from http_api.binding import Invalid
from http_api.edge import Fault
from http_api.im import examples
from http_api.im.edge import IM
from http_api.registry import Call, Route, RouteGroup
from protocol.im import requests, views


class ConversationRoutes:
    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations

    async def create_single(self, call: Call[requests.SingleCreate, None]) -> Any:
        return views.conversation(await self._conversations.open_single(call.caller, call.body.target_user_id))

    async def create_group(self, call: Call[requests.GroupCreate, None]) -> Any:
        fields = call.body.model_dump(exclude={"member_ids"})
        return views.conversation(await self._conversations.create_group(call.caller, call.body.member_ids, **fields))

    async def list_own(self, call: Call[None, requests.ConversationQuery]) -> Any:
        skip, limit = call.query.skip, call.query.limit
        found, total = await self._conversations.list_for(call.caller.id, offset=skip, limit=limit)
        return views.conversation_list(found, total, skip=skip, limit=limit)

    async def get(self, call: Call[None, None]) -> Any:
        return views.conversation(await self._conversations.get(call.caller.id, call.ids["conversation_id"]))

    async def update(self, call: Call[requests.ConversationUpdate, None]) -> Any:
        conversation_id = call.ids["conversation_id"]
        return views.conversation(await self._conversations.update(call.caller, conversation_id, **call.body.changes()))

    async def delete(self, call: Call[None, None]) -> None:
        await self._conversations.delete(call.caller, call.ids["conversation_id"])

    async def members(self, call: Call[None, None]) -> Any:
        return views.members(await self._conversations.members(call.caller.id, call.ids["conversation_id"]))

    async def add_members(self, call: Call[requests.MembersAdd, None]) -> None:
        await self._conversations.add_members(
            call.caller, call.ids["conversation_id"], call.body.user_ids, Role(call.body.role)
        )

    async def remove_member(self, call: Call[None, None]) -> None:
        await self._conversations.remove_member(call.caller, call.ids["conversation_id"], call.ids["user_id"])

    async def update_member(self, call: Call[requests.MemberUpdate, None]) -> None:
        conversation_id, user_id, body = call.ids["conversation_id"], call.ids["user_id"], call.body
        if body.status in (MemberStatus.LEFT, MemberStatus.REMOVED):
            await self._conversations.remove_member(call.caller, conversation_id, user_id)
            return
        await self._conversations.update_member(
            call.caller,
            conversation_id,
            user_id,
            role=Role(body.role) if body.role else None,
            nickname=body.nickname,
            muted_until_ms=body.mute(),
        )

    async def add_group_members(self, call: Call[requests.GroupMembersBody | None, requests.GroupMembersQuery]) -> Any:
        user_ids = [*call.query.user_ids, *(call.body.user_ids if call.body else ())]
        if not user_ids:
            raise Invalid([Fault(("query", "user_ids"), "Field required", "missing")])
        return views.conversation(
            await self._conversations.add_members(call.caller, call.ids["conversation_id"], user_ids)
        )

    async def remove_group_member(self, call: Call[None, None]) -> Any:
        return views.conversation(
            await self._conversations.remove_member(call.caller, call.ids["conversation_id"], call.ids["user_id"])
        )

    def groups(self) -> list[RouteGroup]:
        one = "/{conversation_id:id}"
        conversations = [
            Route(
                method="POST",
                path="/single",
                handler=self.create_single,
                summary="3.1 创建单聊",
                body=requests.SingleCreate,
                overrides={UserNotFound: 400},
                errors=(400,),
                sends={"target_user_id": 2},
                returns=examples.CONVERSATION | {"name": None, "type": "single", "max_members": 2, "member_count": 2},
            ),
            Route(
                method="POST",
                path="/group",
                handler=self.create_group,
                summary="3.2 创建群聊",
                body=requests.GroupCreate,
                errors=(400,),
                sends={"name": "测试群组", "description": "这是一个测试群组", "member_ids": [2, 3, 4]},
                returns=examples.CONVERSATION,
            ),
            Route(
                method="GET",
                path="/",
                handler=self.list_own,
                summary="3.3 获取用户会话列表",
                query=requests.ConversationQuery,
                returns=examples.CONVERSATION_LIST,
            ),
            Route(
                method="GET",
                path=one,
                handler=self.get,
                summary="3.4 获取会话详情",
                errors=(404,),
                returns=examples.CONVERSATION,
            ),
            Route(
                method="PUT",
                path=one,
                handler=self.update,
                summary="3.5 更新会话信息",
                body=requests.ConversationUpdate,
                errors=(400, 404),
                sends={"name": "新的群组名称", "allow_invite": False},
                returns=examples.CONVERSATION,
            ),
            Route(
                method="DELETE",
                path=one,
                handler=self.delete,
                summary="3.6 删除会话",
                status=204,
                errors=(404,),
            ),
            Route(
                method="GET",
                path=f"{one}/members",
                handler=self.members,
                summary="3.7 获取会话成员",
                errors=(404,),
                returns=examples.MEMBERS,
            ),
            Route(
                method="POST",
                path=f"{one}/members",
                handler=self.add_members,
                summary="3.8 添加会话成员",
                body=requests.MembersAdd,
                errors=(400, 404),
                sends={"user_ids": [5, 6, 7], "role": "member"},
            ),
            Route(
                method="DELETE",
                path=f"{one}/members/{{user_id:id}}",
                handler=self.remove_member,
                summary="3.9 移除会话成员",
                status=204,
                errors=(400, 404),
            ),
            Route(
                method="PUT",
                path=f"{one}/members/{{user_id:id}}",
                handler=self.update_member,
                summary="3.10 更新会话成员信息",
                body=requests.MemberUpdate,
                errors=(400, 404),
                sends={"role": "admin", "nickname": "新昵称", "muted_until": "2025-01-10T10:00:00Z"},
            ),
        ]
        groups = [
            Route(
                method="POST",
                path=f"{one}/members",
                handler=self.add_group_members,
                summary="7.1 添加群组成员",
                query=requests.GroupMembersQuery,
                body=requests.GroupMembersBody,
                sends={"user_ids": [5, 6, 7]},
                body_optional=True,
                errors=(400, 404),
                returns=examples.CONVERSATION,
            ),
            Route(
                method="DELETE",
                path=f"{one}/members/{{user_id:id}}",
                handler=self.remove_group_member,
                summary="7.2 移除群组成员",
                errors=(400, 404),
                returns=examples.CONVERSATION,
            ),
        ]
        return [
            RouteGroup(edge=IM, prefix="/api/v1/conversations", routes=conversations),
            RouteGroup(edge=IM, prefix="/api/v1/groups", routes=groups),
        ]
