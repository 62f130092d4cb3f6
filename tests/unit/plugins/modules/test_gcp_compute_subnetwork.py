# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.modules.gcp_compute_subnetwork import Subnetwork, not_within

ALL = "compute/v1/projects/p/regions/r/subnetworks"
ITEM = f"{ALL}/s"
NETWORK = "https://www.googleapis.com/compute/v1/projects/p/global/networks/n"
PLACE: dict[str, t.Any] = {"name": "s", "region": "r"}
PODS = {"rangeName": "pods", "ipCidrRange": "10.81.0.0/20"}
SERVICES = {"rangeName": "services", "ipCidrRange": "10.82.0.0/24"}
NOW = {
    "name": "s",
    "network": NETWORK,
    "ipCidrRange": "10.80.0.0/24",
    "privateIpGoogleAccess": False,
    "purpose": "PRIVATE",
    "stackType": "IPV4_ONLY",
    "secondaryIpRanges": [PODS],
    "fingerprint": "one=",
}
LATER = {**NOW, "fingerprint": "two="}
VERBS = ("expandIpCidrRange", "setPrivateIpGoogleAccess")


def patch(fingerprint: str = "one=", **changes: t.Any) -> t.Any:
    """The request that a patch is."""
    return ("PATCH", ITEM, {**changes, "fingerprint": fingerprint}, {})


def test_a_subnetwork_is_created(http: t.Any, run: t.Any, done: t.Any) -> None:
    http.will_answer(404).when("GET", ITEM, NOW).when("POST", ALL, done())
    run(Subnetwork, **PLACE, network="n", ip_cidr_range="10.80.0.0/24", private_ip_google_access=True)
    body = {"name": "s", "network": NETWORK, "ipCidrRange": "10.80.0.0/24", "privateIpGoogleAccess": True}
    assert http.writes == [("POST", ALL, body, {})]


def test_a_subnetwork_is_not_created_without_network_and_range(http: t.Any, run: t.Any) -> None:
    http.will_answer(404)
    with pytest.raises(GcpError, match="cannot be created without network and ip_cidr_range"):
        run(Subnetwork, **PLACE)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"network": "n", "ip_cidr_range": "10.80.0.7/24", "purpose": "PRIVATE", "stack_type": "IPV4_ONLY"},
        {"private_ip_google_access": False, "log_config": {"enable": False}},
        {"secondary_ip_ranges": [{"range_name": "pods", "ip_cidr_range": "10.81.0.0/20"}]},
    ],
)
def test_the_same_subnetwork_stays(http: t.Any, run: t.Any, options: t.Any) -> None:
    http.when("GET", ITEM, NOW)
    assert not run(Subnetwork, **PLACE, **options)["changed"]


@pytest.mark.parametrize(
    ("options", "writes"),
    [
        pytest.param(
            {"private_ip_google_access": True},
            [("POST", f"{ITEM}/setPrivateIpGoogleAccess", {"privateIpGoogleAccess": True}, {})],
            id="private access has a verb",
        ),
        pytest.param(
            {"ip_cidr_range": "10.80.0.0/22"},
            [("POST", f"{ITEM}/expandIpCidrRange", {"ipCidrRange": "10.80.0.0/22"}, {})],
            id="a range grows by a verb",
        ),
        pytest.param(
            {"log_config": {"enable": True, "flow_sampling": 0.1}},
            [patch(logConfig={"enable": True, "flowSampling": 0.1})],
            id="all else is patched under the fingerprint",
        ),
        pytest.param(
            {"secondary_ip_ranges": [], "private_ip_google_access": True},
            [
                patch(secondaryIpRanges=[]),
                ("POST", f"{ITEM}/setPrivateIpGoogleAccess", {"privateIpGoogleAccess": True}, {}),
            ],
            id="the patch comes first, as long as its fingerprint holds",
        ),
        pytest.param(
            {"secondary_ip_ranges": [{"range_name": "new", "ip_cidr_range": "10.81.0.0/20"}]},
            [
                patch(secondaryIpRanges=[]),
                patch("two=", secondaryIpRanges=[{"rangeName": "new", "ipCidrRange": "10.81.0.0/20"}]),
            ],
            id="what goes makes room for what comes",
        ),
    ],
)
def test_what_differs_is_changed(http: t.Any, run: t.Any, done: t.Any, options: t.Any, writes: t.Any) -> None:
    http.when("GET", ITEM, NOW, LATER).when("PATCH", ITEM, done())
    for verb in VERBS:
        http.when("POST", f"{ITEM}/{verb}", done())
    assert run(Subnetwork, **PLACE, **options)["changed"]
    assert http.writes == writes


