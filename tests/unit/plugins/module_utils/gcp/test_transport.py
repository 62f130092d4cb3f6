# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Against a real server, with google-auth's real credentials: how many connections and tokens a module takes."""

from __future__ import annotations

import json
import threading
import typing as t
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Resource, reconcile
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.session import Session
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

Json = dict[str, t.Any]


class Server:
    """Gives tokens, and keeps one thing."""

    def __init__(self) -> None:
        self.connections = 0
        self.requests: list[tuple[str, str]] = []
        self.authorizations: set[str] = set()
        self.tokens = 0
        self.refuse_first = False
        self.thing: Json | None = None
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        """End."""
        self._http.shutdown()
        self._http.server_close()

    def answer(self, method: str, path: str, authorization: str) -> tuple[int, Json]:
        """What is said to a request."""
        self.requests.append((method, path))
        if path == "/token":
            self.tokens += 1
            return 200, {"access_token": f"token-{self.tokens}", "expires_in": 3600, "token_type": "Bearer"}
        self.authorizations.add(authorization)
        if self.refuse_first and authorization == "Bearer token-1":
            return 401, {"error": {"message": "expired"}}
        if method == "POST":
            self.thing = {"name": "a"}
        return (200, self.thing) if self.thing else (404, {"error": {"message": "not found"}})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                server.connections += 1
                super().setup()

            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, body = server.answer(self.command, self.path, self.headers.get("Authorization", ""))
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_CONNECT = answer  # noqa: N815 (the library's names)

            def log_message(self, *_arguments: t.Any) -> None:
                """Nothing."""

        return Handler


@pytest.fixture
def server() -> t.Iterator[Server]:
    """The server of the test."""
    made = Server()
    yield made
    made.close()


@pytest.fixture(scope="module")
def private_key() -> str:
    """A key, which takes a while to make."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    formats = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*formats).decode()


class Thing(Resource):
    """Something that the server keeps."""

    service, collection = "things", "things"
    fields: t.ClassVar[dict[str, Field]] = {"name": Field(required=True)}
    host = ""


@pytest.fixture
def module(server: Server, private_key: str, monkeypatch: pytest.MonkeyPatch) -> t.Callable[[], Json]:
    """Runs a module of its own process, as far as connections go."""
    monkeypatch.setattr(Thing, "host", server.url)
    key = {
        "type": "service_account",
        "client_email": "a@p.iam.gserviceaccount.com",
        "private_key_id": "k",
        "private_key": private_key,
        "token_uri": f"{server.url}/token",
    }
    params = {"auth_kind": "serviceaccount", "service_account_contents": json.dumps(key), "scopes": [], "timeout": 20}

    def run() -> Json:
        return reconcile(Thing(Session.from_params(params), {"project": "p", "name": "a", "state": "present"}))

    return run


def test_a_module_takes_one_token_and_one_connection_to_an_api(server: Server, module: t.Callable[[], Json]) -> None:
    assert module()["changed"]
    expected = [("GET", "/things/a"), ("POST", "/things"), ("GET", "/things/a")]
    assert server.requests == [("POST", "/token"), *expected]
    assert server.connections == 2


def test_a_run_without_a_change_is_one_request(server: Server, module: t.Callable[[], Json]) -> None:
    server.thing = {"name": "a"}
    assert not module()["changed"]
    assert server.requests == [("POST", "/token"), ("GET", "/things/a")]


def test_a_token_that_is_refused_is_renewed_once(server: Server, module: t.Callable[[], Json]) -> None:
    server.thing, server.refuse_first = {"name": "a"}, True
    assert not module()["changed"]
    assert server.tokens == 2
    assert server.connections == 2


def test_an_access_token_that_is_refused_is_not_renewed(server: Server) -> None:
    server.refuse_first = True
    params = {"auth_kind": "accesstoken", "access_token": "token-1", "scopes": [], "timeout": 20}
    with pytest.raises(GcpError, match="answered 401: expired") as caught:
        Session.from_params(params).get(f"{server.url}/things/a")
    assert caught.value.status == 401
    assert server.requests == [("GET", "/things/a")]


def test_google_auth_asks_nobody_in_the_background(
    server: Server, module: t.Callable[[], Json], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", server.url)  # whoever is asked over TLS is asked through the server
    server.thing = {"name": "a"}
    module()
    started = [thread.name for thread in threading.enumerate() if "AccessBoundary" in type(thread).__name__]
    assert started == []
    assert [path for method, path in server.requests if method == "CONNECT"] == []


def test_a_netrc_does_not_take_the_place_of_the_token(
    server: Server, module: t.Callable[[], Json], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("default login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    module()
    assert server.authorizations == {"Bearer token-1"}


def test_a_server_that_hangs_ends_with_the_timeout(server: Server, private_key: str) -> None:
    def hang(*_arguments: t.Any) -> tuple[int, Json]:
        threading.Event().wait(30)
        return 200, {}

    server.answer = hang  # type: ignore[method-assign, assignment]  # the server of this test
    params = {"auth_kind": "accesstoken", "access_token": "x", "scopes": [], "timeout": 1}
    with pytest.raises(GcpError, match="did not answer"):
        Session.from_params(params).get(f"{server.url}/things/a")
