# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``make compare``: both collections do the same, and the page says what came of it. Ours must be right throughout."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from . import speed
from .cases import CASES, Outcome, perform
from .report import Findings, page, verdict
from .sandbox import Sandbox
from .sides import CHECKOUT, OURS, THEIRS, TREE, Player, Side, declared, fetch, version_of

CACHE = CHECKOUT / ".cache/comparison"


def main() -> int:
    """Run all of it; the process's exit code."""
    parser = argparse.ArgumentParser(prog="make compare", description=__doc__)
    parser.add_argument("--ansible", required=True, help="version of PyPI's package that carries google.cloud")
    parser.add_argument("--repetitions", type=int, default=5, help="how often each task is timed")
    parser.add_argument("--report", type=Path, default=CHECKOUT / "docs/comparison.md", help="the page that is written")
    parser.add_argument("cases", nargs="*", help="run these cases alone; nothing is timed, and no page written")
    options = parser.parse_args()
    if unknown := set(options.cases) - {case.name for case in CASES}:
        parser.error(f"There is no case {', '.join(sorted(unknown))}: there are {', '.join(c.name for c in CASES)}.")
    chosen = [case for case in CASES if case.name in options.cases or not options.cases]
    load = os.getloadavg()[0]
    paths = {THEIRS: fetch(options.ansible, CACHE), OURS: TREE}
    versions = {side: version_of(side, path) for side, path in paths.items()}
    rules = {side: declared(side, path) for side, path in paths.items()}
    found = Findings(f"ansible=={options.ansible}", versions, load, rules)
    with Sandbox(CACHE / "sandbox").running() as sandbox:
        player = Player(sandbox, paths[THEIRS], CACHE / "plays")
        for case in chosen:
            outcomes: dict[Side, Outcome] = {}
            for side in (THEIRS, OURS):
                outcomes[side] = perform(case, side, sandbox, player)
                print(f"{case.name}, {side.collection}: {verdict(case, outcomes[side])}", flush=True)
            found.outcomes[case.name] = outcomes
        if not options.cases:
            print(f"Timing {options.repetitions} times", flush=True)
            found.rows, found.ping = speed.measure(player, options.repetitions)
            options.report.write_text(page(found))
            print(f"Written to {options.report}")
    wrong = [name for name, outcomes in found.outcomes.items() if not outcomes[OURS].right]
    surprising = [f"{row.resource}: {row.operation}" for row in found.rows if row.ours.surprise]
    for side in (THEIRS, OURS):
        print(f"{side.collection} is right in {found.right(side)} of {len(chosen)} cases")
    if wrong or surprising:
        print(f"{OURS.collection} is wrong in: {', '.join(wrong + surprising)}", file=sys.stderr)
    return bool(wrong or surprising)


if __name__ == "__main__":
    sys.exit(main())
