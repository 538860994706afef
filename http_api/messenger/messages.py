"""Messages (messenger API)."""

from typing import Any

from domain.conversations import Conversations
from domain.messages import Messages
from domain.model import Message, Profile
from domain.profiles import Profiles
from http_api.messenger import examples
from http_api.messenger.edge import MESSENGER, Answer
from http_api.registry import Call, Route, RouteGroup
from protocol.messenger import requests, views
from protocol.messenger.drafts import draft_of


class MessageRoutes:
    def __init__(self, messages: Messages, conversations: Conversations, profiles: Profiles) -> None:
        self._messages = messages
        self._conversations = conversations
        self._profiles = profiles

    async def list_of_chat(self, call: Call[None, requests.MessagesQuery]) -> Answer:
        query, chat_id, caller_id = call.query, call.ids["chat_id"], call.caller.id
        before_seq = after_seq = None
        if query.before is not None:
            before_seq = await self._messages.place(caller_id, chat_id, query.before)
        if query.after is not None:
            after_seq = await self._messages.place(caller_id, chat_id, query.after)
        found, total = await self._messages.page(
            caller_id,
            chat_id,
            limit=query.limit,
            offset=query.offset,
            before_seq=before_seq,
            after_seq=after_seq,
            text=query.search or None,
            kind=None if query.type is None else requests.KINDS[query.type],
        )
        senders = await self._profiles.get_many({message.sender_id for message in found})
        cursors = await self._conversations.furthest_readers(chat_id)
        has_more = query.offset + len(found) < total
        return Answer("获取消息列表成功", views.messages(found, senders, cursors, total=total, has_more=has_more))

    async def send(self, call: Call[requests.MessageSend, None]) -> Answer:
        draft = draft_of(call.body, call.ids["chat_id"], call.caller.id)
        if draft.forward_from_id is not None:
            draft = await self._messages.forwarded(call.caller, draft)
        appended = await self._messages.send(call.caller, draft)
        return Answer("消息发送成功", views.message(appended.message, call.caller, is_read=False))

    async def edit(self, call: Call[requests.MessageEdit, None]) -> Answer:
        message = await self._messages.edit(call.caller, call.ids["message_id"], call.body.content)
        return Answer("消息编辑成功", await self._shown(message, call.caller))

    async def _shown(self, message: Message, sender: Profile) -> Any:
        cursors = await self._conversations.furthest_readers(message.conversation_id)
        return views.message(message, sender, is_read=views.was_read(message, cursors))

    async def delete(self, call: Call[None, None]) -> Answer:
        await self._messages.delete(call.caller, call.ids["message_id"])
        return Answer("消息删除成功")

    async def read(self, call: Call[None, None]) -> Answer:
        await self._messages.read(call.caller.id, call.ids["message_id"])
        return Answer("消息已标记为已读")

    async def pin(self, call: Call[None, None]) -> Answer:
        await self._messages.pin(call.caller, call.ids["message_id"], True)
        return Answer("消息已置顶")

    async def unpin(self, call: Call[None, None]) -> Answer:
        await self._messages.pin(call.caller, call.ids["message_id"], False)
        return Answer("消息已取消置顶")

    def groups(self) -> list[RouteGroup]:
        of_chat = [
            Route(
                method="GET",
                path="/{chat_id:id}/messages",
                handler=self.list_of_chat,
                summary="获取消息列表",
                query=requests.MessagesQuery,
                errors=(404,),
                returns=Answer("获取消息列表成功", {"messages": [examples.MESSAGE], "total": 1, "has_more": False}),
            ),
            Route(
                method="POST",
                path="/{chat_id:id}/messages",
                handler=self.send,
                summary="发送消息",
                body=requests.MessageSend,
                errors=(400, 404),
                sends={"content": "这是一条测试消息", "type": "text", "ttl": 0, "is_silent": False},
                returns=Answer("消息发送成功", examples.MESSAGE),
            ),
        ]
        one = "/{message_id:id}"
        messages = [
            Route(
                method="PUT",
                path=one,
                handler=self.edit,
                summary="编辑消息",
                body=requests.MessageEdit,
                errors=(400, 404),
                sends={"content": "编辑后的消息内容"},
                returns=Answer("消息编辑成功", examples.MESSAGE | {"content": "编辑后的消息内容", "is_edited": True}),
            ),
            Route(
                method="DELETE",
                path=one,
                handler=self.delete,
                summary="删除消息",
                errors=(404,),
                returns=Answer("消息删除成功"),
            ),
            Route(
                method="POST",
                path=f"{one}/read",
                handler=self.read,
                summary="标记消息为已读",
                errors=(404,),
                returns=Answer("消息已标记为已读"),
            ),
            Route(
                method="POST",
                path=f"{one}/pin",
                handler=self.pin,
                summary="置顶消息",
                errors=(400, 404),
                returns=Answer("消息已置顶"),
            ),
            Route(
                method="DELETE",
                path=f"{one}/pin",
                handler=self.unpin,
                summary="取消置顶消息",
                errors=(400, 404),
                returns=Answer("消息已取消置顶"),
            ),
        ]
        return [
            RouteGroup(edge=MESSENGER, prefix="/api/chats", routes=of_chat),
            RouteGroup(edge=MESSENGER, prefix="/api/messages", routes=messages),
        ]
