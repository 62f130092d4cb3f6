# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What other values of variables have changed, and what they have not."""

from __future__ import annotations

import re
import urllib.parse

import pytest
from cloud import Host, Server

# The one that side_effect.yml reaches in another way.
WITHOUT_TLS = "debian-11"
CHURN = "/api/2.0/mlflow/experiments/get-by-name?experiment_name=churn"


@pytest.fixture
def server(server: Server) -> Server:
    """The server of the host, as it is reached now."""
    if server.name == WITHOUT_TLS:
        return Server(server.name, server.address, "", port=8080, prefix="/team")
    return server


@pytest.mark.parametrize(
    ("unit", "is_the_same"),
    [
        pytest.param("mlflow.service", False, id="the server with another number of workers"),
        pytest.param("mlflow.socket", True, id="its socket"),
        pytest.param("nginx.service", True, id="the proxy"),
    ],
)
def test_only_what_must_is_restarted(host: Host, unit: str, is_the_same: bool) -> None:
    before = dict(line.split() for line in host.file("/run/molecule-before").content_string.splitlines())
    now = host.check_output(f"systemctl show --property InvocationID --value {unit}")
    assert (before[unit] == now) is is_the_same


def test_it_runs_with_as_many_workers_as_the_variable_says(host: Host) -> None:
    main = host.check_output("systemctl show --property MainPID --value mlflow")
    # gunicorn's children are its workers.
    assert len(host.check_output(f"pgrep --parent {main}").splitlines()) == 1


@pytest.mark.parametrize(
    ("user", "password", "read", "write"),
    [
        pytest.param("ada", "canary of the editor", 200, 403, id="an editor who is none any more"),
        pytest.param("ben", "canary of the reader", 200, 200, id="a reader who is an editor now"),
        pytest.param("cleo", "canary of one who leaves", 401, 401, id="a user who is gone"),
    ],
)
def test_users_may_what_the_variable_says_now(server: Server, user: str, password: str, read: int, write: int) -> None:
    assert server.ask(CHURN, user=user, password=password)[0] == read
    _status, found = server.ask(CHURN, user="admin", password="canary of the administrator")
    run = {"experiment_id": found["experiment"]["experiment_id"], "run_name": user}
    assert server.ask("/api/2.0/mlflow/runs/create", run, user=user, password=password)[0] == write


def test_each_is_reached_at_its_port_alone_and_asks_everybody(server: Server) -> None:
    assert server.ask("/health") == (200, "OK")
    assert server.ask("/", host="evil.example.net")[0] == 421
    assert server.ask(CHURN)[0] == 401
    assert {port for port in (80, 443, 8080) if server.listens(port)} == ({8080} if server.prefix else {80, 443})


def test_its_pages_find_their_files(server: Server) -> None:
    status, page = server.ask("/", user="ada", password="canary of the editor")
    assert status == 200
    (script, *_others) = re.findall(r'src="([^"]+/main[^"]*[.]js)"', page)
    assert server.ask(urllib.parse.urljoin("/", script).removeprefix(server.prefix))[0] == 200
