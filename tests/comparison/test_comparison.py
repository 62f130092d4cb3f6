# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What can be wrong with the comparison before anything is run."""

from __future__ import annotations

import functools
import typing as t

import pytest
import yaml

from .cases import CASES
from .report import ratio, said, shown, table
from .sandbox import Json, Traffic
from .sides import CRASH, HERE, OURS, THEIRS, TREE, Answer, declared, option_names, tasks_for
from .speed import EXPECTED, Row, Timing

FILES = sorted(path.stem for path in (HERE / "tasks").glob("*.yml"))


@functools.cache
def modules() -> dict[str, Json]:
    """What our modules give to AnsibleModule."""
    return declared(OURS, TREE)


def options_of(value: t.Any, path: str = "") -> set[str]:
    """The names in a task, dotted; keys of what is no suboption are among them."""
    if isinstance(value, list):
        return set().union(*(options_of(each, path) for each in value))
    if not isinstance(value, dict):
        return set()
    return {f"{path}{name}" for name in value}.union(
        *(options_of(each, f"{path}{name}.") for name, each in value.items())
    )


def answer(status: str, seconds: float = 1, message: str = "") -> Answer:
    return Answer("task", status, seconds, {"msg": message}, Traffic([], 0))


def test_every_file_of_tasks_belongs_to_a_case_or_is_timed() -> None:
    assert {case.tasks or case.name for case in CASES} | {"speed"} == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_the_tasks_give_options_that_our_modules_have(name: str) -> None:
    for task in yaml.safe_load((HERE / f"tasks/{name}.yml").read_text()):
        (module,) = [key for key in task if key.startswith(f"{OURS.collection}.")]
        rules = modules()[module.removeprefix(f"{OURS.collection}.")]["argument_spec"]
        known = option_names(rules)
        # A dictionary without suboptions, such as labels, has keys of the task's own.
        free = tuple(f"{option}." for option in known if not any(o.startswith(f"{option}.") for o in known))
        assert {option for option in options_of(task[module]) if not option.startswith(free)} <= known


@pytest.mark.parametrize("name", [name for name in FILES if name != "speed"])
def test_each_case_asks_for_something(name: str) -> None:
    tags = [task["tags"] for task in yaml.safe_load((HERE / f"tasks/{name}.yml").read_text())]
    assert tags[-1] == ["asked"]


def test_what_is_timed_has_an_answer_that_is_expected() -> None:
    names = [task["name"] for task in yaml.safe_load((HERE / "tasks/speed.yml").read_text())]
    assert {name.split(" | ")[1] for name in names} == set(EXPECTED)


def test_nothing_but_the_name_of_the_collection_differs() -> None:
    text = (HERE / "tasks/firewall_range.yml").read_text()
    assert tasks_for(OURS, text) == text
    assert tasks_for(THEIRS, text).replace(THEIRS.collection, OURS.collection) == text


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param(answer("ok"), "ok, nothing changed", id="ok"),
        pytest.param(answer("changed"), "changed", id="changed"),
        pytest.param(answer("failed", message="No\n`name`"), "failed (`No 'name'`)", id="failed"),
        pytest.param(answer("failed", message=f"{CRASH}KeyError"), "crashed (`KeyError`)", id="crashed"),
        pytest.param(answer("failed", message="a " * 80), f"failed (`{'a ' * 69}a …`)", id="long"),
    ],
)
def test_an_answer_in_words(given: Answer, words: str) -> None:
    assert said(given) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(True, "yes"), ([], "none"), (["a", "b"], "a, b"), ({"x": [], "y": False}, "x: none, y: no"), (3, "3")],
)
def test_a_value_in_words(value: t.Any, words: str) -> None:
    assert shown(value) == words


def test_a_cell_cannot_break_its_table() -> None:
    assert table(["a|b"], [["c"]]) == ["| a\\|b |", "| --- |", "| c |"]


@pytest.mark.parametrize(
    ("theirs", "ours", "words"),
    [
        pytest.param("changed", "changed", "2.0 (1.0 to 4.0)", id="both"),
        pytest.param("failed", "changed", "—", id="theirs-fails"),
        pytest.param("changed", "ok", "—", id="ours-does-nothing"),
    ],
)
def test_only_what_both_have_done_has_a_ratio(theirs: str, ours: str, words: str) -> None:
    timings = (
        Timing([answer(status, seconds) for seconds in each], "create")
        for status, each in ((theirs, (2, 4, 4)), (ours, (2, 2, 1)))
    )
    assert ratio(Row("Firewall rule", "create", *timings)) == words
