"""Blobs in an object store that speaks S3. What comes in is spooled to a local file first: its length and hash must be
known before it is sent."""

import asyncio
import hashlib
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree as ET

import aiohttp
import msgspec
from yarl import URL

from domain.errors import FileNotFound, Unavailable
from domain.ports import Incoming
from storage.blobs.disk import THREADS
from storage.blobs.sigv4 import EMPTY_SHA256, canonical_query, signed_headers
from storage.blobs.spool import CHUNK_BYTES, DiskThreads, Spool, SpooledFile
from storage.sql.errors import CannotOpen

ATTEMPTS: Final = 3
PAUSE_S: Final = 0.2
"""Before the second attempt; each further pause is twice as long."""

TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=30)
MAX_CONNECTIONS: Final = 32
_TRANSIENT: Final = frozenset({408, 429, 500, 502, 503, 504})
_BROKEN: Final = (aiohttp.ClientError, TimeoutError, OSError)

Body = Callable[[], Any]


class S3Location(msgspec.Struct, frozen=True):
    endpoint: str
    """Such as `https://s3.eu-central-1.amazonaws.com`; buckets are addressed in the path."""
    bucket: str
    access_key: str
    secret_key: str
    region: str = "us-east-1"


class S3BlobStore:
    """Implements `domain.ports.BlobStore`. The bucket must exist. `spool` is a folder of this machine; the one around
    it is there. Use it between `start` and `close`."""

    def __init__(self, location: S3Location, spool: Path) -> None:
        """OSError."""
        self._location = location
        self._host = urlsplit(location.endpoint).netloc
        self._threads = DiskThreads(THREADS)
        self._spool = Spool(spool, self._threads)
        spool.mkdir(mode=0o700, exist_ok=True)
        self._http: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """CannotOpen."""
        connector = aiohttp.TCPConnector(limit=MAX_CONNECTIONS)
        self._http = aiohttp.ClientSession(connector=connector, timeout=TIMEOUT, auto_decompress=False)
        try:
            await self._list({"max-keys": "1"})
        except (FileNotFound, Unavailable) as error:
            await self.close()
            where = f"the bucket {self._location.bucket} at {self._location.endpoint}"
            raise CannotOpen(f"{where} cannot be used: {error}") from error

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()
        self._threads.close()

    def incoming(self) -> AbstractAsyncContextManager[Incoming]:
        return self._spool.incoming(self._store)

    async def _store(self, file: SpooledFile, key: str) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            with await self._threads.run(Path(file.path).open, "rb") as body:
                while chunk := await self._threads.run(body.read, CHUNK_BYTES):
                    yield chunk

        headers = {"content-length": str(file.size)}
        async with self._request("PUT", key, body=chunks, sha256=file.sha256, headers=headers):
            pass

    async def put(self, key: str, data: bytes) -> None:
        async with self._request("PUT", key, body=lambda: data, sha256=hashlib.sha256(data).hexdigest()):
            pass

    async def size(self, key: str) -> int | None:
        try:
            async with self._request("HEAD", key) as response:
                return int(response.headers["content-length"])
        except FileNotFound:
            return None

    async def read(self, key: str, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        async with self._request("GET", key, headers={"range": f"bytes={start}-{stop - 1}"}) as response:
            try:
                async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                    yield chunk
            except _BROKEN as error:
                raise Unavailable(f"the object store broke off: {error}") from error

    async def delete(self, keys: Collection[str]) -> None:
        for key in keys:
            try:
                async with self._request("DELETE", key):
                    pass
            except FileNotFound:
                continue

    async def stored_before(self, time_ms: int) -> AsyncIterator[str]:
        query: dict[str, str] = {}
        while True:
            page = await self._list(query)
            for entry in page.iterfind("{*}Contents"):
                stored = datetime.fromisoformat(entry.findtext("{*}LastModified", ""))
                if stored.timestamp() * 1000 < time_ms:
                    yield entry.findtext("{*}Key", "")
            token = page.findtext("{*}NextContinuationToken")
            if not token:
                return
            query = {"continuation-token": token}

    async def discard_unfinished(self, time_ms: int) -> int:
        return await self._spool.discard_older(time_ms)

    async def _list(self, query: Mapping[str, str]) -> ET.Element:
        async with self._request("GET", "", query={"list-type": "2", **query}) as response:
            try:
                return ET.fromstring(await response.read())  # noqa: S314 - the operator's own store; expat bounds entities
            except (*_BROKEN, ET.ParseError) as error:
                raise Unavailable(f"the object store's list cannot be read: {error}") from error

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        key: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
        sha256: str = EMPTY_SHA256,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The response to a request that succeeded; every one may be repeated. FileNotFound, Unavailable."""
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(PAUSE_S * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))
            try:
                response = await self._send(method, key, query or {}, headers or {}, body, sha256)
            except _BROKEN as error:
                trouble: Exception = error
                continue
            async with response:
                if response.status < 300:
                    yield response
                    return
                if response.status == 404:
                    raise FileNotFound
                trouble = Unavailable(f"the object store answered {response.status}")
            if response.status not in _TRANSIENT:
                break
        raise Unavailable(f"the object store cannot be used: {trouble}") from trouble

    async def _send(
        self,
        method: str,
        key: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: Body | None,
        sha256: str,
    ) -> aiohttp.ClientResponse:
        location = self._location
        path = f"/{quote(location.bucket)}" + (f"/{quote(key)}" if key else "")
        signed = signed_headers(
            method=method,
            host=self._host,
            path=path,
            query=query,
            headers=headers,
            payload_sha256=sha256,
            access_key=location.access_key,
            secret_key=location.secret_key,
            region=location.region,
            at=datetime.now(UTC),
        )
        url = location.endpoint.rstrip("/") + path + (f"?{canonical_query(query)}" if query else "")
        assert self._http is not None
        return await self._http.request(
            method,
            URL(url, encoded=True),
            headers=signed,
            data=None if body is None else body(),
            allow_redirects=False,
        )
