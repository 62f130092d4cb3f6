# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cloud Storage within the test's process, behind Google's own client library."""

from __future__ import annotations

import dataclasses
import io
import typing as t

import requests
import requests.adapters
import urllib3
from gcp_emulator.discovery import Apis
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from harness import PROJECT, Answer, Emulator, assemble

if t.TYPE_CHECKING:
    from pathlib import Path


class Wire(requests.adapters.BaseAdapter):
    """What takes a request to the emulator instead of the network, unless it is to be refused."""

    def __init__(self, emulator: Emulator) -> None:
        super().__init__()
        self.emulator = emulator
        self.refused = ""

    def send(self, request: requests.PreparedRequest, *_arguments: t.Any, **_options: t.Any) -> requests.Response:
        """Answer a request."""
        body: t.Any = request.body or b""
        content = body.read() if hasattr(body, "read") else body.encode() if isinstance(body, str) else body
        # Google's library makes the type of a multipart body of bytes.
        headers = {name: value if isinstance(value, str) else value.decode() for name, value in request.headers.items()}
        url = str(request.url)
        if self.refused and self.refused in f"{request.method} {url}":
            answer = Answer(403, {"content-type": "application/json"}, b'{"error": {"message": "refused"}}')
        else:
            answer = self.emulator.call(str(request.method), url, content, headers=headers)
        raw = urllib3.HTTPResponse(
            io.BytesIO(answer.content), headers=answer.headers, status=answer.status, preload_content=False
        )
        return requests.adapters.HTTPAdapter().build_response(request, raw)

    def close(self) -> None:
        """There is nothing to close."""


@dataclasses.dataclass
class ObjectStore:
    """A bucket with versions, and Google's client for it."""

    wire: Wire
    client: storage.Client
    bucket: storage.Bucket

    def put(self, name: str, content: str) -> storage.Blob:
        """Write an object."""
        blob = storage.Blob(name, self.bucket)
        blob.upload_from_string(content)
        return blob

    def contents(self, prefix: str = "") -> dict[str, str]:
        """What the objects hold that are there now."""
        return {blob.name: blob.download_as_text() for blob in self.client.list_blobs(self.bucket, prefix=prefix)}


def make(directory: Path, apis: Apis, name: str = "runs", retention_seconds: int = 604_800) -> ObjectStore:
    """A bucket of a cloud of its own."""
    directory.mkdir()
    emulator = assemble(directory, apis)
    wire = Wire(emulator)
    client = storage.Client(project=PROJECT, credentials=AnonymousCredentials())
    client._http.mount("https://", wire)
    bucket = client.bucket(name)
    bucket.versioning_enabled = True
    bucket.soft_delete_policy.retention_duration_seconds = retention_seconds
    client.create_bucket(bucket, location="europe-west1")
    return ObjectStore(wire, client, bucket)
