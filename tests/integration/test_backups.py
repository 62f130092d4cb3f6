# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Backups of real databases with what MLflow itself wrote into them, and of artifacts in a bucket with versions."""

from __future__ import annotations

import contextlib
import json
import re
import typing as t
import zipfile
from pathlib import Path

import google.auth
import mlflow_backup
import mlflow_database
import pytest
from gcp_emulator.discovery import Apis
from google.cloud import storage

from . import object_store
from .database_server import RELEASE_2_22, USER, DatabaseServer, Pair, serving
from .object_store import ObjectStore

HEADS = ("dc11669786a5", "f1a2b3c4d5e6")
BACKUPS, ARTIFACTS = "gs://runs/backups", "gs://runs/mlruns"
ODD = "a,b\"c\"'d'\\N \\. \n\r\t é 漢 {{ 7*7 }} $HOME %s"


@pytest.fixture(scope="module")
def server() -> t.Iterator[DatabaseServer]:
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def apis() -> Apis:
    return Apis()


@pytest.fixture(scope="module")
def filled(server: DatabaseServer) -> Pair:
    """Databases with what a team has, written by MLflow's own stores, and owned as those of Cloud SQL are."""
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore as UserStore
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as RegistryStore
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as TrackingStore

    server.sql(f'create role cloudsqlsuperuser createdb createrole; grant cloudsqlsuperuser to "{USER}"')
    server.sql(f'alter role "{USER}" createdb')
    pair = server.pair()
    assert server.run(pair, "migrate").status == 0
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment(pair).items():
            patch.setenv(name, value)
        runs = TrackingStore(server.uri(pair.tracking), "mlflow-artifacts:/")
        experiment = runs.create_experiment("churn")
        for number in range(3):
            run = runs.create_run(experiment, "ada", 1, [RunTag("note", ODD), RunTag("empty", "")], f"run {number}")
            metrics = [Metric("loss", value, 1, 1) for value in (0.1, float("nan"), float("inf"), -0.0)]
            runs.log_batch(run.info.run_id, metrics, [Param("text", ODD)], [])
        runs.delete_run(run.info.run_id)
        registry = RegistryStore(server.uri(pair.tracking))
        registry.create_registered_model("churn")
        registry.create_model_version("churn", "mlflow-artifacts:/1/model")
        users = UserStore()
        users.init_db(server.uri(pair.users))
        users.create_user("admin", "password-of-the-admin", is_admin=True)
        users.create_user("ben", "password-of-the-reader")
        for store in (runs, registry, users):
            store.engine.dispose()
    return pair


@pytest.fixture
def bucket(tmp_path: Path, apis: Apis) -> t.Iterator[ObjectStore]:
    store = object_store.make(tmp_path / "cloud", apis)
    yield store
    store.wire.emulator.close()


@pytest.fixture
def pair(server: DatabaseServer, filled: Pair, at: t.Callable[[Pair], Pair]) -> Pair:
    """Databases that a test may change, which the tool finds."""
    found = at(server.pair(filled))
    for name in (found.tracking, found.users):
        server.sql(f"alter database {name} owner to cloudsqlsuperuser")
    return found


