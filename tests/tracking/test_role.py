# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The role's users and experiments, on a server of their own: a list is the whole list."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

import pytest

from .server import ADMIN, ADMIN_PASSWORD, Json, Server

ROOT = Path(__file__).parents[2]
CANARY, OTHER_CANARY = "canary-one-in-no-output", "canary-two-in-no-output"
FIRST: Json = {
    "mlflow_service_experiments": [{"name": "churn", "tags": {"team": "marketing"}}, {"name": "old"}],
    "mlflow_service_users": [
        {"name": "reader", "password": CANARY},
        {"name": "writer", "password": CANARY, "permissions": [{"experiment": "churn", "permission": "EDIT"}]},
        {"name": "boss", "password": CANARY, "admin": True},
    ],
}
SECOND: Json = {
    "mlflow_service_experiments": [{"name": "churn"}, {"name": "old", "state": "absent"}],
    "mlflow_service_users": [
        {"name": "writer", "password": OTHER_CANARY},
        {"name": "boss", "password": CANARY},
    ],
}
PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.import_role: {name: mlops.mlflow.mlflow_service, tasks_from: preflight_users}
    - ansible.builtin.import_role: {name: mlops.mlflow.mlflow_service, tasks_from: users}
    - ansible.builtin.debug:
        msg: "restart because of: {{ __mlflow_service_lost_access | join(', ') }}."
"""
REFUSALS = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.include_tasks: one.yml
      loop: "{{ range(cases | length) | list }}"
      loop_control: {loop_var: number}
      vars:
        case: "{{ cases[number] }}"
"""
ONE_REFUSAL = """
- block:
    - ansible.builtin.include_role:
        name: mlops.mlflow.mlflow_service
        tasks_from: preflight_users
      vars:
        mlflow_service_auth: "{{ case.mlflow_service_auth | default(true) }}"
        mlflow_service_artifacts_only: "{{ case.mlflow_service_artifacts_only | default(false) }}"
        mlflow_service_users: "{{ case.mlflow_service_users | default(none) }}"
        mlflow_service_experiments: "{{ case.mlflow_service_experiments | default(none) }}"
    - ansible.builtin.debug: {msg: "told: nothing"}
  rescue:
    - ansible.builtin.debug:
        msg: "told: {{ (ansible_failed_result.results | default([ansible_failed_result]) | selectattr('msg', 'defined')
                        | map(attribute='msg') | select('ne', 'All items completed') | join(' ')) }}"
"""


class Ran(t.NamedTuple):
    """What a play told."""

    output: str
    changed: list[str]  # "task: item", for what it changed


