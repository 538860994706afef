"""The notifications of a user, and their administration (inbox API, 站内信)."""

import asyncio
from typing import Any, Final

from domain.notification_delivery import NotificationDelivery
from domain.notification_sending import NotificationSending
from domain.notifications import Notifications
from http_api.binding import Invalid
from http_api.edge import Fault
from http_api.examples import OrNull
from http_api.inbox.edge import INBOX
from http_api.registry import Access, Call, Route, RouteGroup
from protocol.inbox import notifications as shapes

SEND_TO_ALL_S: Final = 5.0
"""How long a request takes part in sending to everybody; the rest is done after its response."""

_CONTENT: Final[dict[str, Any]] = {
    "id": "0e2b9f0c-6c57-4f0e-8a43-5d9b2d6c1a77",
    "type": "system",
    "title": "系统通知",
    "content": "通知内容",
    "action_url": OrNull("/announcements/1"),
    "priority": 0,
    "created_by": "1b671a64-40d5-491e-99b0-da01ff1f3341",
    "created_at": "2025-01-08T10:00:00Z",
    "expires_at": None,
}
_RECORD: Final[dict[str, Any]] = {
    "id": "c0a1c1f5-52a5-4b5a-9d3b-3f3f5f0f7a10",
    "notification": _CONTENT,
    "is_read": False,
    "read_at": None,
    "created_at": "2025-01-08T10:00:00Z",
}
_DEAD_LETTER: Final[dict[str, Any]] = {
    "id": 1,
    "channel": "email",
    "tries": 12,
    "error": "the mail server cannot be used now",
    "failed_at": "2025-01-08T14:00:00Z",
    "notification_id": "0e2b9f0c-6c57-4f0e-8a43-5d9b2d6c1a77",
    "user_id": "1b671a64-40d5-491e-99b0-da01ff1f3341",
}
_CREATE: Final[dict[str, Any]] = {
    "type": "announcement",
    "title": "系统维护通知",
    "content": "系统将于今晚 22:00 进行维护",
    "action_url": None,
    "priority": 1,
    "expires_at": None,
}


class NotificationRoutes:
    def __init__(self, notifications: Notifications) -> None:
        self._notifications = notifications

    async def list_own(self, call: Call[None, shapes.NotificationQuery]) -> Any:
        query = call.query
        return shapes.records(
            *await self._notifications.list_for(
                call.caller.id, query.filter(), offset=query.offset, limit=query.page_size
            )
        )

    async def unread(self, call: Call[None, None]) -> Any:
        return {"unread_count": await self._notifications.unread(call.caller.id)}

    async def get(self, call: Call[None, None]) -> Any:
        return shapes.record(await self._notifications.get(call.caller, uuid=call.names["record_id"]))

    async def read(self, call: Call[None, None]) -> None:
        await self._notifications.read(call.caller, uuid=call.names["record_id"])

    async def read_all(self, call: Call[None, None]) -> Any:
        return {"message": f"已将 {await self._notifications.read_all(call.caller)} 条站内信标记为已读"}

    async def delete(self, call: Call[None, None]) -> None:
        await self._notifications.delete(call.caller, uuid=call.names["record_id"])

    def groups(self) -> list[RouteGroup]:
        # What is no UUID leads to im's notifications; marking one as read is called otherwise there.
        one = "/{record_id:only_uuid}"
        routes = [
            Route(
                method="GET",
                path="",
                handler=self.list_own,
                summary="获取站内信列表",
                query=shapes.NotificationQuery,
                returns={"total": 1, "unread_count": 1, "items": [_RECORD]},
            ),
            Route(
                method="GET",
                path="/unread-count",
                handler=self.unread,
                summary="获取未读数量",
                returns={"unread_count": 5},
            ),
            Route(
                method="GET",
                path=one,
                handler=self.get,
                summary="获取站内信详情",
                errors=(403, 404),
                returns=_RECORD,
            ),
            Route(
                method="POST",
                path="/{record_id:uuid}/read",
                handler=self.read,
                summary="标记已读",
                status=204,
                errors=(403, 404),
            ),
            Route(
                method="POST",
                path="/read-all",
                handler=self.read_all,
                summary="全部标记已读",
                returns={"message": "已将 10 条站内信标记为已读"},
            ),
            Route(
                method="DELETE",
                path=one,
                handler=self.delete,
                summary="删除站内信",
                status=204,
                errors=(403, 404),
            ),
        ]
        return [RouteGroup(edge=INBOX, prefix="/api/v1/notifications", routes=routes)]


