# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which modules site.yml runs, with which options: its roles run once, and each module writes down what it got."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import typing as t
from dataclasses import dataclass
from pathlib import Path

from gcp_emulator import daemon
from harness import PROJECT

ROOT = Path(__file__).parents[2]
REGION = "europe-west1"
# Put below module_utils/gcp/module.py in a copy of the collection: it sees the options before a resource changes them.
RECORDER = """

def _recording(from_params, reconcile):
    import json
    import os

    given = []

    def begin(params):
        given.append({**params})
        return from_params(params)

    def end(resource, check_mode=False):
        line = {"kind": type(resource).__name__, "options": given[-1], "check_mode": check_mode}
        with open(os.environ["MODULE_RECORDING"], "a") as file:
            file.write(json.dumps(line) + "\\n")
        return reconcile(resource, check_mode)

    return begin, end


Session.from_params, reconcile = _recording(Session.from_params, reconcile)
"""
CREDENTIALS = {"auth_kind", "service_account_file", "service_account_contents", "service_account_email"}
CREDENTIALS |= {"access_token", "scopes", "impersonate_service_account"}


@dataclass(frozen=True)
class Step:
    """One module as site.yml runs it; ``kind`` is the name of its resource's class."""

    kind: str
    options: dict[str, t.Any]
    check_mode: bool


def record(directory: Path) -> list[Step]:
    """Run the roles against an emulator that has nothing behind it, and tell what they asked the modules for.

    :param directory: an empty one, where all of it lives meanwhile.
    :raises subprocess.CalledProcessError: if the roles do not end well.
    """
    sandbox, recording = directory / "sandbox", directory / "recording.jsonl"
    daemon.up(sandbox, {"apis_only": True, "project": PROJECT, "operation_seconds": 0.0})
    try:
        subprocess.run(
            [
                *(sys.executable, "-m", "ansible", "playbook", str(ROOT / "tests/chaos/sequence.yml")),
                *(
                    "--inventory",
                    "localhost,",
                    "--connection",
                    "local",
                    "--extra-vars",
                    json.dumps(variables(directory)),
                ),
            ],
            env=os.environ
            | daemon.environment(sandbox)
            | {
                "ANSIBLE_COLLECTIONS_PATH": str(recording_collection(directory / "collections")),
                "ANSIBLE_HOME": str(directory / "ansible"),
                "MODULE_RECORDING": str(recording),
            },
            check=True,
            stdout=sys.stderr,
        )
    finally:
        daemon.down(sandbox)
    lines = [json.loads(line) for line in recording.read_text().splitlines()]
    return [Step(line["kind"], wanted(line["options"]), line["check_mode"]) for line in lines]


def variables(directory: Path) -> dict[str, t.Any]:
    """What an inventory would say."""
    return {
        "ansible_python_interpreter": sys.executable,
        "gcp_project": PROJECT,
        "gcp_region": REGION,
        "gcp_infra_allowed_cidrs": ["198.51.100.7/32"],
        "mlflow_client_directory": str(directory / "client"),
        "cloudsql_deletion_protection": False,
        "gcp_infra_users": ["ada"],
    }


def recording_collection(path: Path) -> Path:
    """A copy of the collection whose modules write down what they are given."""
    copy = path / "ansible_collections/mlops/mlflow"
    for part in ("plugins", "roles", "meta"):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "galaxy.yml", copy)
    with (copy / "plugins/module_utils/gcp/module.py").open("a") as file:
        file.write(RECORDER)
    return path


def wanted(options: dict[str, t.Any]) -> dict[str, t.Any]:
    """The options that say what is wanted, without those that were left out and those that say who asks."""
    return {name: given(value) for name, value in options.items() if name not in CREDENTIALS and value is not None}


def given(value: t.Any) -> t.Any:
    """A value without the suboptions that were left out."""
    if isinstance(value, dict):
        return {name: given(item) for name, item in value.items() if item is not None}
    return [given(item) for item in value] if isinstance(value, list) else value
