# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.modules.gcp_sql_instance import SqlInstance

INSTANCES = "v1/projects/p/instances"
ONE = f"{INSTANCES}/one"
OPERATION = {"kind": "sql#operation", "name": "op", "targetProject": "p", "status": "DONE"}
CURRENT: dict[str, t.Any] = {
    "name": "one",
    "state": "RUNNABLE",
    "region": "europe-west1",
    "databaseVersion": "POSTGRES_16",
    "settings": {
        "settingsVersion": "7",
        "tier": "db-small",
        "edition": "ENTERPRISE",
        "dataDiskSizeGb": "10",
        "storageAutoResize": True,
        "userLabels": {"app": "mlflow", "old": "yes"},
        "ipConfiguration": {
            "ipv4Enabled": False,
            "privateNetwork": "projects/p/global/networks/default",
            "authorizedNetworks": [
                {"kind": "sql#aclEntry", "name": "office", "value": "198.51.100.0/24"},
                {"kind": "sql#aclEntry", "name": "", "value": "203.0.113.7"},
            ],
        },
        "backupConfiguration": {"enabled": True, "startTime": "02:00", "kind": "sql#backupConfiguration"},
        "databaseFlags": [{"name": "max_connections", "value": "100"}],
    },
}
NEW: dict[str, t.Any] = {"name": "one", "database_version": "POSTGRES_16", "settings": {"tier": "db-small"}}


def running(http: t.Any, **settings: t.Any) -> None:
    """The instance is there."""
    http.when("GET", ONE, CURRENT | {"settings": CURRENT["settings"] | settings})
    http.when("PATCH", ONE, OPERATION)
    http.when("DELETE", ONE, OPERATION)


@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        pytest.param({"tier": "db-small"}, None, id="the same tier"),
        pytest.param({"tier": "db-big"}, {"tier": "db-big"}, id="another tier"),
        pytest.param({"data_disk_size_gb": 10}, None, id="the size as a number"),
        pytest.param({"data_disk_size_gb": 5}, None, id="a disk that has grown by itself"),
        pytest.param({"data_disk_size_gb": 20}, {"dataDiskSizeGb": 20}, id="a larger disk"),
        pytest.param({"availability_type": "ZONAL"}, None, id="a default that is not told"),
        pytest.param({"user_labels": {"app": "mlflow"}}, {"userLabels": {"app": "mlflow", "old": None}}, id="labels"),
        pytest.param({"ip_configuration": {"private_network": "default"}}, None, id="the network by its name"),
        pytest.param(
            {
                "ip_configuration": {
                    "private_network": "https://www.googleapis.com/compute/v1/projects/p/global/networks/default"
                }
            },
            None,
            id="the network by its URL",
        ),
        pytest.param(
            {
                "ip_configuration": {
                    "authorized_networks": [
                        {"value": "203.0.113.7/32"},
                        {"name": "office", "value": "198.51.100.0/24"},
                    ]
                }
            },
            None,
            id="networks in another order and form",
        ),
        pytest.param(
            {"ip_configuration": {"authorized_networks": [{"name": "office", "value": "198.51.100.0/24"}]}},
            {"ipConfiguration": {"authorizedNetworks": [{"name": "office", "value": "198.51.100.0/24"}]}},
            id="one network less",
        ),
        pytest.param(
            {"ip_configuration": {"authorized_networks": []}},
            {"ipConfiguration": {"authorizedNetworks": []}},
            id="no network",
        ),
        pytest.param(
            {"backup_configuration": {"enabled": True, "point_in_time_recovery_enabled": True}},
            {"backupConfiguration": {"pointInTimeRecoveryEnabled": True}},
            id="one of two switches",
        ),
        pytest.param(
            {"database_flags": [{"name": "max_connections", "value": "200"}]},
            {"databaseFlags": [{"name": "max_connections", "value": "200"}]},
            id="a flag",
        ),
    ],
)
def test_an_update_sends_what_differs_and_the_version_of_the_settings(
    http: t.Any, run: t.Any, settings: t.Any, sent: t.Any
) -> None:
    running(http)
    result = run(SqlInstance, name="one", settings=settings)
    bodies = [request.body for request in http.writes]
    assert bodies == ([{"settings": sent | {"settingsVersion": "7"}}] if sent else [])
    assert result["changed"] is bool(sent)


def test_a_disk_that_cannot_shrink_is_an_error(http: t.Any, run: t.Any) -> None:
    running(http, storageAutoResize=False)
    with pytest.raises(GcpError, match=r"settings.data_disk_size_gb cannot be changed from 10 to 5"):
        run(SqlInstance, name="one", settings={"data_disk_size_gb": 5})


