"""Groups, applications and notices of what happens in them (social API 5, 6.3 to 6.5)."""

from typing import Any, Final

from domain.applications import Applications
from domain.conversations import Conversations
from domain.errors import MemberNotFound
from domain.model import Conversation, MemberView, Role
from domain.ports import Clock
from http_api.registry import Call, Route, RouteGroup
from http_api.social import examples
from http_api.social.edge import SOCIAL
from protocol.social import requests, views

ROLES: Final = {number: role for role, number in views.ROLES.items()}


class GroupRoutes:
    def __init__(self, conversations: Conversations, applications: Applications, clock: Clock) -> None:
        self._conversations = conversations
        self._applications = applications
        self._clock = clock

    async def create(self, call: Call[requests.GroupCreate, None]) -> Any:
        body = call.body
        made = await self._conversations.create_group(
            call.caller, (), name=body.group_name, description=body.description or None, avatar=body.avatar or None
        )
        return views.group(made, call.caller.id)

    async def _shown(self, group: Conversation) -> Any:
        return views.groups((group,), await self._conversations.owners((group.id,)))[0]

    async def info(self, call: Call[None, requests.GroupQuery]) -> Any:
        return {"group_info": await self._shown(await self._conversations.group(call.caller.id, call.query.group_id))}

    async def mine(self, call: Call[None, None]) -> Any:
        found = await self._conversations.groups_of(call.caller.id)
        owners = await self._conversations.owners([group.id for group in found])
        return {"groups": views.groups(found, owners), "total": len(found)}

    async def members(self, call: Call[None, requests.GroupQuery]) -> Any:
        await self._conversations.group(call.caller.id, call.query.group_id)
        found = await self._conversations.members(call.caller.id, call.query.group_id)
        return {"members": [views.member(view) for view in found], "total": len(found)}

    async def _member(self, call: Call[Any, Any], group_id: int, user_id: int) -> MemberView:
        for view in await self._conversations.members(call.caller.id, group_id):
            if view.member.user_id == user_id:
                return view
        raise MemberNotFound

    async def update(self, call: Call[requests.GroupUpdate, None]) -> Any:
        body = call.body
        given = {"name": body.name, "description": body.description, "avatar": body.avatar}
        fields = {name: value for name, value in given.items() if value is not None}
        return await self._shown(await self._conversations.update(call.caller, body.group_id, **fields))

    async def set_role(self, call: Call[requests.RoleSet, None]) -> Any:
        body = call.body
        return await self._change(call, body.group_id, body.user_id, role=ROLES[body.role])

    async def mute(self, call: Call[requests.MemberMute, None]) -> Any:
        body = call.body
        until_ms = self._clock.now_ms() + body.duration * 1000 if body.duration else 0
        return await self._change(call, body.group_id, body.user_id, muted_until_ms=until_ms)

    async def transfer(self, call: Call[requests.Transfer, None]) -> Any:
        body = call.body
        await self._conversations.update_member(call.caller, body.group_id, body.new_owner_id, role=Role.OWNER)
        return await self._shown(await self._conversations.group(call.caller.id, body.group_id))

    async def rename_oneself(self, call: Call[requests.OwnMemberUpdate, None]) -> Any:
        return await self._change(call, call.body.group_id, call.caller.id, nickname=call.body.nickname)

    async def _change(self, call: Call[Any, None], group_id: int, user_id: int, **fields: Any) -> Any:
        await self._conversations.update_member(call.caller, group_id, user_id, **fields)
        return views.member(await self._member(call, group_id, user_id))

    async def invite(self, call: Call[requests.Invite, None]) -> Any:
        body = call.body
        return await self._shown(await self._conversations.add_members(call.caller, body.group_id, body.user_ids))

    async def leave(self, call: Call[requests.GroupNamed, None]) -> None:
        await self._conversations.remove_member(call.caller, call.body.group_id, call.caller.id)

    async def kick(self, call: Call[requests.MemberNamed, None]) -> Any:
        body = call.body
        return await self._shown(await self._conversations.remove_member(call.caller, body.group_id, body.user_id))

    async def dismiss(self, call: Call[requests.GroupNamed, None]) -> None:
        await self._conversations.dissolve(call.caller, call.body.group_id)

    async def member_info(self, call: Call[None, requests.MemberQuery]) -> Any:
        query = call.query
        await self._conversations.group(call.caller.id, query.group_id)
        return views.member_info(await self._member(call, query.group_id, query.user_id))

    async def apply(self, call: Call[requests.Join, None]) -> Any:
        return views.application(await self._applications.apply(call.caller, call.body.group_id, call.body.reason))

    async def handle(self, call: Call[requests.ApplicationHandle, None]) -> Any:
        return views.application(
            await self._applications.handle(call.caller, call.body.application_id, call.body.approve)
        )

    async def applications(self, call: Call[None, None]) -> Any:
        found = await self._applications.waiting_for(call.caller.id)
        return {"applications": [views.group_application(view) for view in found]}

    async def count_applications(self, call: Call[None, None]) -> Any:
        return {"total_unread_count": await self._applications.count_waiting_for(call.caller.id)}

    async def notices(self, call: Call[None, None]) -> Any:
        return {"notifications": [views.notice(view) for view in await self._applications.notices(call.caller.id)]}

    def groups(self) -> list[RouteGroup]:
        routes = [
            Route(
                method="POST",
                path="/group/create",
                handler=self.create,
                summary="5.1 创建群组",
                body=requests.GroupCreate,
                sends={
                    "group_name": "测试群组",
                    "description": "这是一个测试群组",
                    "avatar": "/avatars/2.jpg",
                },
                returns=examples.GROUP,
            ),
            Route(
                method="GET",
                path="/group/info",
                handler=self.info,
                summary="5.2 获取群组信息",
                query=requests.GroupQuery,
                errors=(404,),
                returns={"group_info": examples.GROUP},
            ),
            Route(
                method="GET",
                path="/group/list",
                handler=self.mine,
                summary="5.3 获取用户的群组列表",
                returns={"groups": [examples.GROUP], "total": 1},
            ),
            Route(
                method="GET",
                path="/group/members",
                handler=self.members,
                summary="5.4 获取群组成员列表",
                query=requests.GroupQuery,
                errors=(404,),
                returns={"members": [examples.MEMBER], "total": 1},
            ),
            Route(
                method="PUT",
                path="/group/update/info",
                handler=self.update,
                summary="5.5 更新群组信息",
                body=requests.GroupUpdate,
                errors=(404,),
                sends={
                    "group_id": 1,
                    "name": "新的群组名称",
                    "description": "新的群组描述",
                    "avatar": "/avatars/3.jpg",
                },
                returns=examples.GROUP,
            ),
            Route(
                method="POST",
                path="/group/set/role",
                handler=self.set_role,
                summary="5.6 设置管理员",
                body=requests.RoleSet,
                errors=(404,),
                sends={"group_id": 1, "user_id": 2, "role": 1},
                returns=examples.MEMBER | {"role": 1},
            ),
            Route(
                method="POST",
                path="/group/mute/member",
                handler=self.mute,
                summary="5.7 禁言群成员",
                body=requests.MemberMute,
                errors=(404,),
                sends={"group_id": 1, "user_id": 2, "duration": 3600},
                returns=examples.MEMBER | {"role": 0, "mute_until": 1751786384},
            ),
            Route(
                method="POST",
                path="/group/invite",
                handler=self.invite,
                summary="5.8 邀请用户加入群组",
                body=requests.Invite,
                errors=(404,),
                sends={"group_id": 1, "user_ids": [2, 3, 4]},
                returns=examples.GROUP | {"member_count": 4},
            ),
            Route(
                method="POST",
                path="/group/join",
                handler=self.apply,
                summary="5.9 申请加入群组",
                body=requests.Join,
                errors=(404,),
                sends={"group_id": 1, "reason": "我想加入这个群组"},
                returns=examples.APPLICATION,
            ),
            Route(
                method="POST",
                path="/group/leave",
                handler=self.leave,
                summary="5.10 退出群组",
                body=requests.GroupNamed,
                errors=(404,),
                sends={"group_id": 1},
            ),
            Route(
                method="POST",
                path="/group/dismiss",
                handler=self.dismiss,
                summary="5.11 解散群组",
                body=requests.GroupNamed,
                errors=(404,),
                sends={"group_id": 1},
            ),
            Route(
                method="POST",
                path="/group/transfer",
                handler=self.transfer,
                summary="5.12 转让群组",
                body=requests.Transfer,
                errors=(404,),
                sends={"group_id": 1, "new_owner_id": 2},
                returns=examples.GROUP | {"owner_id": 2},
            ),
            Route(
                method="POST",
                path="/group/kick",
                handler=self.kick,
                summary="5.13 踢出群成员",
                body=requests.MemberNamed,
                errors=(404,),
                sends={"group_id": 1, "user_id": 2},
                returns=examples.GROUP,
            ),
            Route(
                method="GET",
                path="/group/member_info",
                handler=self.member_info,
                summary="5.14 获取群成员信息",
                query=requests.MemberQuery,
                errors=(404,),
                returns=examples.MEMBER_INFO,
            ),
            Route(
                method="PUT",
                path="/group/update/member_info",
                handler=self.rename_oneself,
                summary="5.15 更新自己群成员信息",
                body=requests.OwnMemberUpdate,
                errors=(404,),
                sends={"group_id": 1, "nickname": "新的群内昵称"},
                returns=examples.MEMBER | {"nickname": "新的群内昵称"},
            ),
            Route(
                method="POST",
                path="/group/request/handle",
                handler=self.handle,
                summary="5.16 处理入群申请",
                body=requests.ApplicationHandle,
                errors=(404,),
                sends={"application_id": 3, "approve": True},
                returns=examples.APPLICATION | {"status": 2},
            ),
            Route(
                method="GET",
                path="/notification/group/notifications",
                handler=self.notices,
                summary="6.3 获取群组相关通知",
                returns={"notifications": [examples.NOTICE]},
            ),
            Route(
                method="GET",
                path="/notification/request/group",
                handler=self.applications,
                summary="6.4 获取入群申请列表",
                returns={"applications": [examples.GROUP_APPLICATION]},
            ),
            Route(
                method="GET",
                path="/notification/request/group/unread-count",
                handler=self.count_applications,
                summary="6.5 获取未读入群申请数量",
                returns={"total_unread_count": 0},
            ),
        ]
        return [RouteGroup(edge=SOCIAL, prefix="", routes=routes)]
