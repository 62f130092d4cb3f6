# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.modules.gcp_compute_network import Network

ALL = "compute/v1/projects/p/global/networks"
ITEM = f"{ALL}/n"
NOW = {
    "name": "n",
    "description": "first",
    "autoCreateSubnetworks": True,
    "routingConfig": {"routingMode": "REGIONAL"},
    "mtu": 1460,
    "networkFirewallPolicyEnforcementOrder": "AFTER_CLASSIC_FIREWALL",
    "peerings": [{"name": "servicenetworking-googleapis-com"}],
}


def test_a_network_is_created(http: t.Any, run: t.Any, done: t.Any) -> None:
    http.will_answer(404).when("GET", ITEM, NOW).when("POST", ALL, done())
    run(Network, name="n", auto_create_subnetworks=False, routing_config={"routing_mode": "GLOBAL"}, mtu=1500)
    body = {"name": "n", "autoCreateSubnetworks": False, "routingConfig": {"routingMode": "GLOBAL"}, "mtu": 1500}
    assert http.writes == [("POST", ALL, body, {})]


def test_a_network_is_not_created_without_its_mode(http: t.Any, run: t.Any) -> None:
    http.will_answer(404)
    with pytest.raises(GcpError, match="cannot be created without auto_create_subnetworks"):
        run(Network, name="n")
    assert http.writes == []


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"auto_create_subnetworks": True},
        {"routing_config": {}},
        {"routing_config": {"routing_mode": "REGIONAL"}, "mtu": 1460, "description": "first"},
        {"network_firewall_policy_enforcement_order": "AFTER_CLASSIC_FIREWALL"},
    ],
)
def test_the_same_network_stays(http: t.Any, run: t.Any, options: t.Any) -> None:
    http.when("GET", ITEM, NOW)
    assert not run(Network, name="n", **options)["changed"]


@pytest.mark.parametrize(
    ("options", "writes"),
    [
        pytest.param({"mtu": 8896}, [("PATCH", ITEM, {"mtu": 8896}, {})], id="the size of packets"),
        pytest.param(
            {"routing_config": {"routing_mode": "GLOBAL"}},
            [("PATCH", ITEM, {"routingConfig": {"routingMode": "GLOBAL"}}, {})],
            id="the routing mode",
        ),
        pytest.param(
            {"auto_create_subnetworks": False},
            [("POST", f"{ITEM}/switchToCustomMode", None, {})],
            id="the mode, by its own verb",
        ),
        pytest.param(
            {"auto_create_subnetworks": False, "mtu": 1500},
            [("PATCH", ITEM, {"mtu": 1500}, {}), ("POST", f"{ITEM}/switchToCustomMode", None, {})],
            id="one after the other",
        ),
    ],
)
def test_what_differs_is_changed(http: t.Any, run: t.Any, done: t.Any, options: t.Any, writes: t.Any) -> None:
    http.when("GET", ITEM, NOW).when("PATCH", ITEM, done()).when("POST", f"{ITEM}/switchToCustomMode", done())
    assert run(Network, name="n", **options)["changed"]
    assert http.writes == writes


@pytest.mark.parametrize(
    ("now", "options", "words"),
    [
        (NOW, {"description": "second"}, "description cannot be changed from 'first' to 'second'"),
        (
            {**NOW, "autoCreateSubnetworks": False},
            {"auto_create_subnetworks": True},
            "auto_create_subnetworks cannot be changed from False to True",
        ),
    ],
)
def test_what_cannot_be_changed_is_an_error(http: t.Any, run: t.Any, now: t.Any, options: t.Any, words: t.Any) -> None:
    http.when("GET", ITEM, now)
    with pytest.raises(GcpError, match=words):
        run(Network, name="n", **options)
    assert http.writes == []


def test_a_network_in_use_says_by_what(http: t.Any, run: t.Any) -> None:
    message = (
        "The network resource 'projects/p/global/networks/n' is already being used by 'projects/p/global/firewalls/f'"
    )
    error = {"error": {"code": 400, "message": message, "errors": [{"reason": "resourceInUseByAnotherResource"}]}}
    http.when("GET", ITEM, NOW).when("DELETE", ITEM, error, status_code=400)
    with pytest.raises(GcpError, match="global/firewalls/f"):
        run(Network, name="n", state="absent")
