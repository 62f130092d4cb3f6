# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the client's environment file says."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest


@pytest.fixture
def tracking_uri(clients: Path) -> str:
    """Where the server is."""
    lines = (clients / "mlflow/mlflow-client.env").read_text().splitlines()
    (word,) = [word for line in lines for word in shlex.split(line) if word.startswith("MLFLOW_TRACKING_URI=")]
    return word.partition("=")[2]
