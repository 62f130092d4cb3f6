# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is tried on each option of each module: a table a module, in a file of the module's name."""

from __future__ import annotations

import copy
import importlib
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import merge, nest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Resource

Json = dict[str, t.Any]
NOTHING: t.Any = object()


@dataclass(frozen=True)
class Task:
    """A task that must have run before: what the resource stands on."""

    kind: type[Resource]
    options: Json


@dataclass(frozen=True)
class Values:
    """An option that an update can change.

    :param one: what the resource is created with.
    :param other: what it is changed to.
    :param empty: what empties it, if anything does.
    :param along: further options of the task, where Google takes the value only together with them.
    """

    one: t.Any
    other: t.Any
    empty: t.Any = NOTHING
    along: Json = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """A module's table.

    :param kind: what the module manages.
    :param base: the smallest task that creates it.
    :param needs: the tasks that must have run before, in this order.
    :param values: the options that an update can change, dotted through dicts.
    :param fixed: the options that it cannot, with a value to create with and another that is refused.
    :param untabled: the options that have no row, and why.
    :param reads: how many requests a run that changes nothing sends; all of them are GET.
    """

    kind: type[Resource]
    base: Json
    needs: tuple[Task, ...] = ()
    values: dict[str, Values] = field(default_factory=dict)
    fixed: dict[str, tuple[t.Any, t.Any]] = field(default_factory=dict)
    untabled: dict[str, str] = field(default_factory=dict)
    reads: int = 1

    def task(self, option: str = "", value: t.Any = None, along: Json | None = None) -> Json:
        """The options of the smallest task, with one more."""
        options = merge(copy.deepcopy(self.base), copy.deepcopy(along or {}))
        return given(merge(options, nest({option: copy.deepcopy(value)})) if option else options)


def given(options: Json) -> Json:
    """The options that a task has; what is None it omits, and a group that has nothing else with it."""
    known = {name: given(value) if isinstance(value, dict) else value for name, value in options.items()}
    return {name: value for name, value in known.items() if value is not None and (value != {} or options[name] == {})}


# What the modules that grant a role to a member have in common.
GRANT = dict.fromkeys(
    ("role", "member", "condition.title", "condition.expression", "condition.description"),
    "it is what is granted: another value is another grant: test_grants.py",
)


def all_cases() -> dict[str, Case]:
    """The table of each module that has one, by the module's name."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("gcp_*.py"))
    return {name: importlib.import_module(f"{__name__}.{name}").CASE for name in names}
