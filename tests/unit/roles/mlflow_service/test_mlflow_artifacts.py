# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The tool that proves the bucket, on a bucket in memory: what it does there, and what it says when it may not."""

from __future__ import annotations

import typing as t

import google.api_core.exceptions as refusals
import google.auth
import google.auth.exceptions
import pytest
from ansible_collections.mlops.mlflow.roles.mlflow_service.files import mlflow_artifacts as tool
from google.cloud import storage

LOCATION = "gs://runs/mlruns"
FORBIDDEN = refusals.Forbidden("mlflow-server does not have access")


class Bucket:
    """A bucket that may refuse one of its calls."""

    def __init__(self, refused: str = "", reason: Exception = FORBIDDEN) -> None:
        self.refused, self.reason = refused, reason
        self.objects: dict[str, bytes] = {}
        self.calls: list[str] = []
        self.client = self
        self.name = ""

    def call(self, name: str, options: dict[str, t.Any]) -> None:
        """Note a call, which never waits for longer than a person does."""
        assert options["timeout"] <= 10
        assert options["retry"].timeout <= 30
        self.calls.append(name)
        if name == self.refused:
            raise self.reason

    def bucket(self, name: str) -> Bucket:
        assert name == "runs"
        return self

    def blob(self, name: str) -> Bucket:
        self.name = name
        return self

    def list_blobs(self, _bucket: Bucket, *, prefix: str, max_results: int, **options: t.Any) -> list[str]:
        self.call("list", options)
        return [name for name in self.objects if name.startswith(prefix)][:max_results]

    def upload_from_string(self, content: bytes, _kind: str, **options: t.Any) -> None:
        self.call("create", options)
        self.objects[self.name] = content

    def download_as_bytes(self, **options: t.Any) -> bytes:
        self.call("get", options)
        return self.objects[self.name]

    def delete(self, **options: t.Any) -> None:
        self.call("delete", options)
        del self.objects[self.name]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> t.Callable[[Bucket], Bucket]:
    """Let the tool find a bucket."""

    def give(bucket: Bucket) -> Bucket:
        monkeypatch.setattr(google.auth, "default", lambda **_options: (object(), None))
        monkeypatch.setattr(storage, "Client", lambda **_options: bucket)
        return bucket

    return give


def test_each_right_is_tried_and_nothing_is_left(given: t.Callable[[Bucket], Bucket]) -> None:
    bucket = given(Bucket())
    assert tool.main([LOCATION]) == 0
    assert bucket.calls == ["list", "create", "get", "delete"]
    assert bucket.name.startswith("mlruns/.mlflow-probe-")
    assert bucket.objects == {}


def test_a_check_only_reads(given: t.Callable[[Bucket], Bucket]) -> None:
    bucket = given(Bucket())
    assert tool.main(["--read-only", LOCATION]) == 0
    assert bucket.calls == ["list"]


@pytest.mark.parametrize("right", ["list", "create", "get", "delete"])
def test_a_right_that_is_missing_is_named_and_so_is_the_bucket(
    given: t.Callable[[Bucket], Bucket], capsys: pytest.CaptureFixture[str], right: str
) -> None:
    bucket = given(Bucket(right))
    assert tool.main([LOCATION]) == 1
    said = capsys.readouterr().err
    assert f"storage.objects.{right}" in said
    assert "'runs'" in said
    assert said.count("\n") == 1
    assert (bucket.name in said) == (right == "delete")


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        pytest.param(refusals.NotFound("no"), "no such bucket.*mlflow_service_artifact_bucket", id="no bucket"),
        pytest.param(refusals.Unauthorized("no"), "does not accept", id="a token that is not valid"),
        pytest.param(
            google.auth.exceptions.DefaultCredentialsError("none found"),
            "no credentials.*GOOGLE_APPLICATION_CREDENTIALS",
            id="no credentials",
        ),
        pytest.param(refusals.RetryError("late", FORBIDDEN), "does not answer", id="no answer"),
        pytest.param(refusals.BadRequest("what"), "mlflow_service_artifact_bucket", id="something else"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    given: t.Callable[[Bucket], Bucket], reason: Exception, words: str
) -> None:
    given(Bucket("list", reason))
    with pytest.raises(tool.UnusableBucketError, match=words):
        tool.prove(LOCATION, read_only=False)


@pytest.mark.parametrize("location", ["", "/var/lib/mlflow/artifacts", "s3://runs/mlruns", "gs://"])
def test_a_place_that_is_no_bucket_is_refused(location: str) -> None:
    with pytest.raises(tool.UnusableBucketError, match="not the place of a bucket"):
        tool.prove(location, read_only=True)
