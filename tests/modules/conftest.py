# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A cloud for each test."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from gcp_emulator.discovery import Apis

from .cloud import Cloud


@pytest.fixture(scope="session")
def apis() -> Apis:
    """Google's documents, read once."""
    return Apis()


@pytest.fixture
def cloud(tmp_path: Path, apis: Apis, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Cloud]:
    """An emulated Google Cloud with one project, whose services are enabled; files of modules are in a folder of it."""
    monkeypatch.chdir(tmp_path)
    made = Cloud(tmp_path / "cloud", apis)
    yield made
    made.close()
    assert made.objections() == []
