"""Who is online, and how many connections there are (im API 6)."""

from collections.abc import Callable
from typing import Any

from domain.presence import Presence
from domain.profiles import Profiles
from http_api.examples import OrNull
from http_api.im.edge import IM
from http_api.registry import Access, Call, Route, RouteGroup
from protocol.im import views

ConnectionCount = Callable[[], int]
"""Open client sockets of this server, authenticated or not yet."""


class RealtimeRoutes:
    def __init__(self, presence: Presence, profiles: Profiles, connection_count: ConnectionCount) -> None:
        self._presence = presence
        self._profiles = profiles
        self._connection_count = connection_count

    async def online_users(self, call: Call[None, None]) -> Any:
        online = self._presence.online()
        return {"online_users": online, "count": len(online)}

    async def user_status(self, call: Call[None, None]) -> Any:
        profile = await self._profiles.get(call.ids["user_id"])
        last_seen_ms = await self._presence.last_seen_ms(profile.id)
        return views.user_status(profile.id, self._presence.is_online(profile.id), last_seen_ms)

    async def connection_stats(self, call: Call[None, None]) -> Any:
        authenticated = self._presence.session_count()
        total = max(self._connection_count(), authenticated)
        return {
            "total_connections": total,
            "authenticated_connections": authenticated,
            "anonymous_connections": total - authenticated,
        }

    def groups(self) -> list[RouteGroup]:
        routes = [
            Route(
                method="GET",
                path="/online-users",
                handler=self.online_users,
                summary="6.1 获取在线用户",
                returns={"online_users": [1, 2, 3, 5], "count": 4},
            ),
            Route(
                method="GET",
                path="/user-status/{user_id:id}",
                handler=self.user_status,
                summary="6.2 检查用户在线状态",
                errors=(404,),
                returns={"user_id": 1, "is_online": True, "last_seen": OrNull("2025-01-08T14:00:00Z")},
            ),
            Route(
                method="GET",
                path="/connection-stats",
                handler=self.connection_stats,
                summary="6.4 获取连接统计",
                access=Access.ADMINISTRATOR,
                returns={
                    "total_connections": 25,
                    "authenticated_connections": 20,
                    "anonymous_connections": 5,
                },
            ),
        ]
        return [RouteGroup(edge=IM, prefix="/api/v1/realtime", routes=routes)]
