# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.modules.gcp_compute_router import Router

ALL = "compute/v1/projects/p/regions/r/routers"
ITEM = f"{ALL}/x"
LINK = "https://www.googleapis.com/compute/v1/projects/p"
PLACE: dict[str, t.Any] = {"name": "x", "region": "r"}
OUT: dict[str, t.Any] = {
    "name": "out",
    "nat_ip_allocate_option": "AUTO_ONLY",
    "source_subnetwork_ip_ranges_to_nat": "LIST_OF_SUBNETWORKS",
    "subnetworks": [{"name": "s"}],
}
# As Google answers it: what the task does not name has a default.
NAT = {
    "name": "out",
    "type": "PUBLIC",
    "natIpAllocateOption": "AUTO_ONLY",
    "sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS",
    "subnetworks": [{"name": f"{LINK}/regions/r/subnetworks/s", "sourceIpRangesToNat": ["ALL_IP_RANGES"]}],
    "enableEndpointIndependentMapping": False,
    "endpointTypes": ["ENDPOINT_TYPE_VM"],
    "autoNetworkTier": "PREMIUM",
    "minPortsPerVm": 64,
    "udpIdleTimeoutSec": 30,
    "tcpEstablishedIdleTimeoutSec": 1200,
    "logConfig": {"enable": False, "filter": "ALL"},
}
NOW = {
    "name": "x",
    "network": f"{LINK}/global/networks/n",
    "bgp": {"asn": 64512, "advertiseMode": "DEFAULT", "keepaliveInterval": 20},
    "interfaces": [{"name": "tunnel"}],
    "bgpPeers": [{"name": "office"}],
    "nats": [NAT],
}
SENT = {
    "name": "out",
    "natIpAllocateOption": "AUTO_ONLY",
    "sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS",
    "subnetworks": [{"name": f"{LINK}/regions/r/subnetworks/s"}],
}


def test_a_router_is_created_with_its_nat(http: t.Any, run: t.Any, done: t.Any) -> None:
    http.will_answer(404).when("GET", ITEM, NOW).when("POST", ALL, done())
    run(Router, **PLACE, network="n", nats=[OUT])
    body = {"name": "x", "network": f"{LINK}/global/networks/n", "nats": [SENT]}
    assert http.writes == [("POST", ALL, body, {})]


def test_a_router_is_not_created_without_a_network(http: t.Any, run: t.Any) -> None:
    http.will_answer(404)
    with pytest.raises(GcpError, match="cannot be created without network"):
        run(Router, **PLACE)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"network": "n", "nats": [OUT]},
        {"nats": [{**OUT, "type": "PUBLIC", "udp_idle_timeout_sec": 30, "log_config": {"enable": False}}]},
        {"nats": [{**OUT, "subnetworks": [{"name": "projects/p/regions/r/subnetworks/s"}]}]},
        {"bgp": {"asn": 64512, "keepalive_interval": 20}},
    ],
)
def test_the_same_router_stays(http: t.Any, run: t.Any, options: t.Any) -> None:
    http.when("GET", ITEM, NOW)
    assert not run(Router, **PLACE, **options)["changed"]


@pytest.mark.parametrize(
    ("options", "body"),
    [
        pytest.param({"nats": []}, {"nats": []}, id="no gateway is left"),
        pytest.param(
            {"nats": [{**OUT, "udp_idle_timeout_sec": 60}]},
            {"nats": [{**SENT, "udpIdleTimeoutSec": 60}]},
            id="a timeout",
        ),
        pytest.param(
            {"nats": [{**OUT, "log_config": {"enable": True}}]},
            {"nats": [{**SENT, "logConfig": {"enable": True}}]},
            id="what is logged",
        ),
        pytest.param(
            {
                "nats": [
                    {
                        "name": "out",
                        "nat_ip_allocate_option": "MANUAL_ONLY",
                        "nat_ips": ["a", {"selfLink": f"{LINK}/regions/r/addresses/b"}],
                        "source_subnetwork_ip_ranges_to_nat": "ALL_SUBNETWORKS_ALL_IP_RANGES",
                    }
                ]
            },
            {
                "nats": [
                    {
                        "name": "out",
                        "natIpAllocateOption": "MANUAL_ONLY",
                        "natIps": [f"{LINK}/regions/r/addresses/a", f"{LINK}/regions/r/addresses/b"],
                        "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES",
                    }
                ]
            },
            id="addresses of our own",
        ),
        pytest.param({"bgp": {"asn": 64513}}, {"bgp": {"asn": 64513}}, id="a part of a group"),
    ],
)
def test_what_differs_is_patched_and_nothing_else(
    http: t.Any, run: t.Any, done: t.Any, options: t.Any, body: t.Any
) -> None:
    http.when("GET", ITEM, NOW).when("PATCH", ITEM, done())
    assert run(Router, **PLACE, **options)["changed"]
    assert http.writes == [("PATCH", ITEM, body, {})]


@pytest.mark.parametrize("kept", ["udpIdleTimeoutSec", "tcpEstablishedIdleTimeoutSec"])
def test_what_a_gateway_no_longer_names_goes_back_to_its_default(
    http: t.Any, run: t.Any, done: t.Any, kept: str
) -> None:
    http.when("GET", ITEM, {**NOW, "nats": [{**NAT, kept: 77}]}).when("PATCH", ITEM, done())
    assert run(Router, **PLACE, nats=[OUT])["changed"]
    assert http.writes == [("PATCH", ITEM, {"nats": [SENT]}, {})]


def test_the_network_cannot_be_changed(http: t.Any, run: t.Any) -> None:
    http.when("GET", ITEM, NOW)
    with pytest.raises(GcpError, match="network cannot be changed from"):
        run(Router, **PLACE, network="other")


def test_a_router_that_another_change_is_under_way_of_is_tried_again(http: t.Any, run: t.Any, done: t.Any) -> None:
    busy = {"error": {"code": 400, "message": "It is not ready", "errors": [{"reason": "resourceNotReady"}]}}
    http.will_answer(200, NOW).will_answer(400, busy).when("GET", ITEM, NOW).when("PATCH", ITEM, done())
    assert run(Router, **PLACE, nats=[])["changed"]
    assert len(http.writes) == 2
