"""Files (im API 5)."""

from typing import Any

from domain.files import Files
from http_api.file_answers import file_answer
from http_api.im import examples
from http_api.im.edge import IM
from http_api.registry import Call, Route, RouteGroup
from protocol.im import requests, views


class FileRoutes:
    def __init__(self, files: Files) -> None:
        self._files = files

    async def upload(self, call: Call[requests.FileUpload, None]) -> Any:
        return views.uploaded_file(
            await self._files.keep(
                call.caller.id,
                call.file.upload,
                name=call.file.name,
                description=call.body.description,
                is_public=call.body.is_public,
            )
        )

    async def download(self, call: Call[None, None]) -> Any:
        return file_answer(self._files, await self._files.open(call.caller.id, call.names["file_id"]))

    async def info(self, call: Call[None, None]) -> Any:
        return views.file_details(await self._files.get(call.caller.id, call.names["file_id"]))

    async def list_own(self, call: Call[None, requests.FileQuery]) -> Any:
        page, page_size = call.query.page, call.query.page_size
        files, total = await self._files.list_own(call.caller.id, offset=(page - 1) * page_size, limit=page_size)
        return views.file_list(files, total, page=page, page_size=page_size)

    async def delete(self, call: Call[None, None]) -> None:
        await self._files.delete(call.caller.id, call.names["file_id"])

    async def download_info(self, call: Call[None, None]) -> Any:
        return views.file_download(await self._files.get(call.caller.id, call.names["file_id"]))

    def groups(self) -> list[RouteGroup]:
        routes = [
            Route(
                method="POST",
                path="/upload",
                handler=self.upload,
                summary="5.1 上传文件",
                form=requests.FileUpload,
                receives=self._files.receive,
                errors=(400,),
                returns=examples.UPLOADED_FILE,
            ),
            Route(
                method="GET",
                path="/download/{file_id:str}",
                handler=self.download,
                summary="5.2 下载文件",
                sends_file=True,
                errors=(404,),
            ),
            Route(
                method="GET",
                path="/info/{file_id:str}",
                handler=self.info,
                summary="5.3 获取文件信息",
                errors=(404,),
                returns=examples.FILE_DETAILS,
            ),
            Route(
                method="GET",
                path="/list",
                handler=self.list_own,
                summary="5.4 获取用户文件列表",
                query=requests.FileQuery,
                returns=examples.FILE_LIST,
            ),
            Route(
                method="DELETE",
                path="/{file_id:str}",
                handler=self.delete,
                summary="5.5 删除文件",
                status=204,
                errors=(404,),
            ),
            Route(
                method="GET",
                path="/download-info/{file_id:str}",
                handler=self.download_info,
                summary="5.6 获取文件下载信息",
                errors=(404,),
                returns=examples.FILE_DOWNLOAD,
            ),
        ]
        return [RouteGroup(edge=IM, prefix="/api/v1/files", routes=routes)]
