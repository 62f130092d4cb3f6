# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long the comparison waits for a machine that is busy with something else."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest

from benchmarks.server import quiet

# Ticks as /proc/stat has them: user, nice, system, idle, iowait.
BEGIN, BUSY, IDLE = "cpu 100 0 0 100 0\n", "cpu 138 0 0 102 0\n", "cpu 139 0 0 141 0\n"


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were waited, on a clock of its own."""
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    monkeypatch.setattr(time, "monotonic", lambda: sum(waited))
    return waited


@pytest.mark.parametrize(
    ("contents", "expected"),
    [
        pytest.param([BEGIN, "cpu 101 0 0 139 0\n"], 1, id="idle at once"),
        pytest.param([BEGIN, BUSY, IDLE], 2, id="busy, then idle"),
    ],
)
def test_it_waits_until_the_machine_is_idle(
    looks: list[float], contents: list[str], expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = iter(contents)
    monkeypatch.setattr(Path, "read_text", lambda _self: next(told))
    quiet.settle(tmp_path)
    assert len(looks) == expected


def test_it_does_not_wait_for_ever(looks: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count(100, 40)
    monkeypatch.setattr(Path, "read_text", lambda _self: f"cpu {next(ticks)} 0 0 0 0\n")
    quiet.settle(tmp_path)
    assert sum(looks) == pytest.approx(quiet.PATIENCE_SECONDS, abs=quiet.LOOK_SECONDS)
