# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cloud Storage: its JSON methods, and a door of their own for contents."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from gcp_emulator.cloud import Cloud
from gcp_emulator.errors import ApiError
from gcp_emulator.services.storage.access import check_payer
from gcp_emulator.services.storage.buckets import Buckets
from gcp_emulator.services.storage.common import RangeError
from gcp_emulator.services.storage.folders import Folders
from gcp_emulator.services.storage.media import Media
from gcp_emulator.services.storage.methods import ObjectMethods
from gcp_emulator.services.storage.xml_api import XmlApi

HOST_BUCKET = re.compile(r"(?P<bucket>.+)\.storage\.googleapis\.com")
BUCKET_PATH = re.compile(r"/(?:(?:resumable/)?upload/|download/)?storage/v1/b/(?P<json>[^/]+)/.*|/(?P<xml>[^/]+)/.*")
JSON_PATH = re.compile(r"/((resumable/)?upload/|download/)?storage/v1/.*|/batch(/.*)?")


class Storage(Buckets, Folders, ObjectMethods):
    """The methods of buckets, folders and objects, and ``data_plane`` for whatever carries contents."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._media = Media(self.catalogue, self.uploads)
        self._xml = XmlApi(self.catalogue, self.uploads)
        # Requests are answered before ``wake`` is done: what they bring is not in here.
        self._found = set(cloud.objects.names())

    def wake(self) -> None:
        """Forget what has expired, and remove the contents that nothing needs: a crash leaves such behind."""
        self.catalogue.expire()
        self.uploads.expire()
        with self.store.lock:
            # Uploads first: one that is completed meanwhile is then an object.
            needed = self.uploads.blobs() | self.catalogue.blobs()
        for blob in self._found - needed:
            self.cloud.objects.delete(blob)

    async def data_plane(self, request: Request, principal: str | None) -> Response | None:
        """Answer an upload, a download, or anything in the XML API.

        :param principal: the caller's e-mail address, or None without a credential.
        :return: None for what is one of the JSON methods.
        """
        raw: bytes | None = request.scope.get("raw_path")
        path = raw.decode("latin-1").partition("?")[0] if raw else quote(request.scope["path"])
        host = HOST_BUCKET.fullmatch(request.headers.get("host", "").partition(":")[0].lower())
        try:
            self._check_payer(request, path, host["bucket"] if host else None, principal)
            if host or not JSON_PATH.fullmatch(path):
                return await self._xml.answer(request, path, host["bucket"] if host else None, principal)
            return await self._media.answer(request, path, principal)
        except ApiError as error:
            return _error(error, request)
        except ClientDisconnect:  # nobody is there to read an answer
            return Response(status_code=499)

    def _check_payer(self, request: Request, path: str, host_bucket: str | None, principal: str | None) -> None:
        named = BUCKET_PATH.fullmatch(path)
        name = host_bucket or (unquote(named["json"] or named["xml"] or "") if named else "")
        # A resumable upload was paid for when it began; a signed URL says who signed it only when it is checked.
        paid = {"upload_id", "X-Goog-Signature"} & {*request.query_params}
        bucket = self.store.get("buckets", name)
        if bucket and not paid:
            headers = request.headers.get("x-goog-user-project", "")
            check_payer(self.store, principal, bucket, request.query_params.get("userProject") or headers)


def _error(error: ApiError, request: Request) -> Response:
    headers = {"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/"'} if error.code == 401 else {}
    headers |= error.headers if isinstance(error, RangeError) else {}
    if error.code == 304:
        return Response(status_code=304)
    if request.query_params.get("alt") == "media":
        return Response(error.message, error.code, headers, "text/html; charset=UTF-8")
    return JSONResponse(error.body("storage"), error.code, headers)
