# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the rows of the instance's table cannot say: upgrades, what grows by itself, and the last backup."""

from __future__ import annotations

import contextlib
import typing as t
from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.modules.gcp_sql_instance import SqlInstance
from gcp_emulator.errors import ApiError
from gcp_emulator.faults import Fault

from .cases.gcp_sql_instance import CASE, POLICY
from .cloud import Cloud

Json = dict[str, t.Any]

API = "https://sqladmin.googleapis.com/v1/projects/test-project"
ONE = f"{API}/instances/one"
ABSENT = {"name": "one", "state": "absent"}
PLUS: Json = {"tier": "db-perf-optimized-N-2", "edition": "ENTERPRISE_PLUS"}
PASSWORD = str(POLICY["root_password"])


def instance(cloud: Cloud, options: Json | None = None, check_mode: bool = False, **settings: t.Any) -> Json:
    """The base of the table, with other options and settings."""
    given = CASE.base | (options or {}) | {"settings": CASE.base["settings"] | settings}
    promise = cloud.run(SqlInstance, given, check_mode=True)
    if check_mode:
        return promise
    result = cloud.run(SqlInstance, given)
    assert (promise["changed"], promise["diff"]) == (result["changed"], result["diff"])
    return result


def told(cloud: Cloud) -> Json:
    return cloud.emulator.ok("GET", ONE)


def operations(cloud: Cloud) -> list[str]:
    """What was done to the instance, in order."""
    listed = cloud.emulator.ok("GET", f"{API}/operations?instance=one")["items"]
    return [operation["operationType"] for operation in reversed(listed)]


def backups(cloud: Cloud) -> list[Json]:
    found: list[Json] = cloud.emulator.ok("GET", f"{API}/backups")["backups"]
    return found


def test_the_edition_changes_in_place_with_the_tier_and_has_a_cache_then(cloud: Cloud) -> None:
    created = instance(cloud)["resource"]["createTime"]
    cached: Json = {"data_cache_config": {"data_cache_enabled": True}}
    with pytest.raises(GcpError, match="ENTERPRISE_PLUS"):
        instance(cloud, **cached)
    changed = instance(cloud, **PLUS, **cached)
    assert changed["diff"]["after"]["settings"] == {**PLUS, "dataCacheConfig": {"dataCacheEnabled": True}}
    assert changed["resource"]["createTime"] == created
    assert not instance(cloud, **PLUS, **cached)["changed"]
    assert instance(cloud, **PLUS, data_cache_config={"data_cache_enabled": False})["changed"]


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize("wanted", ["POSTGRES_17", "POSTGRES_15", "MYSQL_8_4"])
def test_a_database_is_not_upgraded_unless_the_task_says_so(cloud: Cloud, wanted: str, check_mode: bool) -> None:
    instance(cloud)
    allowed = {"allow_major_version_upgrade": wanted != "POSTGRES_17"}
    with pytest.raises(GcpError, match=f"database_version cannot be changed from 'POSTGRES_16' to '{wanted}'") as error:
        instance(cloud, {"database_version": wanted, **allowed}, check_mode)
    way_out = "set allow_major_version_upgrade to true" if wanted == "POSTGRES_17" else "upgraded to POSTGRES_17"
    assert way_out in str(error.value)
    assert told(cloud)["databaseVersion"] == "POSTGRES_16"


def test_an_upgrade_comes_first_and_the_rest_follows(cloud: Cloud) -> None:
    instance(cloud)
    newer = {"database_version": "POSTGRES_17", "allow_major_version_upgrade": True}
    result = instance(cloud, newer, tier="db-custom-2-7680")
    assert result["diff"]["before"]["databaseVersion"] == "POSTGRES_16"
    assert (result["resource"]["databaseVersion"], result["resource"]["settings"]["tier"]) == (
        "POSTGRES_17",
        "db-custom-2-7680",
    )
    assert operations(cloud) == ["CREATE", "MAJOR_VERSION_UPGRADE", "UPDATE"]
    assert not instance(cloud, newer, tier="db-custom-2-7680")["changed"]


