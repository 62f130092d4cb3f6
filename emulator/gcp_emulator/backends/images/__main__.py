# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Build images ahead of time, such as debian-12, postgres-17 and net, and print their tags."""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gcp_emulator.backends.engine import Engine, EngineError
from gcp_emulator.backends.images import RECIPES, Images
from gcp_emulator.settings import Settings


def main() -> int:
    """Build what is named; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m gcp_emulator.backends.images", description=__doc__)
    parser.add_argument("names", nargs="+", choices=RECIPES, metavar="NAME", help=", ".join(RECIPES))
    parser.add_argument(
        "--directory",
        type=Path,
        default=Path(os.environ.get("GCP_EMULATOR_HOME", ".sandbox")),
        help="the sandbox whose engine builds them (default: $GCP_EMULATOR_HOME or ./.sandbox)",
    )
    arguments = parser.parse_args()
    directory = arguments.directory.resolve()
    stored = (directory / "settings.json").exists()
    engine = Engine(
        Settings.load(directory) if stored else Settings(directory, docker_host=os.environ.get("DOCKER_HOST", ""))
    )
    try:
        engine.client()
        with ThreadPoolExecutor() as pool:
            for built in pool.map(Images(engine).ensure, arguments.names):
                print(built)
    except EngineError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
