# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is true of every plan, over the table of fields of each module, with the values of its case in any mixture."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import dig, leaves, nest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.module import argument_spec, check, rules
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Plan, plan, put
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from .cases import NOTHING, Case, Json, all_cases

REPRODUCIBLE = settings(derandomize=True, database=None, deadline=None, max_examples=25)
CASES = [pytest.param(case, id=name) for name, case in all_cases().items() if case.values]


def mixtures(case: Case) -> st.SearchStrategy[Json]:
    """Tasks with up to four of the options of a case, each with any of its values."""
    pairs = [
        (option, value)
        for option, values in case.values.items()
        for value in (values.one, values.other, values.empty)
        if value is not NOTHING
    ]
    several = st.lists(st.sampled_from(pairs), max_size=4, unique_by=lambda pair: pair[0])
    return several.map(lambda chosen: task(case, dict(chosen)))


def task(case: Case, chosen: Json) -> Json:
    """The smallest task of a case, with these options."""
    options = {**copy.deepcopy(case.base), "project": "p", "state": "present"}
    for option, value in chosen.items():
        put(options, option, copy.deepcopy(value))
    return options


def may_be(case: Case, options: Json) -> bool:
    """Whether the module takes these options together."""
    validated = ArgumentSpecValidator(argument_spec(case.kind), **rules(case.kind)).validate(
        {"project": "p", **options}
    )
    try:
        check(case.kind, validated.validated_parameters)
    except GcpError:
        return False
    return not validated.error_messages


def applied(todo: Plan, merge_patch: bool) -> Json:
    """The resource after the plan."""
    result = copy.deepcopy(todo.current)
    for path, value in todo.changes.items():
        if merge_patch and isinstance(value, dict):
            value = {key: item for key, item in ({**(dig(result, path) or {}), **value}).items() if item is not None}
        put(result, path, copy.deepcopy(value))
    return result


@pytest.mark.parametrize("case", CASES)
def test_a_plan_of_a_module_leads_to_what_was_asked_for(case: Case) -> None:
    fields = case.kind.fields
    merge_patch = case.kind.update_method == "PATCH" and not case.kind.update_mask

    @REPRODUCIBLE
    @given(mixtures(case), st.none() | mixtures(case))
    def holds(params: Json, earlier: Json | None) -> None:
        assume(may_be(case, params) and may_be(case, earlier or case.base))
        made = (
            nest({leaf.path: leaf.value for leaf in leaves(fields, earlier) if not leaf.removed}) if earlier else None
        )
        asked = {leaf.path: leaf for leaf in leaves(fields, params)}
        todo = plan(fields, params, made, merge_patch=merge_patch)
        removed = {leaf.removed for leaf in asked.values() if leaf.removed}
        assert set(todo.mask) <= asked.keys() | removed, "nothing that the task does not name"
        after = applied(todo, merge_patch)
        again = plan(fields, params, after, merge_patch=merge_patch)
        assert again.action == "none", again.changes
        unnamed = {leaf.path for leaf in leaves(fields, earlier or {})} - asked.keys()
        lost = [path for path in unnamed if dig(after, path) != dig(made, path) and not under(path, removed)]
        assert lost == [], "what is not named is left alone"

    holds()


def under(path: str, removed: t.Collection[str]) -> bool:
    """Whether a path goes because what it is in goes."""
    return any(path == one or path.startswith(f"{one}.") for one in removed)
