# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import typing as t
from http.client import RemoteDisconnected

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.session import Deadline, Session, backoff
from google.auth.exceptions import RefreshError, TransportError
from requests.exceptions import (
    ChunkedEncodingError,
    ConnectTimeout,
    InvalidProxyURL,
    InvalidSchema,
    ProxyError,
    ReadTimeout,
    SSLError,
)
from requests.exceptions import ConnectionError as LostError
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


def test_a_list_comes_page_by_page_as_it_is_used(http: t.Any, session: t.Any) -> None:
    http.will_answer(200, {"things": [{"n": 1}, {"n": 2}], "nextPageToken": "x"}).will_answer(
        200, {"nextPageToken": "y"}
    )
    http.will_answer(200, {"things": [{"n": 3}]})
    found = session.listed(URL, "things", {"filter": "f"})
    assert [next(found), next(found)] == [{"n": 1}, {"n": 2}]
    assert len(http.requests) == 1
    assert list(found) == [{"n": 3}]
    queries = [request.query for request in http.requests]
    assert queries == [{"filter": "f"}, {"filter": "f", "pageToken": "x"}, {"filter": "f", "pageToken": "y"}]


def test_a_list_of_what_is_not_there_is_empty(http: t.Any, session: t.Any) -> None:
    http.will_answer(404)
    assert list(session.listed(URL, "things")) == []


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
    with pytest.raises(GcpError, match=r"503.*It was asked \d+ times in \d+ s; timeout is 100 s\."):
        session.get(URL)
    assert 80 < clock.time <= 100


def test_an_attempt_is_counted(http: t.Any, clock: t.Any) -> None:
    http.will_answer(429, {}, Retry_After="3600")
    with pytest.raises(GcpError, match=r"It was asked 1 time in 0 s; timeout is 100 s\."):
        Session(http, Deadline(100, clock.now, clock.sleep)).get(URL)


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
    begin = f"GET {URL} was not sent: No access token could be had from the token endpoint: ('invalid_grant: "
    assert str(caught.value).startswith(begin)
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


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(reset(), id="reset"),
        pytest.param(LostError(ProtocolError("Connection aborted.", RemoteDisconnected("closed"))), id="EOF"),
        pytest.param(SSLError("[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred"), id="EOF within TLS"),
        pytest.param(ChunkedEncodingError("IncompleteRead(3 bytes read, 9 more expected)"), id="half an answer"),
        pytest.param(ReadTimeout("slow"), id="timeout"),
    ],
)
def test_an_answer_that_is_lost_leaves_open_what_happened(http: t.Any, session: t.Any, failure: Exception) -> None:
    http.will_raise(failure).will_answer(200, {"name": "f"})
    assert session.request("PATCH", URL, {}) == {"name": "f"}, "repeated, if that does no harm"
    http.will_raise(failure)
    with pytest.raises(GcpError) as caught:
        session.request("POST", URL, {})
    assert caught.value.ambiguous


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (
            SSLError("[SSL: WRONG_VERSION_NUMBER] wrong version number"),
            r"cannot be reached: .*WRONG_VERSION.*HTTPS_PROXY",
        ),
        (
            OSError("Could not find a suitable TLS CA certificate bundle, invalid path: /nope"),
            "could not be sent: .*/nope",
        ),
        (InvalidSchema("Missing dependencies for SOCKS support."), "could not be sent: .*SOCKS"),
        (InvalidProxyURL("Please check proxy URL: http://me:pass@host"), "could not be sent: .*http://host"),
    ],
)
def test_what_no_request_gets_through_is_told(http: t.Any, session: t.Any, failure: Exception, told: str) -> None:
    for _ in range(100):
        http.will_raise(failure)
    with pytest.raises(GcpError, match=told):
        session.get(URL)


@pytest.mark.parametrize(
    ("headers", "body", "query", "request_id"),
    [
        pytest.param({"X_GUploader_UploadID": "AB1"}, {}, {}, "AB1", id="of Storage"),
        pytest.param({}, {}, {"requestId": "my-own"}, "my-own", id="that we sent"),
        pytest.param(
            {"X_GUploader_UploadID": "AB1"},
            {"error": {"message": "x", "details": [{"requestId": "in-it"}]}},
            {"requestId": "my-own"},
            "in-it",
            id="in the answer",
        ),
    ],
)
def test_a_request_can_be_found_by_its_id(
    http: t.Any, session: t.Any, headers: t.Any, body: t.Any, query: t.Any, request_id: str
) -> None:
    http.will_answer(400, body, **headers)
    with pytest.raises(GcpError, match=f"request {request_id}") as caught:
        session.request("POST", URL, {}, query)
    assert caught.value.request_id == request_id


def test_a_write_is_not_begun_after_the_time_is_over(http: t.Any, clock: t.Any) -> None:
    session = Session(http, Deadline(10, clock.now, clock.sleep))
    clock.sleep(11)
    with pytest.raises(GcpError, match="The 10 s of the option timeout are over"):
        session.request("PATCH", URL, {})
    assert http.requests == []


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ("Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.", "timedatectl"),
        ("Token has been expired or revoked.", "gcloud auth application-default login"),
        ("Invalid JWT Signature.", "gcp_iam_service_account_key"),
        ("Invalid grant: account not found", "check that its account and key still exist"),
    ],
)
def test_a_key_that_is_refused_is_told_with_the_way_out(http: t.Any, session: t.Any, told: str, sentence: str) -> None:
    answer = {"error": "invalid_grant", "error_description": told}
    http.will_raise(RefreshError(f"invalid_grant: {told}", answer))
    with pytest.raises(GcpError, match=sentence):
        session.get(URL)
