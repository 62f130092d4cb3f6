# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Google's own client library, and MLflow's artifact store on top of it, against the emulated Cloud Storage."""

from __future__ import annotations

import contextlib
import datetime
import io
import os
import socket
import threading
import time
import typing as t
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
import uvicorn
from gcp_emulator import accounts, tokens
from google.api_core import exceptions
from google.auth.transport.requests import AuthorizedSession
from google.cloud import storage as gcs
from google.cloud.storage import transfer_manager
from google.oauth2 import credentials, service_account
from mlflow.store.artifact.gcs_artifact_repo import GCSArtifactRepository
from requests.adapters import HTTPAdapter

if t.TYPE_CHECKING:
    from harness import Emulator

BUCKET = "client-bucket"
MIB = 1024 * 1024
RANDOM = os.urandom(9 * MIB + 17)


class Loopback(HTTPAdapter):
    """Carries requests for any of Google's names to a port of this machine, as the sandbox's proxy does."""

    def __init__(self, port: int) -> None:
        super().__init__(pool_maxsize=32)
        self.port = port

    def send(self, request: requests.PreparedRequest, *args: t.Any, **kwargs: t.Any) -> requests.Response:
        parts = urlsplit(request.url or "")
        request.headers["Host"] = parts.netloc
        request.url = parts._replace(scheme="http", netloc=f"127.0.0.1:{self.port}").geturl()
        return super().send(request, *args, **kwargs)


class QuietServer(uvicorn.Server):
    """A server in a thread, which signals do not concern."""

    @contextlib.contextmanager
    def capture_signals(self) -> t.Iterator[None]:
        yield


@pytest.fixture
def port(emulator: Emulator) -> t.Iterator[int]:
    """A port behind which the emulator is."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    config = uvicorn.Config(emulator.front, http="h11", ws="none", lifespan="off", log_config=None)
    server = QuietServer(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def session(emulator: Emulator, port: int) -> AuthorizedSession:
    """A session with a token of the owner."""
    owner = f"sandbox-owner@{emulator.project}.iam.gserviceaccount.com"
    session = AuthorizedSession(credentials.Credentials(tokens.issue(emulator.cloud.store, owner)))
    for scheme in ("https://", "http://"):
        session.mount(scheme, Loopback(port))
    return session


@pytest.fixture
def client(emulator: Emulator, session: AuthorizedSession) -> gcs.Client:
    """Google's client."""
    return gcs.Client(emulator.project, session.credentials, _http=session)


@pytest.fixture
def bucket(client: gcs.Client) -> gcs.Bucket:
    """A bucket as the collection makes it."""
    bucket = client.bucket(BUCKET)
    bucket.iam_configuration.uniform_bucket_level_access_enabled = True
    bucket.iam_configuration.public_access_prevention = "enforced"
    bucket.versioning_enabled = True
    made: gcs.Bucket = client.create_bucket(bucket, location="us-central1")
    return made


@pytest.mark.parametrize("size", [0, 1, 5 * MIB, len(RANDOM)])
@pytest.mark.parametrize("chunk", [None, 256 * 1024, MIB], ids=["default", "256 KiB", "1 MiB"])
@pytest.mark.parametrize("checksum", ["auto", "md5"])
def test_the_client_uploads_and_downloads(bucket: gcs.Bucket, size: int, chunk: int | None, checksum: str) -> None:
    blob = bucket.blob("a/b c/ü", chunk_size=chunk)
    blob.metadata = {"k": "v"}
    blob.upload_from_file(io.BytesIO(RANDOM[:size]), checksum=checksum, content_type="text/plain")
    again = bucket.get_blob("a/b c/ü")
    assert (again.size, again.content_type, again.metadata) == (size, "text/plain", {"k": "v"})
    assert again.download_as_bytes(checksum=checksum) == RANDOM[:size]
    assert bucket.blob("a/b c/ü", chunk_size=chunk).download_as_bytes() == RANDOM[:size]


