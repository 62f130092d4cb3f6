# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A real ansible-playbook with -vvv and --diff over the modules that have secrets, against the APIs of a sandbox."""

from __future__ import annotations

import base64
import json
import os
import shlex
import socket
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

Json = dict[str, t.Any]

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
CANARY = "canary-Zq7"
GIVEN = "{{ lookup('env', 'CANARY') }}"  # Ansible shows the lines of a playbook around an error
TEMPORARY = ("TMPDIR", "ANSIBLE_LOCAL_TEMP", "ANSIBLE_REMOTE_TEMP")
SERVICES = ("iam", "secretmanager", "sqladmin")
SQL = {
    "name": "one",
    "region": "europe-west1",
    "database_version": "POSTGRES_16",
    "settings": {"tier": "db-custom-1-3840", "edition": "ENTERPRISE"},
}


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[dict[str, str]]:
    """What a program needs to work in a sandbox of APIs alone."""
    directory = tmp_path_factory.mktemp("sandbox")
    given = {**os.environ, "PYTHONPATH": str(ROOT / "emulator")}

    def emulator(*arguments: str) -> str:
        command = [sys.executable, "-m", "gcp_emulator", *arguments, "--directory", str(directory)]
        return subprocess.run(command, env=given, capture_output=True, text=True, check=True).stdout

    emulator("up", "--apis-only", "--proxy-port", str(free_port()))
    exports = [word for line in emulator("env").splitlines() for word in shlex.split(line.removeprefix("export "))]
    made = dict(word.partition("=")[::2] for word in exports)
    home = {"ANSIBLE_HOME": str(directory / "ansible"), "ANSIBLE_LOCALHOST_WARNING": "false"}
    yield {
        **{name: value for name, value in given.items() if not name.startswith(("ANSIBLE_", "GCP_", "PYTHON"))},
        **made,
        **home,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/tree"),
        "SANDBOX": str(directory),
    }
    emulator("down")


def play(folder: Path) -> list[Json]:
    """Each module with a secret: made, changed, refused by the module and refused by Google."""
    tasks: list[Json] = [
        {"mlops.mlflow.gcp_serviceusage_service": {"names": [f"{name}.googleapis.com" for name in SERVICES]}},
        {"mlops.mlflow.gcp_iam_service_account": {"name": "robot-one"}},
        {
            "mlops.mlflow.gcp_iam_service_account_key": {
                "service_account": "robot-one",
                "path": str(folder / "key.json"),
            }
        },
        {"mlops.mlflow.gcp_secret_manager": {"name": "one", "value": f"{GIVEN}-1"}},
        {"mlops.mlflow.gcp_secret_manager": {"name": "one", "value": f"{GIVEN}-2", "labels": {"a": "1"}}},
        {"mlops.mlflow.gcp_secret_manager": {"name": "one", "value": f"{GIVEN}-3", "replication": "junk"}},
        {"mlops.mlflow.gcp_sql_instance": {**SQL, "root_password": f"{GIVEN}-4"}},
        {"mlops.mlflow.gcp_sql_user": {"instance": "one", "name": "jane", "password": f"{GIVEN}-5"}},
        {"mlops.mlflow.gcp_sql_user": {"instance": "nope", "name": "jane", "password": f"{GIVEN}-6"}},
        {
            "mlops.mlflow.gcp_secret_manager": {
                "name": "two",
                "value": f"{GIVEN}-7",
                "auth_kind": "accesstoken",
                "access_token": f"{GIVEN}-8",
            }
        },
    ]
    project = {"project": "{{ lookup('env', 'GCP_PROJECT') }}"}
    return [
        {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
            "module_defaults": {"group/mlops.mlflow.gcp": project},
            "tasks": [task | {"ignore_errors": True} for task in tasks],
        }
    ]


def test_a_playbook_tells_no_secret(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "play.yml").write_text(yaml.safe_dump(play(tmp_path)))
    (tmp_path / "tmp").mkdir()
    ran = subprocess.run(
        [BIN / "ansible-playbook", "--inventory", "localhost,", "-vvv", "--diff", tmp_path / "play.yml"],
        env={**environment, **{name: str(tmp_path / "tmp") for name in TEMPORARY}, "CANARY": CANARY},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "changed=7" in ran.stdout, ran.stdout[-3000:] + ran.stderr
    assert "ignored=3" in ran.stdout, ran.stdout[-3000:]
    assert (tmp_path / "key.json").stat().st_mode & 0o777 == 0o600

    key = json.loads((tmp_path / "key.json").read_text())["private_key"].splitlines()[1:-1]
    encoded = [base64.b64encode(f"{CANARY}-{number}".encode()).decode() for number in range(1, 9)]
    secrets = [CANARY, *key, *encoded, "Bearer ", "ya29."]  # as Google's tokens begin, and the sandbox's
    log = "".join(path.read_text(errors="replace") for path in Path(environment["SANDBOX"]).glob("*.log"))
    files = [path for path in (tmp_path / "tmp").rglob("*") if path.is_file()]
    left = "".join(path.read_text(errors="replace") for path in files)
    places = {"output": ran.stdout + ran.stderr, "the sandbox's log": log, "temporary files": left}
    assert [(where, secret) for where, words in places.items() for secret in secrets if secret in words] == []
