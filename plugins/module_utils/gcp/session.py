# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""JSON over HTTP with Google Cloud: one pool of connections, retries, one deadline."""

from __future__ import annotations

import contextlib
import json
import random
import time
import typing as t
from urllib.parse import urlsplit

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp import credentials
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import (
    ENABLING,
    FOREVER,
    UNREACHABLE,
    GcpError,
    Json,
    advice,
    from_answer,
)

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0  # seconds between attempts


class Deadline:
    """The time that the whole module has.

    :param seconds: how long, from now.
    """

    def __init__(
        self,
        seconds: float,
        now: t.Callable[[], float] = time.monotonic,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self.seconds, self._now, self._sleep = seconds, now, sleep
        self._begin = now()

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return self._now() - self._begin

    @property
    def left(self) -> float:
        """Seconds that remain; 0 if none do."""
        return max(0.0, self.seconds - self.elapsed)

    def pause(self, seconds: float) -> bool:
        """Sleep, but not beyond the end; whether time is left then."""
        self._sleep(min(seconds, self.left))
        return self.left > 0


def backoff(attempt: int, first: float = FIRST_PAUSE, longest: float = LONGEST_PAUSE) -> float:
    """Seconds to pause after so many attempts: doubling, and jittered so that many hosts do not march in step."""
    return min(longest, first * 2.0 ** min(attempt, 16)) * random.uniform(0.5, 1)  # noqa: S311 (not a secret)


class Session:
    """Asks the APIs as one caller.

    :param http: google-auth's ``AuthorizedSession``, or whatever has its ``request``.
    :param deadline: bounds everything that is done through this session.
    :param credential: the credential's name, for errors.
    """

    def __init__(self, http: t.Any, deadline: Deadline, credential: str = "") -> None:
        self.http, self.deadline, self.credential = http, deadline, credential

    @classmethod
    def from_params(cls, params: Json) -> Session:
        """A session with the credential and the ``timeout`` of a module's options.

        :raises GcpError: if the credential cannot be used.
        :raises ImportError: if google-auth or requests is not installed.
        """
        from google.auth.transport.requests import AuthorizedSession

        found = credentials.find(params)
        # An access token cannot be refreshed: a 401 is the answer, not an invitation to try.
        refresh = () if params["auth_kind"] == "accesstoken" else (401,)
        http = AuthorizedSession(found.value, refresh_status_codes=refresh)
        return cls(http, Deadline(params["timeout"]), found.name)

    def get(self, url: str, query: Json | None = None) -> Json | None:
        """The resource, or None where there is none (404)."""
        try:
            return self.request("GET", url, query=query)
        except GcpError as error:
            if error.missing:
                return None
            raise

    def request(
        self,
        method: str,
        url: str,
        body: t.Any = None,
        query: Json | None = None,
        *,
        repeatable: bool | None = None,
        read_seconds: float = READ_SECONDS,
    ) -> Json:
        """Send a request, and again while that can help; the JSON of the answer.

        :param repeatable: whether it does no harm to send it twice. Default: everything but POST. What is not, is not
            repeated after an error that leaves open whether it was received: the GcpError is ``ambiguous`` then.
        :param read_seconds: how long to wait for the answer to one attempt.
        :raises GcpError: with advice, once asking again cannot help or the deadline has come.
        """
        repeatable = method != "POST" if repeatable is None else repeatable
        begin, attempt = self.deadline.elapsed, 0
        while True:
            try:
                return self._once(method, url, body, query, read_seconds)
            except GcpError as error:
                if error.service_disabled and self._switched_on(error.switch):
                    error.patience = ENABLING
                pause = max(backoff(attempt), error.retry_after)
                attempt += 1
                spent = self.deadline.elapsed - begin
                gone = error.status == 404 and method in {"GET", "DELETE"}  # an answer, however new the resource is
                if (error.ambiguous and not repeatable) or gone or not error.patience:
                    raise self._explained(error) from error.__cause__
                if spent + pause > error.patience or pause >= self.deadline.left:
                    error.note(f"It was asked {attempt} times in {spent:.0f} s.")
                    error.exhausted = True
                    raise self._explained(error) from error.__cause__
                self.deadline.pause(pause)

    def _switched_on(self, switch: str) -> bool:
        """Whether an API that says that it is off was switched on, which is not known everywhere at once."""
        if not switch:
            return False
        try:
            service = self._once("GET", f"https://serviceusage.googleapis.com/v1/{switch}", None, None, READ_SECONDS)
        except GcpError:
            return False  # what the API said of itself stands
        return bool(service.get("state") == "ENABLED")

    def _explained(self, error: GcpError) -> GcpError:
        for sentence in advice(error, self.credential):
            error.note(sentence)
        return error

    def _once(self, method: str, url: str, body: t.Any, query: Json | None, read_seconds: float) -> Json:
        from google.auth import exceptions as auth
        from requests import exceptions as http

        left = max(self.deadline.left, 0.1)
        timeout = (min(CONNECT_SECONDS, left), min(read_seconds, left))
        try:
            answer = self.http.request(method, url, json=body, params=query, timeout=timeout)
        except auth.TransportError as error:
            raise no_token(error).during(method, url) from error
        except auth.GoogleAuthError as error:
            raise self._refused(error).during(method, url) from error
        except http.RequestException as error:
            raise lost(url, error).during(method, url) from error
        try:
            content = answer.json() if answer.content else {}
        except ValueError:
            content = None
        if answer.status_code >= 400 or not isinstance(content, dict):
            seconds = answer.headers.get("Retry-After", "")
            retry_after = float(seconds) if seconds.isdigit() else 0
            raise from_answer(answer.status_code, content, answer.text, retry_after).during(method, url)
        return content

    def _refused(self, error: Exception) -> GcpError:
        """What google-auth says when it gets no token."""
        told = " ".join(explanations(error))
        reason = "invalid_grant" if "invalid_grant" in str(error) else ""
        if getattr(error, "retryable", False):
            return GcpError(f"No access token could be had: {told}", reason=reason, patience=UNREACHABLE)
        result = GcpError(f"No access token could be had: {told}", reason=reason)
        result.note(
            "The credential was refused: check that its account and key still exist and that the clock is right."
        )
        return result.note(f"The credential was: {self.credential}.")


def explanations(error: Exception) -> t.Iterator[str]:
    """What google-auth says, with what the answer said that it hands on as it came."""
    yield str(error.args[0] if error.args else error)
    for more in error.args[1:]:
        with contextlib.suppress(ValueError, TypeError):
            yield from_answer(0, json.loads(more), "").message


def no_token(error: Exception) -> GcpError:
    """The endpoint that gives tokens does not answer; the request itself was not sent."""
    from requests.exceptions import RequestException

    inner = error.args[0] if error.args else None
    if not isinstance(inner, RequestException):
        return unreachable("The token endpoint", error)
    result = lost(getattr(inner.request, "url", None) or "The token endpoint", inner)
    result.ambiguous = False
    return result


def lost(url: str, error: Exception) -> GcpError:
    """What no answer at all means: whether the request may have been received, and whether to ask again."""
    from requests import exceptions as http
    from urllib3 import exceptions as sockets

    endpoint = urlsplit(url).hostname or url
    cause = getattr(error.args[0], "reason", error.args[0]) if error.args else error
    if isinstance(error, http.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return GcpError(f"The certificate of {endpoint} is not trusted: {cause}").note(
            "Give the CA of the proxy in REQUESTS_CA_BUNDLE."
        )
    if isinstance(error, http.ConnectTimeout | http.ProxyError) or isinstance(cause, sockets.NewConnectionError):
        return unreachable(endpoint, error)
    if isinstance(error, http.ConnectionError | http.Timeout | http.ChunkedEncodingError):
        return GcpError(f"{endpoint} did not answer: {cause}", patience=FOREVER, ambiguous=True).note(
            f"Check that {endpoint} is reachable from here."
        )
    return GcpError(f"The request to {endpoint} could not be sent: {error}")


def unreachable(endpoint: str, error: Exception) -> GcpError:
    """The request was not received: nothing listens, no name, no route, no proxy."""
    cause = getattr(error.args[0], "reason", error.args[0]) if error.args else error
    return GcpError(f"{endpoint} cannot be reached: {cause}", patience=UNREACHABLE).note(
        "Check the network and the proxy (HTTPS_PROXY) of the machine that runs the module."
    )
