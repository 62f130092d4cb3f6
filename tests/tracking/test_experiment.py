# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Experiments: their place, their tags, and that MLflow deletes them softly."""

from __future__ import annotations

import pytest

from .server import Json, Server


def experiment(server: Server, name: str) -> Json:
    """An experiment, by MLflow itself."""
    found: Json = server.ask("GET", f"/api/2.0/mlflow/experiments/get-by-name?experiment_name={name}")[1]["experiment"]
    return {**found, "tags": {tag["key"]: tag["value"] for tag in found.get("tags", [])}}


def test_an_experiment_comes_goes_and_comes_back(server: Server, name: str) -> None:
    came = server.apply("mlflow_experiment", name=name)
    assert came["diff"] == {"before": {}, "after": {"name": name, "lifecycle_stage": "active"}}
    number = experiment(server, name)["experiment_id"]
    _, answer = server.ask("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": number})
    run = answer["run"]["info"]["run_id"]
    went = server.apply("mlflow_experiment", name=name, state="absent")
    assert went["diff"]["after"] == {"name": name, "lifecycle_stage": "deleted"}
    assert went["resource"]["lifecycle_stage"] == "deleted"
    back = server.apply("mlflow_experiment", name=name)
    assert back["diff"]["before"] == {"name": name, "lifecycle_stage": "deleted"}
    assert experiment(server, name)["experiment_id"] == number
    _, answer = server.ask("GET", f"/api/2.0/mlflow/runs/get?run_id={run}")
    assert answer["run"]["info"]["lifecycle_stage"] == "active"


def test_an_experiment_that_never_was_is_absent(server: Server, name: str) -> None:
    result = server.apply("mlflow_experiment", name=name, state="absent")
    assert not result["changed"]
    assert result["resource"] == {}


def test_tags_are_exact_when_given_and_left_alone_when_not(server: Server, name: str) -> None:
    server.apply("mlflow_experiment", name=name, tags={"team": "a", "size": 3, "open": True})
    number = experiment(server, name)["experiment_id"]
    assert experiment(server, name)["tags"] == {"team": "a", "size": "3", "open": "true"}
    note = {"experiment_id": number, "key": "mlflow.note.content", "value": "by hand"}
    assert server.ask("POST", "/api/2.0/mlflow/experiments/set-experiment-tag", note)[0] == 200
    assert not server.apply("mlflow_experiment", name=name)["changed"]
    changed = server.apply("mlflow_experiment", name=name, tags={"team": "b", "new": ""})
    assert changed["diff"]["before"]["tags"] == {"team": "a", "size": "3", "open": "true"}
    assert experiment(server, name)["tags"] == {"team": "b", "new": "", "mlflow.note.content": "by hand"}
    server.apply("mlflow_experiment", name=name, tags={"mlflow.note.content": "declared"})
    assert experiment(server, name)["tags"] == {"mlflow.note.content": "declared"}
    assert not server.apply("mlflow_experiment", name=name, tags={})["changed"]


def test_a_deleted_experiment_gets_its_tags_after_it_is_restored(server: Server, name: str) -> None:
    server.apply("mlflow_experiment", name=name, tags={"team": "a"})
    server.apply("mlflow_experiment", name=name, state="absent")
    server.apply("mlflow_experiment", name=name, tags={"team": "b"})
    assert experiment(server, name)["tags"] == {"team": "b"}


@pytest.mark.parametrize("place", ["gs://bucket/folder", "mlflow-artifacts:/folder", "/somewhere/folder"])
def test_the_place_of_artifacts_cannot_be_changed(server: Server, name: str, place: str) -> None:
    server.apply("mlflow_experiment", name=name, artifact_location=place)
    assert not server.apply("mlflow_experiment", name=name, artifact_location=f"{place}/")["changed"]
    assert not server.apply("mlflow_experiment", name=name)["changed"]
    for state in ("present", "absent"):
        server.apply("mlflow_experiment", name=name, state=state)
        message = server.fails("mlflow_experiment", name=name, artifact_location="gs://other/place")
        assert f"artifact_location cannot be changed from {place!r} to 'gs://other/place'" in message
        assert "mlflow gc --experiment-ids" in message
        assert server.run("mlflow_experiment", True, name=name, artifact_location="gs://other/place")["failed"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param({"tags": {"a,b": "1"}}, "Names may only contain", id="a tag that MLflow refuses"),
        pytest.param({"artifact_location": "gs://b/a?x=1#y"}, "artifact_location", id="a place that MLflow refuses"),
    ],
)
def test_what_mlflow_refuses_is_told_in_its_own_words(server: Server, name: str, options: Json, words: str) -> None:
    assert words in server.fails("mlflow_experiment", name=name, **options)
