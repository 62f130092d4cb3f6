#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_experiment
short_description: Manage an experiment of an MLflow server
description:
  - Creates an experiment, sets its tags, deletes it, and restores it.
  - MLflow deletes softly. A deleted experiment keeps its name, its runs and its place until C(mlflow gc) is run, and
    O(state=present) restores it, with its runs, instead of creating another one.
version_added: 0.3.0
author:
  - The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.mlflow
options:
  name:
    description: Name of the experiment, at most 500 characters.
    type: str
    required: true
  state:
    description:
      - Whether the experiment exists. V(absent) deletes it softly, with its runs.
      - An experiment that is already deleted, or was never there, is absent.
    type: str
    choices: [present, absent]
    default: present
  artifact_location:
    description:
      - Where runs of the experiment keep their artifacts, such as V(gs://my-bucket/churn) or
        V(mlflow-artifacts:/churn). The server chooses a place of its own if it is not given.
      - It cannot be changed later. Another one than that of the existing experiment, deleted or not, is an error. A
        slash at its end makes no difference.
    type: str
  tags:
    description:
      - Tags of the experiment, each a text. Numbers and truth values are written as texts.
      - The map is the whole map. A tag that is not in it goes, except for those whose names begin with C(mlflow.),
        which are MLflow's own and are managed one by one if they are named here.
      - C(mlflow.note.content) is the description that MLflow shows in its pages, in Markdown.
    type: dict
seealso:
  - module: mlops.mlflow.mlflow_user
  - name: Experiments of MLflow
    description: MLflow's documentation of tracking.
    link: https://mlflow.org/docs/latest/ml/tracking/
"""

EXAMPLES = r"""
- name: Create an experiment, with a description
  mlops.mlflow.mlflow_experiment:
    tracking_uri: https://mlflow.example.com
    tracking_username: admin
    tracking_password: "{{ admin_password }}"
    name: churn
    tags:
      team: marketing
      mlflow.note.content: Which customers are about to leave.

- name: Create an experiment whose artifacts lie in a bucket of its own
  mlops.mlflow.mlflow_experiment:
    tracking_uri: https://mlflow.example.com
    name: payroll
    artifact_location: gs://example-payroll/mlflow

- name: Remove all tags of an experiment but MLflow's own
  mlops.mlflow.mlflow_experiment:
    tracking_uri: https://mlflow.example.com
    name: churn
    tags: {}

- name: Delete an experiment
  mlops.mlflow.mlflow_experiment:
    tracking_uri: https://mlflow.example.com
    name: churn
    state: absent

- name: Restore it, with its runs
  mlops.mlflow.mlflow_experiment:
    tracking_uri: https://mlflow.example.com
    name: churn
"""

RETURN = r"""
resource:
  description: The experiment as MLflow answers it, and V({}) if there never was one.
  returned: success
  type: dict
  sample:
    experiment_id: '1'
    name: churn
    artifact_location: mlflow-artifacts:/1
    lifecycle_stage: active
    tags:
      - {key: team, value: marketing}
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils.mlflow.client import V2, Call, Json, MlflowError
from ansible_collections.mlops.mlflow.plugins.module_utils.mlflow.module import run
from ansible_collections.mlops.mlflow.plugins.module_utils.mlflow.resource import Plan, Resource

LONGEST_NAME = 500
OWN = "mlflow."  # what the names of MLflow's own tags begin with


class Experiment(Resource):
    """An experiment, which MLflow knows by an ID, and a task by its name."""

    options = {
        "name": {"type": "str", "required": True},
        "artifact_location": {"type": "str"},
        "tags": {"type": "dict"},
    }

    def check(self) -> t.Iterator[str]:
        """What is wrong with the task."""
        name, tags = self.params["name"], self.params["tags"] or {}
        if not 0 < len(name) <= LONGEST_NAME:
            yield f"name has {len(name)} characters, but must have 1 to {LONGEST_NAME}."
        if self.params["artifact_location"] == "":
            yield "artifact_location is empty. Leave it out to let the server choose."
        for key, value in tags.items():
            if not isinstance(value, (str, int, float)):
                yield f"The tag {key!r} is {value!r}, but must be a text, a number or a truth value."

    def read(self) -> Json | None:
        """The experiment, deleted or not."""
        answer = self.client.get(f"{V2}/experiments/get-by-name", experiment_name=self.params["name"])
        return answer and answer["experiment"]

    def plan(self, current: Json | None) -> Plan:
        """Deletion, creation, restoration, or what differs."""
        deleted = current is not None and current["lifecycle_stage"] == "deleted"
        if self.params["state"] == "absent":
            return self._deletion(current, deleted)
        if current is None:
            return self._creation()
        self._refuse_another_place(current)
        number = {"experiment_id": current["experiment_id"]}
        calls = [Call("POST", f"{V2}/experiments/restore", number)] if deleted else []
        before = self._shown(current["lifecycle_stage"])
        after = self._shown("active")
        resource = {**current, "lifecycle_stage": "active"}
        if self.params["tags"] is not None:
            there = {tag["key"]: tag["value"] for tag in current.get("tags", [])}
            wanted = texts(self.params["tags"])
            before["tags"] = {key: value for key, value in there.items() if key in wanted or not key.startswith(OWN)}
            after["tags"] = wanted
            calls += [
                Call("POST", f"{V2}/experiments/delete-experiment-tag", {**number, "key": key})
                for key in before["tags"]
                if key not in wanted
            ] + [
                Call("POST", f"{V2}/experiments/set-experiment-tag", {**number, "key": key, "value": value})
                for key, value in wanted.items()
                if there.get(key) != value
            ]
            own = {key: value for key, value in there.items() if key.startswith(OWN)}
            resource["tags"] = listed({**own, **wanted})
        return Plan(before, after, calls, resource)

    def _deletion(self, current: Json | None, deleted: bool) -> Plan:
        if current is None:
            return Plan({}, {})
        if deleted:
            return Plan(self._shown("deleted"), self._shown("deleted"), [], current)
        call = Call("POST", f"{V2}/experiments/delete", {"experiment_id": current["experiment_id"]})
        gone = {**current, "lifecycle_stage": "deleted"}
        return Plan(self._shown("active"), self._shown("deleted"), [call], gone)

    def _creation(self) -> Plan:
        body = {"name": self.params["name"]}
        if self.params["artifact_location"]:
            body["artifact_location"] = self.params["artifact_location"]
        after = {**body, "lifecycle_stage": "active"}
        resource: Json = {**after}
        if self.params["tags"] is not None:
            after["tags"] = texts(self.params["tags"])
            body["tags"] = resource["tags"] = listed(after["tags"])
        return Plan({}, after, [Call("POST", f"{V2}/experiments/create", body)], resource)

    def _shown(self, stage: str) -> Json:
        place = self.params["artifact_location"]
        return {
            "name": self.params["name"],
            **({"artifact_location": place} if place else {}),
            "lifecycle_stage": stage,
        }

    def _refuse_another_place(self, current: Json) -> None:
        wanted, there = self.params["artifact_location"], current["artifact_location"]
        if wanted and wanted.rstrip("/") != there.rstrip("/"):
            raise MlflowError(
                f"artifact_location cannot be changed from {there!r} to {wanted!r}: MLflow cannot change it in place. "
                "Leave the option as it is, use another name, or delete the experiment (state: absent), remove it for "
                f"good (mlflow gc --experiment-ids {current['experiment_id']}), and create it anew."
            )


def texts(tags: Json) -> dict[str, str]:
    """Values as MLflow keeps them."""
    return {str(key): str(value).lower() if isinstance(value, bool) else str(value) for key, value in tags.items()}


def listed(tags: dict[str, str]) -> list[Json]:
    """Tags as the API writes them."""
    return [{"key": key, "value": value} for key, value in tags.items()]


def main() -> None:
    run(Experiment)


if __name__ == "__main__":
    main()
