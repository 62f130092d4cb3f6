# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every call meets every fault that it can meet; one clean run afterwards must mend whatever is left.

``python -m chaos.sweep`` does all of it and prints what came of it; a sample of it is a test.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sqlite3
import sys
import tempfile
import time
import typing as t
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Resource
from gcp_emulator import accounts
from gcp_emulator.discovery import Apis
from gcp_emulator.faults import KINDS, Fault
from harness import PROJECT
from modules.cloud import Cloud

from .recording import ROOT, Step
from .scenarios import SITE, Scenario, of_modules, of_site

Json = dict[str, t.Any]
State = dict[tuple[str, str, str], str]
# What the emulator keeps for itself: a repetition may leave more of it, and Google would not tell.
INTERNAL = ("operations", "tokens", "compute.requests")
COLLECTION = "ansible_collections.mlops.mlflow.plugins.modules"


@dataclass(frozen=True)
class Outcome:
    """What came of one fault. ``end`` is one of ``same run``, ``next run``, ``failed``; ``story`` says more."""

    scenario: str
    fault: Fault
    end: str
    story: str

    def __str__(self) -> str:
        return f"{self.scenario}: {self.fault.kind} at call {self.fault.call} of {self.fault.method}: {self.story}"


def kinds_by_name() -> dict[str, type[Resource]]:
    """The resource of each module, by the name of its class."""
    names = sorted(path.stem for path in (ROOT / "plugins/modules").glob("gcp_*.py"))
    modules = [importlib.import_module(f"{COLLECTION}.{name}") for name in names]
    classes = [kind for module in modules for kind in vars(module).values() if isinstance(kind, type)]
    return {kind.__name__: kind for kind in classes if issubclass(kind, Resource)}


class Deployment:
    """A project in which a scenario runs."""

    def __init__(self, directory: Path, apis: Apis, scenario: Scenario) -> None:
        self.cloud, self.steps, self.kinds = Cloud(directory, apis), scenario.steps, kinds_by_name()
        self.database = directory / "state.db"
        if scenario.empty:
            store = self.cloud.emulator.cloud.store
            project = store.get("projects", PROJECT) or {}
            store.put("projects", PROJECT, project | {"services": list(accounts.DEFAULT_SERVICES)})
        for step in scenario.prelude:
            self.take(step)
        self.cloud.emulator.calls.clear()

    def take(self, step: Step) -> None:
        """Run a module.

        :raises GcpError: as the module does.
        """
        self.cloud.run(self.kinds[step.kind], step.options, step.check_mode)

    def run(self) -> GcpError | None:
        """Take the steps, as far as they go; what stopped them, if anything did."""
        try:
            for step in self.steps:
                self.take(step)
        except GcpError as error:
            return error
        return None

    def state(self) -> State:
        """All that is in the project, value by value."""
        with sqlite3.connect(self.database) as database:
            rows = database.execute("SELECT kind, key, value FROM documents").fetchall()
        found: State = {}
        for kind, key, value in rows:
            if kind not in INTERNAL:
                found |= {(kind, key, path): text for path, text in flat(json.loads(value))}
        return found


@contextmanager
def deployed(apis: Apis, scenario: Scenario) -> Iterator[Deployment]:
    """A project whose prelude is over, with a working directory of its own: some modules write files."""
    with tempfile.TemporaryDirectory() as directory, chdir(directory):
        deployment = Deployment(Path(directory) / "cloud", apis, scenario)
        try:
            yield deployment
        finally:
            deployment.cloud.close()


