# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An emulator for each test."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from gcp_emulator import accounts, policies
from gcp_emulator.backends.objects import DiskObjects
from gcp_emulator.cloud import Cloud
from gcp_emulator.discovery import Apis
from gcp_emulator.front import Front
from gcp_emulator.operations import Operations
from gcp_emulator.services import ALL
from gcp_emulator.settings import Settings
from gcp_emulator.store import Store
from harness import OWNER, PROJECT, SERVICES, Emulator, FakeDatabases, FakeMachines


@pytest.fixture(scope="session")
def apis() -> Apis:
    """Google's documents, read once."""
    return Apis()


@pytest.fixture
def cloud(tmp_path: Path) -> t.Iterator[Cloud]:
    """State in a temporary directory, fakes behind the APIs, and operations that take no time."""
    settings = Settings(tmp_path, project=PROJECT, operation_seconds=0)
    store = Store(tmp_path / "state.db")
    operations = Operations(store, settings.operation_seconds)
    yield Cloud(settings, store, operations, FakeMachines(), FakeDatabases(), DiskObjects(tmp_path / "objects"))
    operations.stop()
    store.close()


@pytest.fixture
def emulator(cloud: Cloud, apis: Apis) -> Emulator:
    """Everything, with a project whose services are enabled."""
    services = [service(cloud) for service in ALL]
    for service in services:
        cloud.operations.actions |= service.actions
    enabled = (*accounts.DEFAULT_SERVICES, *(f"{name}.googleapis.com" for name in SERVICES))
    project = accounts.create_project(cloud.store, PROJECT, enabled)
    accounts.create_account(cloud.store, PROJECT, OWNER)
    accounts.create_account(cloud.store, PROJECT, accounts.default_compute_account(project))
    policies.grant(cloud.store, f"projects/{PROJECT}", "roles/owner", f"serviceAccount:{OWNER}")
    machines, databases = t.cast(FakeMachines, cloud.machines), t.cast(FakeDatabases, cloud.databases)
    return Emulator(cloud, services, Front(cloud, services, apis, strict=True), machines, databases)
