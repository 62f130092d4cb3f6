# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The option timeout bounds the whole module, whatever fails: with one attempt to read more, it has ended."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.compute import ComputeResource
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Resource, reconcile
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.session import Deadline, Session
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.transport import READ_SECONDS, TokenRequest
from google.auth.exceptions import TransportError
from requests.exceptions import ConnectionError as LostError
from requests.exceptions import ConnectTimeout, ReadTimeout

Json = dict[str, t.Any]
Answer = t.Callable[..., t.Any]

THERE = {"name": "a", "status": "READY", "size": 1}
OFF = {
    "error": {
        "message": "It is disabled.",
        "details": [
            {
                "reason": "SERVICE_DISABLED",
                "metadata": {"consumer": "projects/1", "service": "compute.googleapis.com"},
            }
        ],
    }
}
COMPUTE = {"kind": "compute#operation", "name": "operation-1", "status": "RUNNING", "selfLink": "https://x/operation-1"}
SQL = {"kind": "sql#operation", "name": "operation-1", "status": "PENDING", "targetProject": "p"}
YOUNG = {"name": "operations/1"}


class Thing(ComputeResource):
    """Something regular."""

    collection = "compute/v1/projects/{project}/things"
    state_path = "status"
    pending = frozenset({"CREATING"})
    leaving = frozenset({"DELETING"})
    fields: t.ClassVar[dict[str, Field]] = {"name": Field(required=True), "size": Field(type="int")}


class Regular(Resource):
    """The same without request IDs."""

    service = "compute"
    collection, fields = Thing.collection, Thing.fields


class Slow:
    """A network on which time passes: each request is answered by what the test says for its method, or with 404."""

    def __init__(self, clock: t.Any, **answers: Answer) -> None:
        self.clock, self.answers = clock, answers

    def request(self, method: str, url: str, *, timeout: tuple[float, float], **_more: t.Any) -> t.Any:
        """What AuthorizedSession has."""
        if "serviceusage" in url:
            return self.answers.get("probe", answer({"state": "ENABLED"}))(self.clock, timeout)
        kind = "poll" if "operation" in url else method.lower()
        return self.answers.get(kind, answer({}, 404))(self.clock, timeout)


class Told:
    """An answer."""

    def __init__(self, status: int, body: t.Any, headers: Json) -> None:
        self.status_code, self.text, self.content, self.headers = status, str(body), b"x", headers
        self.json = lambda: body


def answer(body: t.Any, status: int = 200, seconds: float = 0, **headers: str) -> Answer:
    """Answer so, after some seconds."""

    def answers(clock: t.Any, timeout: tuple[float, float]) -> Told:
        if seconds > timeout[1]:
            return raising(ReadTimeout("slow"), 1)(clock, timeout)  # type: ignore[no-any-return]  # it raises
        clock.sleep(seconds)
        return Told(status, body, {name.replace("_", "-"): value for name, value in headers.items()})

    return answers


def raising(error: Exception, waits: int | None = None) -> Answer:
    """Fail so, at once or after having waited to connect (0) or to read (1)."""

    def raises(clock: t.Any, timeout: tuple[float, float]) -> t.NoReturn:
        if waits is not None:
            clock.sleep(timeout[waits])
        raise error

    return raises


HUNG = raising(ReadTimeout("read timed out"), 1)
EXISTS = {"error": {"message": "It already exists", "errors": [{"reason": "alreadyExists"}]}}
STALE = {"error": {"message": "Precondition Failed", "errors": [{"reason": "conditionNotMet"}]}}
BUSY = {
    "error": {"message": "Another operation was already in progress.", "errors": [{"reason": "operationInProgress"}]}
}

