# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is sent to bring an experiment to the wanted state; tests/tracking has the same against a real server."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.mlflow.client import MlflowError
from ansible_collections.mlops.mlflow.plugins.module_utils.mlflow.resource import reconcile
from ansible_collections.mlops.mlflow.plugins.modules.mlflow_experiment import Experiment

GONE = (404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "not found"})
EXISTS = (400, {"error_code": "RESOURCE_ALREADY_EXISTS", "message": "exists"})
PATH = "2.0/mlflow/experiments"


def churn(stage: str = "active", **tags: str) -> t.Any:
    """What MLflow answers; two underscores in the name of a tag are a dot."""
    return {
        "experiment": {
            "experiment_id": "1",
            "name": "churn",
            "artifact_location": "gs://b/churn",
            "lifecycle_stage": stage,
            "tags": [{"key": key.replace("__", "."), "value": value} for key, value in tags.items()],
        }
    }


def call(verb: str, **body: t.Any) -> tuple[str, str, t.Any]:
    """A change of the experiment."""
    return "POST", f"{PATH}/{verb}", body


RESTORE, DELETE = call("restore", experiment_id="1"), call("delete", experiment_id="1")


@pytest.mark.parametrize(
    ("options", "before", "changes", "after"),
    [
        pytest.param({}, GONE, [call("create", name="churn")], churn(), id="created"),
        pytest.param(
            {"artifact_location": "gs://b/churn", "tags": {"a": 1, "b": True}},
            GONE,
            [
                call(
                    "create",
                    name="churn",
                    artifact_location="gs://b/churn",
                    tags=[{"key": "a", "value": "1"}, {"key": "b", "value": "true"}],
                )
            ],
            churn(a="1", b="true"),
            id="created with everything",
        ),
        pytest.param({}, churn(a="1"), [], None, id="nothing said"),
        pytest.param({"artifact_location": "gs://b/churn/"}, churn(), [], None, id="the same place"),
        pytest.param({"tags": {"a": "1"}}, churn(a="1", mlflow__note="x"), [], None, id="the same tags"),
        pytest.param(
            {"tags": {"a": "2", "c": "3"}},
            churn(a="1", b="2", mlflow__note="x"),
            [
                call("delete-experiment-tag", experiment_id="1", key="b"),
                call("set-experiment-tag", experiment_id="1", key="a", value="2"),
                call("set-experiment-tag", experiment_id="1", key="c", value="3"),
            ],
            churn(a="2", c="3", mlflow__note="x"),
            id="other tags",
        ),
        pytest.param(
            {"tags": {}},
            churn(a="1", mlflow__note="x"),
            [call("delete-experiment-tag", experiment_id="1", key="a")],
            churn(mlflow__note="x"),
            id="no tags",
        ),
        pytest.param({"state": "absent"}, churn(), [DELETE], churn("deleted"), id="deleted"),
        pytest.param({"state": "absent"}, churn("deleted"), [], None, id="deleted already"),
        pytest.param({"state": "absent"}, GONE, [], None, id="never there"),
        pytest.param({}, churn("deleted"), [RESTORE], churn(), id="restored"),
        pytest.param(
            {"tags": {"a": "1"}},
            churn("deleted"),
            [RESTORE, call("set-experiment-tag", experiment_id="1", key="a", value="1")],
            churn(a="1"),
            id="restored before it is tagged",
        ),
    ],
)
def test_what_is_sent(script: t.Any, options: t.Any, before: t.Any, changes: t.Any, after: t.Any) -> None:
    foretold = reconcile(script.will(before).resource(Experiment, check_mode=True, name="churn", **options))
    assert script.changes == []
    script.will(before, *[{}] * len(changes), *([after] if after else []))
    done = reconcile(script.resource(Experiment, name="churn", **options))
    assert script.changes == changes
    assert script.answers == []
    assert done["changed"] == bool(changes)
    assert {key: foretold[key] for key in ("changed", "diff")} == {key: done[key] for key in ("changed", "diff")}
    if before is not GONE:
        assert foretold["resource"] == done["resource"]


@pytest.mark.parametrize("stage", ["active", "deleted"])
def test_another_place_is_an_error_with_both_values_and_the_way_out(script: t.Any, stage: str) -> None:
    resource = script.will(churn(stage)).resource(Experiment, name="churn", artifact_location="gs://other")
    with pytest.raises(MlflowError, match=r"'gs://b/churn' to 'gs://other'.*mlflow gc --experiment-ids 1"):
        reconcile(resource)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": ""}, "name has 0 characters"),
        ({"name": "x" * 501}, "name has 501 characters"),
        ({"artifact_location": ""}, "artifact_location is empty"),
        ({"tags": {"a": None}}, "The tag 'a' is None"),
        ({"tags": {"a": {"b": 1}}}, "must be a text"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_asked(script: t.Any, options: t.Any, words: str) -> None:
    with pytest.raises(MlflowError) as raised:
        reconcile(script.resource(Experiment, **{"name": "churn", **options}))
    assert words in str(raised.value)
    assert script.requests == []


def test_one_that_somebody_else_has_just_created_is_taken(script: t.Any) -> None:
    script.will(GONE, EXISTS, churn())
    assert reconcile(script.resource(Experiment, name="churn"))["resource"] == churn()["experiment"]


def test_one_that_somebody_else_has_just_deleted_is_restored(script: t.Any) -> None:
    script.will(churn(), GONE, churn("deleted"), {}, {}, churn(a="1"))
    assert reconcile(script.resource(Experiment, name="churn", tags={"a": "1"}))["changed"]
    assert script.changes[1:] == [RESTORE, call("set-experiment-tag", experiment_id="1", key="a", value="1")]
