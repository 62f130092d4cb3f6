# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The XML API of objects: what signed URLs and parallel uploads speak."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from urllib.parse import parse_qs, unquote
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from gcp_emulator.errors import ApiError, Json
from gcp_emulator.services.storage import signing
from gcp_emulator.services.storage.access import refuse_acl, require
from gcp_emulator.services.storage.common import Preconditions, RangeError, check_etag, integer
from gcp_emulator.services.storage.objects import Catalogue
from gcp_emulator.services.storage.transfer import checksums, content_headers, download, hashes
from gcp_emulator.services.storage.uploads import Target, Uploads

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
CODES = {
    "conditionNotMet": "PreconditionFailed",
    "expiredToken": "ExpiredToken",
    "forbidden": "AccessDenied",
    "invalid": "InvalidArgument",
    "noSuchUpload": "NoSuchUpload",
    "notFound": "NoSuchKey",
    "notImplemented": "NotImplemented",
    "requestedRangeNotSatisfiable": "InvalidRange",
    "required": "AccessDenied",
    "signatureDoesNotMatch": "SignatureDoesNotMatch",
}
MULTIPART_COMPLETE_LIMIT = 2 * 1024 * 1024


class XmlApi:
    """Answers requests for ``/BUCKET/OBJECT``."""

    def __init__(self, catalogue: Catalogue, uploads: Uploads) -> None:
        self.catalogue, self.uploads, self.store = catalogue, uploads, catalogue.store

    async def answer(self, request: Request, path: str, host_bucket: str | None, principal: str | None) -> Response:
        """
        :param path: still quoted.
        :param host_bucket: the bucket, if it stands in the host's name instead of the path.
        """
        try:
            return await self._answer(request, path, host_bucket, principal)
        except ApiError as error:
            return error_response(error)

    async def _answer(self, request: Request, path: str, host_bucket: str | None, principal: str | None) -> Response:
        bucket, _slash, name = (host_bucket or "", "/", path[1:]) if host_bucket else path[1:].partition("/")
        bucket, name = unquote(bucket), unquote(name)
        if not name:
            raise ApiError(501, "The sandbox lists buckets and objects in the JSON API alone.", "notImplemented")
        query = parse_qs(request.url.query, keep_blank_values=True)
        if signing.is_signed(query):
            principal = signing.signer(self.store, request.method, path, request.url.query, request.headers)
        home = self.catalogue.bucket(bucket)
        if request.method in ("GET", "HEAD") and "uploadId" not in query:
            return await run_in_threadpool(self._read, request, home, name, query, principal)
        conditions = Preconditions(
            integer({"generation": [request.headers.get("x-goog-if-generation-match", "")]}, "generation"),
            metageneration_match=integer(
                {"metageneration": [request.headers.get("x-goog-if-metageneration-match", "")]}, "metageneration"
            ),
        )
        target = Target(bucket, name, principal, _metadata(request.headers), conditions)
        if "upload_id" in query:
            return await self._resume(request, query["upload_id"][0])
        if "uploadId" in query:
            return await self._multipart(request, home, target, query)
        if request.method == "DELETE":
            require(self.store, principal, "storage.objects.delete", home, name)
            self.catalogue.delete(bucket, name, integer(query, "generation"), conditions)
            return Response(status_code=204)
        refuse_acl(home, "x-goog-acl" in request.headers)
        if request.method == "PUT" and "x-goog-copy-source" not in request.headers:
            made = await self.uploads.simple(target, request.stream(), checksums(request.headers))
            return Response(headers={"ETag": xml_etag(made), **_about(made), "Content-Length": "0"})
        if request.method == "POST" and "uploads" in query:
            return self._begin_multipart(target)
        if request.method == "POST" and request.headers.get("x-goog-resumable", "").lower() == "start":
            upload = await run_in_threadpool(self.uploads.begin, target)
            location = f"{request.url.scheme}://{request.headers['host']}{path}?upload_id={upload}"
            headers = {"Location": location, "X-GUploader-UploadID": upload, "Content-Length": "0"}
            return Response(status_code=201, headers=headers)
        raise ApiError(501, f"The sandbox has no such {request.method} in the XML API.", "notImplemented")

    def _read(
        self, request: Request, home: Json, name: str, query: dict[str, list[str]], principal: str | None
    ) -> Response:
        require(self.store, principal, "storage.objects.get", home, name)
        found = self.catalogue.get(home["name"], name, integer(query, "generation"))
        etag = xml_etag(found)
        check_etag(found | {"etag": etag.strip('"')}, request.headers, reading=True)
        custom = {f"x-goog-meta-{key}": value for key, value in found.get("metadata", {}).items()}
        overrides = {
            header: query[parameter][0]
            for header, parameter in (
                ("Content-Type", "response-content-type"),
                ("Content-Disposition", "response-content-disposition"),
            )
            if parameter in query
        }
        headers = {"ETag": etag, **custom, **overrides}
        if request.method == "GET":
            return download(self.catalogue.objects, found, request.headers, headers)
        encoding = {"Content-Encoding": found["contentEncoding"]} if found.get("contentEncoding") else {}
        size = {"Content-Length": found["size"], "Accept-Ranges": "bytes"}
        return Response(headers=content_headers(found) | size | encoding | headers)

    async def _resume(self, request: Request, upload: str) -> Response:
        if request.method == "DELETE":
            self.uploads.cancel(upload)
            return Response(status_code=499, headers={"Content-Length": "0"})
        made = await self.uploads.resume(upload, request)
        if isinstance(made, Response):
            return made
        return Response(headers={"ETag": xml_etag(made), **_about(made), "Content-Length": "0"})

    def _begin_multipart(self, target: Target) -> Response:
        upload = self.uploads.begin_multipart(target)
        return _document(
            "InitiateMultipartUploadResult", {"Bucket": target.bucket, "Key": target.name, "UploadId": upload}
        )

    async def _multipart(self, request: Request, home: Json, target: Target, query: dict[str, list[str]]) -> Response:
        upload = query["uploadId"][0]
        if request.method == "GET":
            require(self.store, target.principal, "storage.multipartUploads.listParts", home, target.name)
            self.uploads.multipart(upload, target)
            parts = "".join(
                f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(_quoted(part.md5))}</ETag>"
                f"<Size>{part.size}</Size></Part>"
                for number, part in self.uploads.parts(upload).items()
            )
            names = {"Bucket": target.bucket, "Key": target.name, "UploadId": upload}
            return _document("ListPartsResult", names, parts)
        if request.method == "DELETE":
            require(self.store, target.principal, "storage.multipartUploads.abort", home, target.name)
            self.uploads.abort_multipart(upload, target)
            return Response(status_code=204)
        require(self.store, target.principal, "storage.objects.create", home, target.name)
        if request.method == "PUT":
            content = await self.uploads.part(upload, target, integer(query, "partNumber") or 0, request)
            headers = {"X-Goog-Hash": hashes({"crc32c": content.crc32c, "md5Hash": content.md5})}
            return Response(headers={"ETag": _quoted(content.md5), "Content-Length": "0", **headers})
        numbers = self._wanted_parts(upload, target, await request.body())
        made = await run_in_threadpool(self.uploads.complete_multipart, upload, target, numbers)
        location = f"https://storage.googleapis.com/{target.bucket}/{target.name}"
        names = {"Location": location, "Bucket": target.bucket, "Key": target.name, "ETag": xml_etag(made)}
        return _document("CompleteMultipartUploadResult", names, headers=_about(made))

    def _wanted_parts(self, upload: str, target: Target, text: bytes) -> list[int]:
        self.uploads.multipart(upload, target)
        # No document type: it could define entities that grow without end.
        if len(text) > MULTIPART_COMPLETE_LIMIT or b"<!" in text:
            raise ApiError(400, "The XML you provided was not well-formed.", "malformedXml")
        try:
            root = ElementTree.fromstring(text)  # noqa: S314 (it declares no entities)
        except ElementTree.ParseError:
            raise ApiError(400, "The XML you provided was not well-formed.", "malformedXml") from None
        wanted = [{re.sub(r"\{.*\}", "", field.tag): (field.text or "").strip() for field in part} for part in root]
        have = self.uploads.parts(upload)
        numbers = [int(part["PartNumber"]) if part.get("PartNumber", "").isdigit() else 0 for part in wanted]
        for number, part in zip(numbers, wanted, strict=True):
            if number not in have or part.get("ETag", "").strip('"') != _quoted(have[number].md5).strip('"'):
                raise ApiError(400, "One or more of the specified parts could not be found.", "invalidPart")
        if not numbers or numbers != sorted(set(numbers)):
            raise ApiError(400, "The list of parts was not in ascending order.", "invalidPartOrder")
        return numbers