def play(text: str, folder: Path, *flags: str, **variables: t.Any) -> Ran:
    """Run a playbook on this machine, with more output than anybody asks for."""
    (folder / "play.yml").write_text(text)
    (folder / "variables.json").write_text(json.dumps({"ansible_python_interpreter": sys.executable, **variables}))
    where = ["-i", "localhost,", "-c", "local", "-e", "@variables.json"]
    ran = subprocess.run(
        ["ansible-playbook", "-vvv", "--diff", *where, *flags, "play.yml"],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")},
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/tree"),
            "ANSIBLE_HOME": str(folder / "ansible"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    output = ran.stdout + ran.stderr
    assert ran.returncode == 0, output
    changed, task = [], ""
    for line in output.splitlines():
        if begun := re.match(r"TASK \[(?:.*: )?(.*)\]", line):
            task = begun[1]
        elif found := re.match(r"changed: \[localhost\](?: => \(item=(.*?)\))?", line):
            changed.append(f"{task}: {found[1]}")
    return Ran(output, changed)


@pytest.fixture(scope="module")
def own_server() -> t.Iterator[Server]:
    """One whose users no other test makes."""
    running = Server(Path(tempfile.mkdtemp(prefix="mlflow-", dir="/tmp")))
    group = running.start()
    yield running
    running.stop(group)


def test_the_list_is_the_whole_list(own_server: Server, tmp_path: Path) -> None:
    variables = {
        "__mlflow_service_socket": str(own_server.socket),
        "__mlflow_service_server_units": [],  # a restart needs systemd: Molecule has it
        "mlflow_service_admin_username": ADMIN,
        "mlflow_service_admin_password": ADMIN_PASSWORD,
    }
    own_server.ask("POST", "/api/2.0/mlflow/users/create", {"username": "by hand", "password": "made by hand"})

    done = play(PLAY, tmp_path, **variables, **FIRST)
    assert "restart because of: by hand." in done.output
    assert done.changed == [
        "users | Remove who is not in mlflow_service_users: by hand",
        "users | Have the experiments: churn",
        "users | Have the experiments: old",
        "users | Have the users: reader",
        "users | Have the users: writer",
        "users | Have the users: boss",
    ]
    assert {one["username"]: one["is_admin"] for one in users(own_server)} == {
        ADMIN: True,
        "reader": False,
        "writer": False,
        "boss": True,
    }
    assert {name: may(own_server, name) for name in ("reader", "writer")} == {
        "reader": (200, 403),
        "writer": (200, 200),
    }

    own = {"name": "the writer's own"}
    assert own_server.ask("POST", "/api/2.0/mlflow/experiments/create", own, login=("writer", CANARY))[0] == 200

    foretold = play(PLAY, tmp_path, "--check", **variables, **SECOND)
    assert {one["username"] for one in users(own_server)} == {ADMIN, "reader", "writer", "boss"}
    assert '-    "name": "reader"' in foretold.output, "the diff shows who would be removed"
    done = play(PLAY, tmp_path, **variables, **SECOND)
    assert foretold.changed == done.changed
    assert "restart because of: reader, writer, boss." in foretold.output
    assert "restart because of: reader, writer, boss." in done.output
    assert done.changed == [
        "users | Remove who is not in mlflow_service_users: reader",
        "users | Have the experiments: old",
        "users | Have the users: writer",
        "users | Have the users: boss",
    ]
    assert [one["username"] for one in users(own_server) if one["is_admin"]] == [ADMIN]
    assert own_server.ask("GET", "/api/2.0/mlflow/users/current", login=("reader", CANARY))[0] == 401
    path = "/api/3.0/mlflow/users/permissions/list?username=writer"
    left = own_server.ask("GET", path)[1]["permissions"]
    assert [one["permission"] for one in left] == ["MANAGE"], "on what the writer has created, and no longer on churn"
    again = play(PLAY, tmp_path, **variables, **SECOND)
    assert again.changed == []
    assert "restart because of: ." in again.output

    said = "".join(ran.output for ran in (foretold, done, again))
    assert [secret for secret in (CANARY, OTHER_CANARY, ADMIN_PASSWORD) if secret in said] == []


def users(server: Server) -> list[Json]:
    """Everybody."""
    found: list[Json] = server.ask("GET", "/api/2.0/mlflow/users/list")[1]["users"]
    return found


def may(server: Server, name: str) -> tuple[int, int]:
    """What comes of reading from the experiment, and of writing to it."""
    path = "/api/2.0/mlflow/experiments/get-by-name?experiment_name=churn"
    status, found = server.ask("GET", path, login=(name, CANARY))
    number = found["experiment"]["experiment_id"]
    run = server.ask("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": number}, login=(name, CANARY))
    return status, run[0]


def test_what_cannot_be_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    jane = {"name": "jane", "password": CANARY}
    cases = [
        ({"mlflow_service_auth": False, "mlflow_service_users": []}, "the server knows no users"),
        ({"mlflow_service_auth": False}, "nothing"),
        (
            {"mlflow_service_artifacts_only": True, "mlflow_service_experiments": [{"name": "a"}]},
            "the server has no experiments",
        ),
        ({"mlflow_service_users": [jane, jane]}, "mlflow_service_users names jane more than once."),
        (
            {"mlflow_service_experiments": [{"name": "a"}, {"name": "a"}]},
            "mlflow_service_experiments names a more than once.",
        ),
        ({"mlflow_service_users": [{"name": "admin", "password": CANARY}]}, "who is the administrator"),
        ({"mlflow_service_users": [jane, {"name": "joe", "password": "short"}]}, "MLflow refuses, for joe."),
        (
            {"mlflow_service_users": [jane | {"permissions": [{"experiment": "a", "permission": "WRITE"}]}]},
            "READ, USE, EDIT",
        ),
        ({"mlflow_service_users": [jane | {"permissions": [{"experiment": "a"}]}]}, "READ, USE, EDIT"),
        ({"mlflow_service_users": [jane | {"permissions": [{"experiment": "a", "permission": "READ"}]}]}, "nothing"),
        ({"mlflow_service_users": [jane]}, "nothing"),
        ({}, "nothing"),
    ]
    (tmp_path / "one.yml").write_text(ONE_REFUSAL)
    ran = play(REFUSALS, tmp_path, cases=[case for case, _ in cases])
    told = re.findall(r'"msg": "told: (.*)"', ran.output)
    assert len(told) == len(cases)
    assert [(words, said) for (_, words), said in zip(cases, told, strict=True) if words not in said] == []
    assert CANARY not in ran.output
