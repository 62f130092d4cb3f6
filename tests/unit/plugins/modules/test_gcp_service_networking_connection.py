# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.modules.gcp_service_networking_connection import (
    ServiceNetworkingConnection,
)

ALL = "v1/services/servicenetworking.googleapis.com/connections"
NETWORK = "projects/42/global/networks/default"
NOW = {
    "network": NETWORK,
    "peering": "servicenetworking-googleapis-com",
    "reservedPeeringRanges": ["one"],
    "service": "services/servicenetworking.googleapis.com",
}
DONE = {"name": "operations/pssn.1", "done": True, "response": {}}


@pytest.fixture(autouse=True)
def project(http: t.Any) -> None:
    """The project has a number."""
    http.when("GET", "v1/projects/p", {"projectId": "p", "projectNumber": "42"})


@pytest.mark.parametrize(
    "network", ["default", "projects/p/global/networks/default", {"selfLink": "global/networks/default"}]
)
def test_a_network_is_connected_by_the_number_of_its_project(http: t.Any, run: t.Any, network: t.Any) -> None:
    http.when("GET", ALL, {}, {"connections": [NOW]}).when("POST", ALL, DONE)
    result = run(ServiceNetworkingConnection, network=network, reserved_peering_ranges=["one"])
    assert result["resource"] == NOW
    assert http.writes == [("POST", ALL, {"network": NETWORK, "reservedPeeringRanges": ["one"]}, {})]


def test_a_number_is_not_asked_for_again(http: t.Any, run: t.Any) -> None:
    http.when("GET", ALL, {"connections": [NOW]})
    run(ServiceNetworkingConnection, network=NETWORK)
    assert [request.path for request in http.requests] == [ALL]


def test_the_same_connection_stays(http: t.Any, run: t.Any) -> None:
    other = {**NOW, "service": "services/other.example.com", "reservedPeeringRanges": ["x"]}
    http.when("GET", ALL, {"connections": [other, NOW]})
    assert not run(ServiceNetworkingConnection, network="default", reserved_peering_ranges=["one"])["changed"]


def test_the_ranges_are_exact(http: t.Any, run: t.Any) -> None:
    http.when("GET", ALL, {"connections": [NOW]}).when("PATCH", f"{ALL}/-", DONE)
    assert run(ServiceNetworkingConnection, network="default", reserved_peering_ranges=["two"])["changed"]
    body = {"network": NETWORK, "reservedPeeringRanges": ["two"]}
    assert http.writes == [("PATCH", f"{ALL}/-", body, {"updateMask": "reservedPeeringRanges", "force": "true"})]


def test_a_new_connection_needs_ranges(http: t.Any, run: t.Any) -> None:
    http.when("GET", ALL, {})
    with pytest.raises(GcpError, match="cannot be created without reserved_peering_ranges"):
        run(ServiceNetworkingConnection, network="default")


def test_a_connection_whose_peering_was_removed_gets_its_ranges_by_an_update(http: t.Any, run: t.Any) -> None:
    text = "Cannot modify allocated ranges in CreateConnection. Please use UpdateConnection."
    failed = {"name": "operations/pssn.2", "done": True, "error": {"code": 9, "message": text}}
    http.when("GET", ALL, {}, {"connections": [NOW]}).when("POST", ALL, failed).when("PATCH", f"{ALL}/-", DONE)
    assert run(ServiceNetworkingConnection, network="default", reserved_peering_ranges=["one"])["changed"]
    body = {"network": NETWORK, "reservedPeeringRanges": ["one"]}
    query = {"updateMask": "reservedPeeringRanges", "force": "true"}
    assert http.writes == [("POST", ALL, body, {}), ("PATCH", f"{ALL}/-", body, query)]


def test_a_connection_is_ended(http: t.Any, run: t.Any) -> None:
    item = f"{ALL}/servicenetworking-googleapis-com"
    http.when("GET", ALL, {"connections": [NOW]}).when("POST", item, DONE)
    assert run(ServiceNetworkingConnection, network="default", state="absent")["changed"]
    assert http.writes == [("POST", item, {"consumerNetwork": NETWORK}, {})]


def test_a_connection_in_use_is_told_with_the_way_out(http: t.Any, run: t.Any) -> None:
    text = "Failed to delete connection; Producer services (e.g. CloudSQL) are still using this connection."
    failed = {"name": "operations/pssn.2", "done": True, "error": {"code": 9, "message": text}}
    http.when("GET", ALL, {"connections": [NOW]}).when("POST", f"{ALL}/{NOW['peering']}", failed)
    with pytest.raises(GcpError, match="Delete what uses it first"):
        run(ServiceNetworkingConnection, network="default", state="absent")


def test_a_peering_operation_in_progress_is_waited_for(http: t.Any, run: t.Any) -> None:
    busy = {"error": {"message": "There is a peering operation in progress on the local or peer network."}}
    http.will_answer(200, {"projectNumber": "42"}).will_answer(200, {}).will_answer(400, busy).will_answer(200, DONE)
    http.when("GET", ALL, {"connections": [NOW]})
    assert run(ServiceNetworkingConnection, network="default", reserved_peering_ranges=["one"])["changed"]
