# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each option of each module: created, read back, changed, emptied, left alone; and check mode foretells each step."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field, leaves

from .cases import NOTHING, Case, Json, Values, all_cases
from .cloud import Cloud

CASES = all_cases()
UPDATABLE = [
    pytest.param(case, option, values, id=f"{name}: {option}")
    for name, case in CASES.items()
    for option, values in case.values.items()
]
FIXED = [
    pytest.param(case, option, *values, id=f"{name}: {option}")
    for name, case in CASES.items()
    for option, values in case.fixed.items()
]
EACH_MODULE = [pytest.param(case, id=name) for name, case in CASES.items()]


def prepare(cloud: Cloud, case: Case) -> None:
    """Have what the resource stands on."""
    for task in case.needs:
        cloud.run(task.kind, task.options)


def foretold(cloud: Cloud, case: Case, options: Json) -> Json:
    """The result of a run, which check mode must have foretold without changing anything."""
    with cloud.recorded() as sent:
        promise = cloud.run(case.kind, options, check_mode=True)
    assert [request for request in sent if request.method != "GET" and not is_question(request.path)] == []
    result = cloud.run(case.kind, options)
    assert (promise["changed"], promise["diff"]) == (result["changed"], result["diff"])
    return result


def is_question(path: str) -> bool:
    """Whether a POST only asks: policies of projects are read so."""
    return path.endswith((":getIamPolicy", ":testIamPermissions"))


def differences(before: t.Any, after: t.Any, path: str = "") -> set[str]:
    """The dotted paths of a diff at which its sides differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        found = [differences(before.get(k), after.get(k), f"{path}.{k}") for k in before.keys() | after.keys()]
        return set().union(*found)
    return set() if before == after else {path.removeprefix(".")}


def is_within(found: set[str], paths: t.Collection[str]) -> bool:
    """Whether all of the paths that differ are at, below or above the ones that may."""
    return all(
        any(f"{one}.".startswith(f"{path}.") or f"{path}.".startswith(f"{one}.") for path in paths) for one in found
    )


def paths_of(case: Case, values: Values, option: str) -> list[str]:
    """Where the API keeps an option, and what goes along with it."""
    options = {"project": "p", **case.task(option, values.one)}
    found = [leaf.path for leaf in leaves(case.kind.fields, options) if leaf.option in (option, *outer(option))]
    return found or [option]  # what the module keeps to itself, a diff shows by its own name


def outer(option: str) -> list[str]:
    """The options that an option is in."""
    parts = option.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


@pytest.mark.parametrize(("case", "option", "values"), UPDATABLE)
def test_an_option_is_set_changed_emptied_and_left_alone(cloud: Cloud, case: Case, option: str, values: Values) -> None:
    prepare(cloud, case)

    def have(value: t.Any) -> Json:
        return foretold(cloud, case, case.task(option, value, values.along))

    def settled(value: t.Any) -> None:
        again = have(value)
        assert not again["changed"], again["diff"]
        assert again["diff"]["before"] == again["diff"]["after"]

    created = have(values.one)
    assert created["changed"]
    assert created["diff"]["before"] == {}
    settled(values.one)

    changed = have(values.other)
    assert changed["changed"], "another value is a change"
    found = differences(changed["diff"]["before"], changed["diff"]["after"])
    assert found, "the diff shows the change"
    assert is_within(found, paths_of(case, values, option)), "nothing else changes"
    settled(values.other)

    if values.empty is not NOTHING:
        assert have(values.empty)["changed"], "what is emptied changes"
        settled(values.empty)
        assert have(values.other)["changed"], "and it was empty indeed"

    before = cloud.resource(case.kind, case.task()).read()
    alone = foretold(cloud, case, case.task(option, None, values.along))
    assert not alone["changed"], alone["diff"]
    assert cloud.resource(case.kind, case.task()).read() == before, "what is unset is left alone"
    settled(values.other)


@pytest.mark.parametrize(("case", "option", "one", "other"), FIXED)
def test_an_option_that_cannot_change_is_refused_with_both_values(
    cloud: Cloud, case: Case, option: str, one: t.Any, other: t.Any
) -> None:
    prepare(cloud, case)
    foretold(cloud, case, case.task(option, one))
    assert not foretold(cloud, case, case.task(option, one))["changed"]
    before = cloud.resource(case.kind, case.task()).read()
    for check_mode in (True, False):
        with pytest.raises(GcpError) as refused:
            cloud.run(case.kind, case.task(option, other), check_mode)
        message = str(refused.value)
        assert option in message
        scalars = [value for value in (one, other) if not isinstance(value, dict | list)]
        assert all(shown(value) in message.lower() for value in scalars), message
        assert "state: absent" in message or "Leave" in message, "the way out is told"
    assert cloud.resource(case.kind, case.task()).read() == before


def shown(value: t.Any) -> str:
    """A value as an error may spell it: references by their last part, and in small letters."""
    return str(value).rpartition("/")[2].lower()


@pytest.mark.parametrize("case", EACH_MODULE)
def test_a_run_without_a_change_asks_and_does_nothing_else(cloud: Cloud, case: Case) -> None:
    prepare(cloud, case)
    cloud.run(case.kind, case.task())
    with cloud.recorded() as sent:
        result = cloud.run(case.kind, case.task())
    assert not result["changed"]
    assert len(sent) == case.reads, sent
    assert all(request.method == "GET" or is_question(request.path) for request in sent)


@pytest.mark.parametrize("case", EACH_MODULE)
def test_what_is_there_goes_once(cloud: Cloud, case: Case) -> None:
    prepare(cloud, case)
    absent = {**case.task(), "state": "absent"}
    assert not foretold(cloud, case, absent)["changed"], "there is nothing yet"
    cloud.run(case.kind, case.task())
    gone = foretold(cloud, case, absent)
    assert gone["changed"]
    assert gone["diff"]["after"] == {}
    assert not foretold(cloud, case, absent)["changed"]


def leaf_options(fields: dict[str, Field], prefix: str = "") -> t.Iterator[str]:
    """All options of a module; a dict's options stand for it."""
    for name, field in fields.items():
        if field.is_group:
            yield from leaf_options(field.options, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


@pytest.mark.parametrize("case", EACH_MODULE)
def test_each_option_has_a_row_or_a_reason(case: Case) -> None:
    tabled = {*case.values, *case.fixed, *case.untabled}
    assert set(leaf_options(case.kind.fields)) - tabled == set(), "without a row"
    assert tabled - set(leaf_options(case.kind.fields)) == set(), "rows of options that there are not"
