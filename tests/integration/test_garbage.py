# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What users have deleted, in a real database and a bucket: what is told of it, and what is left of it."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import mlflow_gc
import pytest
from gcp_emulator.discovery import Apis
from google.cloud import storage
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from . import object_store
from .database_server import DatabaseServer, serving
from .object_store import ObjectStore

ARTIFACTS = "gs://runs/mlruns"


@pytest.fixture(scope="module")
def server() -> t.Iterator[DatabaseServer]:
    with serving() as server:
        yield server


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[ObjectStore]:
    store = object_store.make(tmp_path / "cloud", Apis())
    monkeypatch.setattr(storage, "Client", lambda **_options: store.client)
    yield store
    store.wire.emulator.close()


@pytest.fixture
def runs(server: DatabaseServer, bucket: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[SqlAlchemyStore]:
    """A store whose artifacts are below the server, as clients see them."""
    pair = server.pair()
    assert server.run(pair, "migrate").status == 0
    for name, value in server.environment(pair).items():
        monkeypatch.setenv(name, value)
    store = SqlAlchemyStore(server.uri(pair.tracking), "mlflow-artifacts:/")
    yield store
    store.engine.dispose()


def add(runs: SqlAlchemyStore, bucket: ObjectStore, experiment: str, *, deleted: bool) -> str:
    """Make a run with an artifact."""
    run = runs.create_run(experiment, "ada", 1, [], "a run").info
    path = run.artifact_uri.removeprefix("mlflow-artifacts:/").lstrip("/")
    bucket.put(f"mlruns/{path}/note.txt", run.run_id)
    if deleted:
        runs.delete_run(run.run_id)
    return str(run.run_id)


def collect(tmp_path: Path, command: str, older_than: str = "0s") -> t.Any:
    """Run the tool; what it found."""
    answer = tmp_path / "gc.json"
    assert mlflow_gc.main([f"{command}-{older_than}", "--artifacts", ARTIFACTS, "--answer", str(answer)]) == 0
    return json.loads(answer.read_text())


def test_what_is_deleted_for_good_is_what_was_told_and_nothing_else(
    runs: SqlAlchemyStore, bucket: ObjectStore, tmp_path: Path
) -> None:
    kept, gone = (runs.create_experiment(name) for name in ("kept", "gone"))
    alive = add(runs, bucket, kept, deleted=False)
    expected = {add(runs, bucket, kept, deleted=True), add(runs, bucket, gone, deleted=False)}
    runs.delete_experiment(gone)
    before = bucket.contents()
    told = collect(tmp_path, "show")
    assert (set(told["runs"]), told["experiments"], told["models"]) == (expected, [gone], [])
    assert bucket.contents() == before
    assert {run.info.run_id for run in runs.search_runs([kept, gone], "", ViewType.DELETED_ONLY)} == expected

    done = collect(tmp_path, "delete")
    assert {kind: set(found) for kind, found in done.items()} == {kind: set(found) for kind, found in told.items()}
    assert set(bucket.contents().values()) == {alive}
    assert {run.info.run_id for run in runs.search_runs([kept], "", ViewType.ALL)} == {alive}
    assert runs.get_experiment_by_name("gone") is None


def test_what_was_deleted_lately_stays(runs: SqlAlchemyStore, bucket: ObjectStore, tmp_path: Path) -> None:
    add(runs, bucket, runs.create_experiment("kept"), deleted=True)
    before = bucket.contents()
    assert collect(tmp_path, "delete", "1h") == {"runs": [], "models": [], "experiments": []}
    assert bucket.contents() == before


def test_a_bucket_that_refuses_ends_it_and_the_next_time_finishes_it(
    runs: SqlAlchemyStore, bucket: ObjectStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = add(runs, bucket, runs.create_experiment("kept"), deleted=True)
    bucket.wire.refused = "DELETE"
    answer = ["--artifacts", ARTIFACTS, "--answer", str(tmp_path / "gc.json")]
    assert mlflow_gc.main(["delete-0s", *answer]) == 1
    assert "run it again" in capsys.readouterr().err
    assert runs.get_run(run).info.run_id == run
    bucket.wire.refused = ""
    assert collect(tmp_path, "delete")["runs"] == [run]
    assert bucket.contents() == {}


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("mlflow-artifacts:/1/a/artifacts", "gs://b/mlruns/1/a/artifacts"),
        ("mlflow-artifacts://host:443/1/a/artifacts", "gs://b/mlruns/1/a/artifacts"),
        ("gs://other/1/a/artifacts", "gs://other/1/a/artifacts"),
        ("mlflow-artifacts:/../../x", "gs://b/mlruns/x"),
    ],
)
def test_artifacts_below_the_server_are_below_its_place(uri: str, place: str) -> None:
    assert mlflow_gc.resolve(uri, "gs://b/mlruns") == place


@pytest.mark.parametrize("uri", ["mlflow-artifacts:/", "mlflow-artifacts://host", "mlflow-artifacts:/a/.."])
def test_the_place_of_all_artifacts_is_no_place_of_a_run(uri: str) -> None:
    with pytest.raises(MlflowException, match="place of all artifacts"):
        mlflow_gc.resolve(uri, "gs://b/mlruns")


@pytest.mark.parametrize("what", ["show", "delete-", "remove-30d", "30d"])
def test_what_is_not_understood_is_refused(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        mlflow_gc.main([what, "--artifacts", ARTIFACTS, "--answer", "/dev/null"])
    assert "such as show-30d" in capsys.readouterr().err
