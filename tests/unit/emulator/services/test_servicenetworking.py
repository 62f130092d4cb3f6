# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Service networking: connections, what they need, and who hears of them."""

from __future__ import annotations

import typing as t
from urllib.parse import quote

import pytest
from gcp_emulator.operations import Operations
from gcp_emulator.services.servicenetworking import ServiceNetworking
from gcp_emulator.store import Store

if t.TYPE_CHECKING:
    from gcp_emulator.errors import Json
    from harness import Emulator

API = "https://servicenetworking.googleapis.com/v1/"
CONNECTIONS = API + "services/servicenetworking.googleapis.com/connections"
COMPUTE = "https://compute.googleapis.com/compute/v1/projects/test-project"
SQL = "https://sqladmin.googleapis.com/v1/projects/test-project/instances"
NETWORK = "projects/test-project/global/networks/default"
VM = "projects/test-project/zones/us-central1-a/instances/vm"


@pytest.fixture
def number(emulator: Emulator) -> str:
    """The network by its project's number, as clients name it."""
    project = emulator.cloud.store.get("projects", "test-project") or {}
    return f"projects/{project['projectNumber']}/global/networks/default"


@pytest.fixture
def ranges(emulator: Emulator) -> dict[str, str]:
    """Two reserved ranges of the default network, by name."""
    found = {}
    for name in ("one", "two"):
        body = {
            "name": name,
            "purpose": "VPC_PEERING",
            "addressType": "INTERNAL",
            "prefixLength": 16,
            "network": "global/networks/default",
        }
        emulator.ok("POST", COMPUTE + "/global/addresses", body)
        emulator.finish()
        address = emulator.ok("GET", f"{COMPUTE}/global/addresses/{name}")
        found[name] = f"{address['address']}/16"
    return found


def ended(emulator: Emulator, operation: Json) -> Json:
    """An operation at its end."""
    emulator.finish()
    finished: Json = emulator.ok("GET", API + operation["name"])
    assert finished["done"] is True
    return finished


def connect(emulator: Emulator, network: str, *names: str) -> Json:
    return ended(emulator, emulator.ok("POST", CONNECTIONS, {"network": network, "reservedPeeringRanges": list(names)}))


def listed(emulator: Emulator, network: str) -> list[Json]:
    found: list[Json] = emulator.ok("GET", f"{CONNECTIONS}?network={quote(network)}").get("connections", [])
    return found


def make_vm(emulator: Emulator) -> None:
    image = "projects/debian-cloud/global/images/family/debian-12"
    body = {
        "name": "vm",
        "machineType": "zones/us-central1-a/machineTypes/e2-micro",
        "disks": [{"boot": True, "initializeParams": {"sourceImage": image}}],
        "networkInterfaces": [{}],
    }
    emulator.ok("POST", COMPUTE + "/zones/us-central1-a/instances", body)
    emulator.finish()


def make_database(emulator: Emulator) -> None:
    settings = {"tier": "db-f1-micro", "ipConfiguration": {"ipv4Enabled": False, "privateNetwork": NETWORK}}
    body = {"name": "db", "databaseVersion": "POSTGRES_15", "region": "us-central1", "settings": settings}
    emulator.ok("POST", SQL, body)
    emulator.finish()


@pytest.mark.parametrize("by_number", [True, False])
def test_a_network_may_be_named_by_number_or_id_and_is_answered_by_number(
    emulator: Emulator, number: str, ranges: dict[str, str], by_number: bool
) -> None:
    name = number if by_number else NETWORK
    response = connect(emulator, name, "one")["response"]
    assert response["network"] == number
    (connection,) = listed(emulator, name)
    assert connection == {
        "network": number,
        "reservedPeeringRanges": ["one"],
        "peering": "servicenetworking-googleapis-com",
        "service": "services/servicenetworking.googleapis.com",
    }


def test_the_connections_to_all_services_can_be_listed(emulator: Emulator, number: str, ranges: dict[str, str]) -> None:
    connect(emulator, number, "one")
    answer = emulator.ok("GET", f"{API}services/-/connections?network={quote(number)}")
    assert [connection["reservedPeeringRanges"] for connection in answer["connections"]] == [["one"]]


def test_a_network_without_a_connection_lists_none(emulator: Emulator, number: str) -> None:
    assert listed(emulator, number) == []


@pytest.mark.parametrize(
    ("network", "status"), [("projects/test-project/networks/default", 400), (NETWORK + "-2", 404), ("default", 403)]
)
def test_a_network_that_is_none_is_refused(emulator: Emulator, network: str, status: int) -> None:
    answer = emulator.call("POST", CONNECTIONS, {"network": network, "reservedPeeringRanges": []})
    assert answer.status == status


def test_a_range_must_be_reserved_in_the_network(emulator: Emulator, number: str) -> None:
    error = connect(emulator, number, "nowhere")["error"]
    assert error == {"code": 9, "message": "Allocated IP range 'nowhere' not found in network."}
    assert listed(emulator, number) == []


def test_creating_the_same_again_is_no_error_and_other_ranges_are(
    emulator: Emulator, number: str, ranges: dict[str, str]
) -> None:
    connect(emulator, number, "one")
    assert "error" not in connect(emulator, number, "one")
    error = connect(emulator, number, "two")["error"]
    assert error["code"] == 9
    assert error["message"].startswith(
        "Cannot modify allocated ranges in CreateConnection. Please use UpdateConnection"
    )


