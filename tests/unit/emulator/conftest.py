# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An emulator for each test."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from gcp_emulator.cloud import Cloud
from gcp_emulator.discovery import Apis
from gcp_emulator.faults import Faults
from harness import Emulator, assemble


@pytest.fixture(scope="session")
def apis() -> Apis:
    """Google's documents, read once."""
    return Apis()


@pytest.fixture
def emulator(tmp_path: Path, apis: Apis) -> t.Iterator[Emulator]:
    """Everything, with a project whose services are enabled, and state in a temporary directory."""
    made = assemble(tmp_path, apis)
    yield made
    made.close()


@pytest.fixture
def cloud(emulator: Emulator) -> Cloud:
    """What the services of that emulator share."""
    return emulator.cloud


@pytest.fixture
def faults(emulator: Emulator) -> Faults:
    """What goes wrong in that emulator."""
    return emulator.faults
