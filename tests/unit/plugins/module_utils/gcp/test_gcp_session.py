# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.session import Deadline, Session, backoff
from google.auth.exceptions import RefreshError, TransportError
from requests.exceptions import ConnectionError as LostError
from requests.exceptions import ConnectTimeout, ProxyError, ReadTimeout, SSLError
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError

URL = "https://compute.googleapis.com/compute/v1/projects/p/global/firewalls/f"


def refused() -> LostError:
    """What requests raises when nothing listens."""
    cause = NewConnectionError(t.cast(t.Any, None), "Connection refused")
    return LostError(MaxRetryError(t.cast(t.Any, None), URL, cause))


def reset() -> LostError:
    """What requests raises when the connection goes after the request was sent."""
    return LostError(ProtocolError("Connection aborted.", ConnectionResetError(104, "reset by peer")))


def test_what_is_not_there_is_none(http: t.Any, session: t.Any) -> None:
    http.will_answer(404, {"error": {"message": "The resource 'projects/p/global/firewalls/f' was not found"}})
    assert session.get(URL) is None


@pytest.mark.parametrize("message", ["The resource 'projects/p' was not found", "Project p not found."])
def test_a_project_that_is_not_there_is_an_error(http: t.Any, session: t.Any, message: str) -> None:
    http.will_answer(404, {"error": {"message": message}})
    with pytest.raises(GcpError, match="Check the option project"):
        session.get(URL)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_account_that_is_not_there_is_not_waited_for(http: t.Any, session: t.Any, method: str) -> None:
    http.will_answer(404, {"error": {"message": "Unknown service account"}})
    with pytest.raises(GcpError):
        session.request(method, URL)
    assert len(http.requests) == 1


def test_a_refusal_is_never_taken_for_absence(http: t.Any, session: t.Any) -> None:
    http.will_answer(403, {"error": {"message": "no permission"}})
    with pytest.raises(GcpError, match="The credential was: the test's credential"):
        session.get(URL)


@pytest.mark.parametrize("failure", [reset(), refused(), ReadTimeout("slow"), ConnectTimeout("x"), ProxyError("x")])
def test_a_read_is_repeated_after_a_lost_connection(http: t.Any, session: t.Any, failure: Exception) -> None:
    http.will_raise(failure).will_answer(200, {"name": "f"})
    assert session.get(URL) == {"name": "f"}


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_service_is_asked_again(http: t.Any, session: t.Any, status: int) -> None:
    http.will_answer(status).will_answer(status).will_answer(200, {"name": "f"})
    assert session.get(URL) == {"name": "f"}


SWITCH = "v1/projects/123/services/compute.googleapis.com"
OFF = {
    "error": {
        "message": "Compute Engine API has not been used in project 123 before or it is disabled.",
        "details": [
            {
                "reason": "SERVICE_DISABLED",
                "metadata": {"consumer": "projects/123", "service": "compute.googleapis.com"},
            }
        ],
    }
}


def test_an_api_that_was_just_switched_on_is_waited_for(http: t.Any, session: t.Any) -> None:
    on = {"state": "ENABLED"}
    http.will_answer(403, OFF).will_answer(200, on).will_answer(403, OFF).will_answer(200, on)
    http.will_answer(200, {"name": "f"})
    assert session.get(URL) == {"name": "f"}
    assert [request.path for request in http.requests if request.path == SWITCH] == [SWITCH, SWITCH]


@pytest.mark.parametrize(("status", "switch"), [(200, {"state": "DISABLED"}), (403, {}), (404, {})])
def test_an_api_that_is_off_is_told_at_once(http: t.Any, session: t.Any, status: int, switch: t.Any) -> None:
    http.will_answer(403, OFF).will_answer(status, switch)
    with pytest.raises(GcpError, match="Enable the API first"):
        session.get(URL)
    assert len(http.requests) == 2


def test_an_api_that_stays_off_although_it_was_switched_on_is_given_up(
    http: t.Any, session: t.Any, clock: t.Any
) -> None:
    http.when("GET", URL.split(".googleapis.com/")[1], OFF, status_code=403)
    http.when("GET", SWITCH, {"state": "ENABLED"})
    with pytest.raises(GcpError, match="Enable the API first"):
        session.get(URL)
    assert 240 < clock.time <= 300


def test_the_server_says_how_long_to_pause(http: t.Any, session: t.Any, clock: t.Any) -> None:
    http.will_answer(429, {}, Retry_After="42").will_answer(200, {})
    session.get(URL)
    assert clock.time == 42


