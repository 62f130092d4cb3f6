# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Moving bytes between HTTP and blobs, a chunk at a time."""

from __future__ import annotations

import email.utils
import json
import re
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gcp_emulator.backends import Objects
from gcp_emulator.errors import ApiError, Json
from gcp_emulator.services.storage.common import RangeError, bad_request, parse_stamp

FLUSH = 1024 * 1024
METADATA_LIMIT = 1024 * 1024
GZIP = zlib.MAX_WBITS | 16


async def receive(objects: Objects, blob: str, offset: int, chunks: AsyncIterator[bytes]) -> int:
    """Write a body into a blob from an offset on; the size that the blob has then.

    What arrived before a connection was lost stays, so that an upload can be resumed there.
    """
    buffer = bytearray()

    async def flush() -> None:
        nonlocal offset
        data = bytes(buffer)
        buffer.clear()
        offset = await run_in_threadpool(objects.append, blob, offset, data)

    await flush()
    try:
        async for chunk in chunks:
            buffer += chunk
            if len(buffer) >= FLUSH:
                await flush()
    except Exception:
        objects.append(blob, offset, bytes(buffer))
        raise
    if buffer:
        await flush()
    return offset


async def body(request: Request) -> AsyncIterator[bytes]:
    """The body of a request; one that was compressed for the way is as it was before."""
    if request.headers.get("content-encoding", "").lower() != "gzip":
        async for chunk in request.stream():
            yield chunk
        return
    inflate = zlib.decompressobj(GZIP)
    try:
        async for chunk in request.stream():
            yield inflate.decompress(chunk)
    except zlib.error:
        raise bad_request("The body is not what its Content-Encoding says.") from None
    yield inflate.flush()


async def read_json(request: Request) -> Json:
    """The body as a JSON object; none is an empty one.

    :raises ApiError: 400.
    """
    text = b"".join([chunk async for chunk in body(request)])
    return parse_json(text)


def parse_json(text: bytes) -> Json:
    """
    :raises ApiError: 400 for anything but an object.
    """
    try:
        document = json.loads(text) if text.strip() else {}
    except ValueError:
        raise ApiError(400, "Parse Error", "parseError") from None
    if not isinstance(document, dict):
        raise ApiError(400, "Parse Error", "parseError")
    return document


class Related:
    """The two parts of a ``multipart/related`` body: metadata, which is small, and contents, which may not be."""

    def __init__(self, content_type: str, chunks: AsyncIterator[bytes]) -> None:
        match = re.search(r'boundary="?([^";]+)"?', content_type)
        if not match:
            raise bad_request("Missing end boundary in multipart body.")
        self._boundary = b"--" + match[1].encode()
        self._chunks, self._buffer, self._newline = chunks, bytearray(), b"\r\n"

    async def metadata(self) -> Json:
        """The first part."""
        await self._until(self._boundary)
        line = await self._until(b"\n")
        self._newline = b"\r\n" if line.endswith(b"\r") else b"\n"
        await self._headers()
        text = await self._until(self._newline + self._boundary)
        await self._until(b"\n")
        return parse_json(text)

    async def contents(self) -> tuple[dict[str, str], AsyncIterator[bytes]]:
        """Headers, by names in lower case, and bytes of the second part."""
        return await self._headers(), self._stream(self._newline + self._boundary)

    async def _headers(self) -> dict[str, str]:
        headers = {}
        while line := (await self._until(b"\n")).strip():
            name, _colon, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        return headers

    async def _more(self) -> None:
        chunk = await anext(self._chunks, None)
        if chunk is None:
            raise bad_request("Missing end boundary in multipart body.")
        self._buffer += chunk

    async def _until(self, mark: bytes) -> bytes:
        while (end := self._buffer.find(mark)) < 0:
            if len(self._buffer) > METADATA_LIMIT:
                raise bad_request("Metadata part is too large.")
            await self._more()
        found = bytes(self._buffer[:end])
        del self._buffer[: end + len(mark)]
        return found

    async def _stream(self, mark: bytes) -> AsyncIterator[bytes]:
        while (end := self._buffer.find(mark)) < 0:
            safe = len(self._buffer) - len(mark) + 1
            if safe > 0:
                yield bytes(self._buffer[:safe])
                del self._buffer[:safe]
            await self._more()
        yield bytes(self._buffer[:end])
        async for _rest in self._chunks:
            pass


