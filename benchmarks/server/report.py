# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The page that the comparison writes. Every figure in it comes from the run."""

from __future__ import annotations

import datetime
import os
import platform
import re
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

import jinja2

from .calls import ARTIFACT_BYTES, CALLS, SEARCHED_RUNS
from .deployment import MACHINE_TYPE, OURS, TIER, TUTORIALS, Inspection
from .figures import Advantage, Cell, advantage

HERE = Path(__file__).parent
FEW, MANY = 1, 8  # clients
OPEN = TUTORIALS[0].name
CALL = "log-metric"
SLOWER = 0.95  # below this it is not the machine's noise


@dataclass(frozen=True)
class Goal:
    """What ours has to reach against the tutorial's command."""

    words: str
    least: float
    reached: float

    @property
    def met(self) -> bool:
        """Whether it has."""
        return self.reached >= self.least


@dataclass
class Findings:
    """All that was measured; ``cells`` by call, number of clients and contestant."""

    rounds: int
    seconds: float
    requests: int
    loads: list[float] = field(default_factory=list)
    inspections: dict[str, Inspection] = field(default_factory=dict)
    cells: dict[tuple[str, int, str], Cell] = field(default_factory=dict)

    def against(self, other: str, call: str, clients: int) -> Advantage:
        """How much better ours is."""
        return advantage(self.cells[call, clients, OURS], self.cells[call, clients, other])

    def goals(self) -> list[Goal]:
        """All of them."""
        few, many = (self.against(OPEN, CALL, clients) for clients in (FEW, MANY))
        return [
            Goal(f"{CALL}, one client: p50 at most a tenth", 10, few.p50),
            Goal(f"{CALL}, {MANY} clients: throughput at least 2.5 times", 2.5, many.throughput),
            Goal(f"{CALL}, one client: p99 at most half", 2, few.p99),
            Goal(f"{CALL}, {MANY} clients: p99 at most half", 2, many.p99),
            *self._nothing_slower(),
        ]

    def _nothing_slower(self) -> t.Iterator[Goal]:
        for clients in (FEW, MANY):
            found = {call.name: self.against(OPEN, call.name, clients).throughput for call in CALLS}
            slowest = min(found, key=lambda name: found[name])
            words = "one client" if clients == FEW else f"{clients} clients"
            yield Goal(f"nothing slower, {words} (the least advantage is {slowest}'s)", SLOWER, found[slowest])


def page(found: Findings) -> str:
    """The whole page."""
    environment = jinja2.Environment(  # noqa: S701 (it makes Markdown, not HTML)
        loader=jinja2.FileSystemLoader(HERE),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
    )
    goals = found.goals()
    return environment.get_template("page.md.j2").render(
        found=found,
        many=MANY,
        searched=SEARCHED_RUNS,
        artifact=ARTIFACT_BYTES // 1000,
        slower=SLOWER,
        met=sum(goal.met for goal in goals),
        goals=table(["goal", "at least", "reached", ""], map(_goal, goals)),
        count=len(goals),
        surroundings=table(["", ""], _surroundings(found)),
        contestants=table(["", "processes", "memory, MB", "versions"], _contestants(found)),
        commands={name: inspection.command for name, inspection in found.inspections.items()},
        few_table=table(*_measured(found, FEW)),
        many_table=table(*_measured(found, MANY)),
    )


def table(head: t.Sequence[str], rows: t.Iterable[t.Sequence[str]]) -> str:
    """Markdown's."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _goal(goal: Goal) -> list[str]:
    return [goal.words, f"x {goal.least:g}", f"x {goal.reached:.2f}", "met" if goal.met else "**not met**"]


def _surroundings(found: Findings) -> t.Iterator[list[str]]:
    processor = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    yield ["Date", f"{datetime.datetime.now(tz=datetime.UTC):%-d %B %Y}"]
    machine = f"{os.cpu_count()} x {processor[1] if processor else platform.machine()}"
    yield ["Machine", f"{machine}, for the VM, the database and the clients together"]
    yield ["Load average", f"{found.loads[0]:.1f} at the beginning, {found.loads[-1]:.1f} at the end"]
    yield ["VM", f"{MACHINE_TYPE} of the sandbox"]
    yield ["Database", f"{TIER} of the sandbox, PostgreSQL, a database for each"]


def _contestants(found: Findings) -> t.Iterator[list[str]]:
    for name, inspection in found.inspections.items():
        versions = ", ".join(f"{package} {version}" for package, version in inspection.versions.items())
        yield [name, str(inspection.processes), f"{inspection.memory:.0f}", versions]


def _measured(found: Findings, clients: int) -> tuple[list[str], list[list[str]]]:
    others = [tutorial.name for tutorial in TUTORIALS]
    names = [*others, OURS]
    rows = []
    for call in CALLS:
        cells = [found.cells[call.name, clients, name] for name in names]
        row = [call.name]
        row += [f"{cell.p50 * 1000:.1f} / {cell.p99 * 1000:.1f} / {cell.throughput:.0f}" for cell in cells]
        for other in others:
            better = found.against(other, call.name, clients)
            row.append(f"{better.p50:.1f} / {better.p99:.1f} / {better.throughput:.2f}")
        rows.append(row)
    return ["call", *names, *(f"ours against {other}" for other in others)], rows
