# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``python -m gcp_emulator``: a Google Cloud on this machine, from the command line."""

from __future__ import annotations

import argparse
import ipaddress
import json
import logging
import re
import sys
import textwrap
import typing as t
from datetime import UTC, datetime
from pathlib import Path

from gcp_emulator import daemon, faults
from gcp_emulator.errors import Json
from gcp_emulator.services.compute import quotas
from gcp_emulator.settings import Settings

# What init scripts exit with for "not running".
NOT_RUNNING = 3
ABSENT = argparse.SUPPRESS


# -- values ------------------------------------------------------------------------------------------------------


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


def _quota(text: str) -> tuple[str, float] | None:
    try:
        return None if text == "none" else quotas.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


# -- the command line --------------------------------------------------------------------------------------------


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = _Parser(
        prog="python -m gcp_emulator",
        description="A Google Cloud that runs on this machine.",
        epilog="""
            A sandbox that needs neither Docker nor root, a client in it, and its end:
              python -m gcp_emulator up --apis-only
              eval "$(python -m gcp_emulator env)"
              ansible localhost -m mlops.mlflow.gcp_serviceusage_service -a "name=compute.googleapis.com"
              python -m gcp_emulator down

            docs/emulator.md says more: switches, faults, methods, rules, and what is not emulated.""",
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    shared = _Parser(add_help=False)
    shared.add_argument(
        "--directory",
        type=Path,
        default=daemon.default_directory(),
        help="where the sandbox lives (default: $GCP_EMULATOR_HOME, or ./.sandbox)",
    )
    _add_up(commands, shared)
    down = commands.add_parser(
        "down",
        parents=[shared],
        help="remove the sandbox and all that is in it",
        epilog="A sandbox that is half there, or not at all, is no error.",
    )
    status = commands.add_parser(
        "status",
        parents=[shared],
        help="say whether it runs, and what is in it",
        epilog=f"The exit code is 0 if it runs, and {NOT_RUNNING} if it does not.",
    )
    status.add_argument("--json", action="store_true", help="for programs")
    env = commands.add_parser(
        "env",
        parents=[shared],
        help="print the exports that clients need",
        epilog="""
            For a shell:
              eval "$(python -m gcp_emulator env)"

            Clients then reach the emulator by its proxy under Google's own names, and trust its certificate.
            Python's and Go's libraries, Ansible, gcloud and curl need nothing else.""",
    )
    serve = commands.add_parser(
        "serve",
        parents=[shared],
        help="be the server, in the foreground; up does this for you",
        epilog="The sandbox must have been up once. Its log goes to standard error.",
    )
    for command, run in ((down, _down), (status, _status), (env, _env), (serve, _serve)):
        command.set_defaults(run=run)
    _add_fault(commands, shared)
    _add_requests(commands, shared)
    _add_describe(commands)
    return top


class _Parser(argparse.ArgumentParser):
    """Shows what follows its options as it stands, without the indentation of the source."""

    def __init__(self, epilog: str = "", **options: t.Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(epilog=textwrap.dedent(epilog).strip(), **options)


class _Commands(t.Protocol):
    """What ``add_subparsers`` gives back, whose class is private."""

    def add_parser(self, name: str, **options: t.Any) -> argparse.ArgumentParser:
        """Add a command."""


def _add_up(commands: _Commands, shared: _Parser) -> None:
    up = commands.add_parser(
        "up",
        parents=[shared],
        help="bring the sandbox up, with the state that it had",
        epilog="""
            Options are stored: what is not given stays as it was. A sandbox that runs is started again for new ones.

            With VMs and databases behind the APIs, for which it needs Docker or root:
              python -m gcp_emulator up

            The APIs alone, with operations that take no time:
              python -m gcp_emulator up --apis-only --operation-seconds 0

            As slow as Google to know what is new, and with little room:
              python -m gcp_emulator up --account-propagation-seconds 30 --service-propagation-seconds 60
              python -m gcp_emulator up --quota FIREWALLS=10 --quota europe-west1/CPUS=4
              python -m gcp_emulator up --quota none""",
    )
    up.set_defaults(run=_up)
    up.add_argument(
        "--name",
        type=_name,
        default=ABSENT,
        metavar="NAME",
        help=_default("what its containers and networks are named after", Settings.name),
    )
    up.add_argument(
        "--project", type=_project, default=ABSENT, help=_default("the id of its project", Settings.project)
    )
    up.add_argument(
        "--apis-only",
        action="store_true",
        default=ABSENT,
        help="nothing behind the APIs: no VMs, no databases, no Docker, no root; it listens on 127.0.0.1",
    )
    up.add_argument(
        "--subnet", type=_subnet, default=ABSENT, help=_default("the /24 that plays the Internet", Settings.subnet)
    )
    up.add_argument(
        "--proxy-port",
        type=int,
        default=ABSENT,
        metavar="PORT",
        help=f"where the HTTPS proxy listens (default: {Settings.proxy_port}; with --apis-only a free one)",
    )
    up.add_argument(
        "--metadata-port",
        type=int,
        default=ABSENT,
        metavar="PORT",
        help=_default("where the metadata server listens", Settings.metadata_port),
    )
    up.add_argument(
        "--operation-seconds",
        type=float,
        default=ABSENT,
        metavar="SECONDS",
        help=_default("how long an operation takes at least", Settings.operation_seconds),
    )
    up.add_argument(
        "--account-propagation-seconds",
        type=float,
        default=ABSENT,
        metavar="SECONDS",
        help=_default("how long a new service account is unknown to IAM and Compute", 0),
    )
    up.add_argument(
        "--service-propagation-seconds",
        type=float,
        default=ABSENT,
        metavar="SECONDS",
        help=_default("how long an API that was enabled says that it is not", 0),
    )
    up.add_argument(
        "--quota",
        type=_quota,
        action="append",
        default=ABSENT,
        dest="quotas",
        metavar="[REGION/]METRIC=LIMIT",
        help="a limit of Compute, once for each; together they replace all from before, and none lifts all; "
        f"metrics: {', '.join(quotas.METRICS)}",
    )
    up.add_argument(
        "--engine",
        type=lambda text: Path(text).resolve(),
        default=ABSENT,
        help="where a container engine of our own lives, if none runs here; several sandboxes may share it",
    )


def _default(meaning: str, value: object) -> str:
    """The help of an option of ``up``, which is not given its default because what is stored goes before it."""
    return f"{meaning} (default: {value})"


def _add_fault(commands: _Commands, shared: _Parser) -> None:
    fault = commands.add_parser(
        "fault",
        help="set, list and lift faults: what goes wrong with calls",
        epilog="""
            A fault belongs to an API method, and to one call of it or to all. None is stored: a sandbox that is started
            again has none. The kinds, and examples:
              python -m gcp_emulator fault add --help""",
    )
    actions = fault.add_subparsers(required=True, metavar="ACTION", parser_class=_Parser)
    kinds = "\n".join(f"  {name:17} {kind.summary}{_restriction(kind)}" for name, kind in faults.KINDS.items())
    add = actions.add_parser(
        "add",
        parents=[shared],
        help="set a fault",
        epilog="Kinds:\n"
        + kinds
        + textwrap.dedent("""

            The first call is refused, the second is done and its answer lost:
              python -m gcp_emulator fault add compute.firewalls.insert --kind 503 --call 1
              python -m gcp_emulator fault add compute.firewalls.insert --kind reset-after --call 2

            Every answer comes after two minutes:
              python -m gcp_emulator fault add sql.instances.get --kind slow --seconds 120"""),
    )
    add.add_argument("method", help="id of an API method, as the log of requests has it")
    add.add_argument("--kind", required=True, choices=list(faults.KINDS), metavar="KIND", help="see below")
    add.add_argument(
        "--call", type=int, default=ABSENT, help="number of the call that meets it, from now on (default: every call)"
    )
    add.add_argument("--seconds", type=float, default=ABSENT, help=f"of slow (default: {faults.SLOW_SECONDS:.0f})")
    add.add_argument("--retry-after", type=int, default=ABSENT, help="of an HTTP error: seconds of its Retry-After")
    add.set_defaults(run=_fault_add)
    listing = actions.add_parser(
        "list",
        parents=[shared],
        help="show the faults that are set",
        epilog="One line each: number, kind, call and method, and how many of the calls that came met it.",
    )
    listing.add_argument("--json", action="store_true", help="for programs")
    listing.set_defaults(run=_fault_list)
    clear = actions.add_parser(
        "clear",
        parents=[shared],
        help="lift faults",
        epilog="Operations that a fault held go on then, and end as they would have ended.",
    )
    clear.add_argument("number", type=int, nargs="?", help="of the one to lift (default: all)")
    clear.set_defaults(run=_fault_clear)


def _restriction(kind: faults.Kind) -> str:
    return f" ({kind.only})" if kind.only else ""


def _add_requests(commands: _Commands, shared: _Parser) -> None:
    requests = commands.add_parser(
        "requests",
        parents=[shared],
        help="show the calls that came: number, time, status, method and path",
        epilog="""
            No bodies, queries or credentials are in the log. It is not stored.

            What a run of a playbook calls:
              python -m gcp_emulator requests --clear
              ansible-playbook site.yml
              python -m gcp_emulator requests""",
    )
    requests.add_argument("--json", action="store_true", help="for programs")
    requests.add_argument("--clear", action="store_true", help="forget them, and show nothing")
    requests.set_defaults(run=_requests)


def _add_describe(commands: _Commands) -> None:
    describe = commands.add_parser(
        "describe",
        help="say in Markdown which methods and rules the emulator has, and what is missing",
        epilog="""
            It needs no sandbox. The page of the documentation is brought up to date by
              python -m gcp_emulator describe --update docs/emulator.md""",
    )
    describe.add_argument("--update", type=Path, metavar="FILE", help="write it between the marks in a file instead")
    describe.set_defaults(run=_describe)


# -- the commands ------------------------------------------------------------------------------------------------


def _up(directory: Path, **changes: t.Any) -> None:
    if "quotas" in changes:
        changes["quotas"] = dict(filter(None, changes["quotas"]))
    daemon.up(directory, changes)


def _down(directory: Path) -> None:
    daemon.down(directory)


def _env(directory: Path) -> None:
    sys.stdout.write(daemon.exports(directory))


def _serve(directory: Path) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    daemon.serve(directory)


def _status(directory: Path, json: bool) -> int:
    found = daemon.status(directory)
    sys.stdout.write(_json(found) if json else daemon.describe(found))
    return 0 if found["running"] else NOT_RUNNING


def _fault_add(directory: Path, **fault: t.Any) -> None:
    sys.stdout.write(_fault(daemon.ask(directory, "POST", "/faults", fault)))


def _fault_list(directory: Path, json: bool) -> None:
    found = daemon.ask(directory, "GET", "/faults")
    sys.stdout.write(_json(found) if json else "".join(map(_fault, found["faults"])))


def _fault_clear(directory: Path, number: int | None) -> None:
    daemon.ask(directory, "DELETE", f"/faults/{number}" if number else "/faults")


def _requests(directory: Path, json: bool, clear: bool) -> None:
    found = daemon.ask(directory, "DELETE" if clear else "GET", "/requests")
    if not clear:
        sys.stdout.write(_json(found) if json else "".join(map(_request, found["requests"])))


def _describe(update: Path | None) -> None:
    from gcp_emulator import describe  # reads Google's documents, which takes a second

    if update:
        update.write_text(describe.update(update.read_text()))
    else:
        sys.stdout.write(describe.markdown())


def _json(value: Json) -> str:
    return json.dumps(value, indent=2) + "\n"


def _fault(armed: Json) -> str:
    call = f"call {armed['call']}" if armed["call"] else "every call"
    met = f"met by {armed['met']} of {armed['calls']} calls"
    return f"{armed['number']}: {armed['kind']} for {call} of {armed['method']}: {met}\n"


def _request(record: Json) -> str:
    when = datetime.fromtimestamp(record["time"], UTC).strftime("%H:%M:%S.%f")[:-3]
    return f"{record['number']:5} {when} {record['status'] or '---'} {record['method'] or '-'} {record['path']}\n"


def main() -> int:
    """Run one command; the process's exit code."""
    values = vars(parser().parse_args())
    try:
        return values.pop("run")(**values) or 0
    except daemon.SandboxError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
