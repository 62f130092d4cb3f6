# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One server for the whole session, also where several processes run its tests; names are each test's own."""

from __future__ import annotations

import fcntl
import json
import tempfile
import typing as t
import uuid
from pathlib import Path

import pytest

from .server import Server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> t.Iterator[Server]:
    """The first process that needs it starts it, the last one stops it."""
    base = tmp_path_factory.getbasetemp()
    record = (base if worker_id == "master" else base.parent) / "mlflow.json"
    with record.open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = json.loads(record.read_text() or "{}")
        if not known:
            folder = tempfile.mkdtemp(prefix="mlflow-", dir="/tmp")  # a socket's path ends at 108 characters
            known = {"folder": folder, "group": Server(Path(folder)).start(), "users": 0}
        record.write_text(json.dumps(known | {"users": known["users"] + 1}))
    running = Server(Path(known["folder"]))
    yield running
    with record.open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = json.loads(record.read_text())
        record.write_text(json.dumps(known | {"users": known["users"] - 1}) if known["users"] > 1 else "")
        if known["users"] == 1:
            running.stop(known["group"])


@pytest.fixture
def name() -> str:
    """A name that no other test has."""
    return f"n{uuid.uuid4().hex[:12]}"
