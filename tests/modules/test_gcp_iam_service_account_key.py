# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keys of service accounts over time: they are replaced, others go, and whatever is interrupted goes on."""

from __future__ import annotations

import datetime
import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.modules.gcp_iam_service_account import IamServiceAccount
from ansible_collections.mlops.mlflow.plugins.modules.gcp_iam_service_account_key import IamServiceAccountKey
from gcp_emulator.faults import Fault

from .cases import Json
from .cloud import Cloud

ACCOUNT = {"name": "client"}
FILE = Path("client.json")


@pytest.fixture
def keys(cloud: Cloud) -> t.Callable[[], dict[str, Json]]:
    """The keys that people made for the account, by their IDs; the account is there."""
    cloud.run(IamServiceAccount, ACCOUNT)

    def found() -> dict[str, Json]:
        stored = cloud.emulator.cloud.store.items("serviceAccountKeys", f"client@{cloud.project}")
        return {name.rpartition("/")[2]: key for name, key in stored}

    return found


def have(cloud: Cloud, path: Path = FILE, **options: t.Any) -> Json:
    """Run the module as a check and in earnest; the result."""
    task = {"service_account": "client", "path": str(path), **options}
    promise = cloud.run(IamServiceAccountKey, task, check_mode=True)
    result = cloud.run(IamServiceAccountKey, task)
    assert (promise["changed"], promise["diff"]) == (result["changed"], result["diff"])
    return result


def in_file(path: Path = FILE) -> str:
    """The ID of the key in the file."""
    return str(json.loads(path.read_text())["private_key_id"])


def change(cloud: Cloud, key_id: str, **values: t.Any) -> None:
    """Give a key a past."""
    name = f"client@{cloud.project}.iam.gserviceaccount.com/{key_id}"
    store = cloud.emulator.cloud.store
    store.put("serviceAccountKeys", name, (store.get("serviceAccountKeys", name) or {}) | values)