def flat(value: t.Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The values in a document, with where they are."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from flat(item, f"{path}.{key}")
    elif isinstance(value, list) and value:
        for number, item in enumerate(value):
            yield from flat(item, f"{path}[{number}]")
    else:
        yield path, json.dumps(value)


class Reference:
    """What runs without a fault come to: the calls that they make, and where they end."""

    def __init__(self, apis: Apis, scenario: Scenario) -> None:
        self.apis, self.scenario = apis, scenario
        states = []
        for _turn in range(2):
            with deployed(apis, scenario) as deployment:
                if error := deployment.run():
                    raise error
                self.can_meet = deployment.cloud.emulator.faults.can_meet
                self.calls = [call.method for call in deployment.cloud.emulator.calls]
                states.append(deployment.state())
        first, second = states
        keys, others = ({(kind, key) for kind, key, _path in state} for state in states)
        self.named_by_chance = {kind for kind, _key in keys ^ others}
        self.accidental = {where for where in first if first[where] != second.get(where)}  # identifiers and times
        self.state = self.essential(first)

    def essential(self, state: State) -> State:
        """A state without what differs from run to run; what has a name by chance is counted."""
        known = {where: value for where, value in state.items() if where not in self.accidental}
        counts = Counter(kind for kind, _key in {(kind, key) for kind, key, _path in state})
        return {where: value for where, value in known.items() if where[0] not in self.named_by_chance} | {
            (kind, "", "how many"): str(counts[kind]) for kind in self.named_by_chance
        }

    def faults(self) -> list[Fault]:
        """Each call with each fault that it can meet."""
        seen: Counter[str] = Counter()
        found = []
        for method in self.calls:
            seen[method] += 1
            found += [
                Fault(method=method, kind=kind, call=seen[method]) for kind in KINDS if self.can_meet(method, kind)
            ]
        return found

    def meet(self, fault: Fault) -> Outcome:
        """Run with a fault, then without, and compare where that ends."""
        with deployed(self.apis, self.scenario) as deployment:
            faults = deployment.cloud.emulator.faults
            faults.add(fault)
            stopped = deployment.run()
            met = faults.met
            faults.clear()
            error = deployment.run()
            left = self.essential(deployment.state())
        if not met:
            return Outcome(self.scenario.title, fault, "failed", "the fault was never met")
        if error:
            return Outcome(self.scenario.title, fault, "failed", f"the next run ends with: {error}")
        if left != self.state:
            return Outcome(
                self.scenario.title, fault, "failed", f"the state is another one: {difference(self.state, left)}"
            )
        return Outcome(self.scenario.title, fault, "next run" if stopped else "same run", str(stopped or ""))


def difference(wanted: State, left: State) -> str:
    """Where two states differ, a few places of it."""
    places = sorted(where for where in wanted.keys() | left.keys() if wanted.get(where) != left.get(where))
    words = [f"{' '.join(where)}: {wanted.get(where)} became {left.get(where)}" for where in places[:5]]
    return "; ".join(words) + (f"; and {len(places) - 5} more" if len(places) > 5 else "")


_apis: Apis


def _begin() -> None:
    global _apis
    _apis = Apis()


def _meet(scenario: Scenario, part: int, parts: int) -> list[Outcome]:
    """What comes of each n-th fault of a scenario."""
    reference = Reference(_apis, scenario)
    return [reference.meet(fault) for fault in reference.faults()[part::parts]]


def sweep(scenarios: list[Scenario], processes: int) -> Iterator[Outcome]:
    """What comes of each fault of each scenario, in no order; a long scenario is shared among the processes."""
    with ProcessPoolExecutor(processes, initializer=_begin) as pool:
        shares = [
            pool.submit(_meet, scenario, part, parts)
            for scenario in scenarios
            for parts in [len(scenario.steps)]
            for part in range(parts)
        ]
        for share in as_completed(shares):
            yield from share.result()


def summary(outcomes: t.Collection[Outcome]) -> str:
    """What came of all of them, in a line."""
    ends = Counter(outcome.end for outcome in outcomes)
    return (
        f"faults injected: {len(outcomes)}, recovered in the same run: {ends['same run']}, "
        f"recovered by the next run: {ends['next run']}, failed: {ends['failed']}"
    )


def main() -> int:
    """Do all of it; 1 if something failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", default="", help="scenarios whose title begins so: site.yml, or the name of a module")
    options = parser.parse_args()
    begun = time.monotonic()
    scenarios = [scenario for scenario in of_modules() if scenario.title.startswith(options.only)]
    if SITE.startswith(options.only):
        with tempfile.TemporaryDirectory() as directory:
            scenarios.insert(0, of_site(Path(directory)))
    sys.stderr.write(f"{len(scenarios)} scenarios are to meet every fault at every call\n")
    outcomes: list[Outcome] = []
    for outcome in sweep(scenarios, options.processes):
        outcomes.append(outcome)
        if outcome.end == "failed":
            sys.stderr.write(f"{outcome}\n")
        if len(outcomes) % 500 == 0:
            sys.stderr.write(f"{len(outcomes)} faults after {time.monotonic() - begun:.0f} s\n")
    site = [outcome for outcome in outcomes if outcome.scenario == SITE]
    for title, some in ((SITE, site), ("each module", [outcome for outcome in outcomes if outcome.scenario != SITE])):
        sys.stdout.write(f"{title}: {summary(some)}\n")
    return 1 if any(outcome.end == "failed" for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
