# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is left of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from cloud import PROJECT, Cloud


# The deployment is called mlflow, its instance after the scenario.
@pytest.mark.parametrize("beginning", ["mlflow", "google-managed-services-mlflow", "molecule-default-"])
def test_the_project_holds_nothing_of_it(cloud: Cloud, beginning: str) -> None:
    assert cloud.names(beginning, but=f"{PROJECT}-") == {}


def test_its_bucket_is_gone(cloud: Cloud) -> None:
    assert f"{PROJECT}-mlflow" not in cloud.names(PROJECT).get("buckets", [])


def test_the_key_pair_alone_is_left_on_this_machine(clients: Path) -> None:
    assert sorted(file.name for file in (clients / "mlflow").iterdir()) == ["id_ed25519", "id_ed25519.pub"]