class AdministrationRoutes:
    def __init__(self, sending: NotificationSending, delivery: NotificationDelivery) -> None:
        self._sending = sending
        self._delivery = delivery

    async def create(self, call: Call[shapes.ContentCreate, None]) -> Any:
        return shapes.content(await self._sending.create(call.caller, call.body.wording(), **call.body.fields()))

    async def list_all(self, call: Call[None, shapes.ContentQuery]) -> Any:
        return shapes.contents(*await self._sending.list_all(offset=call.query.skip, limit=call.query.limit))

    async def get(self, call: Call[None, None]) -> Any:
        return shapes.content(await self._sending.get(call.names["notification_id"]))

    async def update(self, call: Call[shapes.ContentUpdate, None]) -> Any:
        view = await self._sending.get(call.names["notification_id"])
        await self._sending.edit(view, call.caller, **call.body.changes())
        return shapes.content(await self._sending.get(call.names["notification_id"]))

    async def delete(self, call: Call[None, None]) -> None:
        await self._sending.delete(call.names["notification_id"])

    async def send(self, call: Call[shapes.ContentSend, None]) -> Any:
        notification_id = call.names["notification_id"]
        if not call.body.send_to_all:
            if not call.body.user_ids:
                raise Invalid([Fault(("body", "user_ids"), "Field required", "missing")])
            sent = await self._sending.send(notification_id, call.body.user_ids)
            return shapes.sent(len(sent.records), sent.unknown)
        fan_out = await self._sending.send_to_all(notification_id)
        loop = asyncio.get_running_loop()
        until = loop.time() + SEND_TO_ALL_S
        while not fan_out.is_done and loop.time() < until:
            fan_out = await self._sending.advance(fan_out)
        return shapes.fanned_out(fan_out)

    async def dead_letters(self, call: Call[None, shapes.ContentQuery]) -> Any:
        found, total = await self._delivery.dead_letters(offset=call.query.skip, limit=call.query.limit)
        return shapes.dead_letters(found, total)

    async def progress(self, call: Call[None, None]) -> Any:
        return shapes.progress(*await self._sending.progress(call.names["notification_id"]))

    def groups(self) -> list[RouteGroup]:
        one = "/{notification_id:uuid}"
        routes = [
            Route(
                method="POST",
                path="",
                handler=self.create,
                summary="创建站内信",
                access=Access.ADMINISTRATOR,
                body=shapes.ContentCreate,
                status=201,
                errors=(400,),
                sends=_CREATE,
                returns=_CONTENT,
            ),
            Route(
                method="GET",
                path="",
                handler=self.list_all,
                summary="获取站内信管理列表",
                access=Access.ADMINISTRATOR,
                query=shapes.ContentQuery,
                returns={"total": 1, "items": [_CONTENT]},
            ),
            Route(
                method="GET",
                path=one,
                handler=self.get,
                summary="获取站内信详情（管理端）",
                access=Access.ADMINISTRATOR,
                errors=(404,),
                returns=_CONTENT,
            ),
            Route(
                method="PUT",
                path=one,
                handler=self.update,
                summary="更新站内信",
                access=Access.ADMINISTRATOR,
                body=shapes.ContentUpdate,
                errors=(400, 404),
                sends={"title": "新的标题"},
                returns=_CONTENT | {"title": "新的标题"},
            ),
            Route(
                method="DELETE",
                path=one,
                handler=self.delete,
                summary="删除站内信",
                access=Access.ADMINISTRATOR,
                status=204,
                errors=(404,),
            ),
            Route(
                method="POST",
                path=f"{one}/send",
                handler=self.send,
                summary="发送站内信给用户",
                access=Access.ADMINISTRATOR,
                body=shapes.ContentSend,
                errors=(404,),
                sends={"user_ids": ["1b671a64-40d5-491e-99b0-da01ff1f3341"], "send_to_all": False},
                returns={
                    "message": "成功发送给 100 个用户",
                    "errors": [{"user_id": "c0a1c1f5-52a5-4b5a-9d3b-3f3f5f0f7a10", "detail": "no such user"}],
                },
            ),
            Route(
                method="GET",
                path=f"{one}/progress",
                handler=self.progress,
                summary="查看发送进度",
                access=Access.ADMINISTRATOR,
                errors=(404,),
                returns={
                    "send_to_all": [{"total": 100, "sent": 40, "is_done": False, "created_at": "2025-01-08T10:00:00Z"}],
                    "deliveries": {"websocket": {"delivered": 40}},
                },
            ),
        ]
        routes.append(
            Route(
                method="GET",
                path="/dead-letters",
                handler=self.dead_letters,
                summary="查看投递失败的通知",
                access=Access.ADMINISTRATOR,
                query=shapes.ContentQuery,
                returns={"total": 1, "items": [_DEAD_LETTER]},
            )
        )
        return [RouteGroup(edge=INBOX, prefix="/api/v1/admin/notifications", routes=routes)]
