# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the clients ask of each server: the calls of a training run, and those of a person at the user interface."""

from __future__ import annotations

import itertools
import json
import typing as t
from dataclasses import dataclass, field

API = "/api/2.0/mlflow"
ARTIFACT_BYTES = 100_000
SEARCHED_RUNS = 100


@dataclass(frozen=True)
class Request:
    """One request."""

    verb: str
    path: str
    body: bytes | None = None
    content_type: str = "application/json"


@dataclass(frozen=True)
class Ground:
    """What was made on a server before anything is measured there: the same on each."""

    experiment: str
    runs: list[str]  # one a client
    searched: str  # an experiment with SEARCHED_RUNS runs


@dataclass
class Position:
    """Where one client of one server stands: no metric is written twice."""

    ground: Ground
    client: int
    steps: t.Iterator[int] = field(default_factory=itertools.count)

    @property
    def run(self) -> str:
        """The run of this client."""
        return self.ground.runs[self.client]

    def metrics(self, count: int) -> list[dict[str, t.Any]]:
        """The next metrics of the run, of ten names."""
        step = next(self.steps)
        return [
            {"key": f"metric-{number % 10}", "value": 0.5, "timestamp": 1_700_000_000_000 + number, "step": step}
            for number in range(count)
        ]

    @property
    def artifact(self) -> str:
        """Where this client's artifact is, on a server that serves artifacts."""
        return f"/api/2.0/mlflow-artifacts/artifacts/{self.ground.experiment}/{self.run}/artifacts/weights.bin"


@dataclass(frozen=True)
class Call:
    """A kind of request."""

    name: str
    request: t.Callable[[Position], Request]


def post(path: str, document: t.Any) -> Request:
    """A call of MLflow's API."""
    return Request("POST", f"{API}/{path}", json.dumps(document).encode())


def _log_metric(at: Position) -> Request:
    return post("runs/log-metric", {"run_id": at.run, **at.metrics(1)[0]})


def _log_batch(count: int) -> t.Callable[[Position], Request]:
    return lambda at: post("runs/log-batch", {"run_id": at.run, "metrics": at.metrics(count)})


def _create_run(at: Position) -> Request:
    tags = [{"key": "mlflow.user", "value": "benchmark"}, {"key": "mlflow.source.name", "value": "train.py"}]
    return post("runs/create", {"experiment_id": at.ground.experiment, "start_time": 1_700_000_000_000, "tags": tags})


def _search(at: Position) -> Request:
    return post("runs/search", {"experiment_ids": [at.ground.searched], "max_results": SEARCHED_RUNS})


CALLS = [
    Call("health", lambda _: Request("GET", "/health")),
    Call("index page", lambda _: Request("GET", "/")),
    Call("runs/get", lambda at: Request("GET", f"{API}/runs/get?run_id={at.run}")),
    Call("log-metric", _log_metric),
    Call("log-batch of 1", _log_batch(1)),
    Call("log-batch of 100", _log_batch(100)),
    Call("create run", _create_run),
    Call("search", _search),
    Call(
        "upload",
        lambda at: Request("PUT", at.artifact, b"\x5a" * ARTIFACT_BYTES, content_type="application/octet-stream"),
    ),
    Call("download", lambda at: Request("GET", at.artifact)),
]
