# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Folders of buckets with a hierarchical namespace: resources of their own, which an object in them brings with it."""

from __future__ import annotations

from gcp_emulator.errors import ApiError, Json
from gcp_emulator.services.base import Call, handles, page
from gcp_emulator.services.storage.common import Preconditions, bad_request
from gcp_emulator.services.storage.hierarchy import FOLDERS, make, parents_of
from gcp_emulator.services.storage.service import StorageService

PAGE_LIMIT = 1000


class Folders(StorageService):
    """The methods of ``storage.folders`` that take one step; to rename and to delete recursively is not here."""

    @handles("storage.folders.insert")
    def insert_folder(self, call: Call) -> Json:
        """Make a folder. recording: the words."""
        bucket = self._home(call)
        name = _normal(call.body.get("name") or "")
        with self.store.lock:
            if self.store.get(FOLDERS, f"{bucket['name']}/{name}"):
                raise ApiError(409, "The folder you tried to create already exists.", "conflict")
            parents = parents_of(name.removesuffix("/"))
            missing = [one for one in parents if self.store.get(FOLDERS, f"{bucket['name']}/{one}") is None]
            if missing and call.first("recursive").lower() != "true":
                raise ApiError(409, "The parent folder does not exist.", "conflict")
            return [make(self.store, bucket["name"], one) for one in (*missing, name)][-1]

    @handles("storage.folders.get")
    def get_folder(self, call: Call) -> Json:
        """A folder."""
        folder = self._folder(call)
        Preconditions.of(call.query).check(folder, reading=True)
        return folder

    @handles("storage.folders.list")
    def list_folders(self, call: Call) -> Json:
        """The folders of a bucket by name, those below others included."""
        if call.first("delimiter"):
            raise ApiError(501, "The sandbox lists folders without a delimiter.", "notImplemented")
        bucket, start, end = self._home(call)["name"], call.first("startOffset"), call.first("endOffset")
        found = [
            folder
            for _key, folder in self.store.items(FOLDERS, f"{bucket}/{call.first('prefix')}")
            if folder["name"] >= start and (not end or folder["name"] < end)
        ]
        items, token = page(found, call, PAGE_LIMIT)
        answer: Json = {"kind": "storage#folders"} | ({"items": items} if items else {})
        return answer | ({"nextPageToken": token} if token else {})

    @handles("storage.folders.delete")
    def delete_folder(self, call: Call) -> None:
        """Delete a folder that has neither objects nor folders in it."""
        with self.store.lock:
            folder = self._folder(call)
            Preconditions.of(call.query).check(folder)
            key = f"{folder['bucket']}/{folder['name']}"
            below = [other for other, _folder in self.store.items(FOLDERS, key) if other != key]
            if below or not self.catalogue.empty(folder["bucket"], folder["name"]):
                raise ApiError(409, "The folder you tried to delete is not empty.", "conflict")  # recording
            self.store.delete(FOLDERS, key)

    def _home(self, call: Call) -> Json:
        bucket = self.catalogue.bucket(call.path["bucket"])
        if not bucket.get("hierarchicalNamespace", {}).get("enabled"):  # recording
            raise ApiError(409, "The bucket does not support hierarchical namespace.", "conflict")
        return bucket

    def _folder(self, call: Call) -> Json:
        bucket = self._home(call)["name"]
        folder = self.store.get(FOLDERS, f"{bucket}/{_normal(call.path['folder'])}")
        if folder is None:
            raise ApiError(404, "The folder does not exist.", "notFound")  # unverified: the words
        return folder


def _normal(name: str) -> str:
    """The name with its slash at the end, which Google adds (recording)."""
    if not name.strip("/") or "//" in name or len(name.encode()) > 512:
        raise bad_request("The folder name is not valid.")
    return name if name.endswith("/") else f"{name}/"