@pytest.fixture
def at(server: DatabaseServer, bucket: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> t.Callable[[Pair], Pair]:
    """Let the tool find databases."""
    monkeypatch.setattr(google.auth, "default", lambda **_options: (object(), None))
    monkeypatch.setattr(storage, "Client", lambda **_options: bucket.client)

    def find(pair: Pair) -> Pair:
        for name, value in server.environment(pair).items():
            monkeypatch.setenv(name, value)
        return pair

    return find


@pytest.fixture
def tool(capsys: pytest.CaptureFixture[str]) -> t.Callable[..., t.Any]:
    """Run the tool, which is to succeed; what it answers. With ``fails``, the last thing that it says."""

    def run(*arguments: str, fails: bool = False) -> t.Any:
        capsys.readouterr()
        status = mlflow_backup.main(list(arguments))
        said = capsys.readouterr()
        assert status == int(fails), said.err
        return said.err.splitlines()[-1] if fails else json.loads(said.out)

    return run


def make(tool: t.Callable[..., t.Any], keep: int = 9) -> t.Any:
    """Make a backup."""
    return tool("make", "--keep", str(keep), "--artifacts", ARTIFACTS, BACKUPS)


def restore(tool: t.Callable[..., t.Any], manifest: t.Any, **options: t.Any) -> t.Any:
    """Restore one."""
    return tool("restore", "--artifacts", ARTIFACTS, manifest["location"], **options)


def state(server: DatabaseServer, pair: Pair) -> list[str]:
    """All that is in the databases. A sequence may be one ahead, or say by other words where it is."""
    found = [server.dump(name) for name in (pair.tracking, pair.users)]
    return [re.sub(r"SELECT pg_catalog.setval.*", "", text) for text in found]


def spoil(server: DatabaseServer, pair: Pair) -> None:
    """Lose much of what is there, and add something."""
    server.sql(
        "truncate runs, registered_models cascade; insert into experiment_tags values ('x', 'y', 0)", pair.tracking
    )
    server.sql("delete from users where username = 'ben'", pair.users)


def test_what_is_restored_is_what_was_there(server: DatabaseServer, pair: Pair, tool: t.Callable[..., t.Any]) -> None:
    before = state(server, pair)
    manifest = make(tool)
    assert manifest["counts"] == {
        "experiments": 2, "runs": 3, "metrics": 12, "models": 1, "model_versions": 1, "users": 2,
    }  # fmt: skip
    assert [entry["schemas"] for entry in manifest["databases"]] == [
        {"tracking": HEADS[0]},
        {"authentication": HEADS[1]},
    ]
    assert state(server, pair) == before

    spoil(server, pair)
    done = restore(tool, manifest)
    assert done["counts"] == manifest["counts"]
    assert state(server, pair) == before
    left = server.sql("select datname from pg_database where datname like %s", "postgres", f"{pair.tracking}\\_%")
    assert left == []
    owner = "select pg_get_userbyid(datdba) from pg_database where datname = %s"
    assert server.sql(owner, "postgres", pair.tracking) == [("cloudsqlsuperuser",)]


def test_what_comes_after_a_restore_gets_numbers_of_its_own(
    server: DatabaseServer, pair: Pair, tool: t.Callable[..., t.Any]
) -> None:
    restore(tool, make(tool))
    server.sql("insert into users (username, password_hash, is_admin) values ('eve', 'h', false)", pair.users)
    assert server.sql("select count(distinct id) from users", pair.users) == [(3,)]
    server.sql("insert into experiments (name, workspace) values ('next', 'default')", pair.tracking)
    assert server.sql("select count(distinct experiment_id) from experiments", pair.tracking) == [(3,)]


def test_users_in_the_database_of_the_runs_are_in_its_file(
    server: DatabaseServer, filled: Pair, at: t.Callable[[Pair], Pair], tool: t.Callable[..., t.Any]
) -> None:
    name = server.database()
    pair = at(Pair(name, name))
    assert server.run(pair, "migrate").status == 0
    server.sql("insert into users (username, password_hash, is_admin) values ('admin', 'h', true)", name)
    before = state(server, pair)
    manifest = make(tool)
    assert [(entry["file"], entry["schemas"]) for entry in manifest["databases"]] == [
        ("tracking.zip", {"tracking": HEADS[0], "authentication": HEADS[1]})
    ]
    server.sql("delete from users", name)
    restore(tool, manifest)
    assert state(server, pair) == before


def test_a_backup_is_read_without_any_program_of_ours(
    pair: Pair, bucket: ObjectStore, tool: t.Callable[..., t.Any]
) -> None:
    manifest = make(tool)
    blob = bucket.bucket.blob(f"backups/{manifest['name']}/tracking.zip")
    with blob.open("rb") as file, zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        header, *rows = archive.read("registered_models.csv").decode().splitlines()
    assert header.split(",")[0] == "name"
    assert [row.split(",")[0] for row in rows] == ["churn"]


def test_an_older_schema_is_backed_up_as_it_is_and_migrated_when_it_is_restored(
    server: DatabaseServer, at: t.Callable[[Pair], Pair], tool: t.Callable[..., t.Any]
) -> None:
    pair = at(server.pair())
    server.migrate_to(pair, *RELEASE_2_22)
    server.sql(
        "insert into experiments (experiment_id, name, lifecycle_stage) values (7, 'old', 'active')", pair.tracking
    )
    server.sql("insert into users (username, password_hash, is_admin) values ('admin', 'h', true)", pair.users)
    manifest = make(tool)
    assert server.revisions(pair) == RELEASE_2_22
    server.sql("delete from experiments", pair.tracking)
    restore(tool, manifest)
    assert server.revisions(pair) == HEADS
    assert server.sql("select name from experiments where experiment_id = 7", pair.tracking) == [("old",)]
    assert server.sql("select username from users", pair.users) == [("admin",)]


def test_artifacts_come_back_however_they_went(pair: Pair, bucket: ObjectStore, tool: t.Callable[..., t.Any]) -> None:
    for name in ("kept", "overwritten", "deleted", "twice deleted", 'odd, "name" é'):
        bucket.put(f"mlruns/1/{name}", f"first {name}")
    bucket.put("elsewhere", "not ours")
    before = bucket.contents("mlruns/")
    manifest = make(tool)
    size = sum(len(content.encode()) for content in before.values())
    assert (manifest["artifacts"]["count"], manifest["artifacts"]["bytes"]) == (5, size)

    bucket.put("mlruns/1/overwritten", "second")
    bucket.put("mlruns/1/later", "later")
    for name in ("deleted", "twice deleted"):
        bucket.bucket.delete_blob(f"mlruns/1/{name}")
    for blob in list(bucket.client.list_blobs(bucket.bucket, prefix="mlruns/1/twice", versions=True)):
        bucket.bucket.delete_blob(blob.name, generation=blob.generation)
    assert restore(tool, manifest)["artifacts"] == {"listed": 5, "returned": 3, "removed": 1, "lost": 0}
    assert bucket.contents("mlruns/") == before
    assert bucket.contents("elsewhere") == {"elsewhere": "not ours"}
    assert restore(tool, manifest)["artifacts"] == {"listed": 5, "returned": 0, "removed": 0, "lost": 0}


def test_artifacts_come_into_the_bucket_of_another_deployment(
    pair: Pair, bucket: ObjectStore, tool: t.Callable[..., t.Any]
) -> None:
    for name in ("kept", "softly deleted"):
        bucket.put(f"mlruns/{name}", name)
    before = bucket.contents("mlruns/")
    manifest = make(tool)
    for blob in [bucket.bucket.blob("mlruns/softly deleted")] * 2:
        (version,) = bucket.client.list_blobs(bucket.bucket, prefix=blob.name, versions=True)
        bucket.bucket.delete_blob(blob.name, generation=version.generation if version.time_deleted else None)
    bucket.client.create_bucket("others", location="europe-west1")
    done = tool("restore", "--artifacts", "gs://others/mlruns", manifest["location"])
    assert done["artifacts"] == {"listed": 2, "returned": 2, "removed": 0, "lost": 0}
    found = bucket.client.list_blobs("others")
    assert {blob.name: blob.download_as_text() for blob in found} == before


def test_an_artifact_that_the_bucket_lost_is_counted_and_keeps_nothing_else_from_coming_back(
    pair: Pair, tmp_path: Path, apis: Apis, monkeypatch: pytest.MonkeyPatch, tool: t.Callable[..., t.Any]
) -> None:
    forgetful = object_store.make(tmp_path / "forgetful", apis, retention_seconds=0)
    monkeypatch.setattr(storage, "Client", lambda **_options: forgetful.client)
    for name in ("lost", "deleted"):
        forgetful.put(f"mlruns/{name}", name)
    manifest = make(tool)
    for name in ("lost", "deleted"):
        forgetful.bucket.delete_blob(f"mlruns/{name}")
    (blob,) = forgetful.client.list_blobs(forgetful.bucket, prefix="mlruns/lost", versions=True)
    forgetful.bucket.delete_blob(blob.name, generation=blob.generation)
    assert restore(tool, manifest)["artifacts"] == {"listed": 2, "returned": 1, "removed": 0, "lost": 1}
    assert forgetful.contents("mlruns/") == {"mlruns/deleted": "deleted"}
    forgetful.wire.emulator.close()


@pytest.mark.parametrize(
    ("refused", "words"),
    [
        pytest.param("tracking.zip", "refused", id="the file of the runs"),
        pytest.param("authentication.zip", "refused", id="the file of the users"),
        pytest.param("artifacts.zip", "refused", id="the list of the artifacts"),
        pytest.param("rewriteTo", "roles/storage.objectUser", id="the artifacts"),
    ],
)
def test_a_restore_that_is_interrupted_leaves_the_databases_and_is_finished_by_the_next(
    server: DatabaseServer, pair: Pair, bucket: ObjectStore, tool: t.Callable[..., t.Any], refused: str, words: str
) -> None:
    bucket.put("mlruns/model", "first")
    before = state(server, pair)
    manifest = make(tool)
    bucket.bucket.delete_blob("mlruns/model")
    spoil(server, pair)
    spoilt = state(server, pair)
    bucket.wire.refused = refused
    assert words in restore(tool, manifest, fails=True)
    assert state(server, pair) == spoilt
    bucket.wire.refused = ""
    restore(tool, manifest)
    assert state(server, pair) == before
    assert bucket.contents("mlruns/") == {"mlruns/model": "first"}


def test_databases_that_somebody_uses_are_not_replaced_nor_their_artifacts(
    server: DatabaseServer, pair: Pair, bucket: ObjectStore, tool: t.Callable[..., t.Any]
) -> None:
    manifest = make(tool)
    spoil(server, pair)
    bucket.put("mlruns/later", "later")
    spoilt = state(server, pair)
    with contextlib.closing(server.connect(pair.users)):
        said = restore(tool, manifest, fails=True)
    assert f"There are connections, 1 to {pair.users!r}" in said
    assert state(server, pair) == spoilt
    assert bucket.contents("mlruns/") == {"mlruns/later": "later"}


def test_a_user_who_may_not_make_databases_is_told(
    server: DatabaseServer, pair: Pair, tool: t.Callable[..., t.Any]
) -> None:
    before = state(server, pair)
    manifest = make(tool)
    server.sql(f'alter role "{USER}" nocreatedb')
    try:
        assert "has to have CREATEDB" in restore(tool, manifest, fails=True)
    finally:
        server.sql(f'alter role "{USER}" createdb')
    assert state(server, pair) == before


def test_a_backup_of_a_newer_mlflow_is_refused_before_anything_is_made(
    server: DatabaseServer, pair: Pair, bucket: ObjectStore, tool: t.Callable[..., t.Any]
) -> None:
    before = state(server, pair)
    manifest = make(tool)
    manifest["databases"][0]["schemas"]["tracking"] = "f4a9b2c7d1e6"
    bucket.put(f"backups/{manifest['name']}/manifest.json", json.dumps(manifest))
    assert "Raise mlflow_service_version" in restore(tool, manifest, fails=True)
    assert state(server, pair) == before
    made = server.sql("select datname from pg_database where datname like %s", "postgres", f"{pair.tracking}\\_%")
    assert made == []


def test_a_file_with_other_rows_than_its_manifest_says_is_refused(
    server: DatabaseServer, pair: Pair, bucket: ObjectStore, tool: t.Callable[..., t.Any]
) -> None:
    before = state(server, pair)
    manifest = make(tool)
    manifest["databases"][0]["rows"]["runs"] += 1
    bucket.put(f"backups/{manifest['name']}/manifest.json", json.dumps(manifest))
    assert "another number of rows" in restore(tool, manifest, fails=True)
    assert state(server, pair) == before


@pytest.mark.parametrize(
    ("place", "words"),
    [
        pytest.param("gs://runs/backups/20260101T000000Z", "There is no backup at", id="no backup"),
        pytest.param("gs://nowhere/backups/20260101T000000Z", "There is no backup at", id="no bucket"),
        pytest.param("/backups", "is not a place in a bucket", id="no place"),
    ],
)
def test_what_is_no_backup_is_told(pair: Pair, tool: t.Callable[..., t.Any], place: str, words: str) -> None:
    assert words in restore(tool, {"location": place}, fails=True)


def test_databases_without_a_schema_are_not_backed_up(
    server: DatabaseServer, at: t.Callable[[Pair], Pair], bucket: ObjectStore, tool: t.Callable[..., t.Any]
) -> None:
    at(server.pair())
    said = tool("make", "--keep", "1", "--artifacts", ARTIFACTS, BACKUPS, fails=True)
    assert "nothing to save" in said
    assert bucket.contents() == {}


def test_the_newest_backups_are_kept_and_nothing_of_the_others(
    pair: Pair, bucket: ObjectStore, tool: t.Callable[..., t.Any]
) -> None:
    for name, files in {
        "20260101T000000Z": ["tracking.zip", "manifest.json"],
        "20260102T000000Z": ["tracking.zip"],
        "20260103T000000Z": ["tracking.zip", "manifest.json"],
        "20260104T000000Z": ["tracking.zip"],
        "of somebody else": ["manifest.json"],
    }.items():
        for file in files:
            bucket.put(f"backups/{name}/{file}", json.dumps({"name": name}))
    manifest = make(tool, keep=2)
    assert manifest["pruned"] == ["20260101T000000Z", "20260102T000000Z"]
    versions = bucket.client.list_blobs(bucket.bucket, prefix="backups/", versions=True)
    assert {blob.name.split("/")[1] for blob in versions} == {
        "20260103T000000Z", "20260104T000000Z", "of somebody else", manifest["name"],
    }  # fmt: skip
    assert [found["name"] for found in tool("list", BACKUPS)["backups"]] == ["20260103T000000Z", manifest["name"]]


def test_a_backup_waits_for_a_migration(
    server: DatabaseServer, pair: Pair, tool: t.Callable[..., t.Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlflow_database, "LOCK_SECONDS", 1)
    with contextlib.closing(server.connect(pair.tracking)) as holder:
        holder.cursor().execute(f"select pg_advisory_lock({mlflow_database.ADVISORY_LOCK})")
        said = tool("make", "--keep", "1", "--artifacts", ARTIFACTS, BACKUPS, fails=True)
    assert "Another migration" in said


def test_the_answer_may_go_to_a_file(pair: Pair, tmp_path: Path) -> None:
    answer = tmp_path / "backup.json"
    assert mlflow_backup.main(["make", "--keep", "1", "--artifacts", ARTIFACTS, "--answer", str(answer), BACKUPS]) == 0
    manifest = json.loads(answer.read_text())
    assert mlflow_backup.main(["restore", "--artifacts", ARTIFACTS, "--answer", str(answer), manifest["location"]]) == 0
    assert json.loads(answer.read_text())["name"] == manifest["name"]
    assert list(tmp_path.glob("*.new")) == []
