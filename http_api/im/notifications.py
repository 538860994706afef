"""Notifications, how a user wants them, and their templates (im API 9 and its older list)."""

from typing import Any, Final

from domain.errors import RecordNotFound, UserNotFound
from domain.notification_sending import NotificationSending
from domain.notification_templates import NotificationTemplates
from domain.notifications import Notifications
from http_api.binding import Invalid
from http_api.edge import Fault
from http_api.examples import AnyObject
from http_api.im import examples
from http_api.im.edge import IM
from http_api.registry import Access, Call, Route, RouteGroup
from protocol.im import notifications as shapes

_ONE: Final = "/{notification_id:id}"
_TEMPLATE: Final = "/templates/{template_id:id}"


def _complete(body: shapes.NotificationCreate | shapes.NotificationSend) -> None:
    missing = body.missing()
    if missing:
        raise Invalid([Fault(("body", name), "Field required", "missing") for name in missing])


class NotificationRoutes:
    def __init__(self, notifications: Notifications, sending: NotificationSending) -> None:
        self._notifications = notifications
        self._sending = sending

    async def list_own(self, call: Call[None, shapes.NotificationQuery]) -> Any:
        query = call.query
        found, total, unread = await self._notifications.list_for(
            call.caller.id, query.filter(), offset=query.offset, limit=query.size
        )
        return shapes.notifications(found, total, unread, query)

    async def create(self, call: Call[shapes.NotificationCreate, None]) -> Any:
        body = call.body
        _complete(body)
        user_id = body.user_id or call.caller.id
        return shapes.notification(
            await self._sending.create_for(call.caller, user_id, body.wording(), **body.fields())
        )

    async def stats(self, call: Call[None, None]) -> Any:
        return shapes.stats(await self._notifications.stats(call.caller.id))

    async def get(self, call: Call[None, None]) -> Any:
        return shapes.notification(await self._notifications.get(call.caller, record_id=call.ids["notification_id"]))

    async def update(self, call: Call[shapes.NotificationUpdate, None]) -> Any:
        record_id, changes = call.ids["notification_id"], call.body.content_changes()
        view = await self._notifications.get(call.caller, record_id=record_id)
        if call.body.status is not None:
            self._notifications.check_own(call.caller, view)
        if changes:
            await self._sending.edit(view, call.caller, **changes)
        if call.body.status is not None:
            await self._notifications.set_read(call.caller, record_id, call.body.status == "read")
        return shapes.notification(await self._notifications.get(call.caller, record_id=record_id))

    async def delete(self, call: Call[None, None]) -> None:
        await self._notifications.delete(call.caller, record_id=call.ids["notification_id"])

    async def send(self, call: Call[shapes.NotificationSend, None]) -> Any:
        body = call.body
        _complete(body)
        return shapes.sent(
            await self._sending.create_for_many(call.caller, body.user_ids, body.wording(), **body.fields())
        )

    async def mark_read(self, call: Call[shapes.MarkNotifications, None]) -> None:
        await self._notifications.read_many(call.caller, call.body.notification_ids)

    async def mark_one_read(self, call: Call[None, None]) -> None:
        await self._notifications.read(call.caller, record_id=call.ids["notification_id"])

    async def act(self, call: Call[shapes.BatchAction, None]) -> None:
        actions = {
            "mark_read": self._notifications.read_many,
            "mark_unread": self._notifications.unread_many,
            "delete": self._notifications.delete_many,
        }
        await actions[call.body.action](call.caller, call.body.notification_ids)

    async def preferences(self, call: Call[None, None]) -> Any:
        return shapes.preferences(await self._notifications.preferences(call.caller.id))

    async def set_preferences(self, call: Call[shapes.PreferencesUpdate, None]) -> Any:
        return shapes.preferences(await self._notifications.set_preferences(call.caller.id, **call.body.changes()))

    def groups(self) -> list[RouteGroup]:
        routes = [
            Route(
                method="GET",
                path="/",
                handler=self.list_own,
                summary="9.1 获取通知列表",
                query=shapes.NotificationQuery,
                returns={
                    "notifications": [examples.NOTIFICATION],
                    "total": 1,
                    "unread_count": 1,
                    "page": 1,
                    "size": 20,
                },
            ),
            Route(
                method="POST",
                path="/",
                handler=self.create,
                summary="9.2 创建通知",
                body=shapes.NotificationCreate,
                status=201,
                overrides={UserNotFound: 400, RecordNotFound: 400},
                errors=(400, 403),
                sends={
                    "user_id": 1,
                    "title": "系统通知",
                    "content": "这是一条系统通知",
                    "type": "system",
                    "priority": "high",
                    "channels": ["websocket", "push"],
                    "scheduled_at": "2025-01-08T16:00:00Z",
                },
                returns=examples.NOTIFICATION,
            ),
            Route(
                method="GET",
                path="/stats",
                handler=self.stats,
                summary="9.3 获取通知统计",
                returns={
                    "total_notifications": 50,
                    "unread_count": 5,
                    "read_count": 45,
                    "by_type": AnyObject({"system": 50}),
                    "by_priority": AnyObject({"normal": 50}),
                },
            ),
            Route(
                method="GET",
                path=_ONE,
                handler=self.get,
                summary="9.4 获取单个通知",
                errors=(403, 404),
                returns=examples.NOTIFICATION,
            ),
            Route(
                method="PATCH",
                path=_ONE,
                handler=self.update,
                summary="9.5 更新通知",
                body=shapes.NotificationUpdate,
                errors=(400, 403, 404),
                sends={"title": "新的标题", "status": "read"},
                returns=examples.NOTIFICATION | {"title": "新的标题", "status": "read"},
            ),
            Route(
                method="DELETE",
                path=_ONE,
                handler=self.delete,
                summary="9.6 删除通知",
                status=204,
                errors=(403, 404),
            ),
            Route(
                method="POST",
                path="/send",
                handler=self.send,
                summary="9.7 批量发送通知",
                access=Access.ADMINISTRATOR,
                body=shapes.NotificationSend,
                overrides={RecordNotFound: 400},
                errors=(400,),
                sends={
                    "user_ids": [1, 2, 3],
                    "title": "系统维护通知",
                    "content": "系统将于今晚进行维护",
                    "type": "system",
                    "priority": "high",
                },
                returns={
                    "total_sent": 3,
                    "successful": 2,
                    "failed": 1,
                    "notification_ids": [1, 2],
                    "errors": [{"user_id": 3, "detail": "no such user"}],
                },
            ),
            Route(
                method="POST",
                path="/mark-read",
                handler=self.mark_read,
                summary="9.8 标记通知已读",
                body=shapes.MarkNotifications,
                sends={"notification_ids": [1, 2, 3]},
            ),
            Route(
                method="POST",
                path=f"{_ONE}/mark-read",
                handler=self.mark_one_read,
                summary="标记一条通知已读",
                status=204,
                errors=(403, 404),
            ),
            Route(
                method="POST",
                path="/batch-action",
                handler=self.act,
                summary="9.9 批量操作通知",
                body=shapes.BatchAction,
                sends={"notification_ids": [1, 2, 3], "action": "mark_read"},
            ),
            Route(
                method="GET",
                path="/preferences/",
                handler=self.preferences,
                summary="9.10 获取通知偏好设置",
                returns=examples.PREFERENCES,
            ),
            Route(
                method="PUT",
                path="/preferences/",
                handler=self.set_preferences,
                summary="9.11 更新通知偏好设置",
                body=shapes.PreferencesUpdate,
                errors=(400,),
                sends={"do_not_disturb": False, "quiet_hours_start": "22:00", "quiet_hours_end": "08:00"},
                returns=examples.PREFERENCES,
            ),
        ]
        return [RouteGroup(edge=IM, prefix="/api/v1/notifications", routes=routes)]


