# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.modules.gcp_compute_address import Address

ALL = "compute/v1/projects/p/regions/r/addresses"
ITEM = f"{ALL}/a"
NET = "https://www.googleapis.com/compute/v1/projects/p/global/networks/default"
PLACE: dict[str, t.Any] = {"region": "r"}
NOW = {
    "name": "a",
    "address": "203.0.113.7",
    "addressType": "EXTERNAL",
    "networkTier": "PREMIUM",
    "status": "RESERVED",
    "labels": {"x": "1"},
    "labelFingerprint": "abc=",
}
WANTED = {"address_type": "EXTERNAL", "network_tier": "PREMIUM"}
BODY = {"name": "a", "addressType": "EXTERNAL", "networkTier": "PREMIUM"}
FIXED = [
    {"address": "203.0.113.8"},
    {"address_type": "INTERNAL"},
    {"network_tier": "STANDARD"},
    {"purpose": "GCE_ENDPOINT"},
    {"subnetwork": "other"},
    {"description": "new"},
]


def test_an_address_is_reserved(http: t.Any, run: t.Any, done: t.Any) -> None:
    http.will_answer(404).when("GET", ITEM, NOW).when("POST", ALL, done())
    assert run(Address, name="a", **PLACE, **WANTED)["resource"] == NOW
    assert http.writes == [("POST", ALL, BODY, {})]


def test_labels_that_were_not_taken_with_the_address_are_set(http: t.Any, run: t.Any, done: t.Any) -> None:
    bare = {**NOW, "labels": {}}
    http.will_answer(404).when("GET", ITEM, bare, NOW).when("POST", ALL, done())
    http.when("POST", f"{ITEM}/setLabels", done())
    run(Address, name="a", **PLACE, labels={"x": 1})
    assert http.writes[1] == ("POST", f"{ITEM}/setLabels", {"labels": {"x": "1"}, "labelFingerprint": "abc="}, {})


def test_labels_that_were_taken_are_not_set_again(http: t.Any, run: t.Any, done: t.Any) -> None:
    http.will_answer(404).when("GET", ITEM, NOW).when("POST", ALL, done())
    run(Address, name="a", **PLACE, labels={"x": 1})
    assert len(http.writes) == 1


def test_the_same_address_stays(http: t.Any, run: t.Any) -> None:
    http.when("GET", ITEM, NOW)
    assert not run(Address, name="a", **PLACE, **WANTED, labels={"x": 1})["changed"]


@pytest.mark.parametrize("labels", [{}, {"x": "2"}, {"y": "1"}])
def test_labels_are_exact(http: t.Any, run: t.Any, done: t.Any, labels: t.Any) -> None:
    http.when("GET", ITEM, NOW).when("POST", f"{ITEM}/setLabels", done())
    assert run(Address, name="a", **PLACE, labels=labels)["changed"]
    assert http.writes == [("POST", f"{ITEM}/setLabels", {"labels": labels, "labelFingerprint": "abc="}, {})]


@pytest.mark.parametrize("options", FIXED)
def test_what_cannot_be_changed_is_an_error(http: t.Any, run: t.Any, options: t.Any) -> None:
    http.when("GET", ITEM, NOW)
    with pytest.raises(GcpError, match=f"{next(iter(options))} cannot be changed from"):
        run(Address, name="a", **PLACE, **options)


def test_an_address_that_is_being_reserved_is_waited_for(http: t.Any, run: t.Any) -> None:
    http.when("GET", ITEM, {**NOW, "status": "RESERVING"}, NOW)
    result = run(Address, name="a", **PLACE, **WANTED)
    assert (result["changed"], result["resource"]) == (False, NOW)


def test_an_address_is_given_back(http: t.Any, run: t.Any, done: t.Any) -> None:
    http.when("GET", ITEM, NOW).when("DELETE", ITEM, done())
    assert run(Address, name="a", **PLACE, state="absent")["changed"]
    assert http.writes == [("DELETE", ITEM, None, {})]


def test_a_range_of_a_network_is_reserved(http: t.Any, run: t.Any, done: t.Any) -> None:
    now = {"name": "a", "addressType": "INTERNAL", "purpose": "IPSEC_INTERCONNECT", "prefixLength": 29, "network": NET}
    options = {"address_type": "INTERNAL", "purpose": "IPSEC_INTERCONNECT", "prefix_length": 29, "network": "default"}
    http.will_answer(404).when("GET", ITEM, now).when("POST", ALL, done())
    run(Address, name="a", **PLACE, **options)
    assert http.writes == [("POST", ALL, now, {})]
    assert not run(Address, name="a", **PLACE, **options)["changed"]
    for other in ({"prefix_length": 28}, {"network": "other"}):
        with pytest.raises(GcpError, match=f"{next(iter(other))} cannot be changed from"):
            run(Address, name="a", **PLACE, **other)
