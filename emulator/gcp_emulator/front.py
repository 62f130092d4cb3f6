# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The front of all APIs: who calls, what they mean, and whether it is well-formed; ``gate`` tells if they may."""

from __future__ import annotations

import gzip
import json
import logging
import re
import secrets
import typing as t
import zlib
from contextlib import nullcontext
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, unquote

import anyio
import anyio.to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gcp_emulator import batch, faults, partial, tokens
from gcp_emulator.accounts import project_id
from gcp_emulator.calls import CallLog
from gcp_emulator.cloud import Cloud
from gcp_emulator.discovery import Apis, Route
from gcp_emulator.errors import ApiError, Json
from gcp_emulator.faults import Fault, Faults, LostAnswerError
from gcp_emulator.gate import Gate, check_storage_scope
from gcp_emulator.schema import refusal
from gcp_emulator.services.base import Call, Service
from gcp_emulator.store import new_cause

LOG = logging.getLogger(__name__)
JSON = "application/json; charset=UTF-8"

# What of Storage is JSON about buckets; everything else on its hosts is its data plane.
_BUCKETS = re.compile(r"/storage/v1/(?!b/[^/]+/o(/|$)).*")
_STORAGE_PATH = re.compile(r"/((resumable/)?upload/|download/)?storage/v1/.*")
_STORAGE_HOST = "storage.googleapis.com"
_PROJECT_PARAMETERS = ("project", "projectsId", "projectId", "v1Id1", "resource")


class DataPlane(t.Protocol):
    """What the Storage service answers beside its JSON methods."""

    async def data_plane(self, request: Request, principal: str | None) -> Response | None:
        """The answer to an upload, download or XML request; None if it is none of these."""


@dataclass(frozen=True)
class Message:
    """A request of a JSON API, be it one of its own or a part of a batch. ``path`` is quoted."""

    verb: str
    host: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes


