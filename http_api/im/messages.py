"""Messages (im API 4)."""

from collections.abc import Callable
from typing import Any

from domain.answer import answer
from domain.errors import DomainError
from domain.messages import Messages
from domain.model import Draft, Location, MessageKind
from domain.profiles import Profiles
from http_api.examples import OrNull
from http_api.im import examples
from http_api.im.edge import IM
from http_api.registry import Call, Route, RouteGroup
from protocol.im import requests, views


class MessageRoutes:
    def __init__(self, messages: Messages, profiles: Profiles) -> None:
        self._messages = messages
        self._profiles = profiles

    async def send_text(self, call: Call[requests.TextSend, None]) -> Any:
        body = call.body
        draft = Draft(
            conversation_id=body.conversation_id,
            sender_id=call.caller.id,
            content=body.content,
            client_msg_id=body.client_msg_id,
            reply_to_id=body.reply_to_id,
            is_silent=body.is_silent,
        )
        return await self._send(call, draft)

    async def send_file(self, call: Call[requests.FileSend, None]) -> Any:
        body = call.body
        draft = Draft(
            conversation_id=body.conversation_id,
            sender_id=call.caller.id,
            kind=MessageKind(body.message_type),
            content=body.content or "",
            client_msg_id=body.client_msg_id,
            reply_to_id=body.reply_to_id,
            file_id=body.file_id,
            is_silent=body.is_silent,
        )
        return await self._send(call, draft)

    async def send_location(self, call: Call[requests.LocationSend, None]) -> Any:
        body = call.body
        draft = Draft(
            conversation_id=body.conversation_id,
            sender_id=call.caller.id,
            kind=MessageKind.LOCATION,
            content=body.content,
            client_msg_id=body.client_msg_id,
            reply_to_id=body.reply_to_id,
            attachment=Location(body.latitude, body.longitude, body.address),
            is_silent=body.is_silent,
        )
        return await self._send(call, draft)

    async def _send(self, call: Call[Any, None], draft: Draft) -> Any:
        appended = await self._messages.send(call.caller, draft)
        return views.message(appended.message, call.caller)

    async def unread(self, call: Call[None, requests.UnreadQuery]) -> Any:
        conversation_id = call.query.conversation_id
        unread = await self._messages.unread(call.caller.id, conversation_id)
        return {"unread_count": unread, "conversation_id": conversation_id}

    async def history(self, call: Call[None, requests.HistoryQuery]) -> Any:
        conversation_id, query = call.ids["conversation_id"], call.query
        if query.skip is not None:
            messages = await self._messages.history_by_offset(
                call.caller.id, conversation_id, offset=query.skip, limit=query.limit + 1
            )
            has_more = len(messages) > query.limit
            messages = messages[: query.limit]
        else:
            messages, has_more = await self._messages.history(
                call.caller.id,
                conversation_id,
                limit=query.limit,
                before_seq=await self._place(call, query.before_cursor),
                after_seq=await self._place(call, query.after_cursor),
            )
        senders = await self._profiles.get_many({message.sender_id for message in messages})
        return views.history(messages, senders, has_more=has_more, limit=query.limit)

    async def _place(self, call: Call[None, requests.HistoryQuery], cursor: int | None) -> int | None:
        if cursor is None:
            return None
        return await self._messages.place(call.caller.id, call.ids["conversation_id"], cursor)

    async def get(self, call: Call[None, None]) -> Any:
        message = await self._messages.visible(call.caller.id, call.ids["message_id"])
        senders = await self._profiles.get_many((message.sender_id,))
        return views.message(message, senders.get(message.sender_id))

    async def update(self, call: Call[requests.MessageUpdate, None]) -> Any:
        return views.message(
            await self._messages.edit(call.caller, call.ids["message_id"], call.body.content), call.caller
        )

    async def recall(self, call: Call[None, None]) -> None:
        await self._messages.recall(call.caller, call.ids["message_id"])

    async def mark_read(self, call: Call[requests.MarkRead, None]) -> None:
        await self._messages.mark_messages(call.caller.id, call.body.conversation_id, call.body.message_ids)

    async def receipts(self, call: Call[None, None]) -> Any:
        return views.receipts(await self._messages.receipts(call.caller.id, call.ids["message_id"]))

    async def typing(self, call: Call[requests.TypingSet, None]) -> None:
        user_id, body = call.caller.id, call.body

        def start(done: Callable[[DomainError | None], None]) -> None:
            self._messages.typing(user_id, body.conversation_id, body.is_typing, done)

        await answer(start)

    def groups(self) -> list[RouteGroup]:
        one = "/{message_id:id}"
        routes = [
            Route(
                method="POST",
                path="/text",
                handler=self.send_text,
                summary="4.1 发送文本消息",
                body=requests.TextSend,
                errors=(400, 404),
                sends={"conversation_id": 1, "content": "Hello, world!", "reply_to_id": 10},
                returns=examples.MESSAGE,
            ),
            Route(
                method="POST",
                path="/file",
                handler=self.send_file,
                summary="4.2 发送文件消息",
                body=requests.FileSend,
                errors=(400, 404),
                sends={
                    "conversation_id": 1,
                    "file_id": "d4b64371-0d7b-4f6b-b97b-34bd6aa6ab10",
                    "file_name": "document.pdf",
                    "file_size": 1024000,
                    "content": "这是一个PDF文件",
                    "reply_to_id": 10,
                },
                returns=examples.FILE_MESSAGE,
            ),
            Route(
                method="POST",
                path="/location",
                handler=self.send_location,
                summary="4.3 发送位置消息",
                body=requests.LocationSend,
                errors=(400, 404),
                sends={
                    "conversation_id": 1,
                    "latitude": "39.9042",
                    "longitude": "116.4074",
                    "address": "北京市朝阳区",
                },
                returns=examples.LOCATION_MESSAGE,
            ),
            Route(
                method="GET",
                path="/unread/count",
                handler=self.unread,
                summary="4.5 获取未读消息数",
                query=requests.UnreadQuery,
                errors=(404,),
                returns={"unread_count": 5, "conversation_id": OrNull(1)},
            ),
            Route(
                method="GET",
                path="/conversation/{conversation_id:id}",
                handler=self.history,
                summary="4.6 获取会话消息",
                query=requests.HistoryQuery,
                errors=(400, 404),
                returns=examples.HISTORY,
            ),
            Route(
                method="GET",
                path="/single/{message_id:id}",
                handler=self.get,
                summary="4.7 获取单条消息",
                errors=(404,),
                returns=examples.MESSAGE,
            ),
            Route(
                method="PUT",
                path=one,
                handler=self.update,
                summary="4.8 更新消息",
                body=requests.MessageUpdate,
                errors=(400, 404),
                sends={"content": "更新后的消息内容", "status": "edited"},
                returns=examples.MESSAGE | {"content": "更新后的消息内容", "status": "edited"},
            ),
            Route(
                method="POST",
                path=f"{one}/recall",
                handler=self.recall,
                summary="4.9 撤回消息",
                errors=(404,),
            ),
            Route(
                method="POST",
                path="/mark-read",
                handler=self.mark_read,
                summary="4.10 标记消息已读",
                body=requests.MarkRead,
                errors=(404,),
                sends={"conversation_id": 1, "message_ids": [1, 2, 3]},
            ),
            Route(
                method="GET",
                path=f"{one}/read-receipts",
                handler=self.receipts,
                summary="4.11 获取消息已读回执",
                errors=(404,),
                returns=examples.RECEIPTS,
            ),
            Route(
                method="POST",
                path="/typing",
                handler=self.typing,
                summary="4.12 发送正在输入指示",
                body=requests.TypingSet,
                errors=(404,),
                sends={"conversation_id": 1, "is_typing": True},
            ),
        ]
        return [RouteGroup(edge=IM, prefix="/api/v1/messages", routes=routes)]
