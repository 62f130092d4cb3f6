# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the two servers are: which paths each gets, held against the MLflow that is installed, and how they end."""

from __future__ import annotations

import asyncio
import gc
import importlib
import inspect
import json
import os
import re
import subprocess
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.template import trust_as_template
from ansible_collections.mlops.mlflow.roles.mlflow_service.files import mlflow_worker
from test_templates import ROLE, Role
from uvicorn.config import Config
from uvicorn.server import ServerState

# In a process of its own, because MLflow's server sets up the process that imports it.
PATHS = r"""
import json, logging, re
logging.disable()
from fastapi.routing import APIRoute
from mlflow.server import app as flask_app
from mlflow.server.fastapi_app import app
from werkzeug.exceptions import HTTPException

adapter = flask_app.url_map.bind("localhost")

def has_flask(method, path):
    try:
        adapter.match(re.sub(r"{[^}]+}", "x", path), method=method)
    except HTTPException:
        return False
    return True

native = [
    (method, context.path, has_flask(method, context.path))
    for router in app.routes if hasattr(router, "effective_route_contexts")
    for context in router.effective_route_contexts()
    for method in context.methods
]
print(json.dumps({"native": native, "flask": [rule.rule for rule in flask_app.url_map.iter_rules()]}))
"""
JOBS = "MLFLOW_SERVER_ENABLE_JOB_EXECUTION"
# Both applications have these, and answer alike.
SERVED_BY_EITHER = {"/health", "/api/3.0/mlflow/server-info", "/ajax-api/3.0/mlflow/server-info"}


@pytest.fixture
def made_fast(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What happens while a server makes a worker fast, with the role's files on the path and without MLflow itself."""
    monkeypatch.syspath_prepend(str(ROLE / "files"))
    done: list[str] = []
    worker = ModuleType("mlflow_worker")
    worker.make_fast = lambda: done.append("made fast")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mlflow_worker", worker)
    monkeypatch.setitem(sys.modules, "mlflow.server.fastapi_app", ModuleType("mlflow.server.fastapi_app"))
    for name in ("mlflow_gunicorn", "mlflow_uvicorn"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return done


@pytest.fixture
def mlflow_gunicorn(made_fast: list[str]) -> Any:
    """The configuration of gunicorn."""
    return importlib.import_module("mlflow_gunicorn")


@pytest.fixture
def mlflow_uvicorn(made_fast: list[str]) -> Any:
    """The HTTP of uvicorn."""
    return importlib.import_module("mlflow_uvicorn")


@pytest.fixture(scope="module")
def mlflow_paths() -> dict[str, Any]:
    """The paths of the MLflow that is installed: FastAPI's and Flask's."""
    done = subprocess.run(
        [sys.executable, "-c", PATHS],
        env=os.environ | {"MLFLOW_BACKEND_STORE_URI": "sqlite://", "MLFLOW_DISABLE_TELEMETRY": "true"},
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def is_sent_to_fastapi(path: str, prefixes: list[str]) -> bool:
    """What nginx makes of a path."""
    return path.startswith(tuple(prefixes))


def test_each_path_of_fastapi_alone_reaches_it(mlflow_paths: dict[str, Any]) -> None:
    prefixes = Role().value("__mlflow_service_fastapi_paths")
    assert len(mlflow_paths["native"]) > 20
    astray = [
        f"{method} {path}"
        for method, path, has_flask in mlflow_paths["native"]
        if not is_sent_to_fastapi(path, prefixes) and not (has_flask and path in SERVED_BY_EITHER)
    ]
    assert astray == []


def test_each_prefix_leads_to_a_path_of_fastapi(mlflow_paths: dict[str, Any]) -> None:
    paths = [path for _method, path, _has_flask in mlflow_paths["native"]]
    prefixes = Role().value("__mlflow_service_fastapi_paths")
    assert [prefix for prefix in prefixes if not any(path.startswith(prefix) for path in paths)] == []


def test_what_flask_has_stays_there_but_for_artifacts(mlflow_paths: dict[str, Any]) -> None:
    prefixes = Role().value("__mlflow_service_fastapi_paths")
    moved = {path for path in mlflow_paths["flask"] if is_sent_to_fastapi(path, prefixes)}
    assert {re.sub(r"/<.*", "", path) for path in moved} == {
        "/api/2.0/mlflow-artifacts/artifacts",
        "/ajax-api/2.0/mlflow-artifacts/artifacts",
    }


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        pytest.param({}, "", id="nothing said"),
        pytest.param({"mlflow_service_job_execution": False}, "", id="switched off"),
        pytest.param({"mlflow_service_environment": {JOBS: "false"}}, "", id="switched off by MLflow's own name"),
        pytest.param({"mlflow_service_job_execution": True}, "mlflow_service_job_execution is true", id="switched on"),
        pytest.param(
            {"mlflow_service_environment": {JOBS: "true"}},
            f"{JOBS} in mlflow_service_environment is",
            id="in the environment",
        ),
        pytest.param(
            {"mlflow_service_secret_environment": {JOBS: "1"}},
            f"{JOBS} in mlflow_service_secret_environment is",
            id="in secret",
        ),
    ],
)
def test_jobs_which_could_not_call_their_server_are_refused(variables: dict[str, Any], words: str) -> None:
    tasks = yaml.safe_load((ROLE / "tasks" / "preflight.yml").read_text())
    task = next(task for task in tasks if task["name"] == "preflight | Refuse to run jobs")
    role, refused = Role(**variables), []
    for item in task["loop"]:
        role.variables["item"] = item | {"value": role.templar.template(trust_as_template(item["value"]))}
        check = task["ansible.builtin.assert"]
        if not role.templar.template(trust_as_template("{{ " + check["that"] + " }}")):
            refused.append(role.templar.template(trust_as_template(check["fail_msg"])))
    assert [words in message for message in refused] == [True] * bool(words)


def test_jobs_are_off_and_what_is_known_of_them_is_served() -> None:
    role = Role()
    assert role.value("__mlflow_service_environment")[JOBS] is False
    assert is_sent_to_fastapi("/ajax-api/3.0/jobs/search", role.value("__mlflow_service_fastapi_paths"))


def test_gunicorn_leaves_the_file_of_the_socket_to_systemd(mlflow_gunicorn: Any) -> None:
    from gunicorn.arbiter import Arbiter

    server = SimpleNamespace(systemd=False)
    mlflow_gunicorn.on_starting(server)
    assert server.systemd is True
    # What decides on it in gunicorn; another name there would bring the removal back.
    assert "and not self.systemd" in inspect.getsource(Arbiter.stop)


def test_gunicorn_makes_a_worker_fast_when_it_has_imported_mlflow(mlflow_gunicorn: Any, made_fast: list[str]) -> None:
    assert made_fast == []
    mlflow_gunicorn.post_worker_init(object())
    assert made_fast == ["made fast"]


def test_uvicorn_makes_a_worker_fast_once(mlflow_uvicorn: Any, made_fast: list[str]) -> None:
    assert mlflow_uvicorn.Protocol
    assert made_fast == ["made fast"]


def test_a_worker_does_not_collect_what_it_has_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_AUTH_CONFIG_PATH", raising=False)
    before, thresholds = gc.get_freeze_count(), gc.get_threshold()
    try:
        mlflow_worker.make_fast()
        assert gc.get_freeze_count() > before + 10_000
        assert gc.get_threshold()[0] > thresholds[0]
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)


