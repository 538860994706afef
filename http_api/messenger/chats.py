"""Chats (messenger API)."""

from domain.conversations import Conversations
from domain.model import Conversation, ConversationKind, Profile
from http_api.messenger import examples
from http_api.messenger.edge import MESSENGER, Answer
from http_api.registry import Call, Route, RouteGroup
from protocol.messenger import requests, views


class ChatRoutes:
    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations

    async def list_own(self, call: Call[None, requests.PageQuery]) -> Answer:
        query = call.query
        found, total = await self._conversations.list_for(call.caller.id, offset=query.offset, limit=query.limit)
        return Answer(
            "获取聊天列表成功",
            {
                "chats": [views.chat_item(view) for view in found],
                "total": total,
                "has_more": query.offset + len(found) < total,
            },
        )

    async def create(self, call: Call[requests.ChatCreate, None]) -> Answer:
        body, caller = call.body, call.caller
        if requests.CHAT_KINDS[body.type] is ConversationKind.SINGLE:
            made = await self._conversations.open_single(caller, body.members[0])
        else:
            made = await self._conversations.create_group(
                caller, body.members, name=body.name or "", description=body.description, avatar=body.avatar
            )
        return Answer("聊天创建成功", await self._detail(caller, made))

    async def get(self, call: Call[None, None]) -> Answer:
        found = await self._conversations.get(call.caller.id, call.ids["chat_id"])
        return Answer("获取聊天详情成功", await self._detail(call.caller, found))

    async def _detail(self, caller: Profile, chat: Conversation) -> object:
        return views.chat_detail(chat, await self._conversations.members(caller.id, chat.id), caller.id)

    def groups(self) -> list[RouteGroup]:
        routes = [
            Route(
                method="GET",
                path="",
                handler=self.list_own,
                summary="获取聊天列表",
                query=requests.PageQuery,
                returns=Answer("获取聊天列表成功", {"chats": [examples.CHAT_ITEM], "total": 1, "has_more": False}),
            ),
            Route(
                method="POST",
                path="",
                handler=self.create,
                summary="创建聊天",
                body=requests.ChatCreate,
                errors=(404,),
                sends={"name": "新群聊", "description": "群聊描述", "type": "group", "members": [2, 3, 4]},
                returns=Answer("聊天创建成功", examples.CHAT_DETAIL),
            ),
            Route(
                method="GET",
                path="/{chat_id:id}",
                handler=self.get,
                summary="获取聊天详情",
                errors=(404,),
                returns=Answer("获取聊天详情成功", examples.CHAT_DETAIL),
            ),
        ]
        return [RouteGroup(edge=MESSENGER, prefix="/api/chats", routes=routes)]
