# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A sandbox's engine and images without its APIs. These tests need Docker or root, so they run when they are named."""

from __future__ import annotations

import dataclasses
import os
import time
import typing as t
from pathlib import Path

import pytest
import trustme
from gcp_emulator.backends.engine import LABEL, Engine, Filters
from gcp_emulator.backends.images import Images
from gcp_emulator.settings import Settings

# another one than a sandbox that may run meanwhile
SUBNET = "198.18.79.0/24"
SECONDS = 60


def pytest_configure(config: pytest.Config) -> None:
    """Know the mark of these tests."""
    config.addinivalue_line("markers", "integration: needs a container engine, or root to start one")


def eventually(what: t.Callable[[], object]) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.2)


@dataclasses.dataclass
class Lab:
    """An engine, images for it, and how to find what a test leaves behind."""

    engine: Engine
    images: Images

    def left(self) -> list[str]:
        """Names of all containers, networks and volumes of this lab, but for the Internet."""
        client = self.engine.client()
        filters: Filters = {"label": f"{LABEL}={self.engine.labels[LABEL]}"}
        found = [container.name for container in client.containers.list(all=True, filters=filters)]
        found += [network.name for network in client.networks.list(filters=filters)]
        found += [volume.name for volume in client.volumes.list(filters=filters)]
        return [name for name in found if name and name != self.engine.internet_name]


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Lab]:
    """A sandbox directory with its certificate authority, on an engine that has the Internet's network."""
    directory: Path = tmp_path_factory.mktemp("sandbox")
    trustme.CA().cert_pem.write_to_path(directory / "ca.pem")
    engine = Engine(
        Settings(directory, name="integration", subnet=SUBNET, docker_host=os.environ.get("DOCKER_HOST", ""))
    )
    engine.ensure()
    yield Lab(engine, Images(engine))
    engine.cleanup()
    engine.stop()
