"""From a download of the domain to what sends it: the same for every dialect."""

from domain.file_types import SAFE_INLINE
from domain.files import Download, Files
from http_api.downloads import FileAnswer


def file_answer(files: Files, download: Download) -> FileAnswer:
    """For a handler to answer."""

    async def begun() -> None:
        await files.count(download)

    return FileAnswer(
        name=download.name,
        mime=download.mime,
        size=download.size,
        etag=download.etag,
        modified_ms=download.file.created_at_ms,
        is_inline=download.mime in SAFE_INLINE,
        chunks=lambda start, stop: files.content(download, start, stop),
        begun=begun,
    )
