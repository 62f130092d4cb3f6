# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""JSON over HTTP with Google Cloud: one pool of connections, retries, one deadline."""

from __future__ import annotations

import random
import time
import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp import credentials, transport
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.advice import advice
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import (
    ENABLING,
    GcpError,
    Json,
    from_answer,
)

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0  # seconds between attempts
# Where an answer bears the number under which Google's support finds it.
ID_HEADERS = ("X-GUploader-UploadID", "X-Goog-Request-Id", "X-Request-Id", "X-Cloud-Trace-Context")


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


class Raw(t.NamedTuple):
    """A body that is not JSON. What answers it is not either: its ``type`` and ``text`` are handed on."""

    content: bytes
    content_type: str

    @property
    def arguments(self) -> Json:
        """What requests takes for it."""
        return {"data": self.content, "headers": {"Content-Type": self.content_type}}


class Session:
    """Asks the APIs as one caller.

    :param http: google-auth's ``AuthorizedSession``, or whatever has its ``request``.
    :param deadline: bounds everything that is done through this session.
    :param credential: the credential's name, for errors.
    """

    def __init__(self, http: t.Any, deadline: Deadline, credential: str = "") -> None:
        self.http, self.deadline, self.credential = http, deadline, credential
        self.asked = ("", "")  # method and URL of the last request

    @classmethod
    def from_params(cls, params: Json) -> Session:
        """A session with the credential and the ``timeout`` of a module's options.

        :raises GcpError: if the credential cannot be used.
        :raises ImportError: if google-auth or requests is not installed.
        """
        deadline = Deadline(params["timeout"])
        found = credentials.find(params)
        # An access token cannot be refreshed: a 401 is the answer, not an invitation to try.
        http = transport.authorized(found.value, deadline, refreshable=params["auth_kind"] != "accesstoken")
        return cls(http, deadline, found.name)

    def get(self, url: str, query: Json | None = None) -> Json | None:
        """The resource, or None where there is none (404)."""
        try:
            return self.request("GET", url, query=query)
        except GcpError as error:
            if error.missing:
                return None
            raise

    def listed(self, url: str, name: str, query: Json | None = None) -> t.Iterator[Json]:
        """The items of a list, page by page as they are used; none where there is no such list (404).

        :param name: what the answer calls them.
        """
        asked = query
        while True:
            page = self.get(url, asked) or {}
            yield from page.get(name, [])
            if not page.get("nextPageToken"):
                return
            asked = {**(query or {}), "pageToken": page["nextPageToken"]}

    def request(
        self,
        method: str,
        url: str,
        body: t.Any = None,
        query: Json | None = None,
        *,
        repeatable: bool | None = None,
        read_seconds: float = transport.READ_SECONDS,
    ) -> Json:
        """Send a request, and again while that can help; the JSON of the answer.

        :param repeatable: whether it does no harm to send it twice. Default: everything but POST. What is not, is not
            repeated after an error that leaves open whether it was received: the GcpError is ``ambiguous`` then.
        :param read_seconds: how long to wait for the answer to one attempt.
        :raises GcpError: with advice, once asking again cannot help or the deadline has come.
        """
        if method != "GET" and self.deadline.left <= 0:
            raise GcpError(
                f"The {self.deadline.seconds:.0f} s of the option timeout are over, so that {method} {url} was not "
                "sent. Run again, or raise the option timeout."
            )
        repeatable = method != "POST" if repeatable is None else repeatable
        begin, attempt = self.deadline.elapsed, 0
        while True:
            try:
                return self._once(method, url, body, query, read_seconds)
            except GcpError as error:
                if not self._may_pass(error, method, url) or (error.ambiguous and not repeatable):
                    raise self._explained(error) from error.__cause__
                pause = max(backoff(attempt), error.retry_after)
                attempt += 1
                spent = self.deadline.elapsed - begin
                out_of_patience = spent + pause > error.patience
                if out_of_patience or pause >= self.deadline.left:
                    limit = "" if out_of_patience else f"; timeout is {self.deadline.seconds:.0f} s"
                    times = "1 time" if attempt == 1 else f"{attempt} times"
                    error.note(f"It was asked {times} in {spent:.0f} s{limit}.")
                    error.exhausted = True
                    raise self._explained(error) from error.__cause__
                self.deadline.pause(pause)

    def _may_pass(self, error: GcpError, method: str, url: str) -> bool:
        """Whether asking again can help."""
        if error.service_disabled and self._switched_on(error.switch):
            error.patience = ENABLING
        reading = method == "GET" or url.endswith(":getIamPolicy")
        gone = error.status == 404 and (reading or method == "DELETE")  # an answer, however new it is
        return error.patience > 0 and not gone

    def _switched_on(self, switch: str) -> bool:
        """Whether an API that says that it is off was switched on, which is not known everywhere at once."""
        if not switch:
            return False
        try:
            service = self._once(
                "GET", f"https://serviceusage.googleapis.com/v1/{switch}", None, None, transport.READ_SECONDS
            )
        except GcpError:
            return False  # what the API said of itself stands
        return bool(service.get("state") == "ENABLED")

    def _explained(self, error: GcpError) -> GcpError:
        for sentence in advice(error, self.credential):
            error.note(sentence)
        return error

    def _once(self, method: str, url: str, body: t.Any, query: Json | None, read_seconds: float) -> Json:
        from google.auth.exceptions import GoogleAuthError

        self.asked = (method, url)
        left = max(self.deadline.left, 0.1)
        timeout = (min(transport.CONNECT_SECONDS, left), min(read_seconds, left))
        try:
            sent: Json = body.arguments if isinstance(body, Raw) else {"json": body}
            answer = self.http.request(method, url, params=query, timeout=timeout, **sent)
        except (GoogleAuthError, OSError) as error:  # an exception of requests is an OSError
            raise transport.failure(error, url, self.credential).during(method, url) from error
        if isinstance(body, Raw) and answer.status_code < 400:
            # Not ``answer.text``, which guesses the encoding, and takes its time for it.
            return {"type": answer.headers.get("Content-Type", ""), "text": answer.content.decode(errors="replace")}
        try:
            content = answer.json() if answer.content else {}
        except ValueError:
            content = None
        if answer.status_code < 400 and isinstance(content, dict):
            return content
        seconds = answer.headers.get("Retry-After", "")
        result = from_answer(answer.status_code, content, answer.text, float(seconds) if seconds.isdigit() else 0)
        result.request_id = (
            result.request_id
            or next((answer.headers[name] for name in ID_HEADERS if name in answer.headers), "")
            or str((query or {}).get("requestId", ""))
        )
        raise result.during(method, url)
