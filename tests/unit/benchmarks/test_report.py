# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The page says what was measured, and whether the goals are met."""

from __future__ import annotations

import itertools

import pytest

from benchmarks.server.calls import CALLS
from benchmarks.server.client import Sample
from benchmarks.server.deployment import OURS, TUTORIALS, Inspection
from benchmarks.server.figures import Cell
from benchmarks.server.report import CALL, FEW, MANY, OPEN, Findings, page

NAMES = [*(tutorial.name for tutorial in TUTORIALS), OURS]


def found(**seconds: float) -> Findings:
    """Every request of a contestant takes as long as is said here, and 100 ms where nothing is said."""
    cells = {
        (call.name, clients, name): Cell([Sample([each := seconds.get(name.replace("-", "_"), 0.1)] * 10, 10 * each)])
        for call, clients, name in itertools.product(CALLS, (FEW, MANY), NAMES)
    }
    inspections = {name: Inspection({"mlflow": "3.17.2"}, f"run {name}", 4, 512.4) for name in NAMES}
    return Findings(3, 0.5, 100, [1.0, 2.0], inspections, cells)


@pytest.mark.parametrize(
    ("ours", "met"),
    [
        pytest.param(0.005, [True] * 6, id="far faster"),
        pytest.param(0.02, [False, True, True, True, True, True], id="not a tenth of one client's time"),
        pytest.param(0.045, [False, False, True, True, True, True], id="not 2.5 times the throughput"),
        pytest.param(0.1, [False] * 4 + [True] * 2, id="as fast"),
        pytest.param(0.102, [False] * 4 + [True] * 2, id="slower by no more than noise"),
        pytest.param(0.2, [False] * 6, id="slower"),
    ],
)
def test_goals_are_met_or_not(ours: float, met: list[bool]) -> None:
    assert [goal.met for goal in found(ours=ours).goals()] == met


def test_one_slow_call_is_named() -> None:
    findings = found(ours=0.005)
    findings.cells["search", MANY, OURS] = Cell([Sample([0.3] * 10, 3)])
    goal = findings.goals()[-1]
    assert not goal.met
    assert "search's" in goal.words


def test_the_page_has_every_call_and_both_ratios() -> None:
    findings = found(ours=0.005, basic_auth=1.0)
    lines = page(findings).splitlines()
    for call in CALLS:
        rows = [line for line in lines if line.startswith(f"| {call.name} |")]
        measured = "100.0 / 100.0 / 10 | 1000.0 / 1000.0 / 1 | 5.0 / 5.0 / 200"
        ratios = "20.0 / 20.0 / 20.00 | 200.0 / 200.0 / 200.00"
        assert rows == [f"| {call.name} | {measured} | {ratios} |"] * 2


def test_the_page_says_in_words_what_was_not_reached() -> None:
    text = page(found(ours=0.02))
    assert "5 of 6 goals" in text
    assert f"| {CALL}, one client: p50 at most a tenth | x 10 | x 5.00 | **not met** |" in text


def test_the_page_says_how_each_was_started_and_what_it_took() -> None:
    text = page(found())
    for name in NAMES:
        assert f"- {name}: `run {name}`" in text
        assert f"| {name} | 4 | 512 | mlflow 3.17.2 |" in text


def test_what_is_open_is_the_tutorial_as_it_is_typed() -> None:
    assert [tutorial.name for tutorial in TUTORIALS if not tutorial.authenticates] == [OPEN]
