"""Invite codes, statistics and the search for public groups (im API 7.3 to 7.5)."""

from typing import Any

from domain.groups import Groups
from http_api.examples import OrNull
from http_api.im import examples
from http_api.im.edge import IM
from http_api.registry import Call, Route, RouteGroup
from protocol.im import requests, views
from protocol.times import iso_time


class GroupRoutes:
    def __init__(self, groups: Groups) -> None:
        self._groups = groups

    async def invite(self, call: Call[None, None]) -> Any:
        code = await self._groups.invite(call.caller, call.ids["conversation_id"])
        return {"invite_code": code.code, "expires_at": iso_time(code.expires_at_ms)}

    async def join(self, call: Call[requests.GroupJoin, None]) -> Any:
        return views.conversation(await self._groups.join(call.caller, call.body.invite_code))

    async def stats(self, call: Call[None, None]) -> Any:
        return views.group_stats(await self._groups.stats(call.caller.id, call.ids["conversation_id"]))

    async def search(self, call: Call[None, requests.GroupSearch]) -> Any:
        query = call.query
        found, total = await self._groups.search(query.keyword, offset=query.skip, limit=query.limit)
        return {"groups": [views.group_item(each) for each in found], "total": total}

    def groups(self) -> list[RouteGroup]:
        routes = [
            Route(
                method="POST",
                path="/{conversation_id:id}/invite-code",
                handler=self.invite,
                summary="7.3 生成群组邀请码",
                errors=(400, 404),
                returns={"invite_code": "ABC234DEF567", "expires_at": "2025-01-15T10:00:00Z"},
            ),
            Route(
                method="POST",
                path="/join",
                handler=self.join,
                summary="凭邀请码加入群组",
                body=requests.GroupJoin,
                errors=(400, 404),
                sends={"invite_code": "ABC234DEF567"},
                returns=examples.CONVERSATION,
            ),
            Route(
                method="GET",
                path="/{conversation_id:id}/stats",
                handler=self.stats,
                summary="7.4 获取群组统计信息",
                errors=(400, 404),
                returns={
                    "member_count": 25,
                    "message_count": 1500,
                    "active_members": 20,
                    "created_at": "2025-01-01T00:00:00Z",
                },
            ),
            Route(
                method="GET",
                path="/search",
                handler=self.search,
                summary="7.5 搜索公开群组",
                query=requests.GroupSearch,
                returns={
                    "groups": [
                        {
                            "id": 1,
                            "name": OrNull("技术交流群"),
                            "description": OrNull("技术交流讨论"),
                            "member_count": 150,
                            "avatar": OrNull("group_avatar_url"),
                        }
                    ],
                    "total": 1,
                },
            ),
        ]
        return [RouteGroup(edge=IM, prefix="/api/v1/groups", routes=routes)]