class Front:
    """The ASGI application that stands for all of ``*.googleapis.com``.

    Where its server gives it no way to end a connection (``abort`` in the scope's state), an answer that is lost is
    raised as LostAnswerError: whoever calls decides what that means.

    :param strict: an answer that departs from Google's schema, or a handler that fails, is raised, not only logged.
    """

    def __init__(
        self, cloud: Cloud, services: t.Iterable[Service], apis: Apis | None = None, strict: bool = False
    ) -> None:
        self.store, self.apis, self.strict = cloud.store, apis or Apis(), strict
        self._handlers: dict[str, t.Callable[[Call], Json | None]] = {}
        by_name = {service.api: service for service in services}
        for service in by_name.values():
            self._handlers |= service.handlers
        self._data_plane = t.cast(DataPlane | None, by_name.get("storage"))
        self._gate = Gate(cloud, self.apis, by_name)
        self.faults = Faults(self.apis, self._handlers, cloud.operations.release)
        self.calls = CallLog()
        # A handler may wait for an operation for two minutes, as Compute's do.
        self._threads = anyio.CapacityLimiter(100)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        request = Request(scope, receive)
        host = request.headers.get("host", "").partition(":")[0].lower()
        path: str = scope["raw_path"].partition(b"?")[0].decode("ascii")
        met: list[str] = []
        try:
            response = await self._respond(request, host, path, met)
        except LostAnswerError as lost:
            self._note(path, met, None)
            late = await self._withhold(lost, scope, receive, self._api_name(host, path))
            if late is None:
                LOG.info("%s %s%s: no answer", request.method, host, path)
                return
            response = late
        else:
            self._note(path, met, response.status_code)
        if self._api_name(host, path) == "storage":  # documentation, recordings; an upload has its own
            response.headers.setdefault("X-GUploader-UploadID", secrets.token_urlsafe(48))
        # Without the query, where signatures, tokens and the ids of uploads are.
        LOG.info("%s %s%s: %d", request.method, host, path, response.status_code)
        await response(scope, receive, send)

    def _note(self, path: str, methods: list[str], status: int | None) -> None:
        """Log a request; the parts of a batch are logged one by one."""
        if not path.startswith("/batch"):
            self.calls.add("".join(methods), path, status)

    @staticmethod
    async def _withhold(lost: LostAnswerError, scope: Scope, receive: Receive, api: str) -> Response | None:
        """Let a client wait, or end its connection; the answer that comes late, or None."""
        abort = scope.get("state", {}).get("abort")
        if abort is None:
            raise lost
        if lost.fault.kind == "slow":
            await anyio.sleep(lost.fault.seconds)
            if isinstance(lost.result, ApiError):
                return _json(lost.result.code, lost.result.body(api))
            if lost.result:
                return _json(*lost.result)
        abort()
        while (await receive())["type"] != "http.disconnect":  # what is left of the request
            pass
        return None

    async def _respond(self, request: Request, host: str, path: str, met: list[str]) -> Response:
        api = self._api_name(host, path)
        try:
            return await self._reply(request, host, path, met)
        except ApiError as error:
            return _json(error.code, error.body(api), error.headers)
        except ClientDisconnect:
            return Response(status_code=499)
        except LostAnswerError:
            raise
        except Exception:
            if self.strict:
                raise
            LOG.exception("%s %s%s failed", request.method, host, path)
            return _json(500, ApiError(500, "Internal error encountered.", "backendError").body(api))

    async def _reply(self, request: Request, host: str, path: str, met: list[str]) -> Response:
        if reply := await self._authorization_server(request, host, path):
            return reply
        if self._data_plane and self._is_data(host, path):
            identity = tokens.authenticate(self.store, _authorization(request), "storage")
            if identity:
                check_storage_scope(request.method, identity)
            answer = await self._data_plane.data_plane(request, identity.principal if identity else None)
            if answer is not None:
                return answer
        if path.startswith("/batch"):
            return await self._batch(request, host)
        message = await self._message(request, host, path)
        status, body = await anyio.to_thread.run_sync(self.answer, message, met, limiter=self._threads)
        return _json(status, body)

    async def _authorization_server(self, request: Request, host: str, path: str) -> Response | None:
        form = {name: values[0] for name, values in parse_qs(request.url.query).items()}
        if request.method == "POST" and host.startswith(("oauth2.", "accounts.", "www.")) and "oken" in path:
            body = (await request.body()).decode()
            form |= {name: values[0] for name, values in parse_qs(body).items()}
        reply = await anyio.to_thread.run_sync(
            tokens.respond, self.store, host, unquote(path), form, _authorization(request), limiter=self._threads
        )
        return _json(reply.status, reply.body) if reply else None

    async def _message(self, request: Request, host: str, path: str) -> Message:
        body = await request.body()
        if request.headers.get("content-encoding") == "gzip":
            try:
                body = gzip.decompress(body)
            except (OSError, EOFError, zlib.error) as error:
                raise ApiError(400, "Bad Request: the body is not gzip.", "badRequest") from error
        query = parse_qs(request.url.query, keep_blank_values=True)
        return Message(request.method, host, path, query, dict(request.headers), body)

    async def _batch(self, request: Request, host: str) -> Response:
        """Several requests in one, each answered as if it had come alone."""
        parts = batch.split(request.headers.get("content-type", ""), await request.body())
        answers = []
        for part in parts:
            path, _mark, query = part.target.partition("?")
            headers = {"authorization": request.headers.get("authorization", "")} | part.headers
            message = Message(part.verb, host, path, parse_qs(query, keep_blank_values=True), headers, part.body)
            met: list[str] = []
            try:
                answer = await anyio.to_thread.run_sync(self._answer_or_error, message, met, limiter=self._threads)
            except LostAnswerError as lost:  # and with it the answer to the whole batch
                self.calls.add("".join(met), path, None)
                raise LostAnswerError(lost.fault) from lost
            self.calls.add("".join(met), path, answer[0])
            answers.append(answer)
        content, kind = batch.join(parts, answers)
        return Response(content, media_type=kind)

    def _answer_or_error(self, message: Message, met: list[str]) -> tuple[int, Json | None]:
        try:
            return self.answer(message, met)
        except ApiError as error:
            return error.code, error.body(self._api_name(message.host, message.path))

    def _api_name(self, host: str, path: str) -> str:
        return "storage" if host.endswith(_STORAGE_HOST) else self.apis.name_of(host, path)

    @staticmethod
    def _is_data(host: str, path: str) -> bool:
        if host.endswith(_STORAGE_HOST):
            return not _BUCKETS.fullmatch(path) and not path.startswith("/batch")
        return host == "www.googleapis.com" and bool(_STORAGE_PATH.fullmatch(path)) and not _BUCKETS.fullmatch(path)

    # -- one method ----------------------------------------------------------------------------------------------

    def answer(self, message: Message, met: list[str]) -> tuple[int, Json | None]:
        """The status and body of a successful request.

        :param met: takes the id of the method.
        :raises ApiError: for any other.
        :raises LostAnswerError: a fault takes the answer away.
        """
        route = self._named(self.apis.find(message.verb, message.host, message.path))
        met.append(route.method.id)
        armed = self.faults.meet(route.method.id)
        if armed is None:
            return self._perform(route, message)
        fault = armed.fault
        if error := faults.refusal(fault, route.api.name, self._number(route, message)):
            raise error
        if fault.kind == "reset-before":
            raise LostAnswerError(fault)
        result: tuple[int, Json | None] | ApiError
        try:
            with faults.during(armed):
                result = self._perform(route, message, fault)
        except ApiError as error:
            result = error
        if faults.KINDS[fault.kind].loses:
            raise LostAnswerError(fault, result)
        if isinstance(result, ApiError):
            raise result
        return result

    def _number(self, route: Route, message: Message) -> str:
        """The number of the project that a request concerns."""
        project = self.store.get("projects", self._gate.project(route, _call(route, message, {}, "")) or "")
        return project["projectNumber"] if project else "0"

    def _perform(self, route: Route, message: Message, fault: Fault | None = None) -> tuple[int, Json | None]:
        authorization = message.headers.get("authorization") or _bearer(message.query)
        identity = tokens.authenticate(self.store, authorization, route.api.name)
        if identity is None:
            raise tokens.missing()
        handler = self._handlers.get(route.method.id)
        if handler is None:
            raise ApiError(501, f"The sandbox does not have the method {route.method.id}.", "notImplemented")
        body = _parse(message.body, "request" in route.method.document)
        violations = route.api.check_request(route, message.query, body)
        if violations:
            raise refusal(violations)
        selection = self._selection(route, message.query)
        call = _call(route, message, body or {}, identity.principal)
        self._gate.check(route, call, identity)
        new_cause()
        with self.store.as_before() if fault and fault.kind == "stale" else nullcontext():
            answer = handler(call)
        self._check_answer(route, answer)
        return (204, None) if answer is None else (200, partial.select(answer, selection))

    @staticmethod
    def _selection(route: Route, query: dict[str, list[str]]) -> partial.Selection:
        """What of the answer the caller wants; all of it if that is empty."""
        asked, schema = query.get("fields", [""])[0], route.method.document.get("response")
        if not asked or schema is None:
            return {}
        selection = partial.parse(asked)
        partial.check(selection, schema, route.api.schemas)
        return selection

    def _check_answer(self, route: Route, answer: Json | None) -> None:
        drift = route.api.check_response(route.method, answer)
        if drift:
            text = "; ".join(violation.message for violation in drift)
            if self.strict:
                raise AssertionError(f"{route.method.id} answers what its schema does not have: {text}")
            LOG.warning("%s answers what its schema does not have: %s", route.method.id, text)

    def _named(self, route: Route) -> Route:
        """The route with project numbers replaced by ids, and a service account by its e-mail address."""
        path = {name: self._with_project_id(value, name in _PROJECT_PARAMETERS) for name, value in route.path.items()}
        resource = self._with_project_id(route.resource, False)
        parts = resource.split("/")
        if parts[0] == "projects" and len(parts) > 3 and parts[2] == "serviceAccounts":
            account = self._account(parts[3])
            if account:
                parts[1], parts[3] = account["projectId"], account["email"]
            elif parts[1] == "-":  # the address tells the project, even of an account that is not there
                parts[1] = parts[3].rpartition("@")[2].removesuffix(".iam.gserviceaccount.com")
            resource = "/".join(parts)
        return replace(route, path=path, resource=resource)

    def _with_project_id(self, value: str, bare: bool) -> str:
        number = value if bare else value.split("/")[1] if value.startswith("projects/") else ""
        if not number.isdigit():
            return value
        return value.replace(number, project_id(self.store, number), 1)

    def _account(self, name: str) -> Json | None:
        if name.isdigit():
            accounts = (account for _email, account in self.store.items("serviceAccounts"))
            return next((account for account in accounts if account["uniqueId"] == name), None)
        return self.store.get("serviceAccounts", name)


