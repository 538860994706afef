"""Broadcasts, client events and the cascade (im API 6.3 and im's older list)."""

from typing import Any

import orjson

from domain.broadcasts import Broadcasts
from domain.cascade import Cascade
from domain.client_events import ClientEvents
from http_api.examples import OrNull
from http_api.im import examples
from http_api.im.edge import IM
from http_api.registry import Access, Call, Route, RouteGroup
from protocol.im import extras


class ExtraRoutes:
    def __init__(self, broadcasts: Broadcasts, client_events: ClientEvents, cascade: Cascade) -> None:
        self._broadcasts = broadcasts
        self._events = client_events
        self._cascade = cascade

    async def broadcast_now(self, call: Call[None, extras.BroadcastQuery]) -> Any:
        _, recipients = await self._broadcasts.send(
            call.caller, title=call.query.broadcast_type, content=call.query.message
        )
        return {"message": "广播消息发送成功", "recipients": recipients}

    async def broadcast(self, call: Call[extras.BroadcastCreate, None]) -> Any:
        body = call.body
        sent, _ = await self._broadcasts.send(
            call.caller,
            title=body.title,
            content=body.content,
            priority=body.priority,
            target_user_ids=body.target_user_ids,
        )
        return extras.broadcast(sent) | {"target_user_ids": sent.target_user_ids}

    async def broadcasts(self, call: Call[None, extras.PageQuery]) -> Any:
        query = call.query
        found, total = await self._broadcasts.list_for(call.caller.id, offset=query.offset, limit=query.page_size)
        return extras.page("broadcasts", [extras.broadcast(each) for each in found], total, query)

    async def report(self, call: Call[extras.EventReport, None]) -> Any:
        body = call.body
        data = orjson.dumps(body.data).decode()
        return extras.client_event(await self._events.report(call.caller, body.event_type, data, body.occurred_at))

    async def events(self, call: Call[None, extras.EventQuery]) -> Any:
        query = call.query
        found, total = await self._events.find(
            call.caller,
            user_id=query.user_id,
            event_type=query.event_type,
            start_ms=query.start,
            end_ms=query.end,
            offset=query.offset,
            limit=query.page_size,
        )
        return extras.page("events", [extras.client_event(each) for each in found], total, query)

    async def mq_info(self, call: Call[None, None]) -> Any:
        return extras.stream_info(await self._cascade.stream_info())

    async def sync_users(self, call: Call[extras.UsersSync, None]) -> Any:
        outcome = await self._cascade.sync_users(call.caller, call.body.rows())
        return extras.sync_outcome(outcome, call.body.users)

    def groups(self) -> list[RouteGroup]:
        realtime = [
            Route(
                method="POST",
                path="/broadcast",
                handler=self.broadcast_now,
                summary="6.3 发送广播消息",
                access=Access.ADMINISTRATOR,
                query=extras.BroadcastQuery,
                errors=(400,),
                returns={"message": "广播消息发送成功", "recipients": 10},
            )
        ]
        broadcasts = [
            Route(
                method="POST",
                path="/",
                handler=self.broadcast,
                summary="发送广播",
                access=Access.ADMINISTRATOR,
                body=extras.BroadcastCreate,
                status=201,
                errors=(400,),
                sends={
                    "title": "系统公告",
                    "content": "系统将于今晚进行维护",
                    "priority": "high",
                    "target_user_ids": [2, 3],
                },
                returns=examples.BROADCAST | {"target_user_ids": OrNull([2, 3])},
            ),
            Route(
                method="GET",
                path="/",
                handler=self.broadcasts,
                summary="获取历史广播列表",
                query=extras.PageQuery,
                returns={"broadcasts": [examples.BROADCAST], "total": 1, "page": 1, "page_size": 20},
            ),
        ]
        events = [
            Route(
                method="POST",
                path="/",
                handler=self.report,
                summary="上报事件",
                body=extras.EventReport,
                status=201,
                errors=(400,),
                sends={
                    "event_type": "check_in",
                    "data": {"place": "总部"},
                    "occurred_at": "2025-01-08T08:00:00Z",
                },
                returns=examples.CLIENT_EVENT,
            ),
            Route(
                method="GET",
                path="/",
                handler=self.events,
                summary="查询历史事件",
                query=extras.EventQuery,
                returns={"events": [examples.CLIENT_EVENT], "total": 1, "page": 1, "page_size": 20},
            ),
        ]
        cascade = [
            Route(
                method="GET",
                path="/mq-info",
                handler=self.mq_info,
                summary="获取MQ连接信息",
                access=Access.ADMINISTRATOR,
                returns={"enabled": False},
            ),
            Route(
                method="POST",
                path="/sync/users",
                handler=self.sync_users,
                summary="同步用户信息",
                access=Access.ADMINISTRATOR,
                body=extras.UsersSync,
                sends={"users": [{"standard_id": "user002", "name": "其他用户", "is_active": True}]},
                returns={
                    "created": 1,
                    "updated": 0,
                    "errors": [
                        {
                            "index": 1,
                            "standard_id": OrNull("a name that is too long"),
                            "detail": "standard_id: 1 to 20 characters",
                        }
                    ],
                },
            ),
        ]
        return [
            RouteGroup(edge=IM, prefix="/api/v1/realtime", routes=realtime),
            RouteGroup(edge=IM, prefix="/api/v1/broadcasts", routes=broadcasts),
            RouteGroup(edge=IM, prefix="/api/v1/events", routes=events),
            RouteGroup(edge=IM, prefix="/api/v1/cascade", routes=cascade),
        ]
