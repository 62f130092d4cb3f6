# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes down what each task of a playbook answered, how long it took, and where its requests are in the log."""

from __future__ import annotations

DOCUMENTATION = r"""
name: record
type: notification
short_description: Writes down what each task answered, one JSON document a line
description:
  - E(COMPARISON_RECORD) names the file, E(COMPARISON_LOG) the log of the sandbox's server.
requirements: []
"""

import json
import os
import time
import typing as t
from pathlib import Path

from ansible.executor.task_result import CallbackTaskResult
from ansible.playbook.task import Task
from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    """The seconds are those that a person waits: from the moment when Ansible begins the task to its result."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "record"
    CALLBACK_NEEDS_ENABLED = True

    # The arguments are Ansible's, whether or not we need them.

    def v2_playbook_on_task_start(self, task: Task, is_conditional: bool) -> None:  # noqa: ARG002 (Ansible calls it so)
        """A task begins."""
        self._begin = time.monotonic(), self._logged()

    def v2_runner_on_ok(self, result: CallbackTaskResult) -> None:
        """A task has done what it was asked, or says so."""
        self._write(result, "changed" if result.result.get("changed") else "ok")

    def v2_runner_on_failed(self, result: CallbackTaskResult, ignore_errors: bool = False) -> None:  # noqa: ARG002 (Ansible calls it so)
        """A task has failed."""
        self._write(result, "failed")

    def v2_runner_on_skipped(self, result: CallbackTaskResult) -> None:
        """A task was not run."""
        self._write(result, "skipped")

    def _write(self, result: CallbackTaskResult, status: str) -> None:
        begun, offset = self._begin
        document: dict[str, t.Any] = {
            "task": result.task.name,
            "status": status,
            "seconds": time.monotonic() - begun,
            "log": [offset, self._logged()],
            "result": result.result,
        }
        with Path(os.environ["COMPARISON_RECORD"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps(document, default=str) + "\n")

    @staticmethod
    def _logged() -> int:
        return Path(os.environ["COMPARISON_LOG"]).stat().st_size
