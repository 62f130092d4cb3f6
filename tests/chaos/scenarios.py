# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What meets the faults: the whole of site.yml, and each module alone, creating, changing each option, and deleting."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from pathlib import Path

from modules.cases import Case, Json, all_cases

from .recording import Step, record

SITE = "site.yml"
# What an operator says who wants a run that was broken off to be mended: nobody can tell a machine that was stopped on
# purpose from one that a run left so, nor a key whose answer was lost from somebody else's.
SAID: dict[str, Json] = {
    "gcp_compute_instance": {"status": "RUNNING"},
    "gcp_iam_service_account_key": {"exclusive": True},
}


@dataclass(frozen=True)
class Scenario:
    """Steps that meet faults, and those before them that do not.

    :param empty: whether the project begins as Google gives it, with next to no API enabled.
    """

    title: str
    steps: tuple[Step, ...]
    prelude: tuple[Step, ...] = ()
    empty: bool = False


def of_site(directory: Path) -> Scenario:
    """The modules that site.yml runs, in an empty project."""
    return Scenario(SITE, tuple(record(directory)), empty=True)


def of_modules() -> t.Iterator[Scenario]:
    """Each module: creation, deletion, and a change of each option that has a row in its table."""
    for name, case in all_cases().items():
        needs = tuple(Step(task.kind.__name__, task.options, False) for task in case.needs)
        said = SAID.get(name, {})
        base = step(case, said | case.task())
        yield Scenario(f"{name}: create", (base,), needs)
        yield Scenario(f"{name}: delete", (step(case, case.task() | {"state": "absent"}),), (*needs, base))
        for option, values in case.values.items():
            one, other = (step(case, said | case.task(option, v, values.along)) for v in (values.one, values.other))
            yield Scenario(f"{name}: change {option}", (other,), (*needs, one))


def step(case: Case, options: Json) -> Step:
    """One run of a case's module."""
    return Step(case.kind.__name__, options, False)
