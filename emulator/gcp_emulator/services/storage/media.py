# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Contents in the JSON API: uploads, and downloads with ``alt=media``."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, unquote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gcp_emulator import partial
from gcp_emulator.errors import ApiError, Json
from gcp_emulator.services.storage.access import refuse_acl, require
from gcp_emulator.services.storage.common import Preconditions, bad_request, check_etag, integer
from gcp_emulator.services.storage.objects import Catalogue
from gcp_emulator.services.storage.transfer import Related, body, checksums, download, read_json
from gcp_emulator.services.storage.uploads import Target, Uploads

UPLOAD = re.compile(r"(?:/resumable)?/upload/storage/v1/b/(?P<bucket>[^/]+)/o")
DOWNLOAD = re.compile(r"(?:/download)?/storage/v1/b/(?P<bucket>[^/]+)/o/(?P<object>[^/]+)")
Query = dict[str, list[str]]


class Media:
    """Takes and gives contents."""

    def __init__(self, catalogue: Catalogue, uploads: Uploads) -> None:
        self.catalogue, self.uploads, self.store = catalogue, uploads, catalogue.store

    async def answer(self, request: Request, path: str, principal: str | None) -> Response | None:
        """
        :param path: still quoted, so that a slash in an object's name is not one in the path.
        :return: None for what is no transfer of contents.
        :raises ApiError: whatever is wrong.
        """
        query = parse_qs(request.url.query, keep_blank_values=True)
        if match := UPLOAD.fullmatch(path):
            return await self._upload(request, path, unquote(match["bucket"]), query, principal)
        match = DOWNLOAD.fullmatch(path)
        if match and request.method == "GET" and query.get("alt") == ["media"]:
            bucket, name = unquote(match["bucket"]), unquote(match["object"])
            return await run_in_threadpool(self._download, request, bucket, name, query, principal)
        return None

    def _download(self, request: Request, bucket: str, name: str, query: Query, principal: str | None) -> Response:
        home = self.catalogue.bucket(bucket)
        require(self.store, principal, "storage.objects.get", home, name)
        found = self.catalogue.get(bucket, name, integer(query, "generation"))
        Preconditions.of(query).check(found, reading=True)
        check_etag(found, request.headers, reading=True)
        return download(self.catalogue.objects, found, request.headers, {"ETag": found["etag"]})

    async def _upload(self, request: Request, path: str, bucket: str, query: Query, principal: str | None) -> Response:
        if query.get("upload_id"):
            return await self._continue(request, query["upload_id"][0])
        if request.method != "POST":
            raise ApiError(405, "Method Not Allowed", "methodNotAllowed")
        home, headers = self.catalogue.bucket(bucket), request.headers
        kind = query.get("uploadType", [""])[0]
        if kind == "media":
            target = _target(home, query, {"contentType": headers.get("content-type")}, principal)
            return self._made(await self.uploads.simple(target, body(request), checksums(headers)), query)
        if kind == "multipart":
            related = Related(headers.get("content-type", ""), body(request))
            metadata = await related.metadata()
            part, contents = await related.contents()
            metadata.setdefault("contentType", part.get("content-type"))
            target = _target(home, query, metadata, principal)
            return self._made(await self.uploads.simple(target, contents, checksums(headers)), query)
        if kind == "resumable":
            metadata = await read_json(request)
            metadata.setdefault("contentType", headers.get("x-upload-content-type"))
            upload = await run_in_threadpool(self.uploads.begin, _target(home, query, metadata, principal))
            location = f"{request.url.scheme}://{headers['host']}{path}?uploadType=resumable&upload_id={upload}"
            return Response(headers={"Location": location, "X-GUploader-UploadID": upload, "Content-Length": "0"})
        raise bad_request(f"Invalid upload type: {kind}")

    async def _continue(self, request: Request, upload: str) -> Response:
        if request.method == "DELETE":
            self.uploads.cancel(upload)
            return Response(status_code=499, headers={"Content-Length": "0"})
        answer = await self.uploads.resume(upload, request)
        return answer if isinstance(answer, Response) else self._made(answer, {}, {"X-GUploader-UploadID": upload})

    def _made(self, document: Json, query: Query, headers: dict[str, str] | None = None) -> Response:
        fields = query.get("fields", [""])[0]
        told = partial.select(self.catalogue.told(document), partial.parse(fields) if fields else {})
        return JSONResponse(told, headers={"ETag": document["etag"], **(headers or {})})


def _target(bucket: Json, query: Query, metadata: Json, principal: str | None) -> Target:
    refuse_acl(bucket, bool(query.get("predefinedAcl") or metadata.get("acl")))
    if query.get("contentEncoding"):
        metadata["contentEncoding"] = query["contentEncoding"][0]
    name = query.get("name", [""])[0] or metadata.get("name") or ""
    return Target(bucket["name"], name, principal, metadata, Preconditions.of(query))