def error_response(error: ApiError) -> Response:
    """An error as the XML API words it. Who is anonymous is refused with 403 here."""
    if error.code == 304:
        return Response(status_code=304)
    reason = error.reason or ""
    code = CODES.get(reason, reason[:1].upper() + reason[1:] or "InvalidArgument")
    message, details = error.message, ""
    if reason == "notFound" and not message.startswith("No such object"):
        code = "NoSuchBucket"
    elif reason == "notFound":
        message, details = "The specified key does not exist.", error.message
    elif reason in ("forbidden", "required"):
        message, details = "Access denied.", error.message
    fields = {"Code": code, "Message": message} | ({"Details": details} if details else {})
    headers = error.headers if isinstance(error, RangeError) else {}
    return _document("Error", fields, namespace="", status=403 if error.code == 401 else error.code, headers=headers)


def xml_etag(document: Json) -> str:
    """The MD5 of the contents in hexadecimal, or the JSON API's etag for objects that have none."""
    return _quoted(document["md5Hash"]) if document.get("md5Hash") else f'"-{document["etag"]}"'


def _quoted(md5: str | None) -> str:
    return f'"{base64.b64decode(md5 or "").hex()}"'


def _about(document: Json) -> dict[str, str]:
    return {
        "X-Goog-Generation": document["generation"],
        "X-Goog-Metageneration": document["metageneration"],
        "X-Goog-Hash": hashes(document),
        "X-Goog-Stored-Content-Length": document["size"],
    }


def _metadata(headers: Mapping[str, str]) -> Json:
    names = {
        "cacheControl": "cache-control",
        "contentDisposition": "content-disposition",
        "contentEncoding": "content-encoding",
        "contentLanguage": "content-language",
        "contentType": "content-type",
        "customTime": "x-goog-custom-time",
        "storageClass": "x-goog-storage-class",
    }
    metadata: Json = {key: headers[name] for key, name in names.items() if headers.get(name)}
    custom = {
        name.removeprefix("x-goog-meta-"): value for name, value in headers.items() if name.startswith("x-goog-meta-")
    }
    return metadata | ({"metadata": custom} if custom else {})


def _document(
    root: str,
    fields: Mapping[str, str],
    inner: str = "",
    *,
    namespace: str = NAMESPACE,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    body = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items()) + inner
    attribute = f" xmlns='{namespace}'" if namespace else ""
    text = f"<?xml version='1.0' encoding='UTF-8'?><{root}{attribute}>{body}</{root}>"
    return Response(text, status, headers, "application/xml; charset=UTF-8")
