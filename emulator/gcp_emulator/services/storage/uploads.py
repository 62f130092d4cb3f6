# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Uploads in one request, resumable uploads, and multipart uploads, which survive a restart."""

from __future__ import annotations

import asyncio
import re
import secrets
import typing as t
import weakref
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from gcp_emulator.errors import ApiError, Json
from gcp_emulator.services.storage.access import require
from gcp_emulator.services.storage.common import Preconditions, bad_request, now, parse_stamp, stamp
from gcp_emulator.services.storage.objects import (
    Catalogue,
    Content,
    check_metadata,
    check_name,
    measure,
    new_blob,
    verify,
)
from gcp_emulator.services.storage.transfer import body, checksums, receive

SESSIONS, MULTIPART = "uploads", "uploads.multipart"
QUANTUM = 256 * 1024
SESSION_DAYS = 7
CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+|\*)|\*)/(\d+|\*)")


@dataclass(frozen=True)
class Target:
    """The object that an upload makes, on whose behalf, and on which conditions."""

    bucket: str
    name: str
    principal: str | None
    metadata: Json = field(default_factory=dict)
    conditions: Preconditions = field(default_factory=Preconditions)


class Uploads:
    """All ways in which contents come in."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.store, self.objects = catalogue.store, catalogue.objects
        # Two requests for one upload, of which a client gave the first up, take turns.
        self._turns: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    def permit(self, target: Target) -> None:
        """Before any byte is taken: whether the object may be made, as far as can be known by now.

        :raises ApiError: 400, 401, 403, 404, 412.
        """
        home = self.catalogue.bucket(target.bucket)
        require(self.store, target.principal, "storage.objects.create", home, target.name)
        check_name(target.name)
        check_metadata(target.metadata)
        current = self.catalogue.find(target.bucket, target.name)
        target.conditions.check(current)
        if current:
            self._may_replace(target)

    async def simple(self, target: Target, chunks: AsyncIterator[bytes], promised: Json) -> Json:
        """An upload in one request; the object.

        :param promised: the checksums that the client gave.
        """
        await run_in_threadpool(self.permit, target)
        blob = new_blob()
        try:
            await receive(self.objects, blob, 0, chunks)
            return await run_in_threadpool(self._finish, target, blob, promised)
        except BaseException:
            self.objects.delete(blob)
            raise

    def begin(self, target: Target) -> str:
        """Begin a resumable upload; its id, which is all that one needs to go on with it."""
        self.permit(target)
        upload = secrets.token_urlsafe(48)
        session = {
            "bucket": target.bucket,
            "name": target.name,
            "principal": target.principal,
            "metadata": target.metadata,
            "conditions": vars(target.conditions),
            "blob": new_blob(),
            "created": stamp(),
        }
        self.store.put(SESSIONS, upload, session)
        return upload

    async def resume(self, upload: str, request: Request) -> Json | Response:
        """Take a chunk, or tell how far the upload is: the object once it is complete, else 308.

        :raises ApiError: 400, 404, 499 for an upload that was cancelled, 503 for a gap before the chunk.
        """
        async with self._turns.setdefault(upload, asyncio.Lock()):
            session = self._session(upload)
            if session.get("object"):
                return t.cast(Json, session["object"])
            start, last, total = _content_range(request.headers.get("content-range"))
            blob = session["blob"]
            if start is None:
                complete = self.objects.size(blob) == total
                if complete and total == 0:
                    self.objects.append(blob, 0, b"")
            else:
                complete = await self._take(blob, start, last, total, request)
            if not complete:
                return self._incomplete(upload, blob)
            return await run_in_threadpool(self._complete, upload, session, checksums(request.headers))

    def cancel(self, upload: str) -> None:
        """Give a resumable upload up."""
        session = self._session(upload)
        self.store.put(SESSIONS, upload, {"cancelled": True, "created": session["created"]})
        if not session.get("object"):
            self.objects.delete(session["blob"])

    def begin_multipart(self, target: Target) -> str:
        """Begin an upload of numbered parts; its id."""
        self.permit(target)
        upload = secrets.token_urlsafe(48)
        session = {
            "bucket": target.bucket,
            "name": target.name,
            "metadata": target.metadata,
            "created": stamp(),
        }
        self.store.put(MULTIPART, upload, session)
        return upload

    async def part(self, upload: str, target: Target, number: int, request: Request) -> Content:
        """Take a part; one of the same number is replaced."""
        self.multipart(upload, target)
        if not 1 <= number <= 10000:
            raise bad_request("Part number must be an integer between 1 and 10000, inclusive.")
        blob = new_blob()
        try:
            await receive(self.objects, blob, 0, request.stream())
            content = await run_in_threadpool(measure, self.objects, blob)
            verify(content, checksums(request.headers))
            with self.store.lock:
                self.multipart(upload, target)
                before = self.store.get(f"{MULTIPART}.parts", f"{upload}/{number:05d}")
                self.store.put(f"{MULTIPART}.parts", f"{upload}/{number:05d}", vars(content) | {"number": number})
        except BaseException:
            self.objects.delete(blob)
            raise
        if before:
            self.objects.delete(before["blob"])
        return content

    def multipart(self, upload: str, target: Target) -> Json:
        """An upload of parts.

        :raises ApiError: 404.
        """
        session = self.store.get(MULTIPART, upload)
        if session is None or (session["bucket"], session["name"]) != (target.bucket, target.name):
            raise ApiError(404, "The requested upload was not found.", "noSuchUpload")
        return session

    def parts(self, upload: str) -> dict[int, Content]:
        """What has come in, by number."""
        found = self.store.items(f"{MULTIPART}.parts", f"{upload}/")
        return {
            part["number"]: Content(part["blob"], part["size"], part["crc32c"], part["md5"]) for _key, part in found
        }

    def complete_multipart(self, upload: str, target: Target, numbers: list[int]) -> Json:
        """Make the object of these parts, which are in this order."""
        session = self.multipart(upload, target)
        parts = self.parts(upload)
        content = self.catalogue.join([parts[number].blob for number in numbers])
        wanted = Target(target.bucket, target.name, target.principal, session["metadata"], target.conditions)
        try:
            made = self.create(wanted, content)
        except BaseException:
            self.objects.delete(content.blob)
            raise
        self.abort_multipart(upload, target)
        return made

    def abort_multipart(self, upload: str, target: Target) -> None:
        """Remove an upload and its parts."""
        self.multipart(upload, target)
        parts = self.parts(upload)
        with self.store.lock:
            self.store.delete(MULTIPART, upload)
            for number in parts:
                self.store.delete(f"{MULTIPART}.parts", f"{upload}/{number:05d}")
        for part in parts.values():
            self.objects.delete(part.blob)

    def expire(self) -> None:
        """Forget resumable uploads that nobody has finished within a week."""
        for upload, session in list(self.store.items(SESSIONS)):
            if (now() - parse_stamp(session["created"])).days >= SESSION_DAYS:
                self.store.delete(SESSIONS, upload)

    def blobs(self) -> set[str]:
        """Every blob that an upload needs."""
        sessions = {
            session["blob"]
            for _key, session in self.store.items(SESSIONS)
            if "blob" in session and not session.get("object")
        }
        return sessions | {part["blob"] for _key, part in self.store.items(f"{MULTIPART}.parts")}

    def _session(self, upload: str) -> Json:
        session = self.store.get(SESSIONS, upload)
        if session is None:
            raise ApiError(404, "No such upload.", "notFound")
        if session.get("cancelled"):
            raise ApiError(499, "The upload was cancelled.", "clientClosedRequest")
        return session

    async def _take(self, blob: str, start: int, last: int | None, total: int | None, request: Request) -> bool:
        """Take a chunk; whether it was the last."""
        have = self._persisted(blob)
        if start > have:
            raise ApiError(
                503,
                f"Invalid request.  According to the Content-Range header, the upload offset is {start} byte(s), which "
                f"exceeds already uploaded size of {have} byte(s).",
                "backendError",
            )
        size = await receive(self.objects, blob, start, body(request))
        if last is not None and size != last + 1:
            raise bad_request(
                f"Invalid request.  There were {size - start} byte(s) in the request body.  There should have been "
                f"{last + 1 - start} byte(s) (starting at offset {start} and ending at offset {last}) according to the "
                "Content-Range header."
            )
        if total is None and last is None:  # the whole of it, or all that is left
            return True
        if total is None or size < total:
            if size - start < QUANTUM:
                raise bad_request(
                    "Invalid request.  The number of bytes uploaded is required to be equal or greater than 262144, "
                    "except for the final request (it's recommended to be the exact multiple of 262144).  The received "
                    f"request contained {size - start} bytes, which does not meet this requirement."
                )
            return False
        if size > total:
            raise bad_request(
                f"Invalid request.  {size} byte(s) were uploaded, more than the {total} that were announced."
            )
        return True

    def _persisted(self, blob: str) -> int:
        """How much of an unfinished upload counts: whole quanta, whatever else came in before a connection was lost."""
        return self.objects.size(blob) // QUANTUM * QUANTUM

    def _incomplete(self, upload: str, blob: str) -> Response:
        have = self._persisted(blob)
        headers = {"Content-Length": "0", "X-GUploader-UploadID": upload, "Content-Type": "text/plain; charset=utf-8"}
        return Response(status_code=308, headers=headers | ({"Range": f"bytes=0-{have - 1}"} if have else {}))

    def _complete(self, upload: str, session: Json, promised: Json) -> Json:
        conditions = Preconditions(**session["conditions"])
        target = Target(session["bucket"], session["name"], session["principal"], session["metadata"], conditions)
        try:
            made = self._finish(target, session["blob"], promised)
        except ApiError:
            self.store.delete(SESSIONS, upload)
            self.objects.delete(session["blob"])
            raise
        self.store.put(SESSIONS, upload, session | {"object": made})
        return made

    def _finish(self, target: Target, blob: str, promised: Json) -> Json:
        content = measure(self.objects, blob)
        verify(content, target.metadata)
        verify(content, promised)
        return self.create(target, content)

    def create(self, target: Target, content: Content, components: int | None = None) -> Json:
        """Make the object of contents that are on disk; ``components`` as in ``Catalogue.create``."""
        return self.catalogue.create(
            target.bucket,
            target.name,
            content,
            target.metadata,
            target.conditions,
            lambda: self._may_replace(target),
            components,
        )

    def _may_replace(self, target: Target) -> None:
        home = self.catalogue.bucket(target.bucket)
        require(self.store, target.principal, "storage.objects.delete", home, target.name)


def _content_range(header: str | None) -> tuple[int | None, int | None, int | None]:
    """First and last byte and total; a first of None asks for the state."""
    if header is None:
        return 0, None, None
    match = CONTENT_RANGE.fullmatch(header.strip())
    if not match:
        raise bad_request("Failed to parse Content-Range header.")
    first, last, total = (int(text) if text and text != "*" else None for text in match.groups())
    return first, last, total
