"""Files (messenger API)."""

from typing import Any

from domain.file_types import FileCategory
from domain.files import Files
from http_api.file_answers import file_answer
from http_api.messenger import examples
from http_api.messenger.edge import MESSENGER, Answer
from http_api.registry import Call, Route, RouteGroup
from protocol.messenger import requests, views


class FileRoutes:
    def __init__(self, files: Files) -> None:
        self._files = files

    async def upload(self, call: Call[requests.FileUpload, None]) -> Answer:
        wanted = None if call.body.type is None else FileCategory(call.body.type)
        file = await self._files.keep(call.caller.id, call.file.upload, name=call.file.name, wanted=wanted)
        return Answer("文件上传成功", views.uploaded(file))

    async def download(self, call: Call[None, None]) -> Any:
        return file_answer(self._files, await self._files.open(call.caller.id, call.names["file_id"]))

    async def delete(self, call: Call[None, None]) -> Answer:
        await self._files.delete(call.caller.id, call.names["file_id"])
        return Answer("文件删除成功")

    def groups(self) -> list[RouteGroup]:
        routes = [
            Route(
                method="POST",
                path="/upload",
                handler=self.upload,
                summary="上传文件",
                form=requests.FileUpload,
                receives=self._files.receive,
                errors=(400,),
                returns=Answer("文件上传成功", examples.FILE),
            ),
            Route(
                method="GET",
                path="/{file_id:str}",
                handler=self.download,
                summary="下载文件",
                sends_file=True,
                errors=(404,),
            ),
            Route(
                method="DELETE",
                path="/{file_id:str}",
                handler=self.delete,
                summary="删除文件",
                errors=(404,),
                returns=Answer("文件删除成功"),
            ),
        ]
        return [RouteGroup(edge=MESSENGER, prefix="/api/files", routes=routes)]
