# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From rights that are there to rights that are wanted."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.mlflow.permissions import (
    OPTIONS,
    TYPES,
    Experiments,
    Grant,
    calls,
    complaints,
    granted,
    less,
    shown,
)

READ, EDIT, DENY = (Grant("experiment", "1", level, 7) for level in ("READ", "EDIT", "DENY"))
MODEL = Grant("registered_model", "m", "READ", 8)
GRANT, REVOKE = "users/permissions/grant", "users/permissions/revoke"
ON_EXPERIMENT = {"username": "jane", "resource_type": "experiment", "resource_id": "1"}
ON_MODEL = {"username": "jane", "resource_type": "registered_model", "resource_id": "m"}


@pytest.mark.parametrize(
    ("wanted", "present", "expected"),
    [
        pytest.param([], [], [], id="nothing"),
        pytest.param([READ, MODEL], [MODEL, READ], [], id="the same in another order"),
        pytest.param([READ], [], [(GRANT, {**ON_EXPERIMENT, "permission": "READ"})], id="new"),
        pytest.param([], [READ], [(REVOKE, ON_EXPERIMENT)], id="gone"),
        pytest.param(
            [EDIT],
            [READ],
            [("roles/permissions/update", {"role_permission_id": 7, "permission": "EDIT"})],
            id="changed in place, so that nobody is without a right for a moment",
        ),
        pytest.param(
            [DENY, Grant("prompt", "*", "USE")],
            [READ, MODEL],
            [
                (REVOKE, ON_MODEL),
                ("roles/permissions/update", {"role_permission_id": 7, "permission": "DENY"}),
                (GRANT, {"username": "jane", "resource_type": "prompt", "resource_id": "*", "permission": "USE"}),
            ],
            id="what is taken away comes first",
        ),
    ],
)
def test_the_calls_between_two_lists(wanted: list[Grant], present: list[Grant], expected: list[t.Any]) -> None:
    found = calls("jane", wanted, present)
    assert [(call.path.removeprefix("api/3.0/mlflow/"), call.body) for call in found] == expected


def test_only_what_was_granted_to_the_user_in_the_workspace_counts() -> None:
    row = {"id": 7, "resource_type": "experiment", "resource_pattern": "1", "permission": "READ"}
    roles = [
        {"name": "__user_2__", "workspace": "default", "permissions": [row]},
        {"name": "__user_2__", "workspace": "team", "permissions": [{**row, "id": 9}]},
        {"name": "readers", "workspace": "default", "permissions": [{**row, "id": 10}]},
    ]
    assert granted(roles, "default") == [READ]
    assert [one.row for one in granted(roles, "team")] == [9]


def test_rights_are_shown_in_the_words_of_a_task_and_in_one_order() -> None:
    assert shown([MODEL, READ], lambda number: f"name of {number}") == [
        {"experiment": "name of 1", "permission": "READ"},
        {"registered_model": "m", "permission": "READ"},
    ]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ([{"experiment": "a"}, {"experiment": "a"}], "names the experiment 'a' twice"),
        ([{"prompt": ""}], "an empty prompt"),
        ([{"experiment": "a"}, {"prompt": "a"}, {"experiment": "b"}], ""),
    ],
)
def test_a_list_that_cannot_be_is_refused(wanted: list[t.Any], words: str) -> None:
    found = " ".join(complaints(wanted))
    assert words in found
    assert bool(words) == bool(found)


def test_every_type_is_an_option() -> None:
    assert set(OPTIONS["options"]) == {*TYPES, "permission"}


def test_an_experiment_is_looked_for_once(script: t.Any) -> None:
    answer = {"experiment": {"experiment_id": "3", "name": "a", "lifecycle_stage": "active"}}
    known = Experiments(script.will(answer).client())
    assert [known.id_of("a"), known.id_of("a"), known.name_of("3"), known.id_of("*")] == ["3", "3", "a", "*"]
    assert len(script.requests) == 1


def test_an_experiment_that_has_gone_for_good_is_shown_by_its_id(script: t.Any) -> None:
    gone = (404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "No Experiment with id=9 exists"})
    assert Experiments(script.will(gone).client()).name_of("9") == "(gone: 9)"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param({}, {}, False, id="nothing"),
        pytest.param({"experiment": "READ"}, {"experiment": "READ"}, False, id="the same"),
        pytest.param({}, {"experiment": "READ"}, False, id="new"),
        pytest.param({"experiment": "READ"}, {"experiment": "EDIT"}, False, id="raised"),
        pytest.param({"experiment": "EDIT"}, {"experiment": "USE"}, True, id="lowered"),
        pytest.param({"experiment": "READ"}, {}, True, id="revoked"),
        pytest.param({"experiment": "READ"}, {"prompt": "MANAGE"}, True, id="revoked, and another one granted"),
        pytest.param({"experiment": "READ"}, {"experiment": "DENY"}, True, id="denied"),
        pytest.param({}, {"experiment": "DENY"}, True, id="denied what the default gives"),
        pytest.param({"experiment": "DENY"}, {}, False, id="not denied any more"),
        pytest.param({"experiment": "NO_PERMISSIONS"}, {}, False, id="an old word for nothing is gone"),
        pytest.param({"experiment": "NO_PERMISSIONS"}, {"experiment": "READ"}, False, id="more than nothing"),
        pytest.param({"experiment": "EDIT"}, {"experiment": "EDIT", "run": "READ"}, True, id="overridden for runs"),
        pytest.param({"experiment": "EDIT"}, {"experiment": "EDIT", "run": "MANAGE"}, False, id="overridden upward"),
        pytest.param({"of a later MLflow": "READ"}, {}, True, id="revoked on what is not known here"),
    ],
)
def test_less_is_told_from_more(before: dict[str, str], after: dict[str, str], expected: bool) -> None:
    old, new = ([{kind: "x", "permission": level} for kind, level in rights.items()] for rights in (before, after))
    assert less(old, new) is expected
