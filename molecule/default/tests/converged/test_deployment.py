# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The VM as site.yml leaves it, what stands behind it, and what its user gets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cloud import Host
from google.cloud import storage

COUNT_RUNS = """
import os, psycopg2
host, port, database, user, _password = open(os.environ["PGPASSFILE"]).readlines()[-1].split(":", 4)
connection = psycopg2.connect(host=host, port=port, dbname="mlflow", user=user)
cursor = connection.cursor()
cursor.execute("select count(*) from runs where lifecycle_stage = 'active' and status = 'FINISHED'")
print(cursor.fetchone()[0])
"""
LOG = """
import mlflow
mlflow.set_experiment("molecule")
with mlflow.start_run() as run:
    mlflow.log_metric("accuracy", 0.5)
    mlflow.log_text("kept in the bucket", "note.txt")
assert mlflow.get_run(run.info.run_id).data.metrics == {"accuracy": 0.5}
print(mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/note.txt"))
"""


@pytest.mark.parametrize("unit", ["mlflow", "mlflow-api", "nginx"])
def test_the_services_run_and_start_with_the_vm(host: Host, unit: str) -> None:
    assert host.service(unit).is_running
    assert host.service(unit).is_enabled


@pytest.mark.parametrize("unit", ["mlflow", "mlflow-api"])
def test_a_killed_server_comes_back(host: Host, unit: str) -> None:
    before = host.check_output(f"systemctl show --property MainPID --value {unit}")
    host.check_output(f"systemctl kill --kill-whom main --signal KILL {unit}")
    host.check_output(
        f"timeout 60 sh -c 'until curl -sf --unix-socket /run/{unit}.sock localhost/health; do sleep 1; done'"
    )
    assert host.check_output(f"systemctl show --property MainPID --value {unit}") not in (before, "0")


def test_postgresql_holds_the_run(host: Host) -> None:
    python = host.check_output("systemctl show --property ExecStart --value mlflow | grep -o '/[^ ;]*/bin' | head -1")
    counted = host.run("sudo env PGPASSFILE=/etc/mlflow/pgpass %s/python -c %s", python, COUNT_RUNS)
    assert int(counted.stdout) >= 1, counted.stderr


def test_the_bucket_holds_the_model() -> None:
    client = storage.Client(project=os.environ["GCP_PROJECT"])
    names = [blob.name for blob in client.list_blobs(f"{os.environ['GCP_PROJECT']}-mlflow", prefix="mlruns/")]
    assert [name for name in names if name.endswith("/MLmodel")]


def test_the_vm_may_use_its_bucket_and_nothing_else(host: Host) -> None:
    asked = host.check_output(
        "curl -s -H Metadata-Flavor:Google "
        "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token"
    )
    token = asked.partition('"access_token":')[2].split('"')[1]
    project = os.environ["GCP_PROJECT"]
    answers = {
        url: host.check_output(
            "curl -s -o /dev/null -w '%%{http_code}' -x %s -H %s %s",
            os.environ["HTTPS_PROXY"],
            f"Authorization: Bearer {token}",
            url,
        )
        for url in (
            f"https://storage.googleapis.com/storage/v1/b/{project}-mlflow/o",
            f"https://storage.googleapis.com/storage/v1/b?project={project}",
            f"https://compute.googleapis.com/compute/v1/projects/{project}/global/firewalls",
            f"https://secretmanager.googleapis.com/v1/projects/{project}/secrets",
            f"https://secretmanager.googleapis.com/v1/projects/{project}/secrets/mlflow-admin-password/versions/1:access",
        )
    }
    assert list(answers.values()) == ["200", "403", "403", "403", "403"], answers


def test_a_client_logs_and_reads_back_with_the_environment_file(clients: Path) -> None:
    command = [
        "/bin/sh",
        "-c",
        '. "$0" && exec "$@"',
        str(clients / "mlflow/mlflow-client.env"),
        sys.executable,
        "-c",
        LOG,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "kept in the bucket"