def test_a_new_instance_is_awaited(http: t.Any, run: t.Any, clock: t.Any) -> None:
    http.when("GET", ONE, {"error": {"code": 404}}, CURRENT)
    http.table["GET", ONE][0].status_code = 404
    http.when("POST", INSTANCES, OPERATION | {"status": "PENDING"})
    http.when("GET", "v1/projects/p/operations/op", OPERATION | {"status": "RUNNING"}, OPERATION)
    result = run(SqlInstance, **NEW)
    assert result["changed"]
    assert result["resource"] == CURRENT
    assert [request.path for request in http.requests].count("v1/projects/p/operations/op") == 2


def test_without_wait_it_is_only_started(http: t.Any, run: t.Any) -> None:
    http.will_answer(404).will_answer(200, OPERATION | {"status": "PENDING"})
    http.will_answer(200, {"name": "one", "state": "PENDING_CREATE"})
    result = run(SqlInstance, wait=False, **NEW)
    assert result["changed"]
    assert result["resource"]["state"] == "PENDING_CREATE"
    assert [request.method for request in http.requests] == ["GET", "POST", "GET"]


def test_one_that_was_started_is_not_started_again(http: t.Any, run: t.Any) -> None:
    http.when("GET", ONE, {"name": "one", "state": "PENDING_CREATE"})
    assert not run(SqlInstance, wait=False, **NEW)["changed"]
    assert http.writes == []


def test_one_that_an_earlier_run_started_is_awaited(http: t.Any, run: t.Any, clock: t.Any) -> None:
    http.when(
        "GET", ONE, {"name": "one", "state": "PENDING_CREATE"}, {"name": "one", "state": "PENDING_CREATE"}, CURRENT
    )
    result = run(SqlInstance, **NEW)
    assert not result["changed"]
    assert result["resource"] == CURRENT
    assert clock.time > 0


def test_a_name_that_was_used_lately_is_told(http: t.Any, run: t.Any) -> None:
    refusal = {
        "error": {
            "code": 409,
            "message": "The Cloud SQL instance already exists.",
            "errors": [{"reason": "instanceAlreadyExists"}],
        }
    }
    http.when("POST", INSTANCES, refusal, status_code=409)
    with pytest.raises(GcpError, match=r"for a week.*option name"):
        run(SqlInstance, **NEW)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("Invalid request: Invalid value for region: mars-1.", "Check the option region, which is mars-1"),
        ("Invalid Tier (db-huge) for (POSTGRES_16)", r"Check the option settings\.tier, which is db-huge"),
        ("Invalid request: Unknown database flag x.", r"Check the option settings\.database_flags\.$"),
        ("Invalid request: Invalid authorized network value x.", r"settings\.ip_configuration\.authorized_networks\.$"),
        ("Root user's password is not policy compliant.", r"Check the option root_password\.$"),
        ("Invalid request: Something else.", r"Something else\.$"),
    ],
)
def test_a_refusal_names_the_option(http: t.Any, run: t.Any, message: str, words: str) -> None:
    http.when("POST", INSTANCES, {"error": {"code": 400, "message": message}}, status_code=400)
    with pytest.raises(GcpError, match=words):
        run(SqlInstance, **NEW | {"region": "mars-1", "settings": {"tier": "db-huge"}})


def test_another_operation_of_the_instance_is_let_pass(http: t.Any, run: t.Any, clock: t.Any) -> None:
    refusal = {
        "error": {
            "code": 409,
            "message": "Operation failed because another operation was already in progress.",
            "errors": [{"reason": "operationInProgress"}],
        }
    }
    http.will_answer(200, CURRENT).will_answer(409, refusal).will_answer(409, refusal).will_answer(200, OPERATION)
    http.will_answer(200, CURRENT)
    assert run(SqlInstance, name="one", settings={"tier": "db-big"})["changed"]
    assert [request.method for request in http.writes] == ["PATCH"] * 3


def test_settings_that_somebody_else_changed_are_planned_again(http: t.Any, run: t.Any) -> None:
    newer = CURRENT | {"settings": CURRENT["settings"] | {"settingsVersion": "8"}}
    http.will_answer(200, CURRENT).will_answer(
        412, {"error": {"code": 412, "message": "Condition does not match.", "errors": [{"reason": "staleData"}]}}
    )
    http.will_answer(200, newer).will_answer(200, OPERATION).will_answer(200, newer)
    assert run(SqlInstance, name="one", settings={"tier": "db-big"})["changed"]
    assert [request.body["settings"]["settingsVersion"] for request in http.writes] == ["7", "8"]


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_protected_instance_is_not_deleted(http: t.Any, run: t.Any, check_mode: bool) -> None:
    running(http, deletionProtectionEnabled=True)
    with pytest.raises(GcpError, match=r"set settings\.deletion_protection_enabled to false"):
        run(SqlInstance, check_mode, name="one", state="absent")
    assert http.writes == []


