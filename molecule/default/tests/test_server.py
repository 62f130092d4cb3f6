# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The VM as site.yml leaves it, and what stands behind it."""

from __future__ import annotations

import os
import socket
import typing as t
from pathlib import Path

import mlflow
import pytest
from google.cloud import storage

Host = t.Any  # testinfra makes the type of a host at run time

CLIENT = Path(os.environ["GCP_EMULATOR_HOME"]) / "client/mlflow"
COUNT_RUNS = """
import os, psycopg2
host, port, database, user, _password = open(os.environ["PGPASSFILE"]).readlines()[-1].split(":", 4)
connection = psycopg2.connect(host=host, port=port, dbname=database, user=user)
cursor = connection.cursor()
cursor.execute("select count(*) from runs where lifecycle_stage = 'active' and status = 'FINISHED'")
print(cursor.fetchone()[0])
"""


def tracking_uri() -> str:
    """What the client's environment file says."""
    (line,) = [line for line in (CLIENT / "mlflow-client.env").read_text().splitlines() if line.startswith("export ")]
    return line.partition("=")[2]


def test_the_service_runs_and_is_enabled(host: Host) -> None:
    assert host.service("mlflow").is_running
    assert host.service("mlflow").is_enabled


def test_the_service_has_a_user_of_its_own_without_a_shell(host: Host) -> None:
    user = host.user(host.check_output("systemctl show --property User --value mlflow"))
    assert user.uid != 0
    assert user.shell == "/usr/sbin/nologin"


@pytest.mark.parametrize("name", ["pgpass", "mlflow.env", "secret.env"])
def test_what_the_service_reads_is_readable_by_root_alone(host: Host, name: str) -> None:
    file = host.file(f"/etc/mlflow/{name}")
    assert (file.user, file.group, file.mode) == ("root", "root", 0o600)


def test_a_killed_server_comes_back(host: Host) -> None:
    before = host.check_output("systemctl show --property MainPID --value mlflow")
    host.check_output("systemctl kill --kill-whom main --signal KILL mlflow")
    host.check_output("timeout 60 sh -c 'until curl -sf localhost:5000/health; do sleep 1; done'")
    assert host.check_output("systemctl show --property MainPID --value mlflow") != before


def test_postgresql_holds_the_run(host: Host) -> None:
    python = host.check_output("systemctl show --property ExecStart --value mlflow | grep -o '/[^ ;]*/bin' | head -1")
    counted = host.run("sudo env PGPASSFILE=/etc/mlflow/pgpass %s/python -c %s", python, COUNT_RUNS)
    assert int(counted.stdout) >= 1, counted.stderr


def test_the_bucket_holds_the_model() -> None:
    client = storage.Client(project=os.environ["GCP_PROJECT"])
    (bucket,) = client.list_buckets()
    names = [blob.name for blob in bucket.list_blobs(prefix="mlruns/")]
    assert [name for name in names if name.endswith("/MLmodel")]


def test_the_vm_may_use_its_bucket_and_nothing_else(host: Host) -> None:
    asked = host.check_output(
        "curl -s -H Metadata-Flavor:Google "
        "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token"
    )
    token = asked.partition('"access_token":')[2].split('"')[1]
    bucket = f"{os.environ['GCP_PROJECT']}-mlflow"
    answers = {
        url: host.check_output(
            "curl -s -o /dev/null -w '%%{http_code}' -x %s -H %s %s",
            os.environ["HTTPS_PROXY"],
            f"Authorization: Bearer {token}",
            url,
        )
        for url in (
            f"https://storage.googleapis.com/storage/v1/b/{bucket}/o",
            f"https://storage.googleapis.com/storage/v1/b?project={os.environ['GCP_PROJECT']}",
            f"https://compute.googleapis.com/compute/v1/projects/{os.environ['GCP_PROJECT']}/global/firewalls",
            f"https://secretmanager.googleapis.com/v1/projects/{os.environ['GCP_PROJECT']}/secrets",
        )
    }
    assert list(answers.values()) == ["200", "403", "403", "403"], answers


@pytest.mark.parametrize(("port", "is_open"), [(22, True), (5000, True), (8123, False)])
def test_a_port_without_a_rule_is_closed(host: Host, port: int, is_open: bool) -> None:
    host.check_output("systemd-run --quiet --collect --unit listener python3 -m http.server 8123 || true")
    address = tracking_uri().split("/")[2].split(":")[0]
    with socket.socket() as client:
        client.settimeout(3)
        assert (client.connect_ex((address, port)) == 0) is is_open


def test_a_client_logs_and_reads_back() -> None:
    mlflow.set_tracking_uri(tracking_uri())
    mlflow.set_experiment("molecule")
    with mlflow.start_run() as run:
        mlflow.log_metric("accuracy", 0.5)
        mlflow.log_text("kept in the bucket", "note.txt")
    assert mlflow.get_run(run.info.run_id).data.metrics == {"accuracy": 0.5}
    assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/note.txt") == "kept in the bucket"
