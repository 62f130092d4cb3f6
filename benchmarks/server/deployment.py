# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The servers that are compared, on one VM of the sandbox that this shell speaks to."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import tempfile
import typing as t
from dataclasses import dataclass
from pathlib import Path

from .client import Contestant

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[1]
MLFLOW = "3.17.2"
USER = "benchmark"
# The machine of the tutorial, and a database that all the servers together can have their connections of.
MACHINE_TYPE, TIER = "e2-standard-2", "db-custom-2-7680"
OURS = "ours"
PACKAGES = [
    *(f"{name}=={MLFLOW}" for name in ("mlflow", "mlflow-skinny", "mlflow-tracing")),
    "psycopg2-binary",
    "google-cloud-storage",
]


@dataclass(frozen=True)
class Tutorial:
    """One way to type the tutorial's command. What is installed for it is installed by pip, as the tutorial does."""

    name: str
    port: int
    authenticates: bool
    packages: list[str]


TUTORIALS = [
    Tutorial("tutorial", 5000, False, PACKAGES),
    Tutorial("basic-auth", 5001, True, [f"mlflow[auth]=={MLFLOW}", *PACKAGES]),
]
UNITS = {tutorial.name: [tutorial.name] for tutorial in TUTORIALS} | {OURS: ["mlflow", "mlflow-api", "nginx"]}


@dataclass(frozen=True)
class Inspection:
    """What a contestant is made of, and what it takes. ``memory`` is in MB."""

    versions: dict[str, str]
    command: str
    processes: int
    memory: float


class Deployment:
    """Where the servers run."""

    def __init__(self) -> None:
        self._directory = Path(os.environ["GCP_EMULATOR_HOME"]) / "client/mlflow"
        # The sandbox ends with the comparison, and the password with it.
        self._password = secrets.token_hex(16)

    def make(self, *flags: str) -> None:
        """Have all servers running."""
        variables: dict[str, t.Any] = {
            "gcp_infra_machine_type": MACHINE_TYPE,
            "cloudsql_tier": TIER,
            "mlflow_smoke": False,
            "mlflow_service_version": MLFLOW,
            "mlflow_users": [{"name": USER, "password": self._password}],
            "benchmark_user": USER,
            "benchmark_password": self._password,
            "benchmark_tutorials": [vars(tutorial) for tutorial in TUTORIALS],
        }
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(variables, file)
            file.flush()
            command = [
                "ansible-playbook",
                "--inventory",
                str(CHECKOUT / "inventories/sandbox"),
                str(HERE / "deploy.yml"),
            ]
            subprocess.run([*command, f"--extra-vars=@{file.name}", *flags], check=True, cwd=CHECKOUT)

    def contestants(self) -> list[Contestant]:
        """The servers, as a plain user calls them who owns the experiments that he writes to."""
        return [
            *(
                Contestant(
                    tutorial.name,
                    f"http://{self._address}:{tutorial.port}",
                    # By its address it would refuse everybody: it knows itself by this name only.
                    host=f"localhost:{tutorial.port}",
                    **(self._login if tutorial.authenticates else {}),
                )
                for tutorial in TUTORIALS
            ),
            Contestant(OURS, f"https://{self._address}", ca=str(self._directory / "ca.pem"), **self._login),
        ]

    def inspect(self, name: str) -> Inspection:
        """Look at a contestant's processes."""
        done = subprocess.run(
            ["ssh", "-F", str(self._directory / "ssh_config"), "mlflow", "sudo", "python3", "-", *UNITS[name]],
            check=True,
            capture_output=True,
            text=True,
            input=(HERE / "inspection.py").read_text(),
        )
        return Inspection(**json.loads(done.stdout))

    @property
    def _login(self) -> dict[str, str]:
        return {"username": USER, "password": self._password}

    @property
    def _address(self) -> str:
        """The VM's, as the playbook wrote it down for SSH."""
        lines = (self._directory / "ssh_config").read_text().split("\n")
        with contextlib.suppress(StopIteration):
            return next(line.split()[1] for line in lines if line.split()[:1] == ["HostName"])
        raise LookupError(f"{self._directory / 'ssh_config'} names no HostName")
