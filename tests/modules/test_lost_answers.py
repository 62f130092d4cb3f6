# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Real connections, through the sandbox's proxy, that end without an answer: what a module makes of them."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import requests
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.session import Deadline, Session
from gcp_emulator import certificates, tokens
from gcp_emulator.discovery import Apis
from gcp_emulator.faults import Fault
from harness import OWNER, Emulator, assemble
from test_proxy import running

URL = "https://storage.googleapis.com/storage/v1/b"


@pytest.fixture
def emulator(tmp_path: Path, apis: Apis) -> t.Iterator[Emulator]:
    """An emulator with certificates for a real server."""
    made = assemble(tmp_path, apis)
    certificates.ensure(made.cloud.settings)
    yield made
    made.close()


@pytest.fixture
def session(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Session]:
    """A session of a module whose requests take the way that they take in the sandbox."""
    for name in certificates.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with running(emulator.cloud.settings, emulator.front) as port, requests.Session() as http:
        http.trust_env = False
        http.proxies = {"https": f"http://127.0.0.1:{port}"}
        http.verify = str(emulator.cloud.settings.ca_bundle)
        http.headers["Authorization"] = f"Bearer {tokens.issue(emulator.cloud.store, OWNER)}"
        yield Session(http, Deadline(60), OWNER)


@pytest.mark.parametrize("earlier", [0, 1], ids=["a new connection", "a kept connection"])
@pytest.mark.parametrize(("kind", "there"), [("reset-before", False), ("reset-after", True)])
def test_a_creation_without_an_answer_may_have_been_received(
    emulator: Emulator, session: Session, kind: str, there: bool, earlier: int
) -> None:
    for _request in range(earlier):
        session.get(f"{URL}/one")
    emulator.faults.add(Fault("storage.buckets.insert", kind))
    with pytest.raises(GcpError, match="did not answer") as raised:
        session.request("POST", URL, {"name": "one"}, {"project": emulator.project})
    assert raised.value.ambiguous
    assert emulator.faults.met == 1
    assert (session.get(f"{URL}/one") is not None) is there


def test_a_proxy_that_is_not_there_has_received_nothing(session: Session) -> None:
    session.http.proxies = {"https": "http://127.0.0.1:1"}
    session.deadline = Deadline(0.1)
    with pytest.raises(GcpError, match="cannot be reached") as raised:
        session.request("POST", URL, {"name": "one"}, {"project": "test-project"})
    assert not raised.value.ambiguous