def test_an_upgrade_that_the_server_refuses_leaves_the_version(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    instance(cloud)

    def refuse(_server: object) -> None:
        raise ApiError(400, "pg_upgrade failed.", "invalid")

    monkeypatch.setattr(cloud.emulator.databases, "start", refuse)
    with pytest.raises(GcpError, match="pg_upgrade failed"):
        instance(cloud, {"database_version": "POSTGRES_17", "allow_major_version_upgrade": True})
    assert (told(cloud)["databaseVersion"], told(cloud)["state"]) == ("POSTGRES_16", "RUNNABLE")


@pytest.mark.parametrize("kind", ["503", "reset-after", "slow", "operation-error"])
@pytest.mark.parametrize("call", [1, 2])
def test_an_upgrade_that_meets_a_fault_is_done_by_the_next_run_at_the_latest(
    cloud: Cloud, kind: str, call: int
) -> None:
    instance(cloud)
    newer = {"database_version": "POSTGRES_17", "allow_major_version_upgrade": True}
    options = CASE.base | newer | {"settings": CASE.base["settings"] | {"tier": "db-custom-2-7680"}}
    cloud.emulator.faults.add(Fault(method="sql.instances.patch", kind=kind, call=call))
    with contextlib.suppress(GcpError):
        cloud.run(SqlInstance, options)
    assert cloud.emulator.faults.met
    cloud.emulator.faults.clear()
    cloud.run(SqlInstance, options)
    assert (told(cloud)["databaseVersion"], told(cloud)["settings"]["tier"]) == ("POSTGRES_17", "db-custom-2-7680")
    assert not instance(cloud, newer, tier="db-custom-2-7680")["changed"]


def test_maintenance_can_be_had_early_and_never_goes_back(cloud: Cloud) -> None:
    first = instance(cloud)["resource"]
    newer = first["availableMaintenanceVersions"][0]
    assert instance(cloud, {"maintenance_version": newer})["changed"]
    assert told(cloud)["maintenanceVersion"] == newer
    for version in (newer, first["maintenanceVersion"]):
        assert not instance(cloud, {"maintenance_version": version})["changed"]


def test_a_new_instance_has_the_newest_maintenance_version(cloud: Cloud) -> None:
    assert instance(cloud, {"maintenance_version": "POSTGRES_16_1.R20240101.00_01"})["changed"]
    assert told(cloud)["state"] == "RUNNABLE"


def test_a_disk_that_has_grown_by_itself_is_no_difference(cloud: Cloud) -> None:
    instance(cloud, data_disk_size_gb=10)
    store = cloud.emulator.cloud.store
    path = "projects/test-project/instances/one"
    grown = store.get("sql.instances", path) or {}
    store.put("sql.instances", path, grown | {"settings": grown["settings"] | {"dataDiskSizeGb": "35"}})
    assert not instance(cloud, data_disk_size_gb=10)["changed"]
    assert instance(cloud, data_disk_size_gb=40)["changed"]
    with pytest.raises(GcpError, match="cannot be changed from 40 to 10: a disk of Cloud SQL cannot shrink"):
        instance(cloud, data_disk_size_gb=10, storage_auto_resize=False)


def test_the_root_password_is_set_once_and_never_told(cloud: Cloud) -> None:
    results = [instance(cloud, {"root_password": PASSWORD}), instance(cloud, {"root_password": "another"})]
    assert [result["changed"] for result in results] == [True, False]
    assert cloud.emulator.databases.users["projects/test-project/instances/one"]["postgres"] == PASSWORD
    assert PASSWORD not in str(results)


def test_a_root_password_that_the_policy_refuses_is_named_and_not_told(cloud: Cloud) -> None:
    policy = {"enable_password_policy": True, "min_length": 16}
    with pytest.raises(GcpError, match=r"Check the option root_password\.") as error:
        instance(cloud, {"root_password": "short-and-secret"[:9]}, password_validation_policy=policy)
    assert "short-and" not in str(error.value)


def test_flags_may_be_what_yaml_makes_of_on(cloud: Cloud) -> None:
    instance(cloud, database_flags=[{"name": "log_connections", "value": True}])
    assert told(cloud)["settings"]["databaseFlags"] == [{"name": "log_connections", "value": "on"}]
    assert not instance(cloud, database_flags=[{"name": "log_connections", "value": "on"}])["changed"]


@pytest.mark.parametrize(
    ("options", "settings", "backup"),
    [
        pytest.param({}, {}, None, id="none is asked for"),
        pytest.param({"enable_final_backup": False}, {}, None, id="none is wanted"),
        pytest.param({"enable_final_backup": True}, {}, 30, id="for as long as is usual"),
        pytest.param({"enable_final_backup": True, "final_backup_ttl_days": 90}, {}, 90, id="for some days"),
        pytest.param({}, {"final_backup_config": {"enabled": True, "retention_days": 7}}, 7, id="by the instance"),
    ],
)
def test_a_last_backup_outlives_the_instance(cloud: Cloud, options: Json, settings: Json, backup: int | None) -> None:
    instance(cloud, **settings)
    described = {"final_backup_description": "the end"} if options.get("enable_final_backup") else {}
    assert cloud.run(SqlInstance, ABSENT | options | described)["changed"]
    kept = [(found["type"], found["instance"], found.get("description"), days_of(found)) for found in backups(cloud)]
    assert kept == ([("FINAL", "one", "the end" if described else None, backup)] if backup else [])


def days_of(backup: Json) -> int:
    """For how many days a backup is kept."""
    kept = datetime.fromisoformat(backup["expiryTime"]) - datetime.fromisoformat(backup["instanceDeletionTime"])
    return round(kept.total_seconds() / 86400)


def test_a_last_backup_can_have_a_date_of_expiry(cloud: Cloud) -> None:
    instance(cloud)
    expiry = (datetime.now(UTC) + timedelta(days=50)).strftime("%Y-%m-%dT00:00:00Z")
    cloud.run(SqlInstance, ABSENT | {"enable_final_backup": True, "final_backup_expiry_time": expiry})
    assert [found["expiryTime"][:10] for found in backups(cloud)] == [expiry[:10]]


def test_labels_of_others_in_the_collection_stay(cloud: Cloud) -> None:
    instance(cloud, user_labels={"app": "mlflow"})
    cloud.emulator.ok("PATCH", ONE, {"settings": {"userLabels": {"password-version-jane": "7"}}})
    cloud.emulator.finish()
    assert not instance(cloud, user_labels={"app": "mlflow"})["changed"]
    changed = instance(cloud, user_labels={"team": "one"})
    assert changed["resource"]["settings"]["userLabels"] == {"team": "one", "password-version-jane": "7"}
    assert instance(cloud, user_labels={})["changed"]
    assert told(cloud)["settings"]["userLabels"] == {"password-version-jane": "7"}
    assert not instance(cloud, user_labels={})["changed"]
