# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What site.yml has changed with other values."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests
from cloud import Cloud, Host


def test_the_server_has_as_many_workers_as_the_variable_says(host: Host) -> None:
    main = host.check_output("systemctl show --property MainPID --value mlflow")
    assert len(host.check_output(f"pgrep --parent {main}").splitlines()) == 1


@pytest.mark.parametrize(("path", "status"), [("experiments/search", 200), ("experiments/set-experiment-tag", 403)])
def test_a_user_reads_with_the_password_that_was_made(
    cloud: Cloud, tracking_uri: str, clients: Path, path: str, status: int
) -> None:
    answer = requests.post(
        f"{tracking_uri}/api/2.0/mlflow/{path}",
        json={"max_results": 1, "experiment_id": "0", "key": "read", "value": "by the reader"},
        auth=("reader", cloud.secret("mlflow-user-reader")),
        verify=str(clients / "mlflow/ca.pem"),
        timeout=30,
    )
    assert answer.status_code == status, answer.text
