# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.modules.gcp_compute_firewall import Firewall

RULES = "compute/v1/projects/p/global/firewalls"
ITEM = f"{RULES}/ssh"
NETWORK = "https://www.googleapis.com/compute/v1/projects/p/global/networks/default"
SSH = [{"ip_protocol": "tcp", "ports": ["22"]}]
NOW = {
    "name": "ssh",
    "network": NETWORK,
    "direction": "INGRESS",
    "priority": 1000,
    "allowed": [{"IPProtocol": "tcp", "ports": ["22", "5000"]}, {"IPProtocol": "icmp"}],
    "sourceRanges": ["0.0.0.0/0", "10.0.0.0/8"],
    "targetTags": ["mlflow"],
    "disabled": False,
    "logConfig": {"enable": False},
}


def test_a_rule_is_created(http: t.Any, run: t.Any, done: t.Any) -> None:
    http.will_answer(404).when("GET", ITEM, NOW).when("POST", RULES, done())
    run(Firewall, name="ssh", network="default", allowed=SSH, source_ranges=["10.0.0.0/8"], priority=900)
    body = {
        "name": "ssh",
        "network": NETWORK,
        "allowed": [{"IPProtocol": "tcp", "ports": ["22"]}],
        "sourceRanges": ["10.0.0.0/8"],
        "priority": 900,
    }
    assert http.writes == [("POST", RULES, body, {})]
    assert http.requests[1].query["requestId"]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"network": "global/networks/default"},
        {"network": {"selfLink": NETWORK}},
        {"direction": "INGRESS", "priority": 1000, "disabled": False},
        {"source_ranges": ["10.1.2.3/8", "0.0.0.0/0"]},
        {"allowed": [{"ip_protocol": "ICMP"}, {"ip_protocol": "tcp", "ports": ["5000", "22"]}]},
        {"log_config": {"enable": False}},
        {"target_tags": ["mlflow"]},
        {"source_tags": []},
    ],
)
def test_the_same_rule_stays(http: t.Any, run: t.Any, options: t.Any) -> None:
    http.when("GET", ITEM, NOW)
    assert not run(Firewall, name="ssh", **options)["changed"]


@pytest.mark.parametrize(
    ("options", "patch"),
    [
        ({"source_ranges": ["10.0.0.0/8"]}, {"sourceRanges": ["10.0.0.0/8"]}),
        ({"allowed": SSH}, {"allowed": [{"IPProtocol": "tcp", "ports": ["22"]}]}),
        ({"allowed": [{"ip_protocol": "tcp"}]}, {"allowed": [{"IPProtocol": "tcp"}]}),
        ({"target_tags": []}, {"targetTags": []}),
        ({"disabled": True}, {"disabled": True}),
        ({"priority": 0}, {"priority": 0}),
        ({"log_config": {"enable": True}}, {"logConfig": {"enable": True}}),
        (
            {"log_config": {"enable": True, "metadata": "EXCLUDE_ALL_METADATA"}},
            {"logConfig": {"enable": True, "metadata": "EXCLUDE_ALL_METADATA"}},
        ),
        ({"source_ranges": [], "source_tags": ["x"]}, {"sourceRanges": [], "sourceTags": ["x"]}),
    ],
)
def test_what_is_no_longer_wanted_goes(http: t.Any, run: t.Any, done: t.Any, options: t.Any, patch: t.Any) -> None:
    http.when("GET", ITEM, NOW).when("PATCH", ITEM, done())
    assert run(Firewall, name="ssh", **options)["changed"]
    assert http.writes == [("PATCH", ITEM, patch, {})]


@pytest.mark.parametrize("there", [True, False])
def test_a_rule_without_a_source_is_refused_because_it_would_open_to_all(http: t.Any, run: t.Any, there: bool) -> None:
    if there:
        http.when("GET", ITEM, NOW)
    with pytest.raises(GcpError, match=r"source_ranges.*0\.0\.0\.0/0"):
        run(Firewall, name="ssh", allowed=SSH, source_ranges=[])
    assert http.writes == []


def test_a_rule_for_what_goes_out_needs_no_source(http: t.Any, run: t.Any, done: t.Any) -> None:
    http.will_answer(404).when("GET", ITEM, NOW).when("POST", RULES, done())
    assert run(Firewall, name="ssh", direction="EGRESS", denied=[{"ip_protocol": "all"}], source_ranges=[])["changed"]


@pytest.mark.parametrize("options", [{"network": "other"}, {"direction": "EGRESS"}])
def test_what_cannot_be_changed_is_an_error(http: t.Any, run: t.Any, options: t.Any) -> None:
    http.when("GET", ITEM, NOW)
    with pytest.raises(GcpError, match=f"{next(iter(options))} cannot be changed from"):
        run(Firewall, name="ssh", **options)


def test_a_rule_that_lets_through_cannot_become_one_that_stops(http: t.Any, run: t.Any) -> None:
    http.when("GET", ITEM, NOW)
    with pytest.raises(GcpError, match=r"denied cannot be set, because .*firewalls/ssh has allowed.*state: absent"):
        run(Firewall, name="ssh", denied=SSH)
    assert http.writes == []


def test_a_rule_for_what_goes_out_is_not_emptied_because_it_would_be_about_all(http: t.Any, run: t.Any) -> None:
    http.when("GET", ITEM, {**NOW, "direction": "EGRESS", "destinationRanges": ["10.0.0.0/8"], "sourceRanges": []})
    with pytest.raises(GcpError, match=r"destination_ranges would be empty.*0\.0\.0\.0/0"):
        run(Firewall, name="ssh", destination_ranges=[])
    assert http.writes == []


def test_a_rule_is_deleted(http: t.Any, run: t.Any, done: t.Any) -> None:
    http.when("GET", ITEM, NOW).when("DELETE", ITEM, done())
    assert run(Firewall, name="ssh", state="absent")["resource"] == {}
    assert http.writes == [("DELETE", ITEM, None, {})]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"priority": 65536}, "priority is 65536, but must be a number from 0 to 65535"),
        ({"allowed": [{"ip_protocol": "http"}]}, r"allowed\[0\].ip_protocol is 'http'"),
        ({"allowed": [{"ip_protocol": "256"}]}, r"ip_protocol is '256'"),
        ({"denied": [{"ip_protocol": "tcp", "ports": ["22", "a-b"]}]}, r"denied\[0\].ports\[1\] is 'a-b'"),
        ({"source_ranges": ["10.0.0.0/33"]}, r"source_ranges\[0\] is '10.0.0.0/33'"),
        ({"target_tags": ["Web"]}, r"target_tags\[0\] is 'Web'"),
        ({"log_config": {"enable": False, "metadata": "INCLUDE_ALL_METADATA"}}, "log_config.metadata is for a rule"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_before_anything_is_asked(make: t.Any, options: t.Any, message: str) -> None:
    with pytest.raises(GcpError, match=message):
        Firewall.check(make(Firewall, name="ssh", **options).params)


@pytest.mark.parametrize("protocol", ["tcp", "TCP", "0", "58", "199", "255", "all"])
def test_a_protocol_is_a_name_or_a_number(make: t.Any, protocol: str) -> None:
    Firewall.check(make(Firewall, name="ssh", allowed=[{"ip_protocol": protocol}]).params)
