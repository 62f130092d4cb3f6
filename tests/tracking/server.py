# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A real MLflow server with users, and the modules run against it."""

from __future__ import annotations

import base64
import contextlib
import http.client
import importlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import typing as t
from pathlib import Path
from unittest import mock

from ansible.module_utils.testing import patch_module_args

Json = dict[str, t.Any]

ADMIN, ADMIN_PASSWORD = "admin", "the administrators own"
STARTING = 300  # seconds; eight on a machine that does nothing else
REMEMBERED = 600  # seconds for which the server remembers a login: longer than the tests take
CONFIGURATION = """[mlflow]
default_permission = READ
database_uri = sqlite:///{folder}/users.db
admin_username = {admin}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = {remembered}
"""


class Connection(http.client.HTTPConnection):
    """HTTP by a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        """Reach the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Server:
    """One that runs, whoever started it; its folder tells all about it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "mlflow.sock"

    def start(self) -> int:
        """Start it; the process group to stop it by."""
        (self.folder / "basic_auth.ini").write_text(
            CONFIGURATION.format(folder=self.folder, admin=ADMIN, remembered=REMEMBERED)
        )
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")},
            "MLFLOW_AUTH_CONFIG_PATH": str(self.folder / "basic_auth.ini"),
            "MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN_PASSWORD,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "of the tests alone",
            "MLFLOW_UVICORN_OPTS": f"--uds {self.socket}",
            "MLFLOW_WORKERS": "1",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{self.folder}/runs.db",
            "MLFLOW_DEFAULT_ARTIFACT_ROOT": str(self.folder / "artifacts"),
        }
        with (self.folder / "log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth"],
                cwd=self.folder,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        end = time.monotonic() + STARTING
        while not self._answers():
            if process.poll() is not None or time.monotonic() > end:
                told = (self.folder / "log").read_text()
                self.stop(process.pid)
                raise AssertionError(f"MLflow did not start:\n{told}")
            time.sleep(0.2)
        return process.pid

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return self.ask("GET", "/health", login=None)[0] == 200
        return False

    def stop(self, group: int) -> None:
        """End it and what belongs to it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(
        self, method: str, path: str, body: Json | None = None, login: tuple[str, str] | None = (ADMIN, ADMIN_PASSWORD)
    ) -> tuple[int, t.Any]:
        """One request, without any of the code under test: status and document."""
        headers = {"Content-Type": "application/json"}
        if login:
            headers["Authorization"] = "Basic " + base64.b64encode(":".join(login).encode()).decode()
        connection = Connection(self.socket)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        with contextlib.suppress(ValueError):
            return answer.status, json.loads(text)
        return answer.status, text

    def run(self, module: str, check_mode: bool = False, opener: t.Any = None, **options: t.Any) -> Json:
        """Run a module as Ansible does, in this process; its result, also if it failed.

        :param opener: stands for ``open_url``.
        """
        imported = importlib.import_module(f"ansible_collections.mlops.mlflow.plugins.modules.{module}")
        login = {"unix_socket": str(self.socket), "tracking_username": ADMIN, "tracking_password": ADMIN_PASSWORD}
        args = {**login, **options, "_ansible_check_mode": check_mode, "_ansible_diff": True}
        output = io.StringIO()
        replaced = mock.patch("ansible.module_utils.urls.open_url", opener) if opener else contextlib.nullcontext()
        with patch_module_args(args), replaced, contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
            imported.main()
        return t.cast(Json, json.loads(output.getvalue()))

    def apply(self, module: str, **options: t.Any) -> Json:
        """Foretell, do, and do again: that the first is true and the last nothing."""
        foretold = self.run(module, check_mode=True, **options)
        done = self.run(module, **options)
        assert not done.get("failed"), done["msg"]
        assert {key: foretold[key] for key in ("changed", "diff")} == {key: done[key] for key in ("changed", "diff")}
        again = self.run(module, **options)
        assert not again["changed"], again["diff"]
        assert again["diff"]["before"] == again["diff"]["after"]
        return done

    def fails(self, module: str, **options: t.Any) -> str:
        """What a module says that cannot do its task; check mode says the same."""
        result = self.run(module, **options)
        assert result.get("failed"), result
        return str(result["msg"])