@pytest.mark.parametrize(
    ("query", "wanted", "refused"),
    [("", ["one", "two"], False), ("", ["two"], True), ("?force=true", ["two"], False), ("?force=true", [], False)],
)
def test_a_range_is_taken_away_by_force_alone(
    emulator: Emulator, number: str, ranges: dict[str, str], query: str, wanted: list[str], refused: bool
) -> None:
    connect(emulator, number, "one")
    body = {"network": number, "reservedPeeringRanges": wanted}
    operation = ended(emulator, emulator.ok("PATCH", f"{CONNECTIONS}/-{query}", body))
    assert ("error" in operation) is refused
    (connection,) = listed(emulator, number)
    assert connection["reservedPeeringRanges"] == (["one"] if refused else wanted)


@pytest.mark.parametrize(("mask", "status"), [("reservedPeeringRanges", 200), ("*", 200), ("peering", 400)])
def test_nothing_but_the_ranges_is_updated(
    emulator: Emulator, number: str, ranges: dict[str, str], mask: str, status: int
) -> None:
    connect(emulator, number, "one")
    body = {"network": number, "reservedPeeringRanges": ["one", "two"]}
    assert emulator.call("PATCH", f"{CONNECTIONS}/-?updateMask={mask}", body).status == status


def test_a_patch_makes_a_connection_that_is_not_there(emulator: Emulator, number: str, ranges: dict[str, str]) -> None:
    body = {"network": number, "reservedPeeringRanges": ["one"]}
    ended(emulator, emulator.ok("PATCH", f"{CONNECTIONS}/-", body))
    assert len(listed(emulator, number)) == 1


def test_a_connection_shows_in_its_network(emulator: Emulator, number: str, ranges: dict[str, str]) -> None:
    connect(emulator, number, "one")
    (peering,) = emulator.ok("GET", COMPUTE + "/global/networks/default")["peerings"]
    assert (peering["name"], peering["state"]) == ("servicenetworking-googleapis-com", "ACTIVE")


def test_machines_get_a_route_to_the_range_and_lose_it(emulator: Emulator, number: str, ranges: dict[str, str]) -> None:
    make_vm(emulator)
    assert emulator.machines.machines[VM].subnet_ranges == ("10.128.0.0/9",)
    connect(emulator, number, "one")
    assert emulator.machines.machines[VM].subnet_ranges == ("10.128.0.0/9", ranges["one"])
    operation = ended(emulator, emulator.ok("POST", CONNECTIONS + "/-", {"consumerNetwork": number}))
    assert operation["response"] == {"@type": "type.googleapis.com/google.protobuf.Empty"}
    assert emulator.machines.machines[VM].subnet_ranges == ("10.128.0.0/9",)
    assert listed(emulator, number) == []


def test_a_connection_that_a_database_uses_stays(emulator: Emulator, number: str, ranges: dict[str, str]) -> None:
    connect(emulator, number, "one")
    make_database(emulator)
    operation = ended(emulator, emulator.ok("POST", CONNECTIONS + "/-", {"consumerNetwork": number}))
    assert operation["error"]["code"] == 9
    assert "Producer services (e.g. CloudSQL" in operation["error"]["message"]
    assert len(listed(emulator, number)) == 1
    emulator.ok("DELETE", SQL + "/db")
    emulator.finish()
    assert "error" not in ended(emulator, emulator.ok("POST", CONNECTIONS + "/-", {"consumerNetwork": number}))


def test_deleting_what_is_not_there_is_refused(emulator: Emulator, number: str) -> None:
    answer = emulator.call("POST", CONNECTIONS + "/-", {"consumerNetwork": number})
    assert (answer.status, "There is no peering" in answer.message) == (400, True)


def test_a_network_with_a_connection_is_in_use(emulator: Emulator, number: str, ranges: dict[str, str]) -> None:
    for rule in emulator.ok("GET", COMPUTE + "/global/firewalls")["items"]:
        emulator.ok("DELETE", f"{COMPUTE}/global/firewalls/{rule['name']}")
    connect(emulator, number, "one")
    for name in ranges:
        emulator.ok("DELETE", f"{COMPUTE}/global/addresses/{name}")
    emulator.finish()
    answer = emulator.call("DELETE", COMPUTE + "/global/networks/default")
    assert answer.reason == "resourceInUseByAnotherResource"


def test_another_service_is_refused(emulator: Emulator, number: str) -> None:
    url = f"{API}services/other.example.com/connections"
    assert emulator.call("POST", url, {"network": number, "reservedPeeringRanges": []}).status == 403


def test_an_operation_that_is_not_there_is_404(emulator: Emulator) -> None:
    assert emulator.call("GET", API + "operations/pssn.none").status == 404


def test_a_connection_that_was_being_made_is_made_after_a_restart(
    emulator: Emulator, number: str, ranges: dict[str, str]
) -> None:
    operation = connect(emulator, number, "one")
    key = f"servicenetworking/{operation['name']}"
    record = emulator.cloud.store.get("operations", key) or {}
    emulator.cloud.store.put("operations", key, record | {"state": "RUNNING"})
    emulator.cloud.store.close()
    emulator.cloud.store = Store(emulator.cloud.settings.directory / "state.db")
    emulator.cloud.operations = Operations(emulator.cloud.store, 0)
    emulator.cloud.operations.actions |= ServiceNetworking(emulator.cloud).actions
    emulator.cloud.operations.resume()
    finished = emulator.cloud.operations.wait(key, 10) or {}
    assert (finished["state"], finished["error"]) == ("DONE", None)
    emulator.cloud.operations.stop()