@pytest.mark.parametrize(("environment", "remembers"), [({"MLFLOW_AUTH_CONFIG_PATH": "/etc"}, True), ({}, False)])
def test_a_worker_remembers_permissions_with_mlflows_own_authentication(
    environment: dict[str, str], remembers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    remembering = ModuleType("mlflow_remembering")
    remembering.remember = lambda auth, *, workspaces: asked.append((auth, workspaces))  # type: ignore[attr-defined]
    auth = ModuleType("mlflow.server.auth")
    monkeypatch.setitem(sys.modules, "mlflow_remembering", remembering)
    monkeypatch.setitem(sys.modules, "mlflow.server", SimpleNamespace(auth=auth))
    monkeypatch.delenv("MLFLOW_AUTH_CONFIG_PATH", raising=False)
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    thresholds = gc.get_threshold()
    try:
        mlflow_worker.make_fast()
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)
    assert asked == ([(auth, True)] if remembers else [])


class Transport(asyncio.Transport):
    """A connection without a network."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False
        self.written = b""

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed, "written to a connection that was closed"
        self.written += bytes(data)


async def answer(_scope: Any, _receive: Any, send: Any) -> None:
    """An application that says OK."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"OK"})


async def end(mlflow_uvicorn: Any, request: bytes, *, late: bool) -> Transport:
    """A connection whose server ends before, or after, its request has come."""
    config = Config(answer, log_config=None, lifespan="off")
    config.load()
    protocol = mlflow_uvicorn.Protocol(config=config, server_state=ServerState(), app_state={})
    transport = Transport()
    protocol.connection_made(transport)
    if not late:
        protocol.data_received(request)
    protocol.shutdown()
    if late and not transport.closed:
        protocol.data_received(request)
    for _turn in range(10):
        await asyncio.sleep(0.01)
    return transport


@pytest.mark.parametrize("late", [False, True], ids=["a request that is read", "a request that is on its way"])
def test_a_server_that_ends_answers_what_it_has_accepted(
    mlflow_uvicorn: Any, late: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlflow_uvicorn, "PATIENCE_SECONDS", 0.05)
    request = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    transport = asyncio.run(end(mlflow_uvicorn, request, late=late))
    assert transport.written.startswith(b"HTTP/1.1 200")
    assert transport.closed


def test_a_server_that_ends_does_not_wait_for_who_says_nothing(
    mlflow_uvicorn: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlflow_uvicorn, "PATIENCE_SECONDS", 0.05)
    transport = asyncio.run(end(mlflow_uvicorn, b"", late=True))
    assert transport.closed
    assert transport.written == b""
