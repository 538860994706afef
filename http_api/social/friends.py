"""Friends, their requests and blocks (social API 4, 6.1, 6.2)."""

from typing import Any

from domain.contacts import Contacts
from domain.presence import Presence
from domain.records import RequestStatus
from http_api.registry import Call, Route, RouteGroup
from http_api.social import examples
from http_api.social.edge import SOCIAL
from protocol.social import requests, views


class FriendRoutes:
    def __init__(self, contacts: Contacts, presence: Presence) -> None:
        self._contacts = contacts
        self._presence = presence

    async def ask(self, call: Call[requests.FriendRequestSend, None]) -> Any:
        return views.request(await self._contacts.ask(call.caller, call.body.to_user_id, call.body.message))

    async def handle(self, call: Call[requests.FriendRequestHandle, None]) -> Any:
        body = call.body
        accept = body.action == views.REQUEST_STATUSES[RequestStatus.ACCEPTED]
        return views.request(await self._contacts.answer(call.caller, body.request_id, accept, body.message))

    async def friends(self, call: Call[None, None]) -> Any:
        found = await self._contacts.friends(call.caller.id)
        online = self._presence.states([view.profile.id for view in found])
        return {"friends": [views.friend(view, online[view.profile.id]) for view in found], "total": len(found)}

    async def blocked(self, call: Call[None, None]) -> Any:
        found = await self._contacts.blocked(call.caller.id)
        online = self._presence.states([view.profile.id for view in found])
        return {"friends": [views.friend(view, online[view.profile.id]) for view in found], "total": len(found)}

    async def delete(self, call: Call[requests.FriendNamed, None]) -> None:
        await self._contacts.unfriend(call.caller, call.body.friend_id)

    async def block(self, call: Call[requests.FriendNamed, None]) -> Any:
        return views.contact(await self._contacts.block(call.caller, call.body.friend_id))

    async def unblock(self, call: Call[requests.FriendNamed, None]) -> None:
        await self._contacts.unblock(call.caller, call.body.friend_id)

    async def set_remark(self, call: Call[requests.RemarkUpdate, None]) -> Any:
        return views.contact(await self._contacts.set_remark(call.caller, call.body.user_id, call.body.remark))

    async def requests(self, call: Call[None, None]) -> Any:
        found = await self._contacts.requests(call.caller.id)
        return {"requests": [views.friend_request(view) for view in found], "total": len(found)}

    async def count_requests(self, call: Call[None, None]) -> Any:
        return {"count": await self._contacts.unanswered(call.caller.id)}

    def groups(self) -> list[RouteGroup]:
        routes = [
            Route(
                method="POST",
                path="/friend/request/send",
                handler=self.ask,
                summary="4.1 发送好友申请",
                body=requests.FriendRequestSend,
                errors=(404,),
                sends={"to_user_id": 2, "message": "我想加您为好友"},
                returns=examples.REQUEST,
            ),
            Route(
                method="POST",
                path="/friend/request/handle",
                handler=self.handle,
                summary="4.2 处理好友申请",
                body=requests.FriendRequestHandle,
                errors=(404,),
                sends={"request_id": 1, "action": 2, "message": ""},
                returns=examples.REQUEST | {"status": 2},
            ),
            Route(
                method="GET",
                path="/friend/list",
                handler=self.friends,
                summary="4.3 获取好友列表",
                returns={"friends": [examples.FRIEND], "total": 1},
            ),
            Route(
                method="DELETE",
                path="/friend/delete",
                handler=self.delete,
                summary="4.4 删除好友",
                body=requests.FriendNamed,
                errors=(404,),
                sends={"friend_id": 2},
            ),
            Route(
                method="POST",
                path="/friend/block",
                handler=self.block,
                summary="4.5 拉黑好友",
                body=requests.FriendNamed,
                errors=(404,),
                sends={"friend_id": 5},
                returns=examples.CONTACT,
            ),
            Route(
                method="POST",
                path="/friend/unblock",
                handler=self.unblock,
                summary="取消拉黑好友",
                body=requests.FriendNamed,
                errors=(404,),
                sends={"friend_id": 5},
            ),
            Route(
                method="GET",
                path="/friend/blocked/list",
                handler=self.blocked,
                summary="4.6 获取拉黑好友列表",
                returns={"friends": [examples.FRIEND | {"status": 2}], "total": 1},
            ),
            Route(
                method="PUT",
                path="/friend/remark",
                handler=self.set_remark,
                summary="4.7 更新好友备注",
                body=requests.RemarkUpdate,
                errors=(404,),
                sends={"user_id": 2, "remark": "新的备注"},
                returns=examples.CONTACT | {"status": 1, "remark": "新的备注"},
            ),
            Route(
                method="GET",
                path="/notification/request/friend",
                handler=self.requests,
                summary="6.1 获取好友申请列表",
                returns={"requests": [examples.FRIEND_REQUEST], "total": 1},
            ),
            Route(
                method="GET",
                path="/notification/request/friend/unread-count",
                handler=self.count_requests,
                summary="6.2 获取未读好友申请数量",
                returns={"count": 1},
            ),
        ]
        return [RouteGroup(edge=SOCIAL, prefix="", routes=routes)]
