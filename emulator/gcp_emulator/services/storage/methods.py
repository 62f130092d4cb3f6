# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The methods of ``storage.objects`` that work with metadata. Contents go through ``media`` and ``xml_api``."""

from __future__ import annotations

import typing as t

from gcp_emulator.errors import ApiError, Json
from gcp_emulator.services import base
from gcp_emulator.services.base import Call, handles
from gcp_emulator.services.storage.access import check_payer, refuse_acl, require
from gcp_emulator.services.storage.common import (
    Preconditions,
    bad_request,
    check_etag,
    integer,
    precondition_failed,
)
from gcp_emulator.services.storage.listing import Listing
from gcp_emulator.services.storage.objects import Content, verify
from gcp_emulator.services.storage.service import StorageService
from gcp_emulator.services.storage.uploads import Target

PAGE_LIMIT = 1000
COMPOSE_LIMIT = 32


class ObjectMethods(StorageService):
    """Reads, changes, copies and deletes objects."""

    @handles("storage.objects.list")
    def list_objects(self, call: Call) -> Json:
        """A page of a bucket's objects."""
        bucket = self._bucket(call)
        require(self.store, call.principal, "storage.objects.list", bucket)
        if call.first("filter"):  # discovery: it is about object contexts alone
            raise ApiError(501, "The sandbox's objects have no contexts to filter by.", "notImplemented")
        limit = integer(call.query, "maxResults")
        if limit is not None and limit < 0:
            raise bad_request(f"Invalid unsigned integer value: '{limit}'.")
        page = self.catalogue.page(
            bucket["name"],
            Listing(
                prefix=call.first("prefix"),
                delimiter=call.first("delimiter"),
                start=call.first("startOffset"),
                end=call.first("endOffset"),
                limit=min(limit or PAGE_LIMIT, PAGE_LIMIT),
                token=call.first("pageToken"),
                versions=_says(call, "versions"),
                soft_deleted=_says(call, "softDeleted"),
                trailing_delimiter=_says(call, "includeTrailingDelimiter"),
                glob=call.first("matchGlob"),
            ),
        )
        answer: Json = {"kind": "storage#objects"}
        answer |= {"nextPageToken": page.next_token} if page.next_token else {}
        answer |= {"prefixes": page.prefixes} if page.prefixes else {}
        answer |= {"items": [self.catalogue.told(item) for item in page.items]} if page.items else {}
        return answer

    @handles("storage.objects.get")
    def get_object(self, call: Call) -> Json:
        """The metadata of a generation."""
        bucket, name = self._bucket(call), call.path["object"]
        require(self.store, call.principal, "storage.objects.get", bucket, name)
        found = self.catalogue.get(bucket["name"], name, integer(call.query, "generation"), _says(call, "softDeleted"))
        Preconditions.of(call.query).check(found, reading=True)
        check_etag(found, call.headers, reading=True)
        return self.catalogue.told(found)

    @handles("storage.objects.patch", "storage.objects.update")
    def change_object(self, call: Call) -> Json:
        """PATCH merges into the metadata; PUT replaces all of it."""
        bucket, name = self._bucket(call), call.path["object"]
        require(self.store, call.principal, "storage.objects.update", bucket, name)
        refuse_acl(bucket, bool(call.first("predefinedAcl") or call.body.get("acl")))
        generation, patch = integer(call.query, "generation"), call.method.endswith(".patch")
        with self.store.lock:
            check_etag(self.catalogue.get(bucket["name"], name, generation), call.headers)
            conditions = Preconditions.of(call.query)
            changed = self.catalogue.update(bucket["name"], name, generation, call.body, conditions, patch)
        return self.catalogue.told(changed)

    @handles("storage.objects.delete")
    def delete_object(self, call: Call) -> None:
        """Delete the live generation, or the one that is named."""
        bucket, name = self._bucket(call), call.path["object"]
        require(self.store, call.principal, "storage.objects.delete", bucket, name)
        generation = integer(call.query, "generation")
        with self.store.lock:
            check_etag(self.catalogue.get(bucket["name"], name, generation), call.headers)
            self.catalogue.delete(bucket["name"], name, generation, Preconditions.of(call.query))

    @handles("storage.objects.compose")
    def compose(self, call: Call) -> Json:
        """One object of up to 32, in their order."""
        bucket = self.catalogue.bucket(call.path["destinationBucket"])
        asked = call.body.get("sourceObjects") or []
        if not 0 < len(asked) <= COMPOSE_LIMIT:
            raise bad_request(f"The number of source components provided ({len(asked)}) must be between 1 and 32.")
        sources = [self._source(bucket, one, call.principal) for one in asked]
        metadata = {"contentType": sources[0].get("contentType")} | (call.body.get("destination") or {})
        target = self._target(call, metadata)
        components = sum(source.get("componentCount", 1) for source in sources)
        return self._make(
            target, lambda: self.catalogue.join(source["_blob"] for source in sources), metadata, components
        )

    @handles("storage.objects.copy")
    def copy(self, call: Call) -> Json:
        """A copy, in one step."""
        return self._copy(call)

    @handles("storage.objects.rewrite")
    def rewrite(self, call: Call) -> Json:
        """A copy that is done at the first call, however large the object is."""
        made = self._copy(call)
        return {
            "kind": "storage#rewriteResponse",
            "totalBytesRewritten": made["size"],
            "objectSize": made["size"],
            "done": True,
            "resource": made,
        }

    def _copy(self, call: Call) -> Json:
        bucket, name = self.catalogue.bucket(call.path["sourceBucket"]), call.path["sourceObject"]
        require(self.store, call.principal, "storage.objects.get", bucket, name)
        source = self.catalogue.get(bucket["name"], name, integer(call.query, "sourceGeneration"))
        Preconditions.of(call.query, "ifSource").check(source)
        # Metadata that is given replaces that of the source, all of it.
        given = {key: call.body[key] for key in call.body if key not in ("bucket", "kind", "name", "storageClass")}
        metadata = (given or source) | {"storageClass": call.body.get("storageClass")}
        target = self._target(call, metadata)
        return self._make(target, lambda: self.catalogue.copy(source), {}, source.get("componentCount"))

    @handles("storage.objects.restore")
    def restore(self, call: Call) -> Json:
        """Bring a soft-deleted generation back."""
        bucket, name = self._bucket(call), call.path["object"]
        require(self.store, call.principal, "storage.objects.restore", bucket, name)
        require(self.store, call.principal, "storage.objects.create", bucket, name)
        generation = integer(call.query, "generation")
        if generation is None:
            raise ApiError(400, "Required parameter: generation", "required")
        restored = self.catalogue.restore(bucket["name"], name, generation, Preconditions.of(call.query))
        return self.catalogue.told(restored)

    @handles("storage.managedFolders.list")
    def list_managed_folders(self, call: Call) -> Json:
        """None: nobody can make one here. Clients ask before they empty a bucket."""
        self._bucket(call)
        base.page([], call, PAGE_LIMIT)  # refuses what no page can be
        return {"kind": "storage#managedFolders"}

    def _bucket(self, call: Call) -> Json:
        """The bucket, if somebody pays for what is asked of it, be it as a part of a batch."""
        bucket = self.catalogue.bucket(call.path["bucket"])
        check_payer(self.store, call.principal, bucket, call.first("userProject"))
        return bucket

    def _source(self, bucket: Json, asked: Json, principal: str) -> Json:
        name = asked.get("name") or ""
        require(self.store, principal, "storage.objects.get", bucket, name)
        source = self.catalogue.get(bucket["name"], name, int(asked["generation"]) if asked.get("generation") else None)
        wanted = asked.get("objectPreconditions", {}).get("ifGenerationMatch")
        if wanted and int(wanted) != int(source["generation"]):
            raise precondition_failed()
        return source

    def _target(self, call: Call, metadata: Json) -> Target:
        bucket, name = call.path["destinationBucket"], call.path["destinationObject"]
        refuse_acl(self.catalogue.bucket(bucket), bool(call.first("destinationPredefinedAcl")))
        return Target(bucket, name, call.principal, metadata, Preconditions.of(call.query))

    def _make(self, target: Target, contents: t.Callable[[], Content], expected: Json, components: int | None) -> Json:
        self.uploads.permit(target)
        content = contents()
        try:
            verify(content, expected)
            return self.catalogue.told(self.uploads.create(target, content, components))
        except BaseException:
            self.catalogue.objects.delete(content.blob)
            raise


def _says(call: Call, name: str) -> bool:
    return call.first(name).lower() == "true"
