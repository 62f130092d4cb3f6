# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Objects and their generations: what is kept, replaced, listed and deleted. Knows nothing of HTTP."""

from __future__ import annotations

import base64
import datetime
import hashlib
import heapq
import time
import typing as t
import uuid
from dataclasses import dataclass
from urllib.parse import quote

import google_crc32c

from gcp_emulator.backends import Objects
from gcp_emulator.errors import ApiError, Json
from gcp_emulator.services.storage.common import (
    Preconditions,
    bad_request,
    etag,
    no_bucket,
    no_object,
    now,
    parse_stamp,
    public,
    stamp,
)
from gcp_emulator.services.storage.hierarchy import FOLDERS, make, parents_of
from gcp_emulator.services.storage.listing import Listing, Page, page
from gcp_emulator.store import Store
from gcp_emulator.values import merged

# The live generation of each name is in LIVE; the others are keyed by their generation too, behind a line feed,
# which no name can contain.
LIVE, NONCURRENT, SOFT_DELETED = "objects", "objects.noncurrent", "objects.softDeleted"
MUTABLE = (
    "cacheControl",
    "contentDisposition",
    "contentEncoding",
    "contentLanguage",
    "contentType",
    "customTime",
    "eventBasedHold",
    "metadata",
    "temporaryHold",
)


@dataclass(frozen=True)
class Content:
    """Bytes on disk and their checksums, in base64 as the API writes them. Composite objects have no MD5."""

    blob: str
    size: int
    crc32c: str
    md5: str | None = None


def new_blob() -> str:
    """A name for contents that nothing else has."""
    return uuid.uuid4().hex


def measure(objects: Objects, blob: str, md5: bool = True) -> Content:
    """Read a blob once and take its checksums."""
    crc32c, digest, size = 0, hashlib.md5(usedforsecurity=False), 0
    for chunk in objects.read(blob):
        crc32c = google_crc32c.extend(crc32c, chunk)
        if md5:
            digest.update(chunk)
        size += len(chunk)
    return Content(
        blob,
        size,
        base64.b64encode(crc32c.to_bytes(4, "big")).decode(),
        base64.b64encode(digest.digest()).decode() if md5 else None,
    )


def verify(content: Content, expected: Json) -> None:
    """Compare with the checksums that the client gave, under the keys of the API's Object.

    :raises ApiError: 400, as the contents were damaged on the way.
    """
    for key, word, actual in (("crc32c", "CRC32C", content.crc32c), ("md5Hash", "MD5", content.md5)):
        wanted = expected.get(key)
        if wanted and actual and wanted != actual:
            raise bad_request(f'Provided {word} hash "{wanted}" doesn\'t match calculated {word} hash "{actual}".')


