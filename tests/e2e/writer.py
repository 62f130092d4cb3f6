# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A client that writes metrics all along, and then tells what became of each of them.

It counts what a restart of the server must not cost: requests without an answer of success, and values that were
acknowledged and cannot be read back. It needs Python alone, so it also runs on a VM, on the server's unix socket:

    python3 writer.py --unix-socket /run/mlflow.sock --seconds 60
"""

from __future__ import annotations

import argparse
import base64
import dataclasses
import http.client
import json
import os
import signal
import socket
import ssl
import statistics
import sys
import threading
import time
import typing as t
import urllib.parse

METRIC = "written"
# Longer than any restart may take: a request that waits for the server is late, and not lost.
TIMEOUT_SECONDS = 300


@dataclasses.dataclass(frozen=True)
class Server:
    """Where the server is and who asks; requests to a unix socket take one connection each, as those of a proxy do."""

    url: str = "http://localhost"
    unix_socket: str | None = None
    username: str | None = None
    password: str | None = None
    ca_file: str | None = None

    def connect(self) -> http.client.HTTPConnection:
        """A connection of a client's own."""
        parts = urllib.parse.urlsplit(self.url)
        if self.unix_socket is not None:
            return UnixConnection(self.unix_socket)
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=self.ca_file)
            return http.client.HTTPSConnection(parts.netloc, timeout=TIMEOUT_SECONDS, context=context)
        return http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT_SECONDS)

    def ask(self, connection: http.client.HTTPConnection, method: str, path: str, body: t.Any = None) -> t.Any:
        """What the server answers; raises :class:`RefusedError` for all but 200, and what the connection raises."""
        headers = {"Content-Type": "application/json"}
        if self.username is not None:
            credentials = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
            headers["Authorization"] = f"Basic {credentials}"
        if self.unix_socket is not None:
            headers |= {"Host": "localhost", "Connection": "close"}
        prefix = urllib.parse.urlsplit(self.url).path.rstrip("/")
        connection.request(
            method, f"{prefix}/api/2.0/mlflow/{path}", None if body is None else json.dumps(body), headers
        )
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
        if answer.status != http.client.OK:
            raise RefusedError(f"{answer.status} {text[:200]}")
        return json.loads(text)


class UnixConnection(http.client.HTTPConnection):
    """A connection to a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT_SECONDS)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class RefusedError(Exception):
    """An answer, but not one of success."""


@dataclasses.dataclass
class Tally:
    """What became of the values of one run."""

    acknowledged: set[int] = dataclasses.field(default_factory=set)
    failures: dict[int, str] = dataclasses.field(default_factory=dict)
    seconds: list[float] = dataclasses.field(default_factory=list)
    stored: list[int] = dataclasses.field(default_factory=list)


class Writer:
    """Clients that write until :meth:`stop`; each has a run of its own, whose steps number its requests."""

    def __init__(self, server: Server, clients: int = 4) -> None:
        self.server = server
        self.stopping = threading.Event()
        connection = server.connect()
        name = f"writer-{time.time_ns()}"
        experiment = server.ask(connection, "POST", "experiments/create", {"name": name})["experiment_id"]
        self.tallies: dict[str, Tally] = {}
        for _client in range(clients):
            body = {"experiment_id": experiment, "start_time": 0}
            run = server.ask(connection, "POST", "runs/create", body)["run"]["info"]["run_id"]
            self.tallies[run] = Tally()
        connection.close()
        self.threads = [threading.Thread(target=self._write, args=item) for item in self.tallies.items()]

    def start(self) -> None:
        """Begin to write."""
        for thread in self.threads:
            thread.start()

    def stop(self) -> dict[str, t.Any]:
        """End, read everything back, and tell."""
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        for run, tally in self.tallies.items():
            tally.stored = self._stored(run)
        tallies = self.tallies.values()
        seconds = sorted(second for tally in tallies for second in tally.seconds)
        return {
            "tried": sum(len(tally.acknowledged) + len(tally.failures) for tally in tallies),
            "acknowledged": sum(len(tally.acknowledged) for tally in tallies),
            "failed": sum(len(tally.failures) for tally in tallies),
            "reasons": sorted({reason for tally in tallies for reason in tally.failures.values()}),
            "lost": sum(len(tally.acknowledged - set(tally.stored)) for tally in tallies),
            "stored_without_answer": sum(len(set(tally.stored) & tally.failures.keys()) for tally in tallies),
            "stored_twice": sum(len(tally.stored) - len(set(tally.stored)) for tally in tallies),
            "p50_ms": round(statistics.median(seconds) * 1000, 1),
            "longest_ms": round(seconds[-1] * 1000),
        }

    def _write(self, run: str, tally: Tally) -> None:
        connection = self.server.connect()
        step = 0
        while not self.stopping.is_set():
            body = {"run_id": run, "key": METRIC, "value": float(step), "timestamp": step, "step": step}
            begun = time.monotonic()
            try:
                self.server.ask(connection, "POST", "runs/log-metric", body)
            except (RefusedError, OSError, http.client.HTTPException) as error:
                tally.failures[step] = f"{type(error).__name__}: {error}"
                connection.close()
            else:
                tally.acknowledged.add(step)
                tally.seconds.append(time.monotonic() - begun)
            step += 1
        connection.close()

    def _stored(self, run: str) -> list[int]:
        connection = self.server.connect()
        steps: list[int] = []
        page: dict[str, str] = {}
        while True:
            query = urllib.parse.urlencode({"run_id": run, "metric_key": METRIC, "max_results": 20000} | page)
            answer = self.server.ask(connection, "GET", f"metrics/get-history?{query}")
            steps += [int(metric["step"]) for metric in answer.get("metrics", [])]
            if not answer.get("next_page_token"):
                return steps
            page = {"page_token": answer["next_page_token"]}


def main() -> int:
    """Write for a while; the exit code tells whether every value was acknowledged and is there."""
    parser = argparse.ArgumentParser(description="Write metrics all along, and tell what became of them.")
    parser.add_argument("--url", default="http://localhost", help="where clients find the server")
    parser.add_argument("--unix-socket", help="the server's socket, instead of an address")
    parser.add_argument("--ca-file", help="certificate to trust")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=30, help="how long, unless it gets SIGTERM before")
    options = parser.parse_args()
    writer = Writer(
        Server(
            url=options.url,
            unix_socket=options.unix_socket,
            username=os.environ.get("MLFLOW_TRACKING_USERNAME"),
            password=os.environ.get("MLFLOW_TRACKING_PASSWORD"),
            ca_file=options.ca_file,
        ),
        options.clients,
    )
    enough = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: enough.set())
    writer.start()
    enough.wait(options.seconds)
    told = writer.stop()
    print(json.dumps(told))
    return int(bool(told["failed"] or told["lost"]))


if __name__ == "__main__":
    sys.exit(main())
