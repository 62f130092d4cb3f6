# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two runs at once on the same resource end in the state of one of them, with no error but a clear conflict."""

from __future__ import annotations

import copy
import re
import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import merge, nest

from .cases import NOTHING, Case, Json, all_cases
from .cloud import Cloud
from .test_fields import is_question, prepare

# What there is before, and what the two runs ask for: nothing, one or the other value of an option, another option.
RACES = {
    "create and create": ("absent", "one", "other"),
    "create and the same": ("absent", "one", "one"),
    "update and update": ("one", "other", "another"),
    "update and delete": ("one", "other", "absent"),
    "delete and update": ("one", "absent", "other"),
    "delete and delete": ("one", "absent", "absent"),
}
BEFORE, AFTER = "before the write is received", "before its answer comes back"


def task(case: Case, which: str) -> Json:
    """The base of a case, with a value of its first option that can change, and of its last; or absent."""
    options = copy.deepcopy(case.base)
    if which == "absent":
        return {**options, "state": "absent"}
    free = [row for row in case.values.items() if not row[1].along]
    rows = [row for row in free if row[1].empty is not NOTHING] or free[::-1]  # what can be emptied can go both ways
    chosen = {"one": rows[:1], "other": rows[:1], "another": rows[-1:]}[which]
    for option, values in chosen:
        options = merge(options, nest({option: copy.deepcopy(values.one if which == "one" else values.other)}))
    return options


class Meanwhile:
    """Runs something when the first write is under way: before Google receives it, or before its answer comes back."""

    def __init__(self, cloud: Cloud, before: bool, run: t.Callable[[], None]) -> None:
        self._request, self._before, self._run, self._ran = cloud.request, before, run, False
        cloud.request = self.request  # type: ignore[method-assign, assignment]  # the network of the test
        self._cloud = cloud

    def request(self, method: str, url: str, **more: t.Any) -> t.Any:
        """Send it, and have the other run come in between, once."""
        writes = method != "GET" and not is_question(url) and not self._ran
        if writes and self._before:
            self._other()
        answer = self._request(method, url, **more)
        if writes and not self._before:
            self._other()
        return answer

    def _other(self) -> None:
        self._ran = True
        self._run()


# Of somebody else; of what the other run made and cannot be changed, or has left; of a name that it has used up.
CLEAR = re.compile(r"omebody else|cannot be changed from|is in the way|blocked for a week")


def outcome(cloud: Cloud, case: Case, options: Json) -> str:
    """What a run says: nothing, or a conflict; anything else is an error of the test."""
    try:
        cloud.run(case.kind, options)
    except GcpError as error:
        if not CLEAR.search(str(error)):
            raise
        return str(error)
    return ""


def races() -> t.Iterator[t.Any]:
    """Each race of each case that can be run: what never changes cannot be changed by two."""
    for name, case in all_cases().items():
        for race in RACES:
            if "update" not in race or case.values:
                yield pytest.param(case, race, BEFORE, id=f"{name}: {race}")
        yield pytest.param(case, "create and create", AFTER, id=f"{name}: create and create, late")


@pytest.mark.parametrize(("case", "race", "moment"), list(races()))
def test_two_runs_at_once_end_in_the_state_of_one(cloud: Cloud, case: Case, race: str, moment: str) -> None:
    prepare(cloud, case)
    there, first, second = RACES[race]
    if there != "absent":
        cloud.run(case.kind, task(case, there))
    said: list[str] = []
    Meanwhile(cloud, moment == BEFORE, lambda: said.append(outcome(cloud, case, task(case, second))))
    said.append(outcome(cloud, case, task(case, first)))

    assert len(said) == 2, "both ran"
    assert not all(said), "one of them gets its way"
    done = [not cloud.run(case.kind, task(case, which), check_mode=True)["changed"] for which in (first, second)]
    assert any(done), "the end is what one of them asked for"
