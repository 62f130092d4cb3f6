# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one algorithm: look, plan, change, look again."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.mlflow.client import Call, Client, Json, MlflowError
from ansible_collections.mlops.mlflow.plugins.module_utils.mlflow.resource import ROUNDS, Plan, Resource, reconcile

OPTIONS = {
    "tracking_uri": "http://localhost",
    "tracking_username": None,
    "tracking_password": None,
    "workspace": None,
    "timeout": 60,
    "unix_socket": None,
}
MET = {
    "lost": MlflowError("no answer", patience=60),
    "exists": MlflowError("is there", 400, "RESOURCE_ALREADY_EXISTS"),
    "refused": MlflowError("no", 400, "INVALID_PARAMETER_VALUE"),
}


class Lamp(Resource):
    """Something that is on or off, and meets troubles."""

    options: t.ClassVar[dict[str, Json]] = {}

    def __init__(self, *troubles: tuple[str, bool], check_mode: bool = False, on: bool = False) -> None:
        super().__init__(Client(OPTIONS, None, lambda: 0.0, lambda _: None), {}, check_mode)
        self.troubles, self.on, self.changes = list(troubles), on, 0

    def read(self) -> Json | None:
        return {"on": True} if self.on else None

    def plan(self, current: Json | None) -> Plan:
        return Plan(current or {}, {"on": True}, [] if current else [Call("POST", "on")], {"on": True})

    def change(self, call: Call) -> None:  # noqa: ARG002 (there is one only)
        self.changes += 1
        trouble, took = self.troubles.pop(0) if self.troubles else ("", True)
        self.on = self.on or took
        if trouble:
            raise MET[trouble]


@pytest.mark.parametrize(
    ("troubles", "changes"),
    [
        pytest.param([], 1, id="none"),
        pytest.param([("lost", True)], 1, id="an answer is lost, the change was made"),
        pytest.param([("lost", False)], 2, id="an answer is lost, the change was not made"),
        pytest.param([("exists", True)], 1, id="somebody else was faster"),
        pytest.param([("exists", False), ("lost", False), ("exists", True)], 3, id="several"),
    ],
)
def test_what_came_of_a_change_is_looked_at_before_it_is_repeated(
    troubles: list[tuple[str, bool]], changes: int
) -> None:
    lamp = Lamp(*troubles)
    assert reconcile(lamp) == {"changed": True, "diff": {"before": {}, "after": {"on": True}}, "resource": {"on": True}}
    assert lamp.changes == changes


def test_a_refusal_is_told_at_once() -> None:
    lamp = Lamp(("refused", False))
    with pytest.raises(MlflowError, match=r"^no$"):
        reconcile(lamp)
    assert lamp.changes == 1


@pytest.mark.parametrize("trouble", ["exists", ""])
def test_a_change_that_never_takes_is_an_error(trouble: str) -> None:
    lamp = Lamp(*[(trouble, False)] * (ROUNDS + 1))
    with pytest.raises(MlflowError, match=f"After {ROUNDS} attempts it is still"):
        reconcile(lamp)
    assert lamp.changes == ROUNDS


def test_check_mode_is_the_plan() -> None:
    lamp = Lamp(check_mode=True)
    assert reconcile(lamp) == {"changed": True, "diff": {"before": {}, "after": {"on": True}}, "resource": {"on": True}}
    assert lamp.changes == 0


def test_what_is_right_stays() -> None:
    lamp = Lamp(on=True)
    assert not reconcile(lamp)["changed"]
    assert lamp.changes == 0
