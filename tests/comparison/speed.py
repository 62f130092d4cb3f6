# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long tasks take, one collection after the other, again and again, in one playbook."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

import yaml

from .cases import REGION, ZONE
from .sandbox import Json
from .sides import HERE, OURS, THEIRS, Answer, Player, Side, tasks_for

EXPECTED = {"create": "changed", "no change": "ok", "update": "changed"}
PING = {"name": "Ansible itself", "ansible.builtin.ping": {}}


@dataclass(frozen=True)
class Timing:
    """One task, in the hands of one collection, as often as it was measured."""

    answers: list[Answer]
    operation: str

    @property
    def seconds(self) -> list[float]:
        """How long each took."""
        return [answer.seconds for answer in self.answers]

    @property
    def median(self) -> float:
        """The seconds in the middle."""
        return statistics.median(self.seconds)

    @property
    def calls(self) -> float:
        """The calls of the API in the middle."""
        return statistics.median(answer.traffic.calls for answer in self.answers)

    @property
    def surprise(self) -> str:
        """What a task answered that should have answered something else."""
        return next((a.status for a in self.answers if a.status != EXPECTED[self.operation]), "")

    @property
    def waits(self) -> bool:
        """Whether it looked at an operation, as one does that wants to know its end."""
        return any("/operations/" in request.path for answer in self.answers for request in answer.traffic.requests)


@dataclass(frozen=True)
class Row:
    """A task, and both timings."""

    resource: str
    operation: str
    theirs: Timing
    ours: Timing

    @property
    def ratios(self) -> list[float]:
        """How many times longer theirs took, pair by pair."""
        pairs = zip(self.theirs.seconds, self.ours.seconds, strict=True)
        return [theirs / ours for theirs, ours in pairs]


def measure(player: Player, repetitions: int) -> tuple[list[Row], list[float]]:
    """All tasks, and the seconds of a task that does nothing."""
    text = (HERE / "tasks/speed.yml").read_text()
    by_side: dict[Side, list[Json]] = {side: yaml.safe_load(tasks_for(side, text)) for side in (THEIRS, OURS)}
    names = [task["name"] for task in by_side[OURS]]
    play: list[Json] = []
    for repetition in range(repetitions):
        play.append(PING)
        sides = (THEIRS, OURS) if repetition % 2 == 0 else (OURS, THEIRS)
        for number, name in enumerate(names):
            for side in sides:
                subject = f"speed-{repetition}-{side.word}"
                play.append(by_side[side][number] | {"name": f"{side.word} | {name}", "vars": {"subject": subject}})
    variables = {"project": player.sandbox.project, "region": REGION, "zone": ZONE}
    answers = player.play("speed", play, variables).answers
    if len(answers) != len(play):
        raise RuntimeError(f"{len(answers)} of {len(play)} tasks were run: see {player.directory}")
    found: dict[str, list[Answer]] = {}
    for answer in answers:
        found.setdefault(answer.task, []).append(answer)
    rows = []
    for name in names:
        resource, operation = name.split(" | ")
        theirs, ours = (Timing(found[f"{side.word} | {name}"], operation) for side in (THEIRS, OURS))
        rows.append(Row(resource, operation, theirs, ours))
    return rows, [answer.seconds for answer in found[str(PING["name"])]]