def ago(days: float) -> str:
    """A time as the API writes it."""
    return (datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_the_age_of_a_key_is_told(cloud: Cloud, keys: t.Any) -> None:
    assert have(cloud)["age_days"] == 0
    change(cloud, in_file(), validAfterTime=ago(42.5))
    again = have(cloud)
    assert (again["changed"], again["age_days"]) == (False, 42)
    assert again["resource"]["validBeforeTime"] == "9999-12-31T23:59:59Z"
    change(cloud, in_file(), validAfterTime=ago(-0.01))
    assert have(cloud)["age_days"] == 0, "where the clocks of Google and of the machine differ"
    assert have(cloud, state="absent")["age_days"] is None


@pytest.mark.parametrize(("age", "replaced"), [(29.9, False), (30.1, True)])
def test_a_key_is_replaced_when_it_is_old_enough(cloud: Cloud, keys: t.Any, age: float, replaced: bool) -> None:
    have(cloud)
    old = in_file()
    change(cloud, old, validAfterTime=ago(age))
    result = have(cloud, max_age_days=30)
    assert result["changed"] is replaced
    assert (in_file() != old) is replaced
    assert list(keys()) == [in_file()]
    assert not have(cloud, max_age_days=30)["changed"]
    assert FILE.stat().st_mode & 0o777 == 0o600


def test_a_key_that_is_replaced_is_deleted_last(cloud: Cloud, keys: t.Any) -> None:
    have(cloud)
    change(cloud, in_file(), validAfterTime=ago(100))
    with cloud.recorded() as sent:
        cloud.run(IamServiceAccountKey, {"service_account": "client", "path": str(FILE), "max_age_days": 30})
    assert [request.method for request in sent] == ["GET", "POST", "DELETE", "GET"]


def test_a_replaced_key_that_cannot_be_deleted_is_told_and_the_new_one_works(cloud: Cloud, keys: t.Any) -> None:
    have(cloud)
    old = in_file()
    change(cloud, old, validAfterTime=ago(100))
    cloud.emulator.faults.add(Fault(method="iam.projects.serviceAccounts.keys.delete", kind="503", call=None))
    with pytest.raises(GcpError, match=rf"The key in client\.json can be used\. projects/.*{old} is still there"):
        cloud.run(IamServiceAccountKey, {"service_account": "client", "path": str(FILE), "max_age_days": 30})
    assert set(keys()) == {old, in_file()}


def test_what_an_interrupted_replacement_left_goes_with_the_next_exclusive_run(
    cloud: Cloud, keys: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    have(cloud)
    old = in_file()
    change(cloud, old, validAfterTime=ago(100))
    delete_surplus = IamServiceAccountKey.delete_surplus
    monkeypatch.setattr(IamServiceAccountKey, "delete_surplus", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cloud.run(IamServiceAccountKey, {"service_account": "client", "path": str(FILE), "max_age_days": 30})
    monkeypatch.setattr(IamServiceAccountKey, "delete_surplus", delete_surplus)
    assert set(keys()) == {old, in_file()}
    result = have(cloud, max_age_days=30, exclusive=True)
    assert [name.rpartition("/")[2] for name in result["diff"]["before"]["surplusKeys"]] == [old]
    assert list(keys()) == [in_file()]


def interrupted(_self: IamServiceAccountKey) -> None:
    """What a person does to a run."""
    raise KeyboardInterrupt


def test_an_exclusive_key_is_the_only_one(cloud: Cloud, keys: t.Any) -> None:
    have(cloud, Path("other.json"))
    have(cloud)
    assert not have(cloud)["changed"], "others are not looked at unless that is asked"
    other = in_file(Path("other.json"))
    change(cloud, other, disabled=True)
    result = have(cloud, exclusive=True)
    assert result["changed"]
    before, after = result["diff"]["before"], result["diff"]["after"]
    assert [name.rpartition("/")[2] for name in before["surplusKeys"]] == [other]
    assert "surplusKeys" not in after
    assert list(keys()) == [in_file()]
    assert not have(cloud, exclusive=True)["changed"]


def test_a_new_exclusive_key_takes_the_place_of_all_others(cloud: Cloud, keys: t.Any) -> None:
    for name in ("one.json", "two.json"):
        have(cloud, Path(name))
    result = have(cloud, exclusive=True)
    assert len(result["diff"]["before"]["surplusKeys"]) == 2
    assert list(keys()) == [in_file()]


def test_keys_that_google_manages_are_not_other_keys(cloud: Cloud, keys: t.Any) -> None:
    have(cloud)
    store = cloud.emulator.cloud.store
    name = f"client@{cloud.project}.iam.gserviceaccount.com/google"
    store.put("serviceAccountKeys", name, {"name": "google", "keyType": "SYSTEM_MANAGED"})
    assert not have(cloud, exclusive=True)["changed"]


def test_a_run_without_a_change_is_one_question(cloud: Cloud, keys: t.Any) -> None:
    have(cloud, exclusive=True)
    with cloud.recorded() as sent:
        cloud.run(IamServiceAccountKey, {"service_account": "client", "path": str(FILE), "exclusive": True})
    assert [request.method for request in sent] == ["GET"]


def test_a_key_that_has_expired_is_replaced(cloud: Cloud, keys: t.Any) -> None:
    have(cloud)
    old = in_file()
    change(cloud, old, validBeforeTime=ago(1))
    assert have(cloud)["changed"]
    assert in_file() != old


@pytest.mark.parametrize(("mode", "changed"), [(0o644, True), (0o660, True), (0o600, False), (0o400, False)])
def test_a_file_that_others_may_read_is_closed_to_them(cloud: Cloud, keys: t.Any, mode: int, changed: bool) -> None:
    have(cloud)
    content = FILE.read_text()
    FILE.chmod(mode)
    result = have(cloud)
    assert result["changed"] is changed
    assert FILE.stat().st_mode & 0o777 == (0o600 if changed else mode)
    assert FILE.read_text() == content
    if changed:
        assert (result["diff"]["before"]["mode"], result["diff"]["after"]["mode"]) == (f"{mode:04o}", "0600")
    assert not have(cloud)["changed"]


def test_the_eleventh_key_is_refused_with_the_way_out(cloud: Cloud, keys: t.Any) -> None:
    for number in range(10):
        change(cloud, str(number), name=f"x/{number}", keyType="USER_MANAGED")
    with pytest.raises(GcpError, match="An account has at most 10 keys"):
        cloud.run(IamServiceAccountKey, {"service_account": "client", "path": str(FILE)})
    assert not FILE.exists()
    assert len(keys()) == 10


def test_a_key_of_an_account_that_is_not_there_yet_is_planned(cloud: Cloud) -> None:
    task = {"service_account": "client", "path": str(FILE), "exclusive": True}
    assert cloud.run(IamServiceAccountKey, task, check_mode=True)["changed"]
    assert not FILE.exists()