@pytest.mark.parametrize(
    ("now", "options", "words"),
    [
        (NOW, {"ip_cidr_range": "10.80.0.0/25"}, r"ip_cidr_range cannot be changed from '10\.80\.0\.0/24' to"),
        (NOW, {"ip_cidr_range": "10.90.0.0/16"}, "ip_cidr_range cannot be changed from"),
        (NOW, {"network": "other"}, "network cannot be changed from"),
        (NOW, {"purpose": "PRIVATE_NAT"}, "purpose cannot be changed from"),
        (
            {**NOW, "stackType": "IPV4_IPV6", "ipv6AccessType": "EXTERNAL"},
            {"ipv6_access_type": "INTERNAL"},
            "ipv6_access_type cannot be changed from 'EXTERNAL' to 'INTERNAL'",
        ),
    ],
)
def test_what_cannot_be_changed_is_an_error(http: t.Any, run: t.Any, now: t.Any, options: t.Any, words: t.Any) -> None:
    http.when("GET", ITEM, now)
    with pytest.raises(GcpError, match=words):
        run(Subnetwork, **PLACE, **options)
    assert http.writes == []


def test_a_purpose_by_its_old_name_is_the_same(http: t.Any, run: t.Any) -> None:
    http.when("GET", ITEM, {**NOW, "purpose": "PRIVATE_RFC_1918"})
    assert not run(Subnetwork, **PLACE, purpose="PRIVATE")["changed"]


def test_a_range_that_stays_is_never_taken_away(http: t.Any, run: t.Any, done: t.Any) -> None:
    told = {**PODS, "ipVersion": "IPV4"}
    http.when("GET", ITEM, {**NOW, "secondaryIpRanges": [told, {**SERVICES, "rangeName": "old"}]}, LATER)
    http.when("PATCH", ITEM, done())
    run(
        Subnetwork,
        **PLACE,
        secondary_ip_ranges=[
            {"range_name": "pods", "ip_cidr_range": "10.81.0.0/20"},
            {"range_name": "new", "ip_cidr_range": "10.82.0.0/24"},
        ],
    )
    assert http.writes == [
        patch(secondaryIpRanges=[told]),
        patch("two=", secondaryIpRanges=[PODS, {**SERVICES, "rangeName": "new"}]),
    ]


def test_ipv6_comes_with_its_kind_of_addresses(http: t.Any, run: t.Any, done: t.Any) -> None:
    http.when("GET", ITEM, NOW).when("PATCH", ITEM, done())
    run(Subnetwork, **PLACE, stack_type="IPV4_IPV6", ipv6_access_type="EXTERNAL")
    assert http.writes == [patch(stackType="IPV4_IPV6", ipv6AccessType="EXTERNAL")]


def test_somebody_else_was_faster_and_it_is_planned_again(http: t.Any, run: t.Any, done: t.Any) -> None:
    changed = {"error": {"code": 412, "message": "Invalid fingerprint.", "errors": [{"reason": "conditionNotMet"}]}}
    http.will_answer(200, NOW).will_answer(412, changed).will_answer(200, LATER).will_answer(200, done())
    http.when("GET", ITEM, LATER)
    run(Subnetwork, **PLACE, secondary_ip_ranges=[])
    assert [request.body["fingerprint"] for request in http.writes] == ["one=", "two="]


@pytest.mark.parametrize(
    ("outer", "inner", "within"),
    [
        ("10.80.0.0/22", "10.80.0.0/24", True),
        ("10.80.0.0/24", "10.80.0.0/24", True),
        ("10.80.0.0/25", "10.80.0.0/24", False),
        ("10.81.0.0/16", "10.80.0.0/24", False),
        ("fd20::/20", "10.80.0.0/24", False),
    ],
)
def test_a_range_grows_to_one_that_contains_it(outer: str, inner: str, within: bool) -> None:
    assert not_within(inner, outer) is not within
