"""Contacts (messenger API)."""

from domain.accounts import Accounts
from domain.contacts import Contacts
from domain.presence import Presence
from http_api.messenger import examples
from http_api.messenger.edge import MESSENGER, Answer
from http_api.registry import Call, Route, RouteGroup
from protocol.messenger import requests, views


class ContactRoutes:
    def __init__(self, accounts: Accounts, contacts: Contacts, presence: Presence) -> None:
        self._accounts = accounts
        self._contacts = contacts
        self._presence = presence

    async def list_own(self, call: Call[None, None]) -> Answer:
        found = await self._contacts.all(call.caller.id)
        online = self._presence.states([view.profile.id for view in found])
        items = [views.contact_item(view, online[view.profile.id]) for view in found]
        return Answer("获取联系人列表成功", {"contacts": items, "total": len(items)})

    async def add(self, call: Call[requests.ContactAdd, None]) -> Answer:
        user = await self._accounts.find_by_phone(call.body.phone)
        contact = await self._contacts.add(call.caller, user.id, call.body.nickname)
        return Answer("联系人添加成功", views.contact(contact))

    async def remove(self, call: Call[None, None]) -> Answer:
        await self._contacts.remove(call.caller, call.ids["contact_id"])
        return Answer("联系人删除成功")

    def groups(self) -> list[RouteGroup]:
        routes = [
            Route(
                method="GET",
                path="",
                handler=self.list_own,
                summary="获取联系人列表",
                returns=Answer("获取联系人列表成功", {"contacts": [examples.CONTACT_ITEM], "total": 1}),
            ),
            Route(
                method="POST",
                path="",
                handler=self.add,
                summary="添加联系人",
                body=requests.ContactAdd,
                errors=(404, 409),
                sends={"phone": "13800138001", "nickname": "新好友"},
                returns=Answer("联系人添加成功", examples.CONTACT),
            ),
            Route(
                method="DELETE",
                path="/{contact_id:id}",
                handler=self.remove,
                summary="删除联系人",
                errors=(404,),
                returns=Answer("联系人删除成功"),
            ),
        ]
        return [RouteGroup(edge=MESSENGER, prefix="/api/contacts", routes=routes)]
