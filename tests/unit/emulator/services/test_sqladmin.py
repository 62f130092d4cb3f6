# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cloud SQL: instances through their life, what is refused, and the databases and users inside."""

from __future__ import annotations

import threading
import typing as t
from ipaddress import ip_address, ip_network

import pytest
from gcp_emulator.backends import DatabaseServer, RefusedError
from gcp_emulator.errors import ApiError
from gcp_emulator.operations import Operations
from gcp_emulator.services.sqladmin import SqlAdmin
from gcp_emulator.store import Store

if t.TYPE_CHECKING:
    from gcp_emulator.errors import Json
    from harness import Emulator

ROOT = "https://sqladmin.googleapis.com/"
API = ROOT + "v1/projects/test-project"
INSTANCES = API + "/instances"
DB = INSTANCES + "/db"
PATH = "projects/test-project/instances/db"
COMPUTE = "https://compute.googleapis.com/compute/v1/projects/test-project"
NETWORK = "projects/test-project/global/networks/default"
CONNECTIONS = "https://servicenetworking.googleapis.com/v1/services/servicenetworking.googleapis.com/connections"
SECRET = "p@ss:/%#"


def body(settings: Json | None = None, **changes: t.Any) -> Json:
    """The body of the smallest instance, or of one that differs."""
    values: Json = {
        "name": "db",
        "region": "us-central1",
        "databaseVersion": "POSTGRES_15",
        "settings": {"tier": "db-f1-micro"} | (settings or {}),
    }
    return {key: value for key, value in (values | changes).items() if value is not None}


def done(emulator: Emulator, operation: Json) -> Json:
    """An operation at its end, which is without an error."""
    emulator.finish()
    finished: Json = emulator.ok("GET", f"{API}/operations/{operation['name']}")
    assert finished["status"] == "DONE"
    assert "error" not in finished, finished
    return finished


def make(emulator: Emulator, settings: Json | None = None, **changes: t.Any) -> Json:
    """Insert an instance and wait; the instance."""
    wanted = body(settings, **changes)
    done(emulator, emulator.ok("POST", INSTANCES, wanted))
    made: Json = emulator.ok("GET", f"{INSTANCES}/{wanted['name']}")
    return made


@pytest.fixture
def peered(emulator: Emulator) -> str:
    """The range with which the default network is connected."""
    wanted = {"name": "r", "purpose": "VPC_PEERING", "addressType": "INTERNAL", "prefixLength": 24}
    emulator.ok("POST", COMPUTE + "/global/addresses", wanted | {"network": "global/networks/default"})
    emulator.finish()
    emulator.ok("POST", CONNECTIONS, {"network": NETWORK, "reservedPeeringRanges": ["r"]})
    emulator.finish()
    return f"{emulator.ok('GET', COMPUTE + '/global/addresses/r')['address']}/24"


PRIVATE = {"ipConfiguration": {"ipv4Enabled": False, "privateNetwork": NETWORK}}


