# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The modules against the whole emulator, in one process: no sockets, no credentials, no time that is waited for."""

from __future__ import annotations

import copy
import json
import typing as t
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import requests
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.module import argument_spec, check, rules
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Resource, reconcile
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.session import Deadline, Session
from contract.discovery import judge
from gcp_emulator.discovery import Apis
from gcp_emulator.faults import LostAnswerError
from harness import OWNER, PROJECT, Answer, Emulator, assemble
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import ProtocolError

Json = dict[str, t.Any]
# What is no method of a document: objects go up and requests go together by paths of their own.
ELSEWHERE = ("/upload/", "/batch/")


class Request(t.NamedTuple):
    """What a module sent; ``path`` is the URL without the scheme and the query, ``status`` 0 if no answer came."""

    method: str
    path: str
    query: dict[str, t.Any]
    body: t.Any
    status: int


class Response:
    """An answer, as Session looks at it."""

    def __init__(self, answer: Answer) -> None:
        self.status_code, self.content = answer.status, answer.content
        self.headers = CaseInsensitiveDict(answer.headers)
        self.text = answer.content.decode()

    def json(self) -> t.Any:
        """The body."""
        return json.loads(self.text)


class Cloud:
    """An emulated Google Cloud, and what modules need to work in it.

    :param directory: where its state lives.
    :param apis: Google's documents; reading them takes longer than anything else here.
    """

    def __init__(self, directory: Path, apis: Apis) -> None:
        directory.mkdir()
        self.emulator: Emulator = assemble(directory, apis)
        self.project, self.principal = PROJECT, OWNER
        self.requests: list[Request] = []
        self.time = 0.0
        self.emulator.cloud.propagation.clock = lambda: self.time

    def close(self) -> None:
        """Let go of the state."""
        self.emulator.close()

    def request(
        self,
        method: str,
        url: str,
        json: t.Any = None,
        params: Json | None = None,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
        timeout: tuple[float, float] = (10, 60),
        **_options: t.Any,
    ) -> Response:
        """What google-auth's ``AuthorizedSession`` has, as far as Session uses it."""
        given = {key: value for key, value in (params or {}).items() if value is not None}
        whole = f"{url}?{urlencode(given, doseq=True)}" if given else url
        sent = json if data is None else data
        parts = urlsplit(url)
        request = Request(method, f"{parts.netloc}{parts.path}", given, copy.deepcopy(sent), 0)
        try:
            answer = self.emulator.call(method, whole, sent, principal=self.principal, headers=headers)
        except LostAnswerError as lost:
            self.requests.append(request)
            if lost.fault.kind == "slow":
                self.time += timeout[1]
                raise requests.ReadTimeout(f"Read timed out. (read timeout={timeout[1]})") from lost
            cause = ProtocolError("Connection aborted.", ConnectionResetError(104, "Connection reset by peer"))
            raise requests.ConnectionError(cause) from lost
        self.requests.append(request._replace(status=answer.status))
        return Response(answer)

    def sleep(self, seconds: float) -> None:
        """Let time pass: whatever is under way comes to its end."""
        self.time += seconds
        self.emulator.finish()

    def session(self, timeout: float = 1200) -> Session:
        """A session of this cloud."""
        return Session(self, Deadline(timeout, lambda: self.time, self.sleep), self.principal)

    def objections(self) -> list[str]:
        """What Google's documents, read by other code than the emulator's, have against what was sent."""
        found = [request for request in self.requests if not any(part in request.path for part in ELSEWHERE)]
        missing = [f"{request.method} {request.path} is not emulated" for request in found if request.status == 501]
        # A PUT replaces the whole resource, and sends back what is Google's to fill, which Google ignores.
        kept = [one._replace(body=None) if one.method == "PUT" else one for one in found]
        judged = [judge(one.method, f"https://{one.path}", one.query, one.body) for one in kept]
        return [*missing, *(sentence for sentences in judged for sentence in sentences)]

    @contextmanager
    def recorded(self) -> t.Iterator[list[Request]]:
        """The requests that come within."""
        begin = len(self.requests)
        found: list[Request] = []
        yield found
        found += self.requests[begin:]

    def resource(self, kind: type[Resource], options: Json) -> Resource:
        """The resource that a task with these options is about; the others have their defaults."""
        validated = ArgumentSpecValidator(argument_spec(kind), **rules(kind)).validate(
            {"project": self.project, **options}
        )
        assert not validated.error_messages, validated.error_messages
        params = validated.validated_parameters
        check(kind, params)
        return kind(self.session(params["timeout"]), params)

    def run(self, kind: type[Resource], options: Json, check_mode: bool = False) -> Json:
        """The result of a module; operations that it did not wait for come to their end."""
        outcome = reconcile(self.resource(kind, copy.deepcopy(options)), check_mode)
        self.emulator.finish()
        return outcome
