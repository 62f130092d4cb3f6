# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import (
    Field,
    camel,
    leaves,
    merge,
    nest,
    network_range,
)

TEXTS = Field(type="list", elements="str")
RANGES = Field(type="list", elements="str", canonical=network_range)
STEPS = Field(type="list", elements="str", ordered=True)
NETWORK = Field(refers="https://www.googleapis.com/compute/v1/projects/{project}/global/networks/{value}")
RULES = Field(
    type="list",
    elements="dict",
    options={
        "ip_protocol": Field("IPProtocol", canonical=str.lower),
        "ports": Field(type="list", elements="str"),
        "chosen": Field(computed=True),
        "kind": Field(api_default="NORMAL"),
        "secret": Field(write_only=True),
    },
)


@pytest.mark.parametrize(
    ("field", "desired", "current"),
    [
        (Field(), "a", "a"),
        (Field(), "", None),
        (Field(type="int"), 10, "10"),
        (Field(type="int"), 0, None),
        (Field(type="bool"), False, None),
        (Field(type="bool"), True, True),
        (Field(api_default="INGRESS"), "INGRESS", None),
        (TEXTS, [], None),
        (TEXTS, ["a", "b"], ["b", "a"]),
        (TEXTS, [22], ["22"]),
        (STEPS, ["a", "b"], ["a", "b"]),
        (RANGES, ["10.0.0.1"], ["10.0.0.1/32"]),
        (RANGES, ["10.0.0.1/8", "0.0.0.0/0"], ["0.0.0.0/0", "10.0.0.0/8"]),
        (RANGES, ["::0/0"], ["::/0"]),
        (Field(type="dict"), {}, None),
        (Field(type="dict"), {"a": 1}, {"a": "1"}),
        (NETWORK, "projects/p/global/networks/n", "https://www.googleapis.com/compute/v1/projects/p/global/networks/n"),
        (RULES, [{"IPProtocol": "TCP"}], [{"IPProtocol": "tcp", "extra": 1}]),
        (RULES, [{"IPProtocol": "a"}, {"IPProtocol": "b"}], [{"IPProtocol": "b"}, {"IPProtocol": "a"}]),
        (RULES, [{"IPProtocol": "a"}], [{"IPProtocol": "a", "chosen": "by Google"}]),
        (RULES, [{"IPProtocol": "a"}], [{"IPProtocol": "a", "kind": "NORMAL"}]),
        (RULES, [{"IPProtocol": "a", "secret": "x"}], [{"IPProtocol": "a"}]),
    ],
)
def test_what_google_writes_in_its_own_way_is_the_same(field: Field, desired: t.Any, current: t.Any) -> None:
    assert field.same(desired, current)


@pytest.mark.parametrize(
    ("field", "desired", "current"),
    [
        (Field(), "a", "b"),
        (Field(), "a", None),
        (Field(), "", "a"),
        (Field(type="bool"), True, None),
        (Field(type="bool"), False, True),
        (Field(type="int"), 0, "1"),
        (Field(api_default="INGRESS"), "EGRESS", None),
        (TEXTS, [], ["a"]),
        (TEXTS, ["a"], ["a", "b"]),
        (TEXTS, ["a", "a"], ["a", "b"]),
        (STEPS, ["a", "b"], ["b", "a"]),
        (RANGES, ["10.0.0.0/8"], ["10.0.0.0/9"]),
        (Field(type="dict"), {}, {"a": "1"}),
        (Field(type="dict"), {"a": "1"}, {"a": "1", "b": "2"}),
        (NETWORK, "projects/p/global/networks/n", "projects/q/global/networks/n"),
        (RULES, [{"IPProtocol": "tcp"}], [{"IPProtocol": "tcp", "ports": ["22"]}]),
        (RULES, [{"IPProtocol": "tcp", "ports": ["22"]}], [{"IPProtocol": "tcp"}]),
        (RULES, [{"IPProtocol": "a"}], [{"IPProtocol": "a", "kind": "OTHER"}]),
        (RULES, [{"IPProtocol": "a", "chosen": "x"}], [{"IPProtocol": "a", "chosen": "y"}]),
        (RULES, [{"IPProtocol": "a"}, {"IPProtocol": "a"}], [{"IPProtocol": "a"}, {"IPProtocol": "b"}]),
    ],
)
def test_what_is_different_is_different(field: Field, desired: t.Any, current: t.Any) -> None:
    assert not field.same(desired, current)


SETTINGS = {
    "tier": Field(),
    "ip_configuration": Field(type="dict", options={"ipv4_enabled": Field(type="bool"), "password": Field()}),
    "user_labels": Field(type="dict"),
}
FIELDS = {
    "zone": Field(url_only=True),
    "wait": Field(local=True),
    "settings": Field(type="dict", options=SETTINGS),
    "rules": RULES,
    "network": NETWORK,
}


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"zone": "z", "wait": True}, {}),
        ({"settings": None}, {}),
        ({"settings": {"tier": None, "ip_configuration": None, "user_labels": None}}, {}),
        ({"settings": {"tier": "small", "user_labels": {}}}, {"settings.tier": "small", "settings.userLabels": {}}),
        (
            {"settings": {"ip_configuration": {"ipv4_enabled": False, "password": None}}},
            {"settings.ipConfiguration.ipv4Enabled": False},
        ),
        ({"settings": {"user_labels": {"a": 1, "b": True}}}, {"settings.userLabels": {"a": "1", "b": "true"}}),
        (
            {"rules": [{"ip_protocol": "tcp", "ports": ["22"], "kind": None}]},
            {"rules": [{"IPProtocol": "tcp", "ports": ["22"]}]},
        ),
        ({"network": "n"}, {"network": "https://www.googleapis.com/compute/v1/projects/p/global/networks/n"}),
    ],
)
def test_what_is_set_is_put_in_the_words_of_the_api(params: t.Any, found: t.Any) -> None:
    assert {leaf.path: leaf.value for leaf in leaves(FIELDS, {"project": "p", **params})} == found


def test_the_argument_spec_has_the_suboptions() -> None:
    spec = FIELDS["settings"].argument
    assert spec["options"]["ip_configuration"]["options"]["ipv4_enabled"] == {"type": "bool"}
    assert NETWORK.argument == {"type": "raw"}


@pytest.mark.parametrize(("name", "api"), [("name", "name"), ("disk_size_gb", "diskSizeGb"), ("ipv4_on", "ipv4On")])
def test_an_option_is_the_field_in_camel_case(name: str, api: str) -> None:
    assert camel(name) == api


def test_a_tree_is_made_and_merged() -> None:
    assert merge(nest({"a.b": 1, "a.c": 2, "d": [1]}), nest({"a.b": 3})) == {"a": {"b": 3, "c": 2}, "d": [1]}


def test_an_element_that_is_the_same_is_shown_in_the_words_of_the_task() -> None:
    """The other element is shown with all that the task names of any, but never what is only written."""
    current = [
        {"IPProtocol": "tcp", "ports": ["1", "2"], "chosen": "x", "kind": "NORMAL"},
        {"IPProtocol": "udp", "chosen": "y", "kind": "NORMAL"},
    ]
    desired = [
        {"IPProtocol": "TCP", "ports": ["2", "1"], "secret": "s"},
        {"IPProtocol": "udp", "chosen": "z"},
    ]
    assert RULES.shown(current, desired) == [
        {"IPProtocol": "TCP", "ports": ["2", "1"]},
        {"IPProtocol": "udp", "chosen": "y", "kind": "NORMAL"},
    ]
