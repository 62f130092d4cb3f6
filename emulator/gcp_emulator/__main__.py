# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``python -m gcp_emulator up|down|status|env``: a Google Cloud on this machine."""

from __future__ import annotations

import argparse
import ipaddress
import json
import logging
import re
import sys
from pathlib import Path

from gcp_emulator import daemon

# What init scripts exit with for "not running".
NOT_RUNNING = 3


def _subnet(text: str) -> str:
    network = ipaddress.IPv4Network(text)
    if network.prefixlen != 24:
        raise argparse.ArgumentTypeError(f"{text} is not a /24, such as 198.18.77.0/24")
    return str(network)


def _project(text: str) -> str:
    if not re.fullmatch(r"[a-z][-a-z0-9]{4,28}[a-z0-9]", text):
        raise argparse.ArgumentTypeError(
            f"{text} is no project id: 6 to 30 small letters, digits and hyphens, a letter first"
        )
    return text


def _name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9][-a-z0-9]{0,29}", text):
        raise argparse.ArgumentTypeError(f"{text} is no name: up to 30 small letters, digits and hyphens")
    return text


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="gcp_emulator", description="A Google Cloud that runs on this machine.")
    commands = top.add_subparsers(dest="command", required=True)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--directory",
        type=Path,
        default=daemon.default_directory(),
        help="where the sandbox lives (default: $GCP_EMULATOR_HOME, or ./.sandbox)",
    )
    up = commands.add_parser("up", parents=[shared], help="bring the sandbox up, with the state that it had")
    absent = argparse.SUPPRESS
    up.add_argument("--name", type=_name, default=absent, help="what its containers and networks are named after")
    up.add_argument("--project", type=_project, default=absent, help="the id of its project")
    up.add_argument("--subnet", type=_subnet, default=absent, help="the /24 that plays the Internet")
    up.add_argument("--proxy-port", type=int, default=absent, help="where the HTTPS proxy listens")
    up.add_argument("--metadata-port", type=int, default=absent, help="where the metadata server listens")
    up.add_argument("--operation-seconds", type=float, default=absent, help="how long an operation takes at least")
    up.add_argument(
        "--engine",
        type=lambda text: Path(text).resolve(),
        default=absent,
        help="where a container engine of our own lives, if none runs here; several sandboxes may share it",
    )
    commands.add_parser("down", parents=[shared], help="remove the sandbox and all that is in it")
    status = commands.add_parser("status", parents=[shared], help="say whether it runs, and what is in it")
    status.add_argument("--json", action="store_true", help="for programs")
    commands.add_parser("env", parents=[shared], help="print the exports that clients need")
    commands.add_parser("serve", parents=[shared], help="be the server, in the foreground; up does this for you")
    return top


def main() -> int:
    """Run one command; the process's exit code."""
    values = vars(parser().parse_args())
    command, directory = values.pop("command"), values.pop("directory")
    try:
        if command == "up":
            daemon.up(directory, values)
        elif command == "down":
            daemon.down(directory)
        elif command == "env":
            sys.stdout.write(daemon.exports(directory))
        elif command == "serve":
            logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
            logging.getLogger("uvicorn").setLevel(logging.WARNING)
            daemon.serve(directory)
        else:
            found = daemon.status(directory)
            sys.stdout.write(json.dumps(found, indent=2) + "\n" if values["json"] else daemon.describe(found))
            return 0 if found["running"] else NOT_RUNNING
    except daemon.SandboxError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
