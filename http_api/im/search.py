"""Search in messages (im API 4.4)."""

from typing import Any

from domain.model import MessageKind
from domain.profiles import Profiles
from domain.search import MessageSearch
from http_api.im import examples
from http_api.im.edge import IM
from http_api.registry import Call, Route, RouteGroup
from protocol.im import requests, views


class SearchRoutes:
    def __init__(self, search: MessageSearch, profiles: Profiles) -> None:
        self._search = search
        self._profiles = profiles

    async def search(self, call: Call[None, requests.MessageSearch]) -> Any:
        query = call.query
        messages, total = await self._search.find(
            call.caller.id,
            query.keyword,
            limit=query.limit,
            conversation_id=query.conversation_id,
            kind=MessageKind(query.message_type) if query.message_type else None,
        )
        senders = await self._profiles.get_many({message.sender_id for message in messages})
        return views.found_messages(messages, senders, total=total, limit=query.limit)

    def groups(self) -> list[RouteGroup]:
        route = Route(
            method="GET",
            path="/search",
            handler=self.search,
            summary="4.4 搜索消息",
            query=requests.MessageSearch,
            errors=(404,),
            returns={"messages": [examples.MESSAGE], "total": 1, "limit": 20},
        )
        return [RouteGroup(edge=IM, prefix="/api/v1/messages", routes=[route])]
