# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two sandboxes: one whose project stays empty, and one with a deployment that was interrupted three times."""

from __future__ import annotations

import json
import typing as t

import pytest
from sandbox import CHECKOUT, Sandbox

# What a URL, a shell, an ini file and a format string would stumble over.
PASSWORD = "p@:/%#w\"'$ {{ 7*7 }}\\ end"
KILLED_AT = ("vm | Create the VM", "install | Have MLflow in the environment", "user | Create the user")


@pytest.fixture(scope="session")
def empty() -> t.Iterator[Sandbox]:
    """A sandbox whose project nobody may change."""
    yield from started(Sandbox(CHECKOUT / ".sandbox-empty", "empty", "198.18.81.0/24"))


@pytest.fixture(scope="session")
def begun() -> t.Iterator[Sandbox]:
    """A sandbox in whose project a deployment may begin and fail."""
    for sandbox in started(Sandbox(CHECKOUT / ".sandbox-e2e", "e2e", "198.18.82.0/24")):
        variables = sandbox.directory / "password.yml"
        variables.touch(mode=0o600)
        variables.write_text(f"cloudsql_password: !unsafe {json.dumps(PASSWORD)}\n")
        sandbox.always = (f"--extra-vars=@{variables}",)
        yield sandbox


@pytest.fixture(scope="session")
def deployment(begun: Sandbox) -> Sandbox:
    """A sandbox in which site.yml was killed at three places and then run to its end."""
    for task in KILLED_AT:
        begun.playbook_killed_at("site", task)
    run = begun.playbook("site")
    assert run.status == 0, run.output
    return begun


def started(sandbox: Sandbox) -> t.Iterator[Sandbox]:
    """The sandbox while it is up; nothing of an earlier one, nothing left behind."""
    sandbox.down()
    try:
        sandbox.up()
        yield sandbox
    finally:
        sandbox.down()