def checksums(headers: Mapping[str, str]) -> Json:
    """The checksums that a request's headers promise, under the keys of the API's Object."""
    keys = {"crc32c": "crc32c", "md5": "md5Hash"}
    pairs = (item.strip().partition("=") for item in headers.get("x-goog-hash", "").split(","))
    promised = {keys[name]: value for name, _equals, value in pairs if name in keys}
    if headers.get("content-md5"):
        promised["md5Hash"] = headers["content-md5"]
    return promised


def hashes(document: Json) -> str:
    """The ``x-goog-hash`` of an object."""
    md5 = f",md5={document['md5Hash']}" if document.get("md5Hash") else ""
    return f"crc32c={document['crc32c']}{md5}"


def content_headers(document: Json) -> dict[str, str]:
    """What every answer with an object's contents, or HEAD, says of it."""
    names = {
        "Cache-Control": "cacheControl",
        "Content-Disposition": "contentDisposition",
        "Content-Language": "contentLanguage",
    }
    return {name: document[key] for name, key in names.items() if document.get(key)} | {
        "Content-Type": document.get("contentType") or "application/octet-stream",
        "Last-Modified": email.utils.format_datetime(parse_stamp(document["updated"]), usegmt=True),
        "X-Goog-Generation": document["generation"],
        "X-Goog-Hash": hashes(document),
        "X-Goog-Metageneration": document["metageneration"],
        "X-Goog-Storage-Class": document["storageClass"],
        "X-Goog-Stored-Content-Encoding": document.get("contentEncoding") or "identity",
        "X-Goog-Stored-Content-Length": document["size"],
    }


def download(objects: Objects, document: Json, request: Mapping[str, str], headers: Mapping[str, str]) -> Response:
    """Answer with an object's contents, or the range of them that the request's headers ask for.

    :param headers: further headers of the answer.
    :raises ApiError: 416.
    """
    answer = content_headers(document) | dict(headers)
    size = int(document["size"])
    if document.get("contentEncoding") == "gzip" and _wants_plain(document, request):
        answer["Warning"] = "214 UploadServer gunzipped"
        return StreamingResponse(_inflate(objects.read(document["_blob"])), headers=answer)
    if document.get("contentEncoding"):
        answer["Content-Encoding"] = document["contentEncoding"]
    answer["Accept-Ranges"] = "bytes"
    span = _range(request.get("range", ""), size)
    start, end = span or (0, size)
    answer["Content-Length"] = str(end - start)
    if span:
        answer["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return StreamingResponse(objects.read(document["_blob"], start, end), 206 if span else 200, answer)


def _wants_plain(document: Json, request: Mapping[str, str]) -> bool:
    return "gzip" not in request.get("accept-encoding", "") and "no-transform" not in document.get("cacheControl", "")


def _inflate(chunks: Iterator[bytes]) -> Iterator[bytes]:
    inflate = zlib.decompressobj(GZIP)
    for chunk in chunks:
        yield inflate.decompress(chunk)
    yield inflate.flush()


def _range(header: str, size: int) -> tuple[int, int] | None:
    """Start and end, excluded; None for all of it, as for a range that is not well-formed."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header.strip())
    if not match or not (match[1] or match[2]):
        return None
    if match[1]:
        start, end = int(match[1]), min(int(match[2]) + 1, size) if match[2] else size
        if match[2] and int(match[2]) < start:
            return None
    else:
        start, end = max(0, size - int(match[2])), size
    if start >= size:
        raise RangeError(size)
    return start, end
