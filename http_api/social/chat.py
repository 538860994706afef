"""Messages and the list of conversations (social API 8)."""

from typing import Any

from domain.conversations import Conversations
from domain.messages import Messages
from domain.model import Message, Profile
from http_api.registry import Call, Route, RouteGroup
from http_api.social import examples
from http_api.social.edge import SOCIAL
from protocol.social import requests, views
from protocol.social.drafts import draft_of

MAX_CONVERSATIONS = 1000


class ChatRoutes:
    def __init__(self, messages: Messages, conversations: Conversations) -> None:
        self._messages = messages
        self._conversations = conversations

    async def _opened(self, caller: Profile, target_id: int, is_group: bool) -> int:
        if is_group:
            return await self._conversations.target(caller, None, target_id)
        return await self._conversations.single_with(caller, target_id)

    async def _known(self, caller: Profile, target_id: int, is_group: bool) -> int | None:
        """None: the two have not written each other."""
        if is_group:
            return await self._conversations.target(caller, None, target_id)
        return await self._conversations.single_of(caller.id, target_id)

    async def send(self, call: Call[requests.ChatSend, None]) -> Any:
        target_id, is_group = call.body.target
        conversation_id = await self._opened(call.caller, target_id, is_group)
        appended = await self._messages.send(call.caller, draft_of(call.body, conversation_id, call.caller.id))
        return views.message(appended.message, None if is_group else target_id)

    async def history(self, call: Call[None, requests.ChatQuery]) -> Any:
        query, caller = call.query, call.caller
        pair = None if query.chat_type == requests.GROUP else (caller.id, query.target_id)
        conversation_id = await self._known(caller, query.target_id, pair is None)
        if conversation_id is None:
            return views.history((), pair, has_more=False)
        before_seq = None
        if query.before_id:
            before_seq = await self._messages.place(caller.id, conversation_id, query.before_id)
        found, has_more = await self._messages.history(
            caller.id, conversation_id, limit=query.limit, before_seq=before_seq
        )
        return views.history(found, pair, has_more)

    async def read(self, call: Call[requests.ChatNamed, None]) -> None:
        body = call.body
        conversation_id = await self._known(call.caller, body.target_id, body.chat_type == requests.GROUP)
        if conversation_id is not None:
            await self._messages.read_all(call.caller.id, conversation_id)

    async def recall(self, call: Call[requests.MessageNamed, None]) -> Any:
        return await self._shown(call, await self._messages.recall(call.caller, call.body.message_id))

    async def delete(self, call: Call[requests.MessageNamed, None]) -> None:
        await self._messages.hide(call.caller, call.body.message_id)

    async def _shown(self, call: Call[Any, None], message: Message) -> Any:
        recipient_id = await self._messages.recipient_of(message)
        return views.message(message, recipient_id)

    async def conversations(self, call: Call[None, None]) -> Any:
        found, _ = await self._conversations.list_for(call.caller.id, limit=MAX_CONVERSATIONS, pinned_first=True)
        return [views.conversation(view) for view in found]

    async def hide(self, call: Call[requests.ConversationDelete, None]) -> None:
        await self._conversations.hide(call.caller, call.body.conversation_id)

    async def pin(self, call: Call[requests.ConversationPin, None]) -> None:
        body = call.body
        conversation_id = await self._opened(call.caller, body.target_id, body.chat_type == requests.GROUP)
        await self._conversations.arrange(call.caller, conversation_id, is_pinned=body.is_pinned)

    def groups(self) -> list[RouteGroup]:
        routes = [
            Route(
                method="POST",
                path="/chat/send",
                handler=self.send,
                summary="8.1 发送消息",
                body=requests.ChatSend,
                errors=(404,),
                sends={"to_user_id": 5, "type": 0, "content": "214124124", "chat_type": 0},
                returns=examples.MESSAGE,
            ),
            Route(
                method="GET",
                path="/chat/history",
                handler=self.history,
                summary="8.2 获取历史消息",
                query=requests.ChatQuery,
                query_in_body=True,
                errors=(404,),
                returns={"hasMore": False, "messages": [examples.MESSAGE]},
            ),
            Route(
                method="POST",
                path="/chat/read",
                handler=self.read,
                summary="8.3 标记消息已读",
                body=requests.ChatNamed,
                errors=(404,),
                sends={"target_id": 5, "chat_type": 0},
            ),
            Route(
                method="POST",
                path="/chat/message/recall",
                handler=self.recall,
                summary="8.4 撤回消息",
                body=requests.MessageNamed,
                errors=(404,),
                sends={"message_id": 123},
                returns=examples.MESSAGE | {"content": "", "is_recalled": True},
            ),
            Route(
                method="POST",
                path="/chat/message/delete",
                handler=self.delete,
                summary="8.5 删除消息",
                body=requests.MessageNamed,
                errors=(404,),
                sends={"message_id": 123},
            ),
            Route(
                method="GET",
                path="/chat/conversation/list",
                handler=self.conversations,
                summary="8.6 获取会话列表",
                returns=[examples.CONVERSATION],
            ),
            Route(
                method="POST",
                path="/chat/conversation/delete",
                handler=self.hide,
                summary="8.7 删除会话",
                body=requests.ConversationDelete,
                errors=(404,),
                sends={"conversation_id": "15"},
            ),
            Route(
                method="POST",
                path="/chat/conversation/pin",
                handler=self.pin,
                summary="8.8 置顶/取消置顶会话",
                body=requests.ConversationPin,
                errors=(404,),
                sends={"target_id": 1, "chat_type": 1, "is_pinned": True},
            ),
        ]
        return [RouteGroup(edge=SOCIAL, prefix="", routes=routes)]
