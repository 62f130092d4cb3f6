# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The clients: processes, each with one connection that it keeps, which ask and look at the clock.

A process for each, because threads of one would wait for each other in the client, and the server would look slower.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import itertools
import json
import multiprocessing
import ssl
import time
import typing as t
import urllib.parse
from dataclasses import dataclass
from multiprocessing.connection import Connection

from .calls import CALLS, SEARCHED_RUNS, Call, Ground, Position, Request, post

TIMEOUT = 60.0  # seconds that one request may take


@dataclass(frozen=True)
class Contestant:
    """A server: how it is reached, and as whom."""

    name: str
    url: str
    username: str = ""
    password: str = ""
    ca: str = ""  # a file with the authority to trust; without one, the system's
    host: str = ""  # the name to ask for, where it is not the URL's


class WrongAnswerError(Exception):
    """A server did not answer what it should."""


class Session:
    """One connection to one server."""

    def __init__(self, contestant: Contestant) -> None:
        self.contestant = contestant
        url = urllib.parse.urlsplit(contestant.url)
        host, port = url.hostname or "", url.port
        if url.scheme == "https":
            trust = ssl.create_default_context(cafile=contestant.ca or None)
            self._connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, port, timeout=TIMEOUT, context=trust
            )
        else:
            self._connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
        self._headers = {"Host": contestant.host} if contestant.host else {}
        if contestant.username:
            pair = f"{contestant.username}:{contestant.password}".encode()
            self._headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"

    def ask(self, request: Request) -> bytes:
        """Send a request, and read all of its answer, which must be a success."""
        headers = self._headers
        if request.body is not None:
            headers = headers | {"Content-Type": request.content_type}
        self._connection.request(request.verb, request.path, request.body, headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status != http.client.OK:
            raise WrongAnswerError(
                f"{self.contestant.name}: {request.verb} {request.path} answered {answer.status}: "
                f"{text[:300].decode(errors='replace')}"
            )
        return text

    def document(self, request: Request) -> t.Any:
        """The answer, as JSON."""
        return json.loads(self.ask(request))

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


def prepare(contestant: Contestant, name: str, clients: int) -> Ground:
    """Make what the calls need, as the one who will call."""
    with contextlib.closing(Session(contestant)) as session:

        def experiment(suffix: str) -> str:
            made = session.document(post("experiments/create", {"name": f"{name}-{suffix}"}))
            return str(made["experiment_id"])

        def run(of: str) -> str:
            made = session.document(post("runs/create", {"experiment_id": of, "start_time": 1_700_000_000_000}))
            return str(made["run"]["info"]["run_id"])

        own, searched = experiment("own"), experiment("searched")
        ground = Ground(own, [run(own) for _ in range(clients)], searched)
        for number in range(SEARCHED_RUNS):
            params = [{"key": f"param-{index}", "value": str(number)} for index in range(5)]
            metrics = [
                {"key": f"metric-{index}", "value": number, "timestamp": 1_700_000_000_000, "step": 0}
                for index in range(5)
            ]
            session.ask(post("runs/log-batch", {"run_id": run(searched), "metrics": metrics, "params": params}))
        upload = next(call for call in CALLS if call.name == "upload")
        for client in range(clients):
            session.ask(upload.request(Position(ground, client)))
    return ground


@dataclass(frozen=True)
class Sample:
    """What came of one call, from one or more clients at once."""

    latencies: list[float]  # seconds
    seconds: float  # from the first request to the last answer

    @property
    def throughput(self) -> float:
        """Requests a second."""
        return len(self.latencies) / self.seconds


@dataclass(frozen=True)
class Task:
    """What one client is to do. It stops after so many requests, or so many seconds, whatever comes first."""

    contestant: Contestant
    call: str
    requests: int
    seconds: float


class Team:
    """The clients, while they are there."""

    def __init__(self, grounds: dict[str, Ground], clients: int) -> None:
        self._context = multiprocessing.get_context("fork")
        self._members: list[tuple[Connection, multiprocessing.process.BaseProcess]] = []
        for number in range(clients):
            ours, theirs = self._context.Pipe()
            process = self._context.Process(target=_work, args=(theirs, grounds, number), daemon=True)
            process.start()
            theirs.close()
            self._members.append((ours, process))

    def measure(self, task: Task, clients: int) -> Sample:
        """Let so many clients do the same, beginning together when each has its connection."""
        pipes = [pipe for pipe, _ in self._members[:clients]]
        for pipe in pipes:
            pipe.send(task)
        for pipe in pipes:
            _take(pipe)
        for pipe in pipes:
            pipe.send("go")
        times = [_take(pipe) for pipe in pipes]
        begin = min(moments[0] for moments in times)
        end = max(moments[-1] for moments in times)
        latencies = [later - earlier for moments in times for earlier, later in itertools.pairwise(moments)]
        return Sample(latencies, end - begin)

    def close(self) -> None:
        """Send all home."""
        for pipe, process in self._members:
            pipe.send(None)
            process.join()


def _take(pipe: Connection) -> t.Any:
    answer = pipe.recv()
    if isinstance(answer, Exception):
        raise answer
    return answer


def _work(pipe: Connection, grounds: dict[str, Ground], number: int) -> None:
    calls: dict[str, Call] = {call.name: call for call in CALLS}
    positions = {name: Position(ground, number) for name, ground in grounds.items()}
    while True:
        task: Task | None = pipe.recv()
        if task is None:
            return
        try:
            with contextlib.closing(Session(task.contestant)) as session:
                _perform(pipe, session, task, calls[task.call], positions[task.contestant.name])
        except (WrongAnswerError, OSError, http.client.HTTPException) as error:
            pipe.send(WrongAnswerError(f"{task.contestant.name}, {task.call}: {error!r}"))


def _perform(pipe: Connection, session: Session, task: Task, call: Call, position: Position) -> None:
    session.ask(call.request(position))
    pipe.send("ready")
    pipe.recv()
    moments = [time.monotonic()]
    end = moments[0] + task.seconds
    while len(moments) <= task.requests and moments[-1] < end:
        session.ask(call.request(position))
        moments.append(time.monotonic())
    pipe.send(moments)
