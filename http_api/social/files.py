"""Files (social API 7)."""

from typing import Any

from domain.files import Files
from http_api.file_answers import file_answer
from http_api.registry import Call, Route, RouteGroup
from http_api.social import examples
from http_api.social.edge import SOCIAL
from protocol.social import requests, views

MAX_RECORDS = 1000


class FileRoutes:
    def __init__(self, files: Files) -> None:
        self._files = files

    async def upload(self, call: Call[requests.FileUpload, None]) -> Any:
        file = await self._files.keep(call.caller.id, call.file.upload, name=call.file.name, expires=True)
        return views.file(file)

    async def download(self, call: Call[None, requests.FileQuery]) -> Any:
        return file_answer(self._files, await self._files.open(call.caller.id, call.query.file_id))

    async def delete(self, call: Call[None, requests.FileQuery]) -> None:
        await self._files.delete(call.caller.id, call.query.file_id)

    async def info(self, call: Call[None, requests.FileQuery]) -> Any:
        return views.file(await self._files.get(call.caller.id, call.query.file_id))

    async def record(self, call: Call[None, None]) -> Any:
        found, _ = await self._files.list_own(call.caller.id, offset=0, limit=MAX_RECORDS)
        return {"file_records": [views.file(file) for file in found]}

    def groups(self) -> list[RouteGroup]:
        routes = [
            Route(
                method="POST",
                path="/file/upload",
                handler=self.upload,
                summary="7.1 上传文件",
                form=requests.FileUpload,
                receives=self._files.receive,
                errors=(413,),
                returns=examples.FILE,
            ),
            Route(
                method="GET",
                path="/file/download",
                handler=self.download,
                summary="7.2 下载文件",
                query=requests.FileQuery,
                sends_file=True,
                errors=(404,),
            ),
            Route(
                method="DELETE",
                path="/file/delete",
                handler=self.delete,
                summary="7.3 删除文件",
                query=requests.FileQuery,
                errors=(404,),
            ),
            Route(
                method="GET",
                path="/file/info",
                handler=self.info,
                summary="7.4 获取文件信息",
                query=requests.FileQuery,
                errors=(404,),
                returns=examples.FILE,
            ),
            Route(
                method="GET",
                path="/file/record",
                handler=self.record,
                summary="7.5 获取用户文件记录",
                returns={"file_records": [examples.FILE]},
            ),
        ]
        return [RouteGroup(edge=SOCIAL, prefix="", routes=routes)]
