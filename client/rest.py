"""The few REST calls that a chat needs: accounts, tokens, finding people, making groups, files (im API 1, 2, 3, 5)."""

import json
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp

from client.errors import RequestRefused


class Rest:
    """`async with Rest("http://127.0.0.1:8000") as rest`. Calls raise RequestRefused with the HTTP status as code."""

    def __init__(self, url: str, token: str = "") -> None:
        self.token = token
        self._http = aiohttp.ClientSession(url)

    async def __aenter__(self) -> "Rest":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def _call(self, method: str, path: str, **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            async with self._http.request(method, f"/api/v1{path}", headers=headers, **options) as response:
                text = await response.text()
                try:
                    body = json.loads(text)
                except ValueError:  # A proxy answers for a server that is down.
                    body = {"detail": f"{response.reason}: not JSON"}
                if response.status >= 400:
                    detail = body.get("detail", body) if isinstance(body, dict) else body
                    is_temporary = response.status >= 500 or response.status in (408, 429)
                    raise RequestRefused(str(response.status), str(detail), is_temporary)
                return body
        except (aiohttp.ClientError, TimeoutError) as error:
            raise RequestRefused("0", f"the server cannot be reached: {error}", temporary=True) from error

    async def register(self, name: str, password: str) -> dict[str, Any]:
        body = {"standard_id": name, "name": name, "password": password}
        return dict(await self._call("POST", "/users/", json=body))

    async def login(self, name: str, password: str) -> dict[str, Any]:
        """Keeps the access token; answers both tokens."""
        form = {"username": name, "password": password}
        tokens = dict(await self._call("POST", "/auth/login/access-token", data=form))
        self.token = tokens["access_token"]
        return tokens

    async def refresh(self, refresh_token: str) -> dict[str, Any]:
        """Keeps the new access token; answers both tokens."""
        tokens = dict(await self._call("POST", "/auth/refresh", json={"token": refresh_token}))
        self.token = tokens["access_token"]
        return tokens

    async def find(self, name: str) -> dict[str, Any] | None:
        """The user of exactly this name."""
        users = await self._call("GET", "/users/search", params={"keyword": name, "limit": 50})
        return next((user for user in users if user["standard_id"].casefold() == name.casefold()), None)

    async def create_group(self, name: str, member_ids: list[int]) -> dict[str, Any]:
        return dict(await self._call("POST", "/conversations/group", json={"name": name, "member_ids": member_ids}))

    async def members(self, conversation_id: int) -> list[dict[str, Any]]:
        return list((await self._call("GET", f"/conversations/{conversation_id}/members"))["members"])

    async def upload(self, path: Path) -> dict[str, Any]:
        """Streams a file; its `file_id` is what a message names."""
        with path.open("rb") as file:
            form = aiohttp.FormData(quote_fields=False)
            form.add_field("file", file, filename=path.name, content_type="application/octet-stream")
            return dict(await self._call("POST", "/files/upload", data=form))
