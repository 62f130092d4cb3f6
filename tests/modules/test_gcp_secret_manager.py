# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the rows of the secret's table cannot say: its value, and what becomes of its versions."""

from __future__ import annotations

import base64
import json
import typing as t

import pytest
import requests
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.modules.gcp_secret_manager import SecretManager
from gcp_emulator.faults import Fault

from .cloud import Cloud

Json = dict[str, t.Any]

HOST = "https://secretmanager.googleapis.com/v1"
ONE = f"{HOST}/projects/test-project/secrets/one"


def secret(cloud: Cloud, check_mode: bool = False, **options: t.Any) -> Json:
    return cloud.run(SecretManager, {"name": "one", **options}, check_mode)


def foretold(cloud: Cloud, **options: t.Any) -> Json:
    """The result of a run, which check mode must have foretold."""
    promise = secret(cloud, True, **options)
    result = secret(cloud, **options)
    assert (promise["changed"], promise["diff"]) == (result["changed"], result["diff"])
    return result


def filled(cloud: Cloud, *values: str) -> None:
    """The secret, with a version for each of these values."""
    for value in values:
        secret(cloud, value=value)


def states(cloud: Cloud) -> str:
    """The first letter of the state of each version, the oldest first; ``s`` for one whose end is scheduled."""
    versions = cloud.emulator.ok("GET", f"{ONE}/versions").get("versions", [])
    return "".join("s" if "scheduledDestroyTime" in one else one["state"][:2].lower() + " " for one in versions[::-1])


def move(cloud: Cloud, version: int, verb: str) -> None:
    cloud.emulator.ok("POST", f"{ONE}/versions/{version}:{verb}", {})


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({}, "en en en en ", id="they are kept"),
        pytest.param({"old_versions": "disable"}, "di di di en ", id="disabled"),
        pytest.param({"old_versions": "destroy"}, "de de de en ", id="destroyed"),
        pytest.param({"old_versions": "destroy", "versions_kept": 2}, "de de en en ", id="all but the one before"),
        pytest.param({"old_versions": "disable", "versions_kept": 9}, "en en en en ", id="fewer than are kept"),
        pytest.param({"old_versions": "destroy", "version_destroy_ttl": 86400}, "sssen ", id="destroyed in a day"),
    ],
)
def test_old_versions_end_with_the_new_one(cloud: Cloud, options: Json, expected: str) -> None:
    filled(cloud, "a", "b", "c")
    assert foretold(cloud, value="d", **options)["changed"]
    assert states(cloud) == expected
    assert not foretold(cloud, value="d", **options)["changed"]


def test_the_diff_tells_which_versions_end(cloud: Cloud) -> None:
    filled(cloud, "a", "b")
    diff = foretold(cloud, value="c", old_versions="disable")["diff"]
    assert diff["before"] == {"latestVersion": "another value", "oldVersions": {"1": "ENABLED", "2": "ENABLED"}}
    assert diff["after"] == {"latestVersion": "a new value", "oldVersions": {"1": "DISABLED", "2": "DISABLED"}}


