# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.operations import parse, wait
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.session import Deadline, Session
from requests.exceptions import ReadTimeout

COMPUTE = {
    "kind": "compute#operation",
    "name": "operation-1",
    "status": "RUNNING",
    "progress": 40,
    "selfLink": "https://www.googleapis.com/compute/v1/projects/p/zones/z/operations/operation-1",
}
SQL = {
    "kind": "sql#operation",
    "name": "abc",
    "status": "PENDING",
    "targetProject": "p",
    "selfLink": "https://sqladmin.googleapis.com/v1/projects/p/operations/abc",
}
SQL_URL = "https://sqladmin.googleapis.com/v1/projects/p/instances/i"
AIP = {"name": "operations/pssn.p24-1"}
AIP_URL = "https://servicenetworking.googleapis.com/v1/services/s/connections"

DIALECTS = [
    pytest.param(
        COMPUTE,
        SQL_URL,
        ("POST", "compute/v1/projects/p/zones/z/operations/operation-1/wait"),
        COMPUTE | {"status": "DONE"},
        id="compute",
    ),
    pytest.param(SQL, SQL_URL, ("GET", "v1/projects/p/operations/abc"), SQL | {"status": "DONE"}, id="sql"),
    pytest.param(AIP, AIP_URL, ("GET", "v1/operations/pssn.p24-1"), AIP | {"done": True}, id="aip"),
]


@pytest.mark.parametrize(("begun", "url", "poll", "ended"), DIALECTS)
def test_an_operation_is_followed_to_its_end(
    http: t.Any, session: t.Any, begun: t.Any, url: str, poll: t.Any, ended: t.Any
) -> None:
    http.when(*poll, begun, begun, ended)
    assert wait(session, begun, url, "create i") == ended
    assert [request[:2] for request in http.requests] == [poll] * 3


@pytest.mark.parametrize(("begun", "url", "poll", "ended"), DIALECTS)
def test_an_operation_that_takes_too_long_tells_what_how_long_and_its_state(
    http: t.Any, clock: t.Any, begun: t.Any, url: str, poll: t.Any, ended: t.Any
) -> None:
    http.when(*poll, begun)
    session = Session(http, Deadline(60, clock.now, clock.sleep))
    with pytest.raises(GcpError, match=r"create i is not done after 60 s.* last state .*timeout, which is 60 s"):
        wait(session, begun, url, "create i")


@pytest.mark.parametrize(("begun", "url", "poll", "ended"), DIALECTS)
@pytest.mark.parametrize("error", [{"errors": [{"code": "X", "message": "It broke"}], "message": "It broke"}])
def test_an_operation_that_fails_is_an_error(
    http: t.Any, session: t.Any, begun: t.Any, url: str, poll: t.Any, ended: t.Any, error: t.Any
) -> None:
    http.when(*poll, ended | {"error": error})
    with pytest.raises(GcpError, match="create i failed: It broke"):
        wait(session, begun, url, "create i")


def test_a_wait_call_that_is_cut_by_the_deadline_tells_the_operation(http: t.Any, clock: t.Any) -> None:
    def slow(*_arguments: t.Any, timeout: tuple[float, float], **_more: t.Any) -> t.NoReturn:
        clock.sleep(timeout[1])
        raise ReadTimeout("read timed out")

    http.request = slow
    session = Session(http, Deadline(60, clock.now, clock.sleep))
    with pytest.raises(GcpError, match=r"create i is not done after 60 s.*operation-1 was RUNNING, 40 %"):
        wait(session, COMPUTE, SQL_URL, "create i")


def test_the_response_of_an_operation_is_the_answer(session: t.Any) -> None:
    ended = AIP | {"done": True, "response": {"peering": "x"}}
    assert wait(session, ended, AIP_URL, "create it") == {"peering": "x"}


@pytest.mark.parametrize(
    "answer", [{}, {"name": "mlflow"}, {"kind": "sql#instance", "name": "i"}, {"name": "projects/p/secrets/s"}]
)
def test_what_is_no_operation_is_at_its_end(session: t.Any, answer: t.Any) -> None:
    assert parse(answer, SQL_URL) is None
    assert wait(session, answer, SQL_URL, "create it") is answer


def test_an_operation_that_cannot_be_asked_about_is_named(http: t.Any, session: t.Any) -> None:
    http.will_answer(403, {"error": {"message": "not you"}})
    with pytest.raises(GcpError, match=r"not you.*how create i ends; the last state of operation abc was PENDING"):
        wait(session, SQL, SQL_URL, "create i")