def _authorization(request: Request) -> str:
    return request.headers.get("authorization") or _bearer(parse_qs(request.url.query))


def _bearer(query: dict[str, list[str]]) -> str:
    """The header that a token in the query stands for."""
    token = (query.get("access_token") or query.get("oauth_token") or [""])[0]
    return f"Bearer {token}" if token else ""


def _call(route: Route, message: Message, body: Json, principal: str) -> Call:
    return Call(
        route.method.id,
        route.api.version,
        route.resource,
        route.path,
        message.query,
        body,
        principal,
        message.headers,
    )


def _parse(raw: bytes, takes_body: bool) -> t.Any:
    """The JSON of a body; an empty message where a body is optional, None where there is none."""
    if not raw.strip():
        return {} if takes_body else None
    try:
        return json.loads(raw)
    except ValueError as error:
        raise ApiError(
            400, f"Invalid JSON payload received. Unexpected token.\n{error}", "badRequest", "INVALID_ARGUMENT"
        ) from error


def _json(status: int, body: Json | None, further: t.Mapping[str, str] | None = None) -> Response:
    headers = dict(further or {})
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="https://accounts.google.com/"'
    if body is None or status == 304:
        return Response(status_code=status, headers=headers)
    return Response(json.dumps(body, indent=2) + "\n", status, headers, JSON)