class TemplateRoutes:
    def __init__(self, templates: NotificationTemplates) -> None:
        self._templates = templates

    async def list_all(self, call: Call[None, shapes.TemplateQuery]) -> Any:
        query = call.query
        found, total = await self._templates.list_all(
            kind=query.notification_type, active_only=query.active_only, offset=query.offset, limit=query.size
        )
        return shapes.templates(found, total, query)

    async def create(self, call: Call[shapes.TemplateCreate, None]) -> Any:
        return shapes.template(await self._templates.create(**call.body.fields()))

    async def get(self, call: Call[None, None]) -> Any:
        return shapes.template(await self._templates.get(call.ids["template_id"]))

    async def update(self, call: Call[shapes.TemplateUpdate, None]) -> Any:
        return shapes.template(await self._templates.update(call.ids["template_id"], **call.body.fields()))

    async def delete(self, call: Call[None, None]) -> None:
        await self._templates.delete(call.ids["template_id"])

    def groups(self) -> list[RouteGroup]:
        routes = [
            Route(
                method="GET",
                path="/templates/",
                handler=self.list_all,
                summary="9.12 获取通知模板列表",
                access=Access.ADMINISTRATOR,
                query=shapes.TemplateQuery,
                returns={"templates": [examples.TEMPLATE], "total": 1, "page": 1, "size": 20},
            ),
            Route(
                method="POST",
                path="/templates/",
                handler=self.create,
                summary="9.13 创建通知模板",
                access=Access.ADMINISTRATOR,
                body=shapes.TemplateCreate,
                status=201,
                errors=(400,),
                sends=examples.TEMPLATE_CREATE,
                returns=examples.TEMPLATE,
            ),
            Route(
                method="GET",
                path=_TEMPLATE,
                handler=self.get,
                summary="9.14 获取通知模板详情",
                access=Access.ADMINISTRATOR,
                errors=(404,),
                returns=examples.TEMPLATE,
            ),
            Route(
                method="PATCH",
                path=_TEMPLATE,
                handler=self.update,
                summary="9.15 更新通知模板",
                access=Access.ADMINISTRATOR,
                body=shapes.TemplateUpdate,
                errors=(400, 404),
                sends={"is_active": False},
                returns=examples.TEMPLATE | {"is_active": False},
            ),
            Route(
                method="DELETE",
                path=_TEMPLATE,
                handler=self.delete,
                summary="9.16 删除通知模板",
                access=Access.ADMINISTRATOR,
                status=204,
                errors=(404,),
            ),
        ]
        return [RouteGroup(edge=IM, prefix="/api/v1/notifications", routes=routes)]
