# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The proxy on the loopback interface, with real clients and real TLS."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.client
import ipaddress
import json
import queue
import socket
import threading
import typing as t

import pytest
import requests
from gcp_emulator import certificates, server
from gcp_emulator.admin import Admin
from gcp_emulator.front import Front
from gcp_emulator.proxy import Proxy, is_google
from gcp_emulator.settings import Settings
from google.auth.transport.requests import AuthorizedSession
from google.oauth2 import service_account

if t.TYPE_CHECKING:
    from pathlib import Path

    from harness import Emulator

SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
COMPUTE = "https://compute.googleapis.com/compute/v1/projects/test-project"
LOOPBACK = ipaddress.IPv4Interface("127.0.0.1/24")


@contextlib.contextmanager
def running(
    settings: Settings,
    front: Front | None,
    upstream: str = "",
    bypass: str = "",
    refusal: t.Callable[[str, bool], str] | None = None,
) -> t.Iterator[int]:
    """A proxy in a thread of its own, and behind it the emulator; the port where it listens."""
    inner = server._listening("127.0.0.1", 0)
    started: queue.Queue[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = queue.Queue()

    async def serve() -> None:
        admin = Admin(front.faults, front.calls) if front else None
        proxy = Proxy(inner.getsockname(), LOOPBACK, lambda: {"ready": True}, upstream, bypass, admin, refusal)
        listening = await proxy.start("127.0.0.1", 0)
        stop = asyncio.Event()
        emulator = None
        if front:
            chain, key = certificates.server_files(settings)
            listener = server._listener(front, ssl_certfile=str(chain), ssl_keyfile=str(key))
            emulator = asyncio.create_task(listener.serve([inner]))
        started.put((asyncio.get_running_loop(), stop, listening.sockets[0].getsockname()[1]))
        await stop.wait()
        listening.close()
        if emulator:
            listener.should_exit = listener.force_exit = True
            await emulator

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    loop, stop, port = started.get(timeout=10)
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        inner.close()


def ask(port: int, target: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", target)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def connect(port: int, target: str) -> str:
    """The answer to CONNECT."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as stream:
        stream.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        return stream.makefile("r").read()


def test_google_auth_and_requests_work_with_nothing_but_a_proxy_and_a_bundle(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = emulator.cloud.settings
    for name in certificates.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    certificates.ensure(settings)
    server.prepare(settings, emulator.cloud.store)
    assert settings.credentials.stat().st_mode & 0o777 == 0o600
    with running(settings, emulator.front) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(settings.ca_bundle))
        credentials = service_account.Credentials.from_service_account_file(str(settings.credentials), scopes=SCOPES)
        with AuthorizedSession(credentials) as session:
            answer = session.get(f"{COMPUTE}/global/networks/default")
            assert (answer.status_code, answer.json()["name"]) == (200, "default")
        refused = requests.get("https://secretmanager.googleapis.com/v1/projects/test-project/secrets", timeout=10)
        assert refused.status_code == 401
        # nobody else's certificate is trusted for these names
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.trusted(settings, {})))
        with pytest.raises(requests.exceptions.SSLError):
            requests.get("https://compute.googleapis.com/", timeout=10)


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("compute.googleapis.com", True),
        ("bucket.storage.googleapis.com", True),
        ("accounts.google.com", True),
        ("metadata.google.internal", False),
        ("www.google.com", False),
        ("googleapis.com.example.org", False),
        ("notgoogleapis.com", False),
    ],
)
def test_the_emulator_stands_for_the_names_of_the_apis_alone(name: str, ours: bool) -> None:
    assert is_google(name) is ours


def test_a_plain_request_is_answered_by_the_proxy_itself(tmp_path: Path) -> None:
    with running(Settings(tmp_path), None) as port:
        assert ask(port, "/caller-address") == (200, "127.0.0.1")
        assert json.loads(ask(port, "/health")[1]) == {"ready": True}
        assert ask(port, "http://example.com/")[0] == 400
        assert "HTTPS proxy of a Google Cloud sandbox" in ask(port, "/")[1]


@pytest.mark.parametrize(
    ("address", "seen"), [("198.18.77.20", "198.18.77.20"), ("192.0.2.2", "198.18.77.1"), ("127.0.0.1", "198.18.77.1")]
)
def test_a_caller_from_elsewhere_is_seen_as_the_sandboxs_own_address(address: str, seen: str) -> None:
    proxy = Proxy(("127.0.0.1", 1), ipaddress.IPv4Interface("198.18.77.1/24"), dict)
    assert proxy._seen(address) == seen


def test_the_machines_own_loopback_is_out_of_reach(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as private, running(Settings(tmp_path), None) as port:
        assert connect(port, f"127.0.0.1:{private.getsockname()[1]}").startswith("HTTP/1.1 403 Forbidden")


@pytest.mark.parametrize(
    ("target", "status"), [("nothing", 400), (":443", 400), ("a:b", 400), ("name.invalid:443", 502)]
)
def test_a_connection_that_cannot_be_is_explained(tmp_path: Path, target: str, status: int) -> None:
    with running(Settings(tmp_path), None) as port:
        assert connect(port, target).startswith(f"HTTP/1.1 {status} ")


@pytest.mark.parametrize(("answer", "status"), [("HTTP/1.1 200 OK", 200), ("HTTP/1.1 407 Who are you", 502)])
def test_other_names_go_through_the_upstream_proxy(tmp_path: Path, answer: str, status: int) -> None:
    asked: list[bytes] = []

    def upstream(listening: socket.socket) -> None:
        stream, _address = listening.accept()
        with stream:
            asked.append(stream.recv(65536))
            stream.sendall(f"{answer}\r\n\r\n".encode())

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=upstream, args=(listening,), daemon=True)
        thread.start()
        url = f"http://user:p%40ss@127.0.0.1:{listening.getsockname()[1]}"
        with running(Settings(tmp_path), None, upstream=url) as port:
            assert connect(port, "example.com:443").startswith(f"HTTP/1.1 {status} ")
        thread.join(10)
    assert asked[0].startswith(b"CONNECT example.com:443 HTTP/1.1\r\n")
    assert base64.b64encode(b"user:p@ss") in asked[0]


def test_a_name_that_bypasses_the_upstream_proxy_is_reached_directly(tmp_path: Path) -> None:
    with running(Settings(tmp_path), None, upstream="http://127.0.0.1:1", bypass=".invalid") as port:
        assert "name.invalid:443 cannot be reached" in connect(port, "name.invalid:443")


@pytest.mark.parametrize(
    ("target", "said"),
    [
        pytest.param("name.invalid:443", "name.invalid:443 cannot be reached: no way out", id="another name"),
        pytest.param("storage.googleapis.com:443", "200 Connection established", id="a name of Google's"),
    ],
)
def test_what_a_caller_may_not_reach_is_refused_with_the_reason(emulator: Emulator, target: str, said: str) -> None:
    asked: list[tuple[str, bool]] = []

    def refusal(address: str, google: bool) -> str:
        asked.append((address, google))
        return "" if google else "no way out"

    certificates.ensure(emulator.cloud.settings)
    with (
        running(emulator.cloud.settings, emulator.front, refusal=refusal) as port,
        socket.create_connection(("127.0.0.1", port), timeout=10) as stream,
    ):
        stream.sendall(f"CONNECT {target} HTTP/1.1\r\n\r\n".encode())
        stream.shutdown(socket.SHUT_WR)
        assert said in stream.makefile("r", errors="replace").read()
    assert asked == [("127.0.0.1", target.startswith("storage"))]