def test_the_client_streams_what_it_does_not_know_the_end_of(bucket: gcs.Bucket) -> None:
    with bucket.blob("stream", chunk_size=256 * 1024).open("wb") as writer:
        for start in range(0, 700_000, 100_000):
            writer.write(RANDOM[start : start + 100_000])
    with bucket.blob("stream").open("rb") as reader:
        reader.seek(300_000)
        assert reader.read(10) == RANDOM[300_000:300_010]
    assert bucket.get_blob("stream").size == 700_000


def test_the_client_reads_ranges(bucket: gcs.Bucket) -> None:
    bucket.blob("x").upload_from_string(RANDOM[:1000])
    assert bucket.blob("x").download_as_bytes(start=10, end=19) == RANDOM[10:20]
    assert bucket.blob("x").download_as_bytes(start=990) == RANDOM[990:1000]
    with pytest.raises(exceptions.RequestRangeNotSatisfiable):
        bucket.blob("x").download_as_bytes(start=1000)


def test_the_client_resumes_after_a_connection_that_broke(
    emulator: Emulator, bucket: gcs.Bucket, port: int, session: AuthorizedSession
) -> None:
    url = bucket.blob("x").create_resumable_upload_session(size=MIB)
    path = url.partition("storage.googleapis.com")[2]
    with socket.create_connection(("127.0.0.1", port)) as broken:
        head = f"PUT {path} HTTP/1.1\r\nHost: storage.googleapis.com\r\nContent-Length: {MIB}\r\n"
        broken.sendall(f"{head}Content-Range: bytes 0-{MIB - 1}/{MIB}\r\n\r\n".encode() + RANDOM[: MIB // 2 + 5])
    deadline = time.monotonic() + 10
    have = ""
    while not have and time.monotonic() < deadline:  # until the server has noticed
        answer = session.put(url, headers={"Content-Range": f"bytes */{MIB}"})
        assert answer.status_code == 308
        have = answer.headers.get("Range", "")
    assert have == f"bytes=0-{MIB // 2 - 1}"
    span = f"bytes {MIB // 2}-{MIB - 1}/{MIB}"
    assert session.put(url, data=RANDOM[MIB // 2 : MIB], headers={"Content-Range": span}).status_code == 200
    assert bucket.blob("x").download_as_bytes() == RANDOM[:MIB]


def test_the_client_lists_pages_and_folders(client: gcs.Client, bucket: gcs.Bucket) -> None:
    for number in range(7):
        bucket.blob(f"folder/{number}").upload_from_string(b"")
    bucket.blob("top").upload_from_string(b"")
    pages = list(client.list_blobs(BUCKET, prefix="folder/", page_size=3).pages)
    assert [[blob.name for blob in page] for page in pages] == [
        [f"folder/{number}" for number in numbers] for numbers in ((0, 1, 2), (3, 4, 5), (6,))
    ]
    listing = client.list_blobs(BUCKET, delimiter="/")
    assert [blob.name for blob in listing] == ["top"]
    assert listing.prefixes == {"folder/"}


def test_the_client_locks_by_precondition(bucket: gcs.Bucket) -> None:
    bucket.blob("lock").upload_from_string(b"mine", if_generation_match=0)
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("lock").upload_from_string(b"yours", if_generation_match=0)
    assert bucket.blob("lock").download_as_bytes() == b"mine"


def test_the_client_deletes_one_and_many(client: gcs.Client, bucket: gcs.Bucket) -> None:
    for name in ("a", "b/c", "d"):
        bucket.blob(name).upload_from_string(b"x")
    bucket.blob("a").delete()
    with pytest.raises(exceptions.NotFound):
        bucket.blob("a").delete()
    assert not bucket.blob("a").exists()
    with client.batch():
        bucket.delete_blobs([bucket.blob("b/c"), bucket.blob("d")])
    assert list(bucket.list_blobs()) == []
    assert {blob.name for blob in bucket.list_blobs(versions=True)} == {"a", "b/c", "d"}
    bucket.delete_blobs(list(bucket.list_blobs(versions=True)), preserve_generation=True)
    bucket.delete()
    assert client.lookup_bucket(BUCKET) is None


def test_the_client_copies_composes_and_renames(bucket: gcs.Bucket) -> None:
    one, two = bucket.blob("one"), bucket.blob("two")
    one.upload_from_string(b"1", content_type="text/plain")
    two.upload_from_string(b"2")
    bucket.blob("both").compose([one, two])
    assert bucket.blob("both").download_as_bytes() == b"12"
    copy = bucket.copy_blob(one, bucket, "folder/copy")
    assert (copy.download_as_bytes(), copy.content_type) == (b"1", "text/plain")
    bucket.blob("rewritten").rewrite(one)
    one.update_storage_class("NEARLINE")
    assert bucket.get_blob("one").storage_class == "NEARLINE"


def test_the_client_changes_a_bucket_and_its_policy(client: gcs.Client, emulator: Emulator, bucket: gcs.Bucket) -> None:
    bucket.labels = {"a": "1"}
    bucket.add_lifecycle_delete_rule(age=30)
    bucket.patch()
    worker = emulator.account("worker")
    policy = bucket.get_iam_policy(requested_policy_version=3)
    policy.bindings.append({"role": "roles/storage.objectViewer", "members": {f"serviceAccount:{worker}"}})
    bucket.set_iam_policy(policy)
    again = client.get_bucket(BUCKET)
    assert again.labels == {"a": "1"}
    assert next(again.lifecycle_rules)["condition"] == {"age": 30}
    assert again.test_iam_permissions(["storage.buckets.get", "storage.objects.list"]) == [
        "storage.buckets.get",
        "storage.objects.list",
    ]


def test_the_client_moves_many_files_at_once(bucket: gcs.Bucket, tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"{number}.bin").write_bytes(RANDOM[: number * 1000])
    names = [f"{number}.bin" for number in range(12)]
    options = {"worker_type": transfer_manager.THREAD, "max_workers": 4}
    done = transfer_manager.upload_many_from_filenames(bucket, names, source_directory=str(tmp_path), **options)
    assert done == [None] * 12
    back = tmp_path / "back"
    transfer_manager.download_many_to_path(bucket, names, destination_directory=str(back), **options)
    assert all((back / name).read_bytes() == (tmp_path / name).read_bytes() for name in names)


def test_the_client_moves_one_file_in_parallel_parts(bucket: gcs.Bucket, tmp_path: Path) -> None:
    source, back = tmp_path / "big", tmp_path / "back"
    source.write_bytes(RANDOM)
    options = {"worker_type": transfer_manager.THREAD, "max_workers": 4, "chunk_size": 2 * MIB}
    transfer_manager.upload_chunks_concurrently(str(source), bucket.blob("a/big file"), **options)
    transfer_manager.download_chunks_concurrently(bucket.blob("a/big file"), str(back), **options)
    assert back.read_bytes() == RANDOM
    assert bucket.get_blob("a/big file").size == len(RANDOM)


@pytest.fixture
def signing_client(emulator: Emulator, session: AuthorizedSession, client: gcs.Client) -> gcs.Client:
    """A client whose credentials can sign: those of the owner's key file."""
    account = emulator.cloud.store.get("serviceAccounts", f"sandbox-owner@{emulator.project}.iam.gserviceaccount.com")
    assert account is not None
    key, pem = accounts.create_key(emulator.cloud.store, account)
    information = {
        "client_email": account["email"],
        "private_key": pem,
        "private_key_id": key["name"].rpartition("/")[2],
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    signing = service_account.Credentials.from_service_account_info(information)
    return gcs.Client(emulator.project, signing, _http=session)


@pytest.mark.parametrize("style", [{}, {"virtual_hosted_style": True}], ids=["path", "host"])
def test_urls_that_the_client_signs_are_good(
    signing_client: gcs.Client, bucket: gcs.Bucket, port: int, style: dict[str, t.Any]
) -> None:
    blob = signing_client.bucket(BUCKET).blob("a/b c+ü")
    plain = requests.Session()
    plain.mount("https://", Loopback(port))
    hour = datetime.timedelta(hours=1)
    target = blob.generate_signed_url(hour, method="PUT", version="v4", content_type="text/plain", **style)
    assert plain.put(target, b"content", headers={"Content-Type": "text/html"}).status_code == 403
    assert plain.put(target, b"content", headers={"Content-Type": "text/plain"}).status_code == 200
    source = blob.generate_signed_url(hour, version="v4", response_disposition="attachment", **style)
    answer = plain.get(source)
    assert (answer.content, answer.headers["Content-Disposition"]) == (b"content", "attachment")


def test_a_signed_url_begins_a_resumable_upload(signing_client: gcs.Client, bucket: gcs.Bucket, port: int) -> None:
    blob = signing_client.bucket(BUCKET).blob("x")
    url = blob.generate_signed_url(datetime.timedelta(hours=1), method="RESUMABLE", version="v4")
    plain = requests.Session()
    for scheme in ("https://", "http://"):
        plain.mount(scheme, Loopback(port))
    location = plain.post(url, headers={"x-goog-resumable": "start"}).headers["Location"]
    assert plain.put(location, RANDOM[:1000]).status_code == 200
    assert bucket.blob("x").download_as_bytes() == RANDOM[:1000]


def test_answers_without_contents_leave_the_connection_usable(bucket: gcs.Bucket, session: AuthorizedSession) -> None:
    upload = bucket.blob("x").create_resumable_upload_session(size=MIB)
    assert session.delete(upload).status_code == 499
    bucket.blob("y").upload_from_string(b"1234")
    head = session.head(f"https://storage.googleapis.com/{BUCKET}/y")
    assert (head.status_code, head.headers["Content-Length"], head.content) == (200, "4", b"")
    url = f"https://storage.googleapis.com/storage/v1/b/{BUCKET}/o/y"
    unchanged = f"?ifGenerationNotMatch={bucket.get_blob('y').generation}"
    for query in (unchanged, f"{unchanged}&alt=media"):
        answer = session.get(url + query)
        assert (answer.status_code, answer.content) == (304, b"")
    assert session.get(f"{url}?alt=media").content == b"1234"


# -- MLflow ------------------------------------------------------------------------------------------------------


@pytest.fixture
def repository(signing_client: gcs.Client, bucket: gcs.Bucket) -> t.Any:
    """MLflow's store of artifacts in the bucket."""
    return GCSArtifactRepository(f"gs://{BUCKET}/mlruns/1/abc/artifacts", client=signing_client)


def test_mlflow_logs_lists_loads_and_deletes_artifacts(repository: t.Any, tmp_path: Path) -> None:
    model = tmp_path / "model"
    (model / "data").mkdir(parents=True)
    (model / "MLmodel").write_text("flavors: {}")
    (model / "data" / "weights.bin").write_bytes(RANDOM)
    repository.log_artifacts(str(model), "model")
    repository.log_artifact(str(model / "MLmodel"))
    assert [(one.path, one.is_dir) for one in repository.list_artifacts()] == [("MLmodel", False), ("model", True)]
    assert [(one.path, one.file_size) for one in repository.list_artifacts("model/data")] == [
        ("model/data/weights.bin", len(RANDOM))
    ]
    back = Path(repository.download_artifacts("model", str(tmp_path)))
    assert (back / "data" / "weights.bin").read_bytes() == RANDOM
    repository.delete_artifacts("model")
    assert [one.path for one in repository.list_artifacts()] == ["MLmodel"]


def test_mlflow_uploads_parts_by_signed_urls(repository: t.Any, tmp_path: Path, bucket: gcs.Bucket, port: int) -> None:
    file = tmp_path / "big.bin"
    file.write_bytes(RANDOM)
    plain = requests.Session()
    plain.mount("https://", Loopback(port))
    begun = repository.create_multipart_upload(str(file), num_parts=2)
    half = len(RANDOM) // 2
    parts = []
    for part, content in zip(begun.credentials, (RANDOM[:half], RANDOM[half:]), strict=True):
        answer = plain.put(part.url, content)
        assert answer.status_code == 200
        parts.append(type("Part", (), {"part_number": part.part_number, "etag": answer.headers["ETag"]}))
    repository.complete_multipart_upload(str(file), begun.upload_id, parts)
    assert bucket.get_blob("mlruns/1/abc/artifacts/big.bin").download_as_bytes() == RANDOM
    abandoned = repository.create_multipart_upload(str(file), num_parts=2)
    repository.abort_multipart_upload(str(file), abandoned.upload_id)
