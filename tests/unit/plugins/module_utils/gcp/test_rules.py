# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field, check
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.rules import (
    ADDRESS,
    EMAIL,
    KMS_KEY,
    LABELS,
    NETWORK_RANGE,
    PROJECT,
    REFERENCE,
    RESOURCE_NAME,
    SCALARS,
    Rule,
    at_least,
    between,
    up_to_bytes,
    zero_or_between,
)


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        pytest.param(between(1, 3), [1, 3], [0, 4], id="between"),
        pytest.param(at_least(10), [10, 2**40], [9, 10**30], id="at least"),
        pytest.param(up_to_bytes(3), ["", "abc", "ä"], ["abcd", "ää"], id="up to"),
        pytest.param(zero_or_between(2, 3), [0, 2, 3], [1, 4, -1], id="zero or between"),
        pytest.param(KMS_KEY, ["projects/p/locations/l/keyRings/r/cryptoKeys/k"], ["", "k", "cryptoKeys/k"], id="key"),
        pytest.param(
            RESOURCE_NAME,
            ["a", "a-1", "a" * 63],
            ["", "A", "1a", "a-", "a_b", "a" * 64, "a\n"],
            id="name of a resource",
        ),
        pytest.param(PROJECT, ["my-project", "example.com:p", "415104041262"], ["", "My Project", "a/b"], id="project"),
        pytest.param(
            NETWORK_RANGE, ["10.0.0.0/8", "10.0.0.1/8", "::/0", "1.2.3.4"], ["10.0.0.0/33", "x", ""], id="range"
        ),
        pytest.param(ADDRESS, ["10.0.0.1", "fd00::1"], ["10.0.0.0/8", "10.0.0"], id="address"),
        pytest.param(EMAIL, ["a@b.example"], ["a", "a@b", "a b@c.d"], id="e-mail"),
        pytest.param(
            LABELS,
            [{}, {"a": "1"}, {"ä-ö": ""}, {"team": None}, {"a": True, "b": 1}],
            [
                {"A": "1"},
                {"1": "a"},
                {"a": "B"},
                {"a": "x" * 64},
                {"": "a"},
                {f"k{i}": "" for i in range(65)},
                {"a": 1.5},
            ],
            id="labels",
        ),
        pytest.param(SCALARS, [{}, {"a": 1, "b": True, "c": "x"}], [{"a": None}, {"a": []}, {"a": {}}], id="map"),
        pytest.param(
            REFERENCE,
            [
                "n",
                "projects/p/x/y",
                "https://host/v1/x",
                {"name": "n"},
                {"selfLink": "https://x"},
                {"address": "1.2.3.4"},
            ],
            [[], {}, {"name": []}, "a b", "a?b", "a#b", "\0", "\ud800", 1.5],
            id="reference",
        ),
    ],
)
def test_a_rule_takes_what_google_takes_and_nothing_else(rule: Rule, good: list[t.Any], bad: list[t.Any]) -> None:
    assert [value for value in good if not rule.holds(value)] == []
    assert [value for value in bad if rule.holds(value)] == []


FIELDS = {
    "name": Field(required=True, must=RESOURCE_NAME),
    "size": Field(type="int", must=at_least(10)),
    "ports": Field(type="list", elements="int", must=between(1, 65535)),
    "password": Field(no_log=True, must=up_to_bytes(5)),
    "labels": Field(type="dict"),
    "tags": Field(type="dict", must=LABELS),
    "disk": Field(type="dict", options={"gb": Field(type="int", must=at_least(1)), "kind": Field(required=True)}),
    "rules": Field(type="list", elements="dict", options={"port": Field(type="int", must=between(1, 9))}),
    "key": Field(removes="encryption", must=KMS_KEY),
    "network": Field(refers="projects/{project}/networks/{value}"),
}


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"name": ""}, "The option name is empty. Give it a value."),
        ({"name": "A"}, "The option name is 'A', but must be 1 to 63 lower-case letters"),
        ({"size": 7}, "The option size is 7, but must be a number of at least 10."),
        ({"ports": [80, 70000]}, "The option ports[1] is 70000, but must be a number from 1 to 65535."),
        ({"password": "secret"}, "The option password must be a text of at most 5 bytes."),
        ({"labels": {"a": {"b": 1}}}, "The option labels is {'a': {'b': 1}}, but must be a map whose values"),
        (
            {"tags": {"a": 1.5}},
            "The option tags is {'a': 1.5}, but must be at most 64 labels, whose names begin with a letter, and whose "
            "names and values are at most 63 lower-case letters, digits, _ and -.",
        ),
        ({"disk": {"gb": 0, "kind": "x"}}, "The option disk.gb is 0, but must be a number of at least 1."),
        ({"disk": {"kind": ""}}, "The option disk.kind is empty."),
        ({"rules": [{"port": 1}, {"port": 10}]}, "The option rules[1].port is 10, but must be a number from 1 to 9."),
        ({"network": {"kind": "network"}}, "The option network is {'kind': 'network'}, but must be a name, a path"),
        ({"size": 7, "ports": [0]}, "at least 10. The option ports[0]"),
        ({"name": "A" * 500}, "A..., but must be"),
    ],
)
def test_a_value_that_cannot_be_is_told_with_what_is_allowed(params: t.Any, sentence: str) -> None:
    with pytest.raises(GcpError) as refused:
        check(FIELDS, params)
    assert sentence in str(refused.value)


def test_what_can_be_and_what_is_unset_is_no_matter() -> None:
    check(FIELDS, {"name": "a", "size": None, "disk": {"gb": None, "kind": "x"}, "ports": [], "network": "", "key": ""})