class TestInstances:
    def test_an_instance_gets_its_defaults(self, emulator: Emulator) -> None:
        instance = make(emulator)
        assert instance["state"] == "RUNNABLE"
        assert instance["connectionName"] == "test-project:us-central1:db"
        settings = instance["settings"]
        assert settings["settingsVersion"] == "1"
        assert (settings["edition"], settings["activationPolicy"]) == ("ENTERPRISE", "ALWAYS")
        assert settings["backupConfiguration"]["transactionLogRetentionDays"] == 7
        assert settings["ipConfiguration"]["ipv4Enabled"] is True
        assert [address["type"] for address in instance["ipAddresses"]] == ["PRIMARY"]

    @pytest.mark.usefixtures("peered")
    def test_the_server_behind_is_what_the_instance_says(self, emulator: Emulator) -> None:
        flags = {"databaseFlags": [{"name": "max_connections", "value": "50"}]}
        make(emulator, PRIVATE | flags | {"tier": "db-custom-2-7680"})
        server = emulator.databases.servers[PATH]
        assert (server.version, server.network, server.memory_mb) == ("POSTGRES_15", NETWORK, 7680)
        assert server.flags == {"max_connections": "50"}
        assert server.subnet_ranges == ("10.128.0.0/9",)

    def test_private_addresses_come_from_the_range_but_not_its_first_ones(
        self, emulator: Emulator, peered: str
    ) -> None:
        addresses = []
        for name in ("db", "db2"):
            (address,) = make(emulator, PRIVATE, name=name)["ipAddresses"]
            assert address["type"] == "PRIVATE"
            addresses.append(address["ipAddress"])
        assert addresses[0] != addresses[1]
        for found in addresses:
            assert ip_address(found) in ip_network(peered)
            assert int(ip_address(found)) >= int(ip_network(peered)[3])

    def test_while_it_is_being_made_it_is_pending_and_does_nothing_else(
        self, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gate, start = threading.Event(), emulator.databases.start

        def slow(server: DatabaseServer) -> None:
            assert gate.wait(10)
            start(server)

        monkeypatch.setattr(emulator.databases, "start", slow)
        operation = emulator.ok("POST", INSTANCES, body())
        assert operation["operationType"] == "CREATE"
        assert emulator.ok("GET", DB)["state"] == "PENDING_CREATE"
        for verb, url, sent in (
            ("POST", DB + "/databases", {"name": "x"}),
            ("POST", DB + "/users", {"name": "x", "password": SECRET}),
            ("PATCH", DB, {"settings": {"tier": "db-g1-small"}}),
            ("POST", DB + "/restart", None),
            ("DELETE", DB, None),
        ):
            answer = emulator.call(verb, url, sent)
            assert (answer.status, answer.reason) == (409, "operationInProgress"), url
        gate.set()
        done(emulator, operation)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"name": "Bad_Name"}, "Invalid request: Invalid instance name (Bad_Name)."),
            ({"settings": {}}, "Invalid request: Missing parameter: Tier."),
            ({"region": "us-nowhere"}, "us-nowhere"),
            ({"databaseVersion": "MYSQL_8_0"}, "MYSQL_8_0"),
            ({"databaseVersion": None}, "Invalid database version"),
            (
                {"settings": {"tier": "db-n1-standard-1"}},
                "Only custom or shared-core instance Billing Tier type allowed for PostgreSQL database.",
            ),
            (
                {"databaseVersion": "POSTGRES_17"},
                "Invalid Tier (db-f1-micro) for (ENTERPRISE_PLUS) Edition. "
                "Use a predefined Tier like db-perf-optimized-N-* instead.",
            ),
            ({"settings": {"tier": "db-perf-optimized-N-2"}}, "for (ENTERPRISE) Edition"),
            ({"settings": {"tier": "db-custom-3-7680"}}, "db-custom-3-7680"),
            ({"settings": {"tier": "db-custom-1-1024"}}, "db-custom-1-1024"),
            (
                {"settings": {"tier": "db-f1-micro", "backupConfiguration": {"transactionLogRetentionDays": 8}}},
                "The number of transaction log retention days must be between 1 and 7.",
            ),
            (
                {"settings": {"tier": "db-f1-micro", "ipConfiguration": {"ipv4Enabled": False}}},
                "At least one of Public IP or Private IP or PSC connectivity must be enabled.",
            ),
            ({"settings": {"tier": "db-f1-micro", "dataDiskSizeGb": "5"}}, "at least 10 GB"),
            ({"settings": {"tier": "db-f1-micro", "databaseFlags": [{"name": "x", "value": "y"}]}}, "flag x"),
            ({"settings": {"tier": "db-f1-micro", "locationPreference": {"zone": "us-east1-b"}}}, "GCE zone"),
            ({"settings": {"tier": "db-f1-micro", "dataDiskType": "HYPERDISK_BALANCED"}}, "disk type"),
            ({"settings": {"tier": "db-custom-N4-2-8192", "dataDiskType": "PD_SSD"}}, "disk type"),
            ({"settings": {"tier": "db-f1-micro", "dataCacheConfig": {"dataCacheEnabled": True}}}, "ENTERPRISE_PLUS"),
            ({"settings": {"tier": "db-f1-micro", "dataDiskSizeGb": "50", "storageAutoResizeLimit": "40"}}, "limit"),
            (
                {"settings": {"tier": "db-f1-micro", "backupConfiguration": {"pointInTimeRecoveryEnabled": True}}},
                "Point-in-time recovery requires automated backups",
            ),
            (
                {
                    "settings": {
                        "tier": "db-f1-micro",
                        "backupConfiguration": {"backupRetentionSettings": {"retainedBackups": 366}},
                    }
                },
                "retained backups",
            ),
            (
                {
                    "settings": {
                        "tier": "db-f1-micro",
                        "backupConfiguration": {"enabled": True, "backupRetentionSettings": {"retainedBackups": 6}},
                    }
                },
                "backup retention should be > transaction log retention.",
            ),
            ({"settings": {"tier": "db-f1-micro", "maintenanceWindow": {"day": 8}}}, "maintenanceWindow.day"),
            ({"settings": {"tier": "db-f1-micro", "insightsConfig": {"queryStringLength": 255}}}, "queryStringLength"),
            ({"settings": {"tier": "db-f1-micro", "finalBackupConfig": {"retentionDays": 366}}}, "retentionDays"),
            (
                {"settings": {"tier": "db-f1-micro", "denyMaintenancePeriods": [{"startDate": "x", "endDate": "y"}]}},
                "Invalid date",
            ),
            (
                {"settings": {"tier": "db-f1-micro", "databaseFlags": [{"name": "work_mem", "value": "much"}]}},
                "of the type INTEGER",
            ),
            (
                {"settings": {"tier": "db-f1-micro", "databaseFlags": [{"name": "autovacuum", "value": "1"}]}},
                "of the type BOOLEAN",
            ),
            (
                {"settings": {"tier": "db-f1-micro", "databaseFlags": [{"name": "work_mem", "value": "64"}] * 2}},
                "more than once",
            ),
            ({"maintenanceVersion": "POSTGRES_15_1.R20260101.00_01"}, "maintenance version"),
            ({"diskEncryptionConfiguration": {"kmsKeyName": "mine"}}, "Invalid KMS key name (mine)."),
            (
                {
                    "settings": {
                        "tier": "db-f1-micro",
                        "passwordValidationPolicy": {"enablePasswordPolicy": True, "minLength": 8},
                    }
                },
                "Root user's password is not policy compliant: Length of password cannot be less than 8. .",
            ),
            (
                {"settings": {"tier": "db-f1-micro"} | PRIVATE},
                "Incorrect Service Networking config for instance: test-project:db:NETWORK_NOT_PEERED.",
            ),
        ],
        ids=lambda value: str(value)[:60],
    )
    def test_an_instance_that_cannot_be_is_refused(self, emulator: Emulator, changes: Json, message: str) -> None:
        answer = emulator.call("POST", INSTANCES, body() | changes)
        assert answer.status == 400
        assert message in answer.message
        assert "items" not in emulator.ok("GET", INSTANCES)

    @pytest.mark.parametrize(
        ("tier", "edition", "disk"),
        [
            ("db-f1-micro", "ENTERPRISE", "PD_SSD"),
            ("db-custom-N4-2-8192", "ENTERPRISE", "HYPERDISK_BALANCED"),
            ("db-perf-optimized-N-16", "ENTERPRISE_PLUS", "PD_SSD"),
            ("db-c4a-highmem-4", "ENTERPRISE_PLUS", "HYPERDISK_BALANCED"),
        ],
    )
    def test_the_type_of_the_disk_follows_the_tier(
        self, emulator: Emulator, tier: str, edition: str, disk: str
    ) -> None:
        assert make(emulator, {"tier": tier, "edition": edition})["settings"]["dataDiskType"] == disk

    def test_a_private_address_needs_service_networking(self, emulator: Emulator) -> None:
        store = emulator.cloud.store
        project = store.get("projects", "test-project") or {}
        rest = [name for name in project["services"] if name != "servicenetworking.googleapis.com"]
        store.put("projects", "test-project", project | {"services": rest})
        answer = emulator.call("POST", INSTANCES, body(PRIVATE))
        assert (answer.status, "SERVICE_NETWORKING_NOT_ENABLED" in answer.message) == (400, True)

    @pytest.mark.parametrize("version", ["POSTGRES_16", "POSTGRES_17"])
    def test_an_edition_that_is_said_counts(self, emulator: Emulator, version: str) -> None:
        instance = make(emulator, {"edition": "ENTERPRISE"}, databaseVersion=version)
        assert instance["settings"]["edition"] == "ENTERPRISE"

    def test_a_name_is_taken_while_it_lives_and_for_a_week_more(self, emulator: Emulator) -> None:
        make(emulator)
        taken = emulator.call("POST", INSTANCES, body())
        assert (taken.status, taken.reason) == (409, "instanceAlreadyExists")
        done(emulator, emulator.ok("DELETE", DB))
        blocked = emulator.call("POST", INSTANCES, body())
        assert (blocked.status, blocked.reason) == (409, "instanceAlreadyExists")
        assert "until one week from the deletion date" in blocked.message
        emulator.cloud.store.put("sql.deleted", PATH, {"deleted": 0})
        make(emulator)

    def test_deletion_takes_all_that_is_inside(self, emulator: Emulator) -> None:
        make(emulator)
        emulator.ok("POST", DB + "/databases", {"name": "x"})
        emulator.finish()
        done(emulator, emulator.ok("DELETE", DB))
        gone = emulator.call("GET", DB)
        assert (gone.status, gone.reason) == (404, "instanceDoesNotExist")
        assert PATH not in emulator.databases.servers
        assert not list(emulator.cloud.store.items("sql.databases"))

    def test_a_protected_instance_is_not_deleted(self, emulator: Emulator) -> None:
        make(emulator, {"deletionProtectionEnabled": True})
        assert emulator.call("DELETE", DB).status == 400
        done(emulator, emulator.ok("PATCH", DB, {"settings": {"deletionProtectionEnabled": False}}))
        done(emulator, emulator.ok("DELETE", DB))

    def test_a_server_that_cannot_be_made_is_failed_and_can_be_deleted(
        self, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(server: DatabaseServer) -> None:
            raise OSError("no engine")

        monkeypatch.setattr(emulator.databases, "start", fail)
        operation = emulator.ok("POST", INSTANCES, body())
        emulator.finish()
        ended = emulator.ok("GET", f"{API}/operations/{operation['name']}")
        assert ended["error"]["errors"][0]["code"] == "INTERNAL_ERROR"
        assert emulator.ok("GET", DB)["state"] == "FAILED"
        done(emulator, emulator.ok("DELETE", DB))

    def test_what_the_sandbox_refuses_to_make_leaves_the_name_free(
        self, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(server: DatabaseServer) -> None:
            raise ApiError(400, "The sandbox cannot run POSTGRES_14.", "invalid")

        with monkeypatch.context() as patched:
            patched.setattr(emulator.databases, "start", refuse)
            operation = emulator.ok("POST", INSTANCES, body(databaseVersion="POSTGRES_14"))
            emulator.finish()
        ended = emulator.ok("GET", f"{API}/operations/{operation['name']}")
        assert ended["error"]["errors"][0]["message"] == "The sandbox cannot run POSTGRES_14."
        assert emulator.call("GET", DB).status == 404
        make(emulator)

    @pytest.mark.parametrize("root", ["v1/", "sql/v1beta4/"])
    def test_both_versions_answer_with_their_own_links(self, emulator: Emulator, root: str) -> None:
        make(emulator)
        url = f"{ROOT}{root}projects/test-project"
        assert emulator.ok("GET", url + "/instances/db")["selfLink"] == url + "/instances/db"
        assert emulator.ok("GET", url + "/instances")["items"][0]["selfLink"] == url + "/instances/db"
        operation = emulator.ok("GET", url + "/operations?instance=db")["items"][0]
        assert operation["targetLink"] == url + "/instances/db"
        assert emulator.ok("GET", operation["selfLink"]) == operation


class TestChanges:
    def test_a_patch_merges_groups_and_labels_and_replaces_lists(self, emulator: Emulator) -> None:
        networks = [{"name": "office", "value": "198.51.100.0/24"}]
        make(
            emulator,
            {
                "userLabels": {"a": "1", "b": "2"},
                "ipConfiguration": {"authorizedNetworks": networks},
                "backupConfiguration": {"enabled": True, "startTime": "03:00"},
            },
        )
        changes = {
            "userLabels": {"a": None, "b": "3", "c": "4"},
            "ipConfiguration": {"authorizedNetworks": []},
            "backupConfiguration": {"pointInTimeRecoveryEnabled": True},
        }
        done(emulator, emulator.ok("PATCH", DB, {"settings": changes}))
        settings = emulator.ok("GET", DB)["settings"]
        assert settings["userLabels"] == {"b": "3", "c": "4"}
        assert settings["ipConfiguration"]["authorizedNetworks"] == []
        backup = settings["backupConfiguration"]
        assert (backup["enabled"], backup["startTime"], backup["pointInTimeRecoveryEnabled"]) == (True, "03:00", True)
        assert settings["tier"] == "db-f1-micro"

    def test_a_change_counts_the_version_and_changes_the_etag(self, emulator: Emulator) -> None:
        before = make(emulator)
        done(emulator, emulator.ok("PATCH", DB, {"settings": {"tier": "db-g1-small"}}))
        after = emulator.ok("GET", DB)
        assert after["settings"]["settingsVersion"] == "2"
        assert after["etag"] != before["etag"]
        assert emulator.databases.servers[PATH].memory_mb == 1740

    @pytest.mark.parametrize("verb", ["PATCH", "PUT"])
    def test_a_change_on_stale_knowledge_is_refused(self, emulator: Emulator, verb: str) -> None:
        make(emulator)
        answer = emulator.call(verb, DB, {"settings": {"tier": "db-g1-small", "settingsVersion": "7"}})
        assert (answer.status, answer.reason) == (412, "staleData")
        done(emulator, emulator.ok(verb, DB, {"settings": {"tier": "db-g1-small", "settingsVersion": "1"}}))

    def test_an_update_is_the_whole_of_the_settings(self, emulator: Emulator) -> None:
        make(emulator, {"userLabels": {"a": "1"}, "backupConfiguration": {"enabled": True}})
        done(emulator, emulator.ok("PUT", DB, {"settings": {"tier": "db-g1-small"}}))
        settings = emulator.ok("GET", DB)["settings"]
        assert "userLabels" not in settings
        assert settings["backupConfiguration"]["enabled"] is False
        assert "Missing parameter: Tier." in emulator.call("PUT", DB, {"settings": {}}).message

    @pytest.mark.parametrize(
        "wrong",
        [
            {"region": "europe-west1"},
            {"databaseVersion": "POSTGRES_14"},
            {"databaseVersion": "MYSQL_8_0"},
            {"maintenanceVersion": "POSTGRES_15_1.R20200101.00_01"},
            {"diskEncryptionConfiguration": {"kmsKeyName": "projects/p/locations/l/keyRings/r/cryptoKeys/k"}},
            {"settings": {"dataDiskType": "PD_HDD"}},
            {"settings": {"dataDiskSizeGb": "9"}},
            {"settings": {"tier": "db-perf-optimized-N-2"}},
            {"settings": {"ipConfiguration": {"ipv4Enabled": False}}},
        ],
        ids=str,
    )
    def test_what_cannot_be_changed_is_refused(self, emulator: Emulator, wrong: Json) -> None:
        make(emulator)
        assert emulator.call("PATCH", DB, wrong).status == 400
        assert emulator.ok("GET", DB)["settings"]["settingsVersion"] == "1"

    def test_a_disk_only_grows(self, emulator: Emulator) -> None:
        make(emulator, {"dataDiskSizeGb": "20"})
        assert emulator.call("PATCH", DB, {"settings": {"dataDiskSizeGb": "10"}}).status == 400
        done(emulator, emulator.ok("PATCH", DB, {"settings": {"dataDiskSizeGb": 30}}))
        assert emulator.ok("GET", DB)["settings"]["dataDiskSizeGb"] == "30"

    @pytest.mark.usefixtures("peered")
    def test_a_private_address_can_be_added_and_stays(self, emulator: Emulator) -> None:
        make(emulator)
        done(emulator, emulator.ok("PATCH", DB, {"settings": {"ipConfiguration": {"privateNetwork": NETWORK}}}))
        instance = emulator.ok("GET", DB)
        assert [address["type"] for address in instance["ipAddresses"]] == ["PRIMARY", "PRIVATE"]
        done(emulator, emulator.ok("PATCH", DB, {"settings": {"ipConfiguration": {"ipv4Enabled": False}}}))
        assert emulator.ok("GET", DB)["ipAddresses"] == instance["ipAddresses"][1:]
        whole = {"tier": "db-f1-micro", "ipConfiguration": {"ipv4Enabled": True}}
        assert emulator.call("PUT", DB, {"settings": whole}).status == 400

    def test_a_newer_version_is_an_operation_of_its_own(
        self, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        offers = [offer["name"] for offer in make(emulator)["upgradableDatabaseVersions"]]
        assert offers == ["POSTGRES_16", "POSTGRES_17", "POSTGRES_18"]
        gate, start = threading.Event(), emulator.databases.start

        def slow(server: DatabaseServer) -> None:
            assert gate.wait(10)
            start(server)

        monkeypatch.setattr(emulator.databases, "start", slow)
        operation = emulator.ok("PATCH", DB, {"databaseVersion": "POSTGRES_17"})
        assert emulator.call("PATCH", DB, {"settings": {"tier": "db-g1-small"}}).reason == "operationInProgress"
        assert emulator.ok("GET", DB)["databaseVersion"] == "POSTGRES_15"
        gate.set()
        assert done(emulator, operation)["operationType"] == "MAJOR_VERSION_UPGRADE"
        instance = emulator.ok("GET", DB)
        assert instance["databaseVersion"] == "POSTGRES_17"
        assert instance["maintenanceVersion"].startswith("POSTGRES_17")
        assert emulator.databases.servers[PATH].version == "POSTGRES_17"

    def test_maintenance_can_be_had_at_once(self, emulator: Emulator) -> None:
        (newer,) = make(emulator)["availableMaintenanceVersions"]
        operation = emulator.ok("PATCH", DB, {"maintenanceVersion": newer})
        assert done(emulator, operation)["operationType"] == "SELF_SERVICE_MAINTENANCE"
        assert emulator.ok("GET", DB)["maintenanceVersion"] == newer

    def test_activation_policy_never_stops_it(self, emulator: Emulator) -> None:
        make(emulator)
        done(emulator, emulator.ok("PATCH", DB, {"settings": {"activationPolicy": "NEVER"}}))
        assert emulator.databases.up[PATH] is False
        answer = emulator.call("POST", DB + "/databases", {"name": "x"})
        assert (answer.status, "instance is not running" in answer.message) == (400, True)
        assert emulator.call("POST", DB + "/restart").status == 400
        done(emulator, emulator.ok("PATCH", DB, {"settings": {"activationPolicy": "ALWAYS"}}))
        assert emulator.databases.up[PATH] is True

    def test_restart_stops_and_starts(self, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
        make(emulator)
        stopped: list[str] = []
        monkeypatch.setattr(emulator.databases, "stop", stopped.append)
        done(emulator, emulator.ok("POST", DB + "/restart"))
        assert stopped == [PATH]
        assert emulator.databases.up[PATH] is True


class TestContents:
    def test_a_database_is_made_listed_and_dropped(self, emulator: Emulator) -> None:
        make(emulator)
        operation = emulator.ok("POST", DB + "/databases", {"name": "mlflow"})
        assert done(emulator, operation)["operationType"] == "CREATE_DATABASE"
        database = emulator.ok("GET", DB + "/databases/mlflow")
        assert (database["charset"], database["collation"]) == ("UTF8", "en_US.UTF8")
        names = [found["name"] for found in emulator.ok("GET", DB + "/databases")["items"]]
        assert names == ["mlflow", "postgres"]
        assert emulator.databases.databases[PATH]["mlflow"] == ("UTF8", "en_US.UTF8")
        again = emulator.call("POST", DB + "/databases", {"name": "mlflow"})
        assert (again.status, 'database "mlflow" already exists' in again.message) == (400, True)
        done(emulator, emulator.ok("DELETE", DB + "/databases/mlflow"))
        assert "mlflow" not in emulator.databases.databases[PATH]
        assert emulator.call("GET", DB + "/databases/mlflow").status == 404

    def test_a_user_is_made_and_gets_another_password(self, emulator: Emulator) -> None:
        make(emulator)
        done(emulator, emulator.ok("POST", DB + "/users", {"name": "mlflow", "password": SECRET}))
        assert emulator.databases.users[PATH]["mlflow"] == SECRET
        done(emulator, emulator.ok("PUT", DB + "/users?name=mlflow", {"name": "mlflow", "password": "other"}))
        assert emulator.databases.users[PATH]["mlflow"] == "other"
        done(emulator, emulator.ok("DELETE", DB + "/users?name=mlflow"))
        assert "mlflow" not in emulator.databases.users[PATH]
        names = [user["name"] for user in emulator.ok("GET", DB + "/users")["items"]]
        assert names == ["postgres"]

    def test_no_password_is_stored_or_answered(self, emulator: Emulator) -> None:
        make(emulator, rootPassword=SECRET)
        assert emulator.databases.users[PATH]["postgres"] == SECRET
        answers = [
            emulator.call("POST", DB + "/users", {"name": "mlflow", "password": SECRET}),
            emulator.call("GET", DB + "/users"),
            emulator.call("GET", DB + "/users/mlflow"),
            emulator.call("GET", DB),
            emulator.call("GET", API + "/operations?instance=db"),
        ]
        assert all(answer.status == 200 and SECRET.encode() not in answer.content for answer in answers)
        emulator.finish()
        directory = emulator.cloud.settings.directory
        stored = [path for path in directory.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
        assert stored == []

    @pytest.mark.parametrize(
        ("policy", "password", "message"),
        [
            ({"minLength": 8}, "short", "Length of password cannot be less than 8."),
            ({"complexity": "COMPLEXITY_DEFAULT"}, "no-digit-Here", "password should contain at least one lowercase"),
            ({"disallowUsernameSubstring": True}, "iMLFLOWi", "password should not contain the username."),
        ],
    )
    def test_a_password_that_the_policy_does_not_allow_is_refused(
        self, emulator: Emulator, policy: Json, password: str, message: str
    ) -> None:
        whole = {"passwordValidationPolicy": policy | {"enablePasswordPolicy": True}}
        make(emulator, whole, rootPassword="Long-Enough-1")
        good, bad = {"name": "mlflow", "password": "Other-Enough-1"}, {"name": "mlflow", "password": password}
        refused = emulator.call("POST", DB + "/users", bad)
        assert (refused.status, refused.message.startswith(f"Invalid request: INVALID_PASSWORD: {message}")) == (
            400,
            True,
        )
        done(emulator, emulator.ok("POST", DB + "/users", good))
        assert emulator.call("PUT", DB + "/users?name=mlflow", bad).message == refused.message
        assert emulator.databases.users[PATH]["mlflow"] == "Other-Enough-1"

    @pytest.mark.parametrize(
        ("user", "message"),
        [
            ({"password": SECRET}, "For IAM users, password or hostname should not be specified."),
            ({"host": "%"}, "For IAM users, password or hostname should not be specified."),
            (
                {"name": "sa@test-project.iam.gserviceaccount.com"},
                'Cloud IAM service account should be created without ".gserviceaccount.com" suffix.',
            ),
            ({"name": "SA@test-project.iam"}, "must be lowercase"),
        ],
    )
    def test_a_user_of_iam_that_cannot_be_is_refused(self, emulator: Emulator, user: Json, message: str) -> None:
        make(emulator, {"databaseFlags": [{"name": "cloudsql.iam_authentication", "value": "on"}]})
        account = {"name": "sa@test-project.iam", "type": "CLOUD_IAM_SERVICE_ACCOUNT"}
        answer = emulator.call("POST", DB + "/users", account | user)
        assert (answer.status, message in answer.message) == (400, True)
        done(emulator, emulator.ok("POST", DB + "/users", account))
        assert emulator.databases.users[PATH][account["name"]] is None

    def test_a_user_of_iam_needs_the_flag(self, emulator: Emulator) -> None:
        make(emulator)
        answer = emulator.call("POST", DB + "/users", {"name": "jane@example.com", "type": "CLOUD_IAM_USER"})
        assert (answer.status, "cloudsql.iam_authentication" in answer.message) == (400, True)

    def test_roles_are_added_by_the_query_and_revoked_if_it_says_so(self, emulator: Emulator) -> None:
        make(emulator)
        done(emulator, emulator.ok("POST", DB + "/users", {"name": "mlflow", "password": SECRET}))
        known = [["cloudsqlsuperuser"]]
        for query in ("&databaseRoles=pg_monitor", "&databaseRoles=postgres&revokeExistingRoles=true", ""):
            sent = {"name": "mlflow", "databaseRoles": ["ignored"]}
            done(emulator, emulator.ok("PUT", DB + "/users?name=mlflow" + query, sent))
            known.append(emulator.ok("GET", DB + "/users/mlflow")["databaseRoles"])
        assert known == [["cloudsqlsuperuser"], ["cloudsqlsuperuser", "pg_monitor"], ["postgres"], ["postgres"]]
        assert emulator.databases.roles[PATH]["mlflow"] == ("postgres",)
        assert emulator.databases.users[PATH]["mlflow"] == SECRET
        refused = emulator.call("PUT", DB + "/users?name=mlflow&databaseRoles=nobody", {"name": "mlflow"})
        assert (refused.status, 'role "nobody" does not exist' in refused.message) == (400, True)

    def test_a_policy_of_a_user_tells_when_the_password_expires(self, emulator: Emulator) -> None:
        make(emulator)
        policy = {"passwordExpirationDuration": "86400s", "allowedFailedAttempts": 3}
        created = {"name": "mlflow", "password": SECRET, "passwordPolicy": policy}
        done(emulator, emulator.ok("POST", DB + "/users", created))
        told = emulator.ok("GET", DB + "/users/mlflow")["passwordPolicy"]
        assert {key: told[key] for key in policy} == policy
        assert told["status"]["passwordExpirationTime"].endswith("Z")
        done(emulator, emulator.ok("PUT", DB + "/users?name=mlflow", {"passwordPolicy": {"allowedFailedAttempts": 5}}))
        told = emulator.ok("GET", DB + "/users/mlflow")["passwordPolicy"]
        assert told == {"allowedFailedAttempts": 5, "status": {"locked": False}}

    @pytest.mark.parametrize(
        ("verb", "url"),
        [("GET", "/users/x"), ("PUT", "/users?name=x"), ("DELETE", "/users?name=x"), ("DELETE", "/databases/x")],
    )
    def test_what_is_not_there_is_404(self, emulator: Emulator, verb: str, url: str) -> None:
        make(emulator)
        sent = {"name": "x"} if verb == "PUT" else None
        assert emulator.call(verb, DB + url, sent).status == 404

    def test_what_postgresql_refuses_is_answered_in_its_words(
        self, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make(emulator)
        emulator.ok("POST", DB + "/users", {"name": "mlflow", "password": SECRET})
        emulator.finish()
        words = 'role "mlflow" cannot be dropped because some objects depend on it'

        def refuse(path: str, name: str) -> None:
            raise RefusedError(words)

        monkeypatch.setattr(emulator.databases, "drop_user", refuse)
        answer = emulator.call("DELETE", DB + "/users?name=mlflow")
        assert (answer.status, answer.reason) == (400, "invalid")
        assert answer.message == f"Invalid request: failed to delete user mlflow: . {words}"
        assert emulator.ok("GET", DB + "/users/mlflow")["name"] == "mlflow"

    def test_nothing_else_happens_while_postgresql_works(
        self, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make(emulator)
        refusals = []

        def meanwhile(*_arguments: object) -> None:
            refusals.append(emulator.call("POST", DB + "/databases", {"name": "x"}).reason)

        monkeypatch.setattr(emulator.databases, "set_user", meanwhile)
        thread = threading.Thread(target=emulator.ok, args=("POST", DB + "/users", {"name": "u", "password": SECRET}))
        thread.start()
        thread.join(10)
        assert refusals == ["operationInProgress"]


class TestBackups:
    @pytest.mark.parametrize("root", ["v1/", "sql/v1beta4/"])
    def test_a_final_backup_is_listed_told_and_deleted(self, emulator: Emulator, root: str) -> None:
        make(emulator, {"backupConfiguration": {"enabled": True, "location": "eu"}})
        make(emulator, name="other")
        for name in ("db", "other"):
            query = "?enableFinalBackup=true&finalBackupTtlDays=7&finalBackupDescription=the%20end"
            done(emulator, emulator.ok("DELETE", f"{INSTANCES}/{name}{query}"))
        url = f"{ROOT}{root}projects/test-project/backups"
        assert len(emulator.ok("GET", url)["backups"]) == 2
        (backup,) = emulator.ok("GET", url + "?filter=type:FINAL%20AND%20instance:db")["backups"]
        assert (backup["location"], backup["description"], backup["state"]) == ("eu", "the end", "SUCCESSFUL")
        assert backup["databaseVersion"] == "POSTGRES_15"
        assert emulator.ok("GET", backup["selfLink"]) == backup
        done(emulator, emulator.ok("DELETE", backup["selfLink"]))
        assert emulator.call("GET", backup["selfLink"]).status == 404

    @pytest.mark.parametrize(
        "query",
        [
            "finalBackupTtlDays=7",
            "enableFinalBackup=true&finalBackupTtlDays=366",
            "enableFinalBackup=true&finalBackupTtlDays=7&finalBackupExpiryTime=2100-01-01T00:00:00Z",
            "enableFinalBackup=true&finalBackupExpiryTime=2020-01-01T00:00:00Z",
        ],
    )
    def test_a_final_backup_that_cannot_be_keeps_the_instance(self, emulator: Emulator, query: str) -> None:
        make(emulator)
        assert emulator.call("DELETE", f"{DB}?{query}").status == 400
        assert emulator.ok("GET", DB)["state"] == "RUNNABLE"


class TestOffers:
    def test_tiers_and_flags_are_listed(self, emulator: Emulator) -> None:
        tiers = {tier["tier"]: tier for tier in emulator.ok("GET", API + "/tiers")["items"]}
        assert tiers["db-custom-1-3840"]["RAM"] == str(3840 * 2**20)
        flags = emulator.ok("GET", ROOT + "v1/flags?databaseVersion=POSTGRES_17")["items"]
        assert "max_connections" in [flag["name"] for flag in flags]


class TestRestart:
    def restarted(self, emulator: Emulator) -> tuple[SqlAdmin, Operations]:
        """A second life on the same state, in which nothing runs yet."""
        emulator.cloud.store.close()
        emulator.cloud.store = Store(emulator.cloud.settings.directory / "state.db")
        emulator.cloud.operations = Operations(emulator.cloud.store, 0)
        emulator.databases.servers.clear()
        service = SqlAdmin(emulator.cloud)
        emulator.cloud.operations.actions |= service.actions
        return service, emulator.cloud.operations

    def test_servers_that_ran_run_again_and_others_do_not(self, emulator: Emulator) -> None:
        make(emulator)
        make(emulator, {"activationPolicy": "NEVER"}, name="off")
        service, _operations = self.restarted(emulator)
        service.wake()
        assert list(emulator.databases.servers) == [PATH]

    @pytest.mark.usefixtures("peered")
    def test_an_instance_that_was_being_made_is_made(self, emulator: Emulator) -> None:
        before = make(emulator, PRIVATE)
        store = emulator.cloud.store
        (key, record) = next((k, r) for k, r in store.items("operations") if r["view"].get("operationType") == "CREATE")
        store.put("operations", key, record | {"state": "RUNNING"})
        document = store.get("sql.instances", PATH) or {}
        store.put("sql.instances", PATH, document | {"state": "PENDING_CREATE"})
        _service, operations = self.restarted(emulator)
        operations.resume()
        finished = operations.wait(key, 10) or {}
        assert (finished["state"], finished["error"]) == ("DONE", None)
        after = emulator.cloud.store.get("sql.instances", PATH) or {}
        assert (after["state"], after["ipAddresses"]) == ("RUNNABLE", before["ipAddresses"])
        operations.stop()