class Catalogue:
    """The objects of all buckets."""

    def __init__(self, store: Store, objects: Objects) -> None:
        self.store, self.objects = store, objects
        self._generation = 0

    def bucket(self, name: str) -> Json:
        """The bucket.

        :raises ApiError: 404.
        """
        bucket = self.store.get("buckets", name)
        if bucket is None:
            raise no_bucket()
        return bucket

    def find(self, bucket: str, name: str, generation: int | None = None, soft_deleted: bool = False) -> Json | None:
        """The live generation, or the one that is asked for, or None."""
        if soft_deleted:
            found = self.store.get(SOFT_DELETED, _generation_key(bucket, name, generation or 0))
            return found if found and parse_stamp(found["hardDeleteTime"]) > now() else None
        live = self.store.get(LIVE, f"{bucket}/{name}")
        if generation is None or (live and int(live["generation"]) == generation):
            return live
        return self.store.get(NONCURRENT, _generation_key(bucket, name, generation))

    def get(self, bucket: str, name: str, generation: int | None = None, soft_deleted: bool = False) -> Json:
        """As ``find``.

        :raises ApiError: 404.
        """
        found = self.find(bucket, name, generation, soft_deleted)
        if found is None:
            raise no_object(bucket, name)
        return found

    def create(
        self,
        bucket: str,
        name: str,
        content: Content,
        metadata: Json,
        conditions: Preconditions,
        replaces: t.Callable[[], None],
        components: int | None = None,
    ) -> Json:
        """Make a new generation the live one.

        :param metadata: an Object of the API, of which only what a client may set is taken.
        :param replaces: called when the name is taken; raises what forbids to replace it.
        :param components: how many objects it was composed of.
        :raises ApiError: 400, 404, 412, or what ``replaces`` raises.
        """
        check_name(name)
        check_metadata(metadata)
        with self.store.lock:
            home = self.bucket(bucket)
            current = self.find(bucket, name)
            conditions.check(current)
            if current:
                replaces()
            document = self._document(home, name, content, metadata)
            if components:
                document["componentCount"] = components
            blob = self._retire(home, current) if current else None
            self._put(document)
            self._make_folders(home, name)
        if blob:
            self.objects.delete(blob)
        return document

    def update(
        self, bucket: str, name: str, generation: int | None, body: Json, conditions: Preconditions, patch: bool
    ) -> Json:
        """Change the metadata of a generation: merge what is given, or replace all that can be changed.

        :raises ApiError: 400, 404, 412.
        """
        check_metadata(body)
        changes = {key: value for key, value in body.items() if key in MUTABLE}
        with self.store.lock:
            document = before = self.get(bucket, name, generation)
            conditions.check(document)
            if patch:
                document = merged(document, changes)
            else:
                kept = {key: value for key, value in document.items() if key not in MUTABLE}
                document = kept | {key: value for key, value in changes.items() if value is not None}
            if not document.get("metadata"):
                document.pop("metadata", None)
            if before.get("eventBasedHold") and not document.get("eventBasedHold"):
                document["_released"] = stamp()
            document["metageneration"] = str(int(document["metageneration"]) + 1)
            document["etag"] = etag(int(document["generation"]), int(document["metageneration"]))
            document["updated"] = stamp()
            self._put(document)
        return document

    def delete(self, bucket: str, name: str, generation: int | None, conditions: Preconditions) -> None:
        """Delete the live generation, which a versioned bucket keeps as a noncurrent one, or one generation for good.

        :raises ApiError: 404, 412.
        """
        with self.store.lock:
            home = self.bucket(bucket)
            found = self.get(bucket, name, generation)
            conditions.check(found)
            live = self.find(bucket, name)
            if live and live["generation"] == found["generation"]:
                blob = self._retire(home, found, keep=generation is None)
                self.store.delete(LIVE, f"{bucket}/{name}")
            else:
                blob = self._retire(home, found, keep=False)
                self.store.delete(NONCURRENT, _generation_key(bucket, name, int(found["generation"])))
        if blob:
            self.objects.delete(blob)

    def restore(self, bucket: str, name: str, generation: int, conditions: Preconditions) -> Json:
        """Make a soft-deleted generation live again, as a generation of its own.

        :raises ApiError: 404, 412.
        """
        with self.store.lock:
            home = self.bucket(bucket)
            found = self.get(bucket, name, generation, soft_deleted=True)
            current = self.find(bucket, name)
            conditions.check(current)
            content = Content(found["_blob"], int(found["size"]), found["crc32c"], found.get("md5Hash"))
            document = self._document(home, name, content, found)
            blob = self._retire(home, current) if current else None
            self._put(document)
            self._make_folders(home, name)
            self.store.delete(SOFT_DELETED, _generation_key(bucket, name, generation))
        if blob:
            self.objects.delete(blob)
        return document

    def copy(self, source: Json) -> Content:
        """Contents of their own for a copy of an object."""
        blob = new_blob()
        self.objects.write(blob, self.objects.read(source["_blob"]))
        return Content(blob, int(source["size"]), source["crc32c"], source.get("md5Hash"))

    def join(self, blobs: t.Iterable[str], md5: bool = False) -> Content:
        """One blob of many, in this order."""
        blob = new_blob()
        self.objects.write(blob, (chunk for part in blobs for chunk in self.objects.read(part)))
        return measure(self.objects, blob, md5)

    def page(self, bucket: str, asked: Listing) -> Page:
        """One page of a list.

        :raises ApiError: 400, 404.
        """
        self.bucket(bucket)
        return page(self._all(bucket, asked), asked)

    def told(self, document: Json) -> Json:
        """The document as the API answers it."""
        end = retained_until(self.store.get("buckets", document["bucket"]) or {}, document)
        return public(document) | ({"retentionExpirationTime": stamp(end)} if end else {})

    def empty(self, bucket: str, prefix: str = "") -> bool:
        """Whether nothing but soft-deleted generations is left, of all objects or of those in a folder."""
        kept = (self.store.items(kind, f"{bucket}/{prefix}") for kind in (LIVE, NONCURRENT))
        return all(next(found, None) is None for found in kept)

    def forget(self, bucket: str) -> None:
        """Remove the soft-deleted generations of a bucket that goes."""
        for key, document in self.store.items(SOFT_DELETED, f"{bucket}/"):
            self.store.delete(SOFT_DELETED, key)
            self.objects.delete(document["_blob"])

    def expire(self) -> None:
        """Remove the soft-deleted generations whose time has come."""
        for key, document in self.store.items(SOFT_DELETED):
            if parse_stamp(document["hardDeleteTime"]) <= now():
                self.store.delete(SOFT_DELETED, key)
                self.objects.delete(document["_blob"])

    def blobs(self) -> set[str]:
        """Every blob that a generation needs."""
        return {
            document["_blob"] for kind in (LIVE, NONCURRENT, SOFT_DELETED) for _key, document in self.store.items(kind)
        }

    def _all(self, bucket: str, asked: Listing) -> t.Iterator[Json]:
        prefix = f"{bucket}/{asked.prefix}"
        if asked.soft_deleted:
            found = (document for _key, document in self.store.items(SOFT_DELETED, prefix))
            return (document for document in found if parse_stamp(document["hardDeleteTime"]) > now())
        live = (document for _key, document in self.store.items(LIVE, prefix))
        if not asked.versions:
            return live
        noncurrent = (document for _key, document in self.store.items(NONCURRENT, prefix))

        def order(document: Json) -> tuple[str, int]:
            return document["name"], int(document["generation"])

        return heapq.merge(live, sorted(noncurrent, key=order), key=order)

    def _document(self, bucket: Json, name: str, content: Content, metadata: Json) -> Json:
        # Microseconds, as at Google, and never the same twice.
        self._generation = max(self._generation + 1, time.time_ns() // 1000)
        generation, moment = self._generation, stamp()
        path = f"b/{bucket['name']}/o/{quote(name, safe='')}"
        document = {key: metadata[key] for key in MUTABLE if metadata.get(key) is not None}
        document |= {
            "kind": "storage#object",
            "id": f"{bucket['name']}/{name}/{generation}",
            "selfLink": f"https://www.googleapis.com/storage/v1/{path}",
            "mediaLink": f"https://storage.googleapis.com/download/storage/v1/{path}?generation={generation}&alt=media",
            "name": name,
            "bucket": bucket["name"],
            "generation": str(generation),
            "metageneration": "1",
            "storageClass": metadata.get("storageClass") or bucket["storageClass"],
            "size": str(content.size),
            "crc32c": content.crc32c,
            "etag": etag(generation, 1),
            "timeCreated": moment,
            "updated": moment,
            "timeStorageClassUpdated": moment,
            "timeFinalized": moment,
            "_blob": content.blob,
        }
        if content.md5:
            document["md5Hash"] = content.md5
        if key := bucket.get("encryption", {}).get("defaultKmsKeyName"):
            document["kmsKeyName"] = f"{key}/cryptoKeyVersions/1"
        if bucket.get("defaultEventBasedHold"):
            document.setdefault("eventBasedHold", True)
        return document

    def _retire(self, bucket: Json, document: Json, keep: bool = True) -> str | None:
        """Move a generation to where the bucket keeps such, if anywhere; else the blob that nobody needs any more.

        :param keep: whether a versioned bucket keeps it as noncurrent.
        :raises ApiError: 403 for an object that is held or must be kept.
        """
        _refuse_protected(bucket, document)
        key = _generation_key(document["bucket"], document["name"], int(document["generation"]))
        if keep and bucket.get("versioning", {}).get("enabled"):
            self.store.put(NONCURRENT, key, document | {"timeDeleted": stamp()})
            return None
        seconds = int(bucket.get("softDeletePolicy", {}).get("retentionDurationSeconds", 0))
        if seconds:
            times = {"softDeleteTime": stamp(), "hardDeleteTime": stamp(now() + datetime.timedelta(seconds=seconds))}
            self.store.put(SOFT_DELETED, key, document | times)
            return None
        return str(document["_blob"])

    def _make_folders(self, bucket: Json, name: str) -> None:
        """documentation: an object brings the folders that it lies in."""
        for folder in parents_of(name) if bucket.get("hierarchicalNamespace", {}).get("enabled") else ():
            if self.store.get(FOLDERS, f"{bucket['name']}/{folder}") is None:
                make(self.store, bucket["name"], folder)

    def _put(self, document: Json) -> None:
        bucket, name, generation = document["bucket"], document["name"], int(document["generation"])
        if "timeDeleted" in document:
            self.store.put(NONCURRENT, _generation_key(bucket, name, generation), document)
        else:
            self.store.put(LIVE, f"{bucket}/{name}", document)


def check_name(name: str) -> None:
    """
    :raises ApiError: 400 for a name that no object can have.
    """
    if not name:
        raise ApiError(400, "Required", "required")
    if len(name.encode()) > 1024 or name in (".", "..") or set(name) & {"\n", "\r"}:
        raise bad_request("The specified object name is not valid.")


def check_metadata(body: Json) -> None:
    """
    :raises ApiError: 400 for values of the wrong type.
    """
    custom = body.get("metadata")
    if custom is not None and not (
        isinstance(custom, dict) and all(value is None or isinstance(value, str) for value in custom.values())
    ):
        raise bad_request("Invalid value for: metadata must map text to text")


def retained_until(bucket: Json, document: Json) -> datetime.datetime | None:
    """When the bucket's retention policy lets go of an object; None where it has nothing to say yet.

    documentation: the period begins when the object is made, or when its event-based hold is released.
    """
    seconds = int(bucket.get("retentionPolicy", {}).get("retentionPeriod", 0))
    if not seconds or document.get("eventBasedHold"):
        return None
    return parse_stamp(document.get("_released") or document["timeCreated"]) + datetime.timedelta(seconds=seconds)


def _refuse_protected(bucket: Json, document: Json) -> None:
    what = f"Object '{document['bucket']}/{document['name']}'"
    for field, word in (("temporaryHold", "Temporary"), ("eventBasedHold", "Event-Based")):
        if document.get(field):
            raise ApiError(
                403,
                f"{what} is under active {word} hold and cannot be deleted, overwritten or archived until hold is "
                "removed.",
                "forbidden",
            )
    end = retained_until(bucket, document)
    if end and end > now():
        raise ApiError(
            403,
            f"{what} is subject to bucket's retention policy and cannot be deleted, overwritten or archived until "
            f"{stamp(end)}",
            "retentionPolicyNotMet",
        )


def _generation_key(bucket: str, name: str, generation: int) -> str:
    return f"{bucket}/{name}\n{generation:020d}"
