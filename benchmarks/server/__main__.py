# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``make bench-server``: deploy, measure in turns, write the page. The sandbox is the one that this shell speaks to."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from pathlib import Path

from .calls import CALLS
from .client import Contestant, Sample, Task, Team, prepare
from .deployment import CHECKOUT, Deployment
from .figures import Cell
from .quiet import settle
from .report import FEW, MANY, Findings, page


def measure(contestants: list[Contestant], found: Findings) -> None:
    """All calls, with few clients and with many, again and again."""
    name = f"benchmark-{secrets.token_hex(4)}"
    grounds = {contestant.name: prepare(contestant, name, MANY) for contestant in contestants}
    samples: dict[tuple[str, int, str], list[Sample]] = {}
    team = Team(grounds, MANY)
    for number in range(found.rounds):
        found.loads.append(os.getloadavg()[0])
        print(f"Round {number + 1} of {found.rounds}, load average {found.loads[-1]:.1f}", flush=True)
        turn = number % len(contestants)
        for call in CALLS:
            for clients in (FEW, MANY):
                for contestant in contestants[turn:] + contestants[:turn]:
                    settle()
                    task = Task(contestant, call.name, found.requests, found.seconds)
                    samples.setdefault((call.name, clients, contestant.name), []).append(team.measure(task, clients))
    team.close()
    found.loads.append(os.getloadavg()[0])
    found.cells = {key: Cell(value) for key, value in samples.items()}


def main() -> int:
    """Run all of it; the process's exit code."""
    parser = argparse.ArgumentParser(prog="make bench-server", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="how often each call is measured")
    parser.add_argument("--seconds", type=float, default=1.0, help="how long each time, at most")
    parser.add_argument("--requests", type=int, default=400, help="how many requests of a client each time, at most")
    parser.add_argument("--report", type=Path, default=CHECKOUT / "docs/benchmark.md", help="the page that is written")
    options = parser.parse_args()
    deployment = Deployment()
    deployment.make()
    contestants = deployment.contestants()
    found = Findings(options.rounds, options.seconds, options.requests)
    measure(contestants, found)
    found.inspections = {contestant.name: deployment.inspect(contestant.name) for contestant in contestants}
    options.report.write_text(page(found))
    print(f"Written to {options.report}")
    for goal in found.goals():
        print(f"{'Met' if goal.met else 'Not met'}: {goal.words}: x {goal.reached:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