def test_a_protected_instance_is_deleted_if_the_task_says_so(http: t.Any, run: t.Any) -> None:
    protected = CURRENT | {"settings": CURRENT["settings"] | {"deletionProtectionEnabled": True}}
    http.will_answer(200, protected).will_answer(200, OPERATION).will_answer(200, OPERATION).will_answer(404)
    options = {"settings": {"deletion_protection_enabled": False}}
    assert run(SqlInstance, name="one", state="absent", **options)["changed"]
    assert [(r.method, r.path, r.body) for r in http.writes] == [
        ("PATCH", ONE, {"settings": {"deletionProtectionEnabled": False, "settingsVersion": "7"}}),
        ("DELETE", ONE, None),
    ]


def test_an_instance_is_deleted(http: t.Any, run: t.Any) -> None:
    http.will_answer(200, CURRENT).will_answer(200, OPERATION).will_answer(404)
    assert run(SqlInstance, name="one", state="absent")["changed"]
    assert [(request.method, request.path) for request in http.writes] == [("DELETE", ONE)]


@pytest.mark.parametrize(
    ("options", "query"),
    [
        ({"enable_final_backup": False}, {"enableFinalBackup": "false"}),
        (
            {"enable_final_backup": True, "final_backup_ttl_days": 90, "final_backup_description": "the end"},
            {"enableFinalBackup": "true", "finalBackupTtlDays": "90", "finalBackupDescription": "the end"},
        ),
    ],
)
def test_a_deletion_says_whether_there_is_to_be_a_last_backup(
    http: t.Any, run: t.Any, options: t.Any, query: t.Any
) -> None:
    http.will_answer(200, CURRENT).will_answer(200, OPERATION).will_answer(404)
    assert run(SqlInstance, name="one", state="absent", **options)["changed"]
    assert [(request.method, request.query) for request in http.writes] == [("DELETE", query)]


@pytest.mark.parametrize(
    ("current", "wanted", "offers", "words"),
    [
        pytest.param("POSTGRES_16", "POSTGRES_17", ["POSTGRES_17"], "set allow_major_version_upgrade", id="offered"),
        pytest.param("POSTGRES_16", "POSTGRES_17", [], "set allow_major_version_upgrade", id="not told"),
        pytest.param("POSTGRES_16", "POSTGRES_15", [], "has no such upgrade", id="lower"),
        pytest.param("POSTGRES_9_6", "POSTGRES_10", [], "set allow_major_version_upgrade", id="higher by number"),
        pytest.param("POSTGRES_16", "POSTGRES_19", ["POSTGRES_17"], "upgraded to POSTGRES_17", id="not offered"),
        pytest.param("POSTGRES_16", "MYSQL_8_4", [], "has no such upgrade", id="another database"),
    ],
)
def test_a_version_that_cannot_be_had_just_so_is_an_error(
    http: t.Any, run: t.Any, current: str, wanted: str, offers: t.Any, words: str
) -> None:
    listed = [{"name": offer, "majorVersion": offer} for offer in offers]
    http.when("GET", ONE, CURRENT | {"databaseVersion": current, "upgradableDatabaseVersions": listed})
    with pytest.raises(GcpError, match=words):
        run(SqlInstance, name="one", database_version=wanted)
    assert http.writes == []


def test_an_instance_that_is_not_there_is_not_deleted(http: t.Any, run: t.Any) -> None:
    assert not run(SqlInstance, name="one", state="absent")["changed"]


def test_what_a_new_instance_needs_is_named(http: t.Any, run: t.Any) -> None:
    with pytest.raises(GcpError, match=r"cannot be created without database_version and settings\.tier"):
        run(SqlInstance, True, name="one")


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"state": "FAILED"}, "is FAILED: no room in the zone"),
        ({"state": "SUSPENDED", "suspensionReason": ["BILLING_ISSUE"]}, "is SUSPENDED: BILLING_ISSUE"),
    ],
)
def test_an_instance_that_does_not_work_is_an_error(http: t.Any, run: t.Any, broken: t.Any, words: str) -> None:
    errors = {"error": {"errors": [{"code": "INTERNAL_ERROR", "message": "no room in the zone."}]}}
    http.when("GET", ONE, CURRENT | broken)
    http.when("GET", "v1/projects/p/operations", {"items": [OPERATION, OPERATION | errors]})
    with pytest.raises(GcpError, match=words):
        run(SqlInstance, **NEW)


def test_the_major_version_stays(http: t.Any, run: t.Any) -> None:
    running(http)
    with pytest.raises(GcpError, match=r"database_version cannot be changed from 'POSTGRES_16' to 'POSTGRES_17'"):
        run(SqlInstance, name="one", database_version="POSTGRES_17")


def test_check_mode_shows_the_instance_and_makes_none(http: t.Any, run: t.Any) -> None:
    result = run(SqlInstance, True, **NEW)
    assert result["changed"]
    assert result["resource"] == {"name": "one", "databaseVersion": "POSTGRES_16", "settings": {"tier": "db-small"}}
    assert result["diff"] == {"before": {}, "after": result["resource"]}
    assert http.writes == []
