# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two sandboxes: one whose project stays empty, and one with a deployment that was interrupted three times.

The files test_deployment*.py share the latter and run one after the other, by their names: as it is made, what it shows
to whom, and what becomes of it.
"""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest
from client import Client
from sandbox import CHECKOUT, Run, Sandbox, Watch
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

# What a URL, a shell, an ini file and a format string would stumble over. By their ends both are found in any encoding.
PASSWORD = "p@:/%#w\"'$ {{ 7*7 }}\\ d9vTq2LxKf"
GUEST_PASSWORD = "g%:$'\"{{ 7*7 }}\\ h4sRw8NyJb"
READER, GUEST = "reader", "guest@example.com"
KILLED_AT = ("vm | Create the VM", "install | Have MLflow in the environment", "user | Create the user")
EXPERIMENT = "shared"
# What is done when the reader is not listed any more.
USER_LEAVES = [
    "secrets | Delete the passwords of those who have left",
    "secrets | Note whose passwords there are",
    "users | Remove who is not in mlflow_service_users",
    "users | Have no worker remember what somebody has lost",
]


@dataclass(frozen=True)
class Deployed:
    """A deployment, and of its first whole run what it said, the arguments of all processes, and the cache of facts."""

    sandbox: Sandbox
    client: Client
    run: Run
    arguments: str
    facts: Path


class BySandbox(LoadFileScheduling):
    """Keeps in one process what shares a sandbox, which the word after ``test_`` of a file's name says."""

    def _split_scope(self, nodeid: str) -> str:
        return Path(nodeid.partition("::")[0]).stem.split("_")[1]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> BySandbox:
    """Distribute by sandbox, whatever ``--dist`` says: xdist's own groups are not seen by pytest 9.2."""
    return BySandbox(config, log)


@pytest.fixture(scope="session")
def empty() -> t.Iterator[Sandbox]:
    """A sandbox whose project nobody may change."""
    yield from started(Sandbox(CHECKOUT / ".sandbox-empty", "empty", "198.18.81.0/24"))


@pytest.fixture(scope="session")
def begun() -> t.Iterator[Sandbox]:
    """A sandbox in whose project a deployment may begin and fail."""
    for sandbox in started(Sandbox(CHECKOUT / ".sandbox-e2e", "e2e", "198.18.82.0/24")):
        say(sandbox, READER, GUEST)
        yield sandbox


def say(sandbox: Sandbox, *users: str) -> None:
    """Write the inventory's part: who may log in, and passwords of one's own."""
    password = {GUEST: f", password: !unsafe {json.dumps(GUEST_PASSWORD)}"}
    variables = sandbox.directory / "variables.yml"
    variables.touch(mode=0o600)
    variables.write_text(
        f"cloudsql_password: !unsafe {json.dumps(PASSWORD)}\n"
        f"mlflow_experiments: [{{name: {EXPERIMENT}}}]\n"
        "mlflow_users:\n" + "".join(f"- {{name: {user}{password.get(user, '')}}}\n" for user in users)
    )
    sandbox.always = (f"--extra-vars=@{variables}",)


@pytest.fixture(scope="session")
def deployed(begun: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    """A sandbox in which site.yml was killed at three places and then run to its end."""
    for task in KILLED_AT:
        begun.playbook_killed_at("site", task)
    facts = tmp_path_factory.mktemp("facts")
    cache = {"ANSIBLE_CACHE_PLUGIN": "jsonfile", "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(facts)}
    with Watch() as watch:
        run = begun.playbook("site", "-vvv", "--diff", **cache)
    assert run.status == 0, run.output
    return Deployed(begun, Client(begun), run, watch.seen, facts)


@pytest.fixture(scope="session")
def deployment(deployed: Deployed) -> Sandbox:
    """The sandbox of the deployment."""
    return deployed.sandbox


@pytest.fixture(scope="session")
def client(deployed: Deployed) -> Client:
    """Somebody who works with the deployment."""
    return deployed.client


def started(sandbox: Sandbox) -> t.Iterator[Sandbox]:
    """The sandbox while it is up; nothing of an earlier one, nothing left behind."""
    sandbox.down()
    try:
        sandbox.up()
        yield sandbox
    finally:
        sandbox.down()
