# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is made of many measurements."""

from __future__ import annotations

import pytest

from benchmarks.server.client import Sample
from benchmarks.server.figures import Cell, advantage, percentile


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        pytest.param([7], 50, 7, id="of one value, that"),
        pytest.param([7], 99, 7, id="of one value, that, whatever the share"),
        pytest.param([4, 1, 3, 2], 50, 2, id="half of an even number"),
        pytest.param([5, 4, 1, 3, 2], 50, 3, id="half of an odd number"),
        pytest.param(list(range(1, 101)), 99, 99, id="all but the slowest of a hundred"),
        pytest.param(list(range(1, 100)), 99, 99, id="the slowest, where one of them is more than a hundredth"),
        pytest.param(list(range(1, 201)), 99, 198, id="all but the two slowest of two hundred"),
        pytest.param([3, 1, 2], 0, 1, id="the least"),
        pytest.param([3, 1, 2], 100, 3, id="the most"),
    ],
)
def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed(
    values: list[float], percent: float, expected: float
) -> None:
    assert percentile(values, percent) == expected


def test_there_is_no_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="of nothing"):
        percentile([], 50)


def cell(*rounds: tuple[list[float], float]) -> Cell:
    return Cell([Sample(latencies, seconds) for latencies, seconds in rounds])


def test_one_slow_round_changes_neither_the_middle_nor_the_throughput() -> None:
    measured = cell(([1, 1, 1], 3), ([1, 1, 1], 3), ([9, 9, 9], 27))
    assert (measured.p50, measured.throughput) == (1, 1)


def test_the_slowest_requests_are_looked_for_in_all_rounds() -> None:
    assert cell(([1.0] * 60, 60), ([1.0] * 30 + [8.0] * 30, 270)).p99 == 8
    assert cell(([1.0] * 150, 150), ([1.0] * 149 + [8.0], 157)).p99 == 1


def test_contestants_are_compared_within_a_round() -> None:
    # The machine was ten times slower in the second round, and in the third ours had bad luck.
    ours = cell(([1, 1], 2), ([10, 10], 20), ([8, 8], 16))
    theirs = cell(([4, 4], 8), ([40, 40], 80), ([4, 4], 8))
    found = advantage(ours, theirs)
    assert (found.p50, found.throughput) == (4, 4)


def test_what_is_slower_has_an_advantage_below_one() -> None:
    found = advantage(cell(([2, 2], 4)), cell(([1, 1], 2)))
    assert (found.p50, found.p99, found.throughput) == (0.5, 0.5, 0.5)


def test_contestants_that_were_not_measured_alike_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="zip"):
        advantage(cell(([1], 1)), cell(([1], 1), ([1], 1)))
