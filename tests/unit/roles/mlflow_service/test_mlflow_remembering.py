# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a worker remembers of permission checks, and what it asks each time."""

from __future__ import annotations

import importlib
import logging
import time
import types
import typing as t

import pytest
from ansible_collections.mlops.mlflow.roles.mlflow_service.files import mlflow_remembering as remembering

ANCHOR = ("experiment", "7")
READ = [("experiment", "7", "read", ())]
UPDATE = [("experiment", "7", "update", ())]


class Auth(types.SimpleNamespace):
    """MLflow's module, as far as it is touched, with what it was asked."""

    def __init__(self, ttl: int = 60) -> None:
        super().__init__()
        self.auth_config = types.SimpleNamespace(auth_cache_ttl_seconds=ttl)
        self.asked: list[t.Any] = []
        self.sender = "ada"
        self.administrators = {"root"}
        self.granted = {("ada", "read")}
        self.runs = {"run-1": "7"}

        def sender_is_admin() -> bool:
            self.asked.append(self.sender)
            return self.sender in self.administrators

        def authorize(username: str, anchor: t.Any, requirements: t.Any) -> bool:
            self.asked.append((username, *anchor, requirements[0][2]))
            return (username, requirements[0][2]) in self.granted

        def _run_requirement(run_id: str, action: str) -> t.Any:
            self.asked.append((run_id, action))
            return (("experiment", self.runs[run_id]), list(UPDATE)) if run_id in self.runs else None

        self.authenticate_request = lambda: types.SimpleNamespace(username=self.sender)
        self.sender_is_admin, self.authorize, self._run_requirement = sender_is_admin, authorize, _run_requirement


@pytest.fixture
def auth() -> Auth:
    made = Auth()
    assert remembering.remember(made, workspaces=False)
    return made


def test_that_somebody_may_is_asked_once(auth: Auth) -> None:
    assert [auth.authorize("ada", ANCHOR, READ) for _ in range(3)] == [True] * 3
    assert len(auth.asked) == 1


def test_that_somebody_may_not_is_asked_each_time(auth: Auth) -> None:
    assert not auth.authorize("ada", ANCHOR, UPDATE)
    auth.granted.add(("ada", "update"))
    assert auth.authorize("ada", ANCHOR, UPDATE)
    assert len(auth.asked) == 2


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(("eve", ANCHOR, READ), id="another user"),
        pytest.param(("ada", ("experiment", "8"), READ), id="another experiment"),
        pytest.param(("ada", ANCHOR, UPDATE), id="another action"),
        pytest.param(("ada", ANCHOR, READ + UPDATE), id="more of it"),
    ],
)
def test_another_question_is_asked(other: tuple[str, t.Any, t.Any], auth: Auth) -> None:
    auth.authorize("ada", ANCHOR, READ)
    auth.authorize(*other)
    assert len(auth.asked) == 2


def test_what_was_taken_away_holds_when_the_time_is_over() -> None:
    auth = Auth(ttl=1)
    assert remembering.remember(auth, workspaces=False)
    assert auth.authorize("ada", ANCHOR, READ)
    auth.granted.clear()
    assert auth.authorize("ada", ANCHOR, READ)
    time.sleep(1.1)
    assert not auth.authorize("ada", ANCHOR, READ)


def test_administrators_are_told_apart(auth: Auth) -> None:
    answers = []
    for auth.sender in ("ada", "root", "ada", "root"):
        answers.append(auth.sender_is_admin())
    assert answers == [False, True, False, True]
    assert auth.asked == ["ada", "root"]


def test_whose_credentials_are_refused_is_no_administrator_of_old(auth: Auth) -> None:
    auth.sender = "root"
    assert auth.sender_is_admin()
    auth.authenticate_request = lambda: types.SimpleNamespace()  # the answer 401 has no user name
    with pytest.raises(AttributeError):
        auth.sender_is_admin()


def test_the_experiment_of_a_run_is_asked_once(auth: Auth) -> None:
    assert [auth._run_requirement("run-1", "update")[0] for _ in range(3)] == [("experiment", "7")] * 3
    assert len(auth.asked) == 1


def test_what_one_adds_to_an_answer_is_not_in_the_next(auth: Auth) -> None:
    for _ in range(3):
        _anchor, requirements = auth._run_requirement("run-1", "update")
        assert requirements == UPDATE
        requirements.append(READ[0])


def test_a_run_that_is_not_there_is_asked_for_again(auth: Auth) -> None:
    assert auth._run_requirement("run-2", "update") is None
    auth.runs["run-2"] = "8"
    assert auth._run_requirement("run-2", "update")[0] == ("experiment", "8")


@pytest.mark.parametrize(
    ("ttl", "workspaces"),
    [pytest.param(0, False, id="the passwords' cache is off"), pytest.param(60, True, id="there are workspaces")],
)
def test_nothing_is_remembered_where_it_must_not_be(ttl: int, workspaces: bool) -> None:
    auth = Auth(ttl=ttl)
    before = vars(auth).copy()
    assert not remembering.remember(auth, workspaces)
    assert vars(auth) == before


@pytest.mark.parametrize("name", remembering.NAMES)
def test_nothing_is_remembered_of_an_mlflow_that_asks_in_another_way(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    for other in (None, print):
        auth = Auth()
        setattr(auth, name, other)
        before = vars(auth).copy()
        with caplog.at_level(logging.WARNING):
            assert not remembering.remember(auth, workspaces=False)
        assert vars(auth) == before
        assert f"this MLflow has another {name}" in caplog.text


def test_this_mlflow_is_one_of_which_can_be_remembered() -> None:
    auth = importlib.import_module("mlflow.server.auth")
    found = {name: remembering._parameters(auth, name) for name in remembering.NAMES}
    assert found == remembering.NAMES
