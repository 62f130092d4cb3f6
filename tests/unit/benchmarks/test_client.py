# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The clients, against a server that remembers what it was asked."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import threading
import time
import typing as t
from dataclasses import dataclass, field

import pytest

from benchmarks.server.calls import CALLS, SEARCHED_RUNS, Call, Ground, Position
from benchmarks.server.client import Contestant, Session, Task, Team, WrongAnswerError, prepare

GROUND = Ground("1", ["run-0", "run-1", "run-2"], "2")
BY_NAME = {call.name: call for call in CALLS}


@dataclass
class Asked:
    """One request that the server got."""

    verb: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: tuple[str, int]


@dataclass
class Server:
    """What answers like MLflow, as far as the clients look."""

    port: int = 0
    status: int = 200
    asked: list[Asked] = field(default_factory=list)

    def contestant(self, **more: str) -> Contestant:
        return Contestant("it", f"http://127.0.0.1:{self.port}", **more)

    @property
    def connections(self) -> int:
        return len({request.connection for request in self.asked})


@pytest.fixture
def server() -> t.Iterator[Server]:
    remembered = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            number = len(remembered.asked)
            remembered.asked.append(Asked(self.command, self.path, dict(self.headers), body, self.client_address))
            text = json.dumps({"experiment_id": number, "run": {"info": {"run_id": f"run-{number}"}}}).encode()
            self.send_response(remembered.status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = answer  # noqa: N815 (the names that http.server calls)

        def log_message(self, *_words: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        remembered.port = running.server_address[1]
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield remembered
        running.shutdown()
        thread.join()


@pytest.mark.parametrize("call", [pytest.param(call, id=call.name) for call in CALLS])
def test_each_call_can_be_sent_again_and_again(call: Call, server: Server) -> None:
    position = Position(GROUND, 1)
    with contextlib.closing(Session(server.contestant())) as session:
        for _ in range(2):
            session.ask(call.request(position))
    assert [request.verb for request in server.asked] == [call.request(position).verb] * 2
    assert server.connections == 1


def test_no_metric_is_written_twice() -> None:
    position = Position(GROUND, 0)
    written = [json.loads(BY_NAME["log-metric"].request(position).body or b"") for _ in range(3)]
    batches = [json.loads(BY_NAME["log-batch of 100"].request(position).body or b"") for _ in range(2)]
    written += [metric for batch in batches for metric in batch["metrics"]]
    keys = {(metric["key"], metric["timestamp"], metric["step"]) for metric in written}
    assert len(keys) == len(written) == 203


def test_each_client_writes_to_a_run_of_its_own() -> None:
    runs = [
        json.loads(BY_NAME["log-metric"].request(Position(GROUND, number)).body or b"")["run_id"] for number in (0, 2)
    ]
    assert runs == ["run-0", "run-2"]


def test_who_has_an_account_logs_in_and_asks_by_the_given_name(server: Server) -> None:
    contestant = server.contestant(username="ada", password="p:w", host="localhost:5000")
    with contextlib.closing(Session(contestant)) as session:
        session.ask(BY_NAME["health"].request(Position(GROUND, 0)))
    headers = server.asked[0].headers
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")) == b"ada:p:w"
    assert headers["Host"] == "localhost:5000"


def test_who_has_none_does_not(server: Server) -> None:
    with contextlib.closing(Session(server.contestant())) as session:
        session.ask(BY_NAME["health"].request(Position(GROUND, 0)))
    assert "Authorization" not in server.asked[0].headers


def test_an_answer_that_is_no_success_tells_who_answered_what(server: Server) -> None:
    server.status = 403
    with (
        contextlib.closing(Session(server.contestant())) as session,
        pytest.raises(WrongAnswerError, match="it: GET /health answered 403"),
    ):
        session.ask(BY_NAME["health"].request(Position(GROUND, 0)))


def test_a_ground_has_a_run_a_client_and_what_is_searched(server: Server) -> None:
    ground = prepare(server.contestant(), "name", 3)
    asked = [request.path.rpartition("/mlflow/")[2] for request in server.asked]
    assert len(set(ground.runs)) == 3
    assert ground.experiment != ground.searched
    assert asked.count("runs/create") == 3 + SEARCHED_RUNS
    assert asked.count("runs/log-batch") == SEARCHED_RUNS
    assert sum(request.verb == "PUT" for request in server.asked) == 3


@contextlib.contextmanager
def team(clients: int) -> t.Iterator[Team]:
    made = Team({"it": GROUND}, clients)
    try:
        yield made
    finally:
        made.close()


def test_clients_stop_after_their_requests_and_keep_their_connections(server: Server) -> None:
    with team(3) as clients:
        sample = clients.measure(Task(server.contestant(), "health", requests=5, seconds=60), 3)
    assert len(sample.latencies) == 15
    assert all(0 < seconds <= sample.seconds for seconds in sample.latencies)
    # A first request of each is not counted.
    assert len(server.asked) == 18
    assert server.connections == 3


def test_clients_stop_when_their_time_is_over(server: Server) -> None:
    with team(1) as clients:
        begin = time.monotonic()
        sample = clients.measure(Task(server.contestant(), "health", requests=10**9, seconds=0.1), 1)
        assert time.monotonic() - begin < 30
    assert sample.seconds >= 0.1
    assert sample.throughput == pytest.approx(len(sample.latencies) / sample.seconds)


def test_only_as_many_clients_ask_as_are_wanted(server: Server) -> None:
    with team(3) as clients:
        clients.measure(Task(server.contestant(), "health", requests=1, seconds=60), 1)
    assert server.connections == 1


def test_a_wrong_answer_to_a_client_ends_the_measurement(server: Server) -> None:
    server.status = 500
    with team(1) as clients, pytest.raises(WrongAnswerError, match="it, health"):
        clients.measure(Task(server.contestant(), "health", requests=1, seconds=60), 1)
