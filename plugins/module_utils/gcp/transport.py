# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What knows requests and google-auth: the connections, the token, and what it means that there is no answer."""

from __future__ import annotations

import contextlib
import json
import re
import typing as t
from urllib.parse import urlsplit

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import (
    FOREVER,
    NO_TOKEN,
    UNREACHABLE,
    GcpError,
    from_answer,
)

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
CHECK_NETWORK = "Check the network and the proxy (HTTPS_PROXY) of the machine that runs the module."


class Time(t.Protocol):
    """What is left of the module's time."""

    @property
    def left(self) -> float:
        """Seconds."""


def authorized(credential: t.Any, time: Time, *, refreshable: bool) -> t.Any:
    """Connections that carry a token, which is asked for once, when the first request needs it.

    :param credential: google-auth's object.
    :param refreshable: whether a new token can be had when one is refused (401).
    """
    from google.auth.transport.requests import AuthorizedSession

    http = AuthorizedSession(
        credential,
        refresh_status_codes=(401,) if refreshable else (),
        max_refresh_attempts=1,
        auth_request=TokenRequest(time),
    )
    http.auth = bearer_only
    return http


def bearer_only(request: t.Any) -> t.Any:
    """Leave a request as it is; without this, requests puts what ~/.netrc has in the place of the token."""
    return request


class TokenRequest:
    """google-auth's way to whoever gives tokens, within the time of the module."""

    def __init__(self, time: Time) -> None:
        import requests
        from google.auth.transport.requests import Request

        self._time, self._request = time, Request(requests.Session())

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: t.Any = None,
        headers: t.Any = None,
        timeout: t.Any = None,
        **_more: t.Any,
    ) -> t.Any:
        from google.auth.exceptions import TransportError

        left = self._time.left
        if left <= 0:
            raise TransportError("the time of the option timeout is over")
        connect, read = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        bounded = (min(connect or CONNECT_SECONDS, left), min(read or READ_SECONDS, left))
        return self._request(url, method, body, headers, timeout=bounded)

    def __deepcopy__(self, _memo: t.Any) -> t.NoReturn:
        """Refuse to be copied into the thread in which google-auth asks where the account may work.

        Its answer comes too late for a module that lives for a second, and costs a connection of its own.
        """
        raise TypeError("This is not for threads.")


def failure(error: Exception, url: str, credential: str) -> GcpError:
    """What an exception of requests or google-auth means."""
    from google.auth import exceptions as auth
    from requests.exceptions import RequestException

    if isinstance(error, auth.TransportError):
        return no_token(error)
    if isinstance(error, auth.GoogleAuthError):
        return refused(error, credential)
    if isinstance(error, RequestException):
        return lost(url, error)
    return unsent(url, error)


def refused(error: Exception, credential: str) -> GcpError:
    """What google-auth says when it gets no token."""
    message = f"{NO_TOKEN} from the token endpoint: {' '.join(explanations(error))}"
    reason = "invalid_grant" if "invalid_grant" in str(error) else ""
    if getattr(error, "retryable", False):
        return GcpError(message, reason=reason, patience=UNREACHABLE)
    result = GcpError(message, reason=reason)
    return result.note(f"The credential was: {credential}.")


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

    endpoint = endpoint_of(url)
    cause = cause_of(error)
    if isinstance(error, http.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return GcpError(f"The certificate of {endpoint} is not trusted: {cause}").note(
            "Give the CA of the proxy in REQUESTS_CA_BUNDLE."
        )
    broken_off = isinstance(error, http.SSLError) and "EOF" in str(error)
    if isinstance(error, http.SSLError) and not broken_off:
        return unreachable(endpoint, error)
    # urllib3 forgets, when a connection ends, that the proxy was reached: it blames the proxy for a lost answer too.
    ended = isinstance(error, http.ProxyError) and isinstance(getattr(cause, "original_error", None), ConnectionError)
    never_made = isinstance(error, http.ConnectTimeout | http.ProxyError) and not ended
    if never_made or isinstance(cause, sockets.NewConnectionError):
        return unreachable(endpoint, error)
    answers = http.ConnectionError | http.Timeout | http.ChunkedEncodingError | http.ContentDecodingError
    if isinstance(error, answers):
        return GcpError(f"{endpoint} did not answer: {cause}", patience=FOREVER, ambiguous=True).note(
            f"Check that {endpoint} is reachable from here."
        )
    return unsent(url, error)


def unreachable(endpoint: str, error: Exception) -> GcpError:
    """The request was not received: nothing listens, no name, no route, no proxy."""
    return GcpError(f"{endpoint} cannot be reached: {cause_of(error)}", patience=UNREACHABLE).note(CHECK_NETWORK)


def unsent(url: str, error: Exception) -> GcpError:
    """The request did not leave: a proxy or a CA bundle that cannot be used, for example."""
    return GcpError(f"The request to {endpoint_of(url)} could not be sent: {cause_of(error)}")


def endpoint_of(url: str) -> str:
    """The host of a URL."""
    return urlsplit(url).hostname or url


def cause_of(error: Exception) -> t.Any:
    """The innermost thing that an exception of requests tells; the password of a proxy is left out of a text."""
    cause = getattr(error.args[0], "reason", error.args[0]) if error.args else error
    return re.sub(r"//[^/\s@]+@", "//", cause) if isinstance(cause, str) else cause