@pytest.mark.parametrize("failure", [reset(), ReadTimeout("slow")])
def test_a_create_that_may_have_been_received_is_not_repeated(http: t.Any, session: t.Any, failure: Exception) -> None:
    http.will_raise(failure)
    with pytest.raises(GcpError) as caught:
        session.request("POST", URL, {})
    assert caught.value.ambiguous
    assert len(http.requests) == 1


@pytest.mark.parametrize("failure", [refused(), ConnectTimeout("x"), TransportError("no token endpoint")])
def test_a_create_that_was_not_received_is_repeated(http: t.Any, session: t.Any, failure: Exception) -> None:
    http.will_raise(failure).will_answer(200, {"name": "f"})
    assert session.request("POST", URL, {}) == {"name": "f"}


def test_a_create_with_a_request_id_is_repeated(http: t.Any, session: t.Any) -> None:
    http.will_raise(reset()).will_answer(200, {})
    session.request("POST", URL, {}, {"requestId": "1"}, repeatable=True)
    assert [request.query for request in http.requests] == [{"requestId": "1"}] * 2


def test_the_deadline_bounds_all_repetitions(http: t.Any, clock: t.Any) -> None:
    http.when("GET", "compute/v1/projects/p/global/firewalls/f", {}, status_code=503)
    session = Session(http, Deadline(100, clock.now, clock.sleep))
    with pytest.raises(GcpError, match=r"503.*It was asked \d+ times in \d+ s\."):
        session.get(URL)
    assert 80 < clock.time <= 100


def test_an_endpoint_that_refuses_is_given_up_soon_and_named(http: t.Any, session: t.Any, clock: t.Any) -> None:
    for _ in range(100):
        http.will_raise(refused())
    with pytest.raises(GcpError, match=r"compute\.googleapis\.com cannot be reached: .*refused.*HTTPS_PROXY"):
        session.get(URL)
    assert 10 < clock.time <= 30


def test_no_attempt_waits_beyond_the_deadline(http: t.Any, clock: t.Any) -> None:
    http.will_answer(200, {})
    Session(http, Deadline(7, clock.now, clock.sleep)).get(URL)
    assert http.timeouts == [(7, 7)]


def test_a_certificate_that_is_not_trusted_is_told_at_once(http: t.Any, session: t.Any) -> None:
    http.will_raise(SSLError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate"))
    with pytest.raises(GcpError, match=r"not trusted.*REQUESTS_CA_BUNDLE"):
        session.get(URL)
    assert len(http.requests) == 1


def test_a_credential_that_gets_no_token_is_named(http: t.Any, session: t.Any) -> None:
    http.will_raise(RefreshError("('invalid_grant: Invalid JWT Signature.', {'error': 'invalid_grant'})"))
    with pytest.raises(GcpError, match=r"invalid_grant.*The credential was: the test's credential") as caught:
        session.get(URL)
    assert caught.value.reason == "invalid_grant"


@pytest.mark.parametrize("attempt", [0, 1, 5, 50])
def test_pauses_grow_with_jitter_up_to_a_limit(attempt: int) -> None:
    pauses = {backoff(attempt, 1, 16) for _ in range(20)}
    assert len(pauses) > 1
    assert all(min(16, 2**attempt) / 2 <= pause <= min(16, 2**attempt) for pause in pauses)


def test_what_the_answer_says_that_gives_no_token_is_told(http: t.Any, session: t.Any) -> None:
    answer = '{"error": {"code": 403, "message": "Permission iam.serviceAccounts.getAccessToken denied"}}'
    http.will_raise(RefreshError("Unable to acquire impersonated credentials", answer))
    with pytest.raises(GcpError, match=r"impersonated credentials Permission \S+ denied"):
        session.get(URL)


@pytest.mark.parametrize(
    ("inner", "told", "asked"),
    [
        (SSLError("[SSL: CERTIFICATE_VERIFY_FAILED]"), "The certificate of .* is not trusted", 1),
        (refused(), "cannot be reached", 2),
        (ReadTimeout("slow"), "did not answer", 2),
    ],
)
def test_a_token_endpoint_that_fails_is_told_like_any_other(
    http: t.Any, session: t.Any, clock: t.Any, inner: Exception, told: str, asked: int
) -> None:
    for _ in range(1000):
        http.will_raise(TransportError(inner))
    with pytest.raises(GcpError, match=told):
        session.request("POST", URL, {})
    assert len(http.requests) >= asked