def test_what_an_interrupted_run_left_is_ended_by_the_next(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(cloud, "a")
    send = cloud.request

    def fail(method: str, url: str, *arguments: t.Any, **options: t.Any) -> t.Any:
        if url.endswith(":disable"):
            raise KeyboardInterrupt
        return send(method, url, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(cloud, "request", fail)
        with pytest.raises(KeyboardInterrupt):
            secret(cloud, value="b", old_versions="disable")
    assert states(cloud) == "en en "
    assert foretold(cloud, value="b", old_versions="disable")["changed"]
    assert states(cloud) == "di en "


@pytest.mark.parametrize(
    ("disabled", "destroyed", "rule", "expected"),
    [
        pytest.param([3], [], "disable", "di en di ", id="the newest enabled one is in use"),
        pytest.param([3], [], "destroy", "de en di ", id="and newer ones are not old"),
        pytest.param([1, 2, 3], [], "destroy", "di di di ", id="without an enabled one none is old"),
        pytest.param([], [3], "disable", "di en de ", id="a destroyed one counts for nothing"),
        pytest.param([1], [], "destroy", "de de en ", id="a disabled one can be destroyed"),
    ],
)
def test_without_a_value_the_version_in_use_stays(
    cloud: Cloud, disabled: list[int], destroyed: list[int], rule: str, expected: str
) -> None:
    filled(cloud, "a", "b", "c")
    for version in disabled:
        move(cloud, version, "disable")
    for version in destroyed:
        move(cloud, version, "destroy")
    foretold(cloud, old_versions=rule)
    assert states(cloud) == expected
    assert not foretold(cloud, old_versions=rule)["changed"]


def test_a_version_that_somebody_changes_meanwhile_is_planned_again(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(cloud, "a", "b")
    send = cloud.request

    def meddle(method: str, url: str, *arguments: t.Any, **options: t.Any) -> t.Any:
        if url.endswith("/1:disable") and states(cloud).startswith("en"):
            move(cloud, 1, "destroy")
        return send(method, url, *arguments, **options)

    monkeypatch.setattr(cloud, "request", meddle)
    assert secret(cloud, old_versions="disable")["changed"]
    assert states(cloud) == "de en "


def test_many_versions_come_in_pages(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(cloud, *"abcde")
    monkeypatch.setattr("gcp_emulator.services.secretmanager.PAGE_LIMIT", 2)
    with cloud.recorded() as sent:
        secret(cloud, old_versions="disable")
    assert len([request for request in sent if request.path.endswith("/versions")]) == 3
    monkeypatch.undo()
    assert states(cloud) == "di di di di en "


def test_a_secret_that_somebody_changes_meanwhile_is_planned_again(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret(cloud, labels={"a": "1"})
    send = cloud.request
    meddled: list[Json] = []

    def meddle(method: str, url: str, *arguments: t.Any, **options: t.Any) -> t.Any:
        if method == "PATCH" and not meddled:
            meddled.append(cloud.emulator.ok("PATCH", f"{ONE}?updateMask=labels", {"labels": {"b": "2"}}))
        return send(method, url, *arguments, **options)

    monkeypatch.setattr(cloud, "request", meddle)
    assert secret(cloud, labels={"c": "3"})["resource"]["labels"] == {"c": "3"}
    patches = [request.status for request in cloud.requests if request.method == "PATCH"]
    assert patches == [400, 200]


def test_a_version_whose_addition_was_not_answered_is_not_added_twice(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(cloud, "a")
    send = cloud.request

    def lose(method: str, url: str, *arguments: t.Any, **options: t.Any) -> t.Any:
        answer = send(method, url, *arguments, **options)
        if url.endswith(":addVersion"):
            raise requests.ConnectionError("the answer is lost")
        return answer

    monkeypatch.setattr(cloud, "request", lose)
    assert secret(cloud, value="b", old_versions="destroy")["changed"]
    assert states(cloud) == "de en "


@pytest.mark.parametrize("ttl", [0, 86400])
def test_one_version_is_destroyed_and_the_secret_stays(cloud: Cloud, ttl: int) -> None:
    filled(cloud, "a", "b")
    secret(cloud, version_destroy_ttl=ttl)
    gone = foretold(cloud, state="absent", version="1")
    assert gone["changed"]
    assert gone["diff"] == {"before": {"versions": {"1": "ENABLED"}}, "after": {}}
    assert states(cloud) == ("sen " if ttl else "de en ")
    assert not foretold(cloud, state="absent", version="1")["changed"]
    assert not foretold(cloud, state="absent", version="9")["changed"]


def test_a_version_of_a_secret_that_is_not_there_is_absent(cloud: Cloud) -> None:
    assert not foretold(cloud, state="absent", version="1")["changed"]


@pytest.mark.parametrize(
    ("there", "asked", "words"),
    [
        pytest.param({}, {"user_managed": {"replicas": [{"location": "us-east1"}]}}, "automatic to us-east1", id="in"),
        pytest.param(
            {"user_managed": {"replicas": [{"location": "us-east1"}]}}, {"automatic": {}}, "us-east1 to auto", id="out"
        ),
    ],
)
@pytest.mark.parametrize("check_mode", [True, False])
def test_a_secret_cannot_be_moved(cloud: Cloud, there: Json, asked: Json, words: str, check_mode: bool) -> None:
    secret(cloud, replication=there)
    with pytest.raises(GcpError, match=f"cannot be changed from {words}.*state: absent"):
        secret(cloud, check_mode, replication=asked)
    assert not secret(cloud)["changed"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param({"value": ""}, "value must be", id="an empty value"),
        pytest.param({"value": "x" * 65537}, "value must be", id="a value that is too long"),
        pytest.param({"name": "a.b"}, "name", id="a dot in the name"),
        pytest.param({"version_destroy_ttl": 60}, "version_destroy_ttl", id="a minute"),
        pytest.param({"state": "absent", "version": "all"}, "version", id="all versions"),
        pytest.param({"replication": {"user_managed": {"replicas": []}}}, "replicas", id="nowhere"),
        pytest.param(
            {"replication": {"automatic": {"customer_managed_encryption": {"kms_key_name": "k"}}}},
            "kms_key_name",
            id="a bare key",
        ),
        pytest.param(
            {"replication": {"automatic": {}, "user_managed": {"replicas": [{"location": "us-east1"}]}}},
            "mutually exclusive",
            id="both",
        ),
        pytest.param({"versions_kept": 0}, "versions_kept", id="none is kept"),
        pytest.param({"labels": {"App": "x"}}, "labels", id="a label with a capital"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_asked(cloud: Cloud, options: Json, words: str) -> None:
    with pytest.raises((GcpError, AssertionError), match=words) as refused:
        secret(cloud, **options)
    assert "xxx" not in str(refused.value)
    assert cloud.requests == []


@pytest.mark.parametrize("alias", ["key", "secret", "secret_id"])
def test_a_task_of_google_cloud_names_the_secret_in_its_way(cloud: Cloud, alias: str) -> None:
    secret(cloud)
    assert not cloud.run(SecretManager, {alias: "one"})["changed"]


@pytest.mark.parametrize("check_mode", [True, False])
def test_no_value_is_told_whatever_becomes_of_versions(cloud: Cloud, check_mode: bool) -> None:
    filled(cloud, "0ld-canary", "m1ddle-canary")
    told = json.dumps(secret(cloud, check_mode, value="n3w-canary", old_versions="destroy"))
    for value in ("0ld-canary", "m1ddle-canary", "n3w-canary"):
        assert value not in told
        assert base64.b64encode(value.encode()).decode() not in told


def test_a_value_that_is_told_late_is_not_added_twice(cloud: Cloud) -> None:
    filled(cloud, "first", "second")
    cloud.emulator.faults.add(Fault("secretmanager.projects.secrets.versions.access", "stale", call=1))
    secret(cloud, value="second")
    assert cloud.emulator.faults.met
    assert states(cloud) == "en en "
