# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What somebody has who works with a deployment: the files that site.yml wrote, SSH, and the server's API."""

from __future__ import annotations

import contextlib
import json
import shlex
import socket
import subprocess
import sys
import time
import typing as t
from urllib.parse import urlsplit

import requests
from sandbox import Run, Sandbox

LIST_RUNS = """
import mlflow
client = mlflow.MlflowClient()
experiments = [experiment.experiment_id for experiment in client.search_experiments()]
print(*sorted(run.info.run_id for run in client.search_runs(experiments)))
"""


class Client:
    """A deployment as its users see it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.directory = sandbox.directory / "client/mlflow"

    @property
    def environment(self) -> dict[str, str]:
        """What the client's environment file sets, as a shell understands it."""
        script = f". {shlex.quote(str(self.directory / 'mlflow-client.env'))} && env -0"
        shell = ["env", "-i", "/bin/sh", "-c", script]
        printed = subprocess.run(shell, check=True, capture_output=True, text=True).stdout
        pairs = dict(line.split("=", 1) for line in printed.split("\0") if line)
        return {name: value for name, value in pairs.items() if name.startswith("MLFLOW_")}

    @property
    def url(self) -> str:
        """Where the server is."""
        return self.environment["MLFLOW_TRACKING_URI"]

    @property
    def address(self) -> str:
        """The VM's address."""
        return t.cast(str, urlsplit(self.url).hostname)

    @property
    def ca_file(self) -> str:
        """What a client trusts."""
        return str(self.directory / "ca.pem")

    @property
    def administrator(self) -> tuple[str, str]:
        """Name and password."""
        environment = self.environment
        return environment["MLFLOW_TRACKING_USERNAME"], environment["MLFLOW_TRACKING_PASSWORD"]

    def ask(self, method: str, path: str, who: tuple[str, str] | None = None, **more: t.Any) -> requests.Response:
        """Ask the server, without the sandbox's proxy; nobody is logged in unless it is said who."""
        with requests.Session() as session:
            session.trust_env = False
            return session.request(
                method, self.url + path, auth=who, verify=self.ca_file, timeout=60, allow_redirects=False, **more
            )

    def api(self, path: str, body: t.Any, who: tuple[str, str]) -> requests.Response:
        """Call a method of MLflow's API."""
        return self.ask("POST", f"/api/2.0/mlflow/{path}", who, json=body)

    def user(self, name: str) -> requests.Response:
        """What the administrator is told of a user."""
        return self.ask("GET", "/api/2.0/mlflow/users/get", self.administrator, params={"username": name})

    def python(self, script: str, *arguments: str, **environment: str) -> Run:
        """Run Python with MLflow, in the shell that a user of the sandbox has who has read the environment file."""
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments],
            env=self.sandbox.environment | self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Run(done.returncode, done.stdout)

    def run_ids(self) -> set[str]:
        """Every run that the server knows."""
        run = self.python(LIST_RUNS)
        assert run.status == 0, run.output
        return set(run.output.split())

    @property
    def ssh_command(self) -> list[str]:
        """How a user of the deployment logs in, by the file that the playbook wrote."""
        options = ["-o", "BatchMode=yes", "-o", "ClearAllForwardings=yes"]
        return ["ssh", "-F", str(self.directory / "ssh_config"), *options, "mlflow"]

    def ssh(self, script: str, given: str | None = None) -> str:
        """What a script on the VM prints."""
        command = [*self.ssh_command, script]
        return subprocess.run(command, check=True, capture_output=True, text=True, input=given).stdout

    def until_ssh_answers(self) -> None:
        """Wait for a VM that boots."""
        for _attempt in range(120):
            with contextlib.suppress(OSError), socket.create_connection((self.address, 22), timeout=1) as connection:
                if connection.recv(4) == b"SSH-":
                    return
            time.sleep(0.5)
        raise AssertionError("the VM did not come back")

    def secrets(self) -> dict[str, str]:
        """Every secret of the project, by its name."""
        run = self.sandbox.python("-c", READ_SECRETS)
        assert run.status == 0, run.output
        return t.cast("dict[str, str]", json.loads(run.output))


READ_SECRETS = """
import base64, json
import google.auth
from google.auth.transport.requests import AuthorizedSession
credentials, project = google.auth.default(["https://www.googleapis.com/auth/cloud-platform"])
session, api, values = AuthorizedSession(credentials), "https://secretmanager.googleapis.com/v1/", {}
for secret in session.get(f"{api}projects/{project}/secrets").json()["secrets"]:
    answer = session.get(f"{api}{secret['name']}/versions/latest:access").json()
    values[secret["name"].rpartition("/")[2]] = base64.b64decode(answer["payload"]["data"]).decode()
print(json.dumps(values))
"""