CASES = [
    pytest.param(Thing, {"get": HUNG}, "did not answer", id="a server that hangs"),
    pytest.param(Thing, {"get": raising(ConnectTimeout("no route"), 0)}, "cannot be reached", id="no route"),
    pytest.param(Thing, {"get": raising(LostError("reset"))}, "did not answer", id="resets"),
    pytest.param(Thing, {"get": answer({}, 503)}, "answered 503", id="503"),
    pytest.param(Thing, {"get": answer({}, 503, 25)}, "", id="503, slowly"),
    pytest.param(Thing, {"get": answer({}, 429, Retry_After="3600")}, "answered 429", id="429, to be asked in an hour"),
    pytest.param(
        Thing, {"get": raising(TransportError(ReadTimeout("slow")), 1)}, "did not answer", id="a token that hangs"
    ),
    pytest.param(Thing, {"get": answer(OFF, 403)}, "Enable the API", id="an API that stays off"),
    pytest.param(Thing, {"get": answer(OFF, 403), "probe": HUNG}, "Enable the API", id="a probe that hangs"),
    pytest.param(Thing, {"get": answer({"name": "a", "status": "CREATING"})}, "is still CREATING", id="being made"),
    pytest.param(Thing, {"get": answer({"name": "a", "status": "DELETING"})}, "is still DELETING", id="being deleted"),
    pytest.param(Thing, {"post": HUNG}, "did not answer", id="a create that hangs"),
    pytest.param(Regular, {"post": HUNG}, "did not answer", id="a create that hangs, and is looked for"),
    pytest.param(Thing, {"post": answer(BUSY, 409)}, "answered 409", id="another operation, for ever"),
    pytest.param(Thing, {"post": answer(EXISTS, 409)}, "already exists", id="a name that is reserved"),
    pytest.param(Thing, {"post": answer({})}, "could not be read", id="what was made is never seen"),
    pytest.param(
        Thing, {"post": answer(COMPUTE), "poll": answer(COMPUTE, 200, 120)}, "last state", id="Compute, endless"
    ),
    pytest.param(Thing, {"post": answer(COMPUTE), "poll": HUNG}, "last state", id="Compute, hanging"),
    pytest.param(Thing, {"post": answer(SQL), "poll": answer(SQL)}, "last state", id="Cloud SQL, endless"),
    pytest.param(Thing, {"post": answer(SQL), "poll": HUNG}, "last state", id="Cloud SQL, hanging"),
    pytest.param(Thing, {"post": answer(YOUNG), "poll": answer(YOUNG)}, "last state", id="a young API, endless"),
    pytest.param(Thing, {"post": answer(YOUNG), "poll": answer({}, 503)}, "last state", id="a young API that is down"),
    pytest.param(Thing, {"get": answer(THERE), "patch": answer(STALE, 412)}, "Somebody else", id="conflicts, for ever"),
]


@pytest.mark.parametrize("timeout", [1, 30, 600])
@pytest.mark.parametrize(("kind", "answers", "told"), CASES)
def test_the_whole_module_ends_in_time(
    clock: t.Any, kind: type[Resource], answers: dict[str, Answer], told: str, timeout: int
) -> None:
    session = Session(Slow(clock, **answers), Deadline(timeout, clock.now, clock.sleep))
    params = {"project": "p", "name": "a", "size": 2, "state": "present"}
    with pytest.raises(GcpError) as caught:
        reconcile(kind(session, params))
    assert clock.time <= timeout + READ_SECONDS
    if timeout == 600:
        assert told in str(caught.value)


@pytest.mark.parametrize("timeout", [1, 30, 600])
@pytest.mark.parametrize("body", [COMPUTE, SQL, YOUNG])
def test_a_wait_tells_what_how_long_and_the_last_state(clock: t.Any, body: Json, timeout: int) -> None:
    http = Slow(clock, post=answer(body), poll=answer(body, 200, 0.5))
    session = Session(http, Deadline(timeout, clock.now, clock.sleep))
    state = body.get("status", "running")
    with pytest.raises(
        GcpError,
        match=rf"create projects/p/things/a is not done after \d+ s of waiting: the last state of .*1 was {state}\. .*"
        rf"timeout, which is {timeout} s",
    ):
        reconcile(Thing(session, {"project": "p", "name": "a", "size": 2, "state": "present"}))


@pytest.mark.parametrize(
    ("given", "expected"),
    [(None, (7, 7)), (3, (3, 3)), ((2, 120), (2, 7)), ((120, 120), (7, 7))],
)
def test_a_token_is_not_awaited_beyond_the_deadline(clock: t.Any, given: t.Any, expected: t.Any) -> None:
    asked: list[t.Any] = []
    request = TokenRequest(Deadline(7, clock.now, clock.sleep))
    t.cast(t.Any, request)._request = lambda *_arguments, timeout: asked.append(timeout)
    request("https://oauth2.googleapis.com/token", timeout=given)
    assert asked == [expected]
    clock.sleep(8)
    with pytest.raises(TransportError, match="timeout is over"):
        request("https://oauth2.googleapis.com/token")
