# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The page that a comparison writes. Every word in its tables comes from the run."""

from __future__ import annotations

import datetime
import os
import platform
import re
import statistics
import typing as t
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import jinja2

from .cases import CASES, Case, Outcome
from .sandbox import OPERATION_SECONDS, Json
from .sides import HERE, OURS, THEIRS, Answer, Side, option_names
from .speed import Row, Timing

KEYS = {"service_account_file", "service_account_contents"}
LONGEST = 140  # characters of a message


@dataclass
class Findings:
    """All that a comparison has found out. ``load`` is the machine's load average when it began."""

    package: str
    versions: dict[Side, str]
    load: float
    declared: dict[Side, dict[str, Json]]
    outcomes: dict[str, dict[Side, Outcome]] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    ping: list[float] = field(default_factory=list)

    def right(self, side: Side) -> int:
        """In how many cases a collection was right."""
        return sum(outcomes[side].right for outcomes in self.outcomes.values())


def page(found: Findings) -> str:
    """The whole page."""
    values: Json = {
        "theirs": THEIRS.collection,
        "ours": OURS.collection,
        "versions": {side.word: version for side, version in found.versions.items()},
        "count": len(found.outcomes),
        "right": {side.word: found.right(side) for side in (THEIRS, OURS)},
        "alone": code(found.declared[OURS].keys() - found.declared[THEIRS].keys()),
        "repetitions": len(found.ping),
        "ping": f"{statistics.median(found.ping):.2f}",
    }
    tables = (surroundings, cases, declarations, moving, speed)
    values |= {made.__name__: "\n".join(made(found)) for made in tables}
    environment = jinja2.Environment(  # noqa: S701 (it makes Markdown, not HTML)
        loader=jinja2.FileSystemLoader(HERE), undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    return environment.get_template("page.md.j2").render(values)


def code(names: t.Iterable[str]) -> str:
    """Names as Markdown's code."""
    return ", ".join(f"`{name}`" for name in sorted(names)) or "none"


def table(head: t.Sequence[str], rows: t.Iterable[t.Sequence[str]]) -> list[str]:
    """Markdown's."""
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines]


def surroundings(found: Findings) -> list[str]:
    """Versions and machine."""
    processor = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    packages = ", ".join(f"{name} {metadata.version(name)}" for name in ("ansible-core", "google-auth", "requests"))
    return table(
        ["", ""],
        [
            ["Date", f"{datetime.datetime.now(datetime.UTC):%d %B %Y}"],
            [THEIRS.collection, f"{found.versions[THEIRS]}, unmodified, out of `{found.package}` on PyPI"],
            [OURS.collection, f"{found.versions[OURS]}, this checkout"],
            ["Both on", f"{packages}, Python {platform.python_version()}"],
            [
                "Machine",
                f"{os.cpu_count()} x {processor[1] if processor else platform.machine()}, "
                f"load average {found.load:.1f} at the beginning",
            ],
            [
                "Emulator",
                f"its APIs alone, an operation takes {OPERATION_SECONDS} s (one that makes a VM or a database "
                "instance some times as long), no faults but where a case says so",
            ],
        ],
    )


# -- cases -----------------------------------------------------------------------------------------------------------


def cases(found: Findings) -> list[str]:
    """What each collection answered, and what really was there afterwards."""
    rows = []
    for case in CASES:
        outcomes = found.outcomes[case.name]
        note = f" ({case.note})" if case.note else ""
        rows.append([case.asked + note, *(verdict(case, outcomes[side]) for side in (THEIRS, OURS))])
    return table(["asked", THEIRS.collection, OURS.collection], rows)


def verdict(case: Case, outcome: Outcome) -> str:
    """One cell."""
    word = "right" if outcome.right else "**wrong**"
    answers = ", then ".join(said(answer) for answer in outcome.answers)
    if not outcome.begun:
        return f"{word}: it cannot make the beginning: {answers}"
    return f"{word}: {answers}; {case.told.format(shown(outcome.truth))}"


def said(answer: Answer) -> str:
    """What a task answered."""
    if answer.status == "ok":
        return "ok, nothing changed"
    if answer.status == "changed":
        return "changed"
    word = "crashed" if answer.crashed else answer.status
    return f"{word} ({shortened(answer.message)})"


def shortened(message: str) -> str:
    """The beginning of a message, on one line, as Markdown's code."""
    text = re.sub(r"\s+", " ", message.replace("`", "'")).strip()
    return f"`{text if len(text) <= LONGEST else text[:LONGEST].rsplit(' ', 1)[0] + ' …'}`"


def shown(value: t.Any) -> str:
    """A value in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(shown, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {shown(each)}" for key, each in value.items()) or "none"
    return str(value)


# -- what the modules say of themselves --------------------------------------------------------------------------------


def declarations(found: Findings) -> list[str]:
    """What they give to AnsibleModule, counted."""
    questions: list[tuple[str, t.Callable[[Json], bool]]] = [
        ("modules that write", lambda _rules: True),
        ("that support check mode", lambda rules: bool(rules.get("supports_check_mode"))),
        (
            "that refuse two service account keys at once",
            lambda rules: any(set(group) >= KEYS for group in rules.get("mutually_exclusive") or []),
        ),
    ]
    rows = [
        [words, *(str(sum(map(asks, found.declared[side].values()))) for side in (THEIRS, OURS))]
        for words, asks in questions
    ]
    return table(["", THEIRS.collection, OURS.collection], rows)


def moving(found: Findings) -> list[str]:
    """Which options a task may keep."""
    theirs, ours = found.declared[THEIRS], found.declared[OURS]
    rows = []
    for name in sorted(theirs.keys() & ours.keys()):
        wanted = option_names(theirs[name]["argument_spec"]) - {"env_type"}
        lacking = wanted - option_names(ours[name]["argument_spec"])
        outermost = [option for option in lacking if option.rpartition(".")[0] not in lacking]
        rows.append([f"`{name}`", f"{len(wanted) - len(lacking)} of {len(wanted)}", code(outermost)])
    return table(["module", "taken", "not taken"], rows)


# -- speed -----------------------------------------------------------------------------------------------------------


def speed(found: Findings) -> list[str]:
    """Medians and ratios."""
    rows = []
    for row in found.rows:
        hasty = row.ours.waits and not row.theirs.waits and not row.theirs.surprise
        rows.append(
            [
                f"{row.resource}: {row.operation}",
                timed(row.theirs) + (" ¹" if hasty else ""),
                timed(row.ours),
                ratio(row),
                f"{row.theirs.calls:g}",
                f"{row.ours.calls:g}",
            ]
        )
    names = [side.collection for side in (THEIRS, OURS)]
    return table(["task", *(f"{name}, s" for name in names), "ratio", *(f"calls, {name}" for name in names)], rows)


def ratio(row: Row) -> str:
    """How many times longer theirs took, if both did what they should."""
    if row.theirs.surprise or row.ours.surprise:
        return "—"
    middle = row.theirs.median / row.ours.median
    return f"{middle:.1f} ({min(row.ratios):.1f} to {max(row.ratios):.1f})"


def timed(timing: Timing) -> str:
    """One cell."""
    text = f"{timing.median:.2f} ({min(timing.seconds):.2f} to {max(timing.seconds):.2f})"
    return f"{text}, but **{timing.surprise}**" if timing.surprise else text
