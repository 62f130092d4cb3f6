#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_secret_manager
short_description: Manage a secret, and read its value
description:
  - Creates, updates and deletes a secret of Secret Manager.
  - A new version is added only where the latest version is not enabled, or has another value.
  - With O(return_value) and without O(value) the module only reads. It creates nothing.
  - A secret is replicated automatically.
version_added: 0.1.0
author:
  - The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.gcp
  - mlops.mlflow.resource
options:
  name:
    description: Name of the secret, without the project.
    type: str
    required: true
  value:
    description:
      - Value that the latest version has. It is never shown in a diff.
      - Without it, the versions of the secret are left alone.
      - To compare the values, the caller needs the permission C(secretmanager.versions.access).
    type: str
  labels:
    description: Labels. They are exact when given; a label that is left out goes.
    type: dict
  return_value:
    description:
      - Whether to return RV(value). Set C(no_log) on such a task.
      - Ansible masks whatever equals O(value), so leave that out here.
    type: bool
    default: false
  version:
    description:
      - Number of the version whose value is returned, or V(latest).
      - It is for O(return_value) alone. O(state=absent) deletes the secret with all its versions.
    type: str
    default: latest
seealso:
  - module: mlops.mlflow.gcp_sql_user
"""

EXAMPLES = r"""
- name: Store a password
  mlops.mlflow.gcp_secret_manager:
    project: my-project
    name: mlflow-database-password
    value: "{{ database_password }}"

- name: Read a password
  mlops.mlflow.gcp_secret_manager:
    project: my-project
    name: mlflow-database-password
    return_value: true
  register: password
  no_log: true

- name: Label a secret, and leave its versions alone
  mlops.mlflow.gcp_secret_manager:
    project: my-project
    name: mlflow-database-password
    labels:
      app: mlflow

- name: Delete a secret with all its versions
  mlops.mlflow.gcp_secret_manager:
    project: my-project
    name: mlflow-database-password
    state: absent
"""

RETURN = r"""
resource:
  description: The secret as the API answers it. The value is not in it.
  returned: success
  type: dict
  sample:
    name: projects/1/secrets/mlflow-database-password
    createTime: '2026-01-01T00:00:00Z'
    replication: {automatic: {}}
    labels: {app: mlflow}
value:
  description: The value of the version, or null where there is no such version or where it is not enabled.
  returned: when O(return_value=true)
  type: str
  sample: correct horse battery staple
"""

import base64
import dataclasses

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError, Json
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.module import run
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Plan, Resource


class SecretManager(Resource):
    """A secret and its latest version, which are two resources of the API."""

    service = "secretmanager"
    collection = "v1/projects/{project}/secrets"
    create_query = {"secretId": "{name}"}
    update_mask = True
    fields = {
        "name": Field(url_only=True, required=True),
        "value": Field(local=True, no_log=True),
        "labels": Field(type="dict"),
        "return_value": Field(local=True, type="bool", default=False),
        "version": Field(local=True, default="latest"),
    }

    def plan(self, current: Json | None) -> Plan:
        """Plan the secret, and the version if the latest one has another value."""
        value, version = self.params["value"], self.params["version"]
        if self.params["state"] == "absent":
            if version != "latest":
                raise GcpError("version is for return_value: state=absent deletes the secret with all its versions.")
            return super().plan(current)
        if current is None and value is None and self.params["return_value"]:
            return Plan("none")
        plan = super().plan(current)
        if value is None or (current is not None and self.access("latest") == value):
            return plan
        # The diff tells that there is another value, and no more.
        before = plan.before | ({"latestVersion": "another value"} if current else {})
        action = "update" if plan.action == "none" else plan.action
        return dataclasses.replace(
            plan, action=action, before=before, after=plan.after | {"latestVersion": "a new value"}
        )

    def create(self, plan: Plan) -> Json:
        """Create the secret, and its first version if there is a value."""
        plan = dataclasses.replace(plan, changes=plan.changes | {"replication": {"automatic": {}}})
        super().create(plan)
        return self.add_version(plan)

    def update(self, plan: Plan) -> Json:
        """Change the labels, and add a version, as far as they differ."""
        if plan.changes:
            super().update(plan)
        return self.add_version(plan)

    def add_version(self, plan: Plan) -> Json:
        """Add the version that was planned."""
        if "latestVersion" not in plan.after:
            return {}
        data = base64.b64encode(self.params["value"].encode()).decode()
        return self.request("POST", f"{self.url}:addVersion", {"payload": {"data": data}})

    def access(self, version: str) -> str | None:
        """The value of a version, or None if there is no such version or if it is not enabled."""
        try:
            answer = self.session.get(f"{self.url}/versions/{version}:access")
        except GcpError as error:
            if error.status == 400 and error.canonical == "FAILED_PRECONDITION":
                return None
            raise
        try:
            return base64.b64decode(answer["payload"].get("data", "")).decode() if answer else None
        except UnicodeDecodeError:
            raise GcpError(f"{self.title}: the version {version} is not text, which this module is for.") from None

    def results(self, current: Json | None) -> Json:
        """The value, if it was asked for."""
        if not self.params["return_value"]:
            return {}
        return {"value": self.access(self.params["version"]) if current else None}


def main() -> None:
    """Run the module."""
    run(SecretManager)


if __name__ == "__main__":
    main()
