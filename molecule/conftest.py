# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the tests of several scenarios begin with."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cloud import Cloud


@pytest.fixture(scope="session")
def cloud() -> Cloud:
    """The APIs."""
    return Cloud()


@pytest.fixture(scope="session")
def clients() -> Path:
    """Where playbooks leave what reaches a deployment, each in a directory of its name."""
    return Path(os.environ["GCP_EMULATOR_HOME"]) / "client"
