# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one algorithm that brings something in MLflow to the state that a task asks for."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.mlops.mlflow.plugins.module_utils.mlflow.client import (
    OVERTAKEN,
    Call,
    Client,
    Json,
    MlflowError,
)

ROUNDS = 8  # how often somebody else may come between looking and changing


@dataclass(frozen=True)
class Plan:
    """What to do.

    ``before`` and ``after`` are what the task speaks of, without secrets: the diff. ``calls`` get from one to the
    other, in order. ``resource`` is what there is then, in MLflow's words.
    """

    before: Json
    after: Json
    calls: list[Call] = field(default_factory=list)
    resource: Json = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.calls)


class Resource:
    """A kind of thing in MLflow. A module declares the options, how it is read, and how it is planned."""

    options: t.ClassVar[dict[str, Json]]  # as argument_spec has them
    rules: t.ClassVar[Json] = {}  # between options, as AnsibleModule takes them

    def __init__(self, client: Client, params: Json, check_mode: bool = False) -> None:
        self.client, self.params, self.check_mode = client, params, check_mode
        self.warnings: list[str] = []

    def check(self) -> t.Iterator[str]:
        """What is wrong with the task, a sentence each, before anything is asked."""
        return iter(())

    def read(self) -> Json | None:
        """What is there, in MLflow's words; None if it is not."""
        raise NotImplementedError

    def plan(self, current: Json | None) -> Plan:
        """What is to be done about it."""
        raise NotImplementedError

    def change(self, call: Call) -> None:
        """Do one step of a plan."""
        self.client.change(call)

    def results(self, plan: Plan) -> Json:  # noqa: ARG002 (modules that have some use it)
        """Values of the result beyond resource, changed and diff."""
        return {}


def reconcile(resource: Resource) -> Json:
    """Look, plan, change, and look again until nothing is left to do; the result as Ansible wants it.

    A change whose answer is lost, and one that somebody else was faster with, is not repeated but looked at: what is
    then left to do is the next plan. In check mode the plan is all.

    :raises MlflowError: if that cannot be done.
    """
    if wrong := list(resource.check()):
        raise MlflowError(" ".join(wrong))
    first = todo = resource.plan(resource.read())
    error, rounds = MlflowError(""), 0
    while todo.changed and not resource.check_mode:
        if rounds == ROUNDS:
            raise MlflowError(
                f"After {ROUNDS} attempts it is still {todo.before} instead of {todo.after}. {error}".strip()
                + " Run again, if somebody else changes it at the same time."
            )
        try:
            for call in todo.calls:
                resource.change(call)
            rounds += 1
        except MlflowError as met:
            error = met
            if error.code in OVERTAKEN:
                rounds += 1
            elif not resource.client.pause(error):
                raise
        todo = resource.plan(resource.read())
    return {
        "changed": first.changed,
        "diff": {"before": first.before, "after": first.after},
        "resource": todo.resource,
        **resource.results(first),
    }
