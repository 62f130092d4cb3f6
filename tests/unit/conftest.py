# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A network without a network: answers come from a script or a table, and time passes only when somebody sleeps."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.module import argument_spec
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Resource, reconcile
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.session import Deadline, Session

Json = dict[str, t.Any]
MOST_SLEEPS = 10_000  # far more than any wait takes; a test of something that never ends must fail


class Answer:
    """What ``requests`` gives back, as far as Session looks at it."""

    def __init__(self, status_code: int, document: t.Any, headers: dict[str, str] | None = None) -> None:
        self.status_code, self.headers = status_code, headers or {}
        self.text = document if isinstance(document, str) else json.dumps(document)
        self.content = self.text.encode()

    def json(self) -> t.Any:
        """The document, or ValueError."""
        return json.loads(self.text)


class Request(t.NamedTuple):
    """What was asked: ``path`` is the URL without the host."""

    method: str
    path: str
    body: t.Any
    query: Json


class Http:
    """Answers each request with the next answer of its script, and what is not in a script as its table says."""

    def __init__(self) -> None:
        self.script: list[Answer | Exception] = []
        self.table: dict[tuple[str, str], list[Answer]] = {}
        self.requests: list[Request] = []
        self.timeouts: list[tuple[float, float]] = []

    def will_answer(self, status_code: int, document: t.Any = None, **headers: str) -> Http:
        """Add an answer to the script."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.script.append(Answer(status_code, {} if document is None else document, named))
        return self

    def will_raise(self, error: Exception) -> Http:
        """Add to the script that there is no answer."""
        self.script.append(error)
        return self

    def when(self, method: str, path: str, *documents: t.Any, status_code: int = 200) -> Http:
        """Answer this request with these documents, one after another, and with the last from then on."""
        self.table[method, path] = [Answer(status_code, document) for document in documents]
        return self

    def request(
        self,
        method: str,
        url: str,
        json: t.Any = None,
        params: Json | None = None,
        timeout: t.Any = None,
        data: bytes | None = None,
        **_options: t.Any,
    ) -> Answer:
        """What ``requests.Session`` has."""
        path = url.split(".googleapis.com/", 1)[1]
        self.requests.append(Request(method, path, json if data is None else data, dict(params or {})))
        self.timeouts.append(timeout)
        if self.script:
            answer = self.script.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        answers = self.table.get((method, path))
        if not answers:
            return Answer(404, {"error": {"code": 404, "message": f"{path} was not found"}})
        return answers.pop(0) if len(answers) > 1 else answers[0]

    @property
    def writes(self) -> list[Request]:
        """The requests that were not GET, without their request IDs and without waiting for operations."""
        return [
            request._replace(query={k: v for k, v in request.query.items() if k != "requestId"})
            for request in self.requests
            if request.method != "GET" and not request.path.endswith("/wait")
        ]


class Clock:
    """A time that passes only by sleeping."""

    def __init__(self) -> None:
        self.time, self._sleeps = 0.0, 0

    def now(self) -> float:
        """Seconds since the beginning."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self._sleeps += 1
        assert self._sleeps <= MOST_SLEEPS, f"This sleeps for ever: {self._sleeps} times, {self.time:.0f} s so far."
        self.time += seconds


@pytest.fixture
def clock() -> Clock:
    """The time of the test."""
    return Clock()


@pytest.fixture
def http() -> Http:
    """The network of the test."""
    return Http()


@pytest.fixture
def session(http: Http, clock: Clock) -> Session:
    """A session of 1200 seconds."""
    return Session(http, Deadline(1200, clock.now, clock.sleep), "the test's credential")


@pytest.fixture
def make(session: Session) -> t.Callable[..., t.Any]:
    """Make a resource from the options that a task gives; the others have their defaults."""

    def made(kind: type[Resource], **options: t.Any) -> Resource:
        spec = argument_spec(kind)
        defaults = {name: option.get("default") for name, option in spec.items()}
        assert options.keys() <= spec.keys() | {"project"}
        return kind(session, {**defaults, "project": "p", **options})

    return made


@pytest.fixture
def run(make: t.Callable[..., t.Any]) -> t.Callable[..., Json]:
    """Reconcile a resource: ``run(Kind, check_mode=False, **options)``."""

    def ran(kind: type[Resource], check_mode: bool = False, **options: t.Any) -> Json:
        return reconcile(make(kind, **options), check_mode)

    return ran


def done(name: str = "operation-1", **more: t.Any) -> Json:
    """An operation of Compute that is done."""
    link = f"https://compute.googleapis.com/compute/v1/projects/p/global/operations/{name}"
    return {"kind": "compute#operation", "name": name, "status": "DONE", "selfLink": link, **more}


@pytest.fixture(name="done")
def done_fixture() -> t.Callable[..., Json]:
    """Makes an operation of Compute that is done."""
    return done
