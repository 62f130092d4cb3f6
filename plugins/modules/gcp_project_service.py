#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_project_service
short_description: Enable or disable APIs of a project
version_added: 0.1.0
description:
  - Enables APIs, such as V(sqladmin.googleapis.com), in a Google Cloud project, as many as are missing at once.
  - It never disables an API unless O(state=absent) says so. APIs that the task does not name stay as they are.
author:
  - The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.gcp
  - mlops.mlflow.resource
options:
  names:
    description:
      - Names of the APIs.
      - Exactly one of O(names) and O(name) is required.
    type: list
    elements: str
  name:
    description:
      - Name of one API.
      - Exactly one of O(names) and O(name) is required.
    type: str
"""

EXAMPLES = r"""
- name: Enable the APIs of a virtual machine and of Cloud SQL
  mlops.mlflow.gcp_project_service:
    project: my-project
    names:
      - compute.googleapis.com
      - sqladmin.googleapis.com

- name: Enable one API with a service account's key
  mlops.mlflow.gcp_project_service:
    project: my-project
    auth_kind: serviceaccount
    service_account_file: /etc/keys/deployer.json
    name: secretmanager.googleapis.com

- name: Disable an API that is not used any more
  mlops.mlflow.gcp_project_service:
    project: my-project
    name: run.googleapis.com
    state: absent
"""

RETURN = r"""
resource:
  description: The APIs that the task names, as Google Cloud answers them.
  returned: success
  type: dict
  sample:
    services:
      - name: projects/415104041262/services/sqladmin.googleapis.com
        parent: projects/415104041262
        state: ENABLED
"""

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import Json
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.module import run
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Plan, Resource

READ_AT_ONCE = 30  # limits of the API
ENABLE_AT_ONCE = 20


class ProjectService(Resource):
    """An API always exists; what comes and goes is that it is enabled."""

    service = "serviceusage"
    collection = "v1/projects/{project}/services"
    fields = {
        "names": Field(url_only=True, type="list", elements="str"),
        "name": Field(url_only=True),
    }

    @property
    def names(self) -> list[str]:
        """What the task names, each once."""
        return list(dict.fromkeys(self.params["names"] or [self.params["name"]]))

    @property
    def title(self) -> str:
        return f"projects/{self.params['project']}/services {', '.join(self.names)}"

    def read(self) -> Json:
        services = []
        for some in batches(self.names, READ_AT_ONCE):
            names = [f"projects/{self.params['project']}/services/{name}" for name in some]
            services += self.session.request("GET", f"{self.parent}:batchGet", query={"names": names})["services"]
        return {"services": services}

    def plan(self, current: Json | None) -> Plan:
        services = (current or {}).get("services", [])
        states = {service["name"].rsplit("/", 1)[1]: service["state"] for service in services}
        wanted = "ENABLED" if self.params["state"] == "present" else "DISABLED"
        before = {name: states.get(name, "DISABLED") for name in self.names}
        changes = {name: wanted for name, state in before.items() if state != wanted}
        return Plan("update" if changes else "none", before, before | changes, changes, current or {})

    def update(self, plan: Plan) -> Json:
        answer: Json = {}
        if self.params["state"] == "absent":
            for name in plan.mask:
                answer = self.finish(
                    self.request("POST", f"{self.parent}/{name}:disable", {}, repeatable=True), "disable"
                )
            return answer
        for some in batches(plan.mask, ENABLE_AT_ONCE):
            body = {"serviceIds": some}
            answer = self.finish(self.request("POST", f"{self.parent}:batchEnable", body, repeatable=True), "enable")
        return answer


def batches(names: list[str], size: int) -> list[list[str]]:
    """The names in groups of at most so many."""
    return [names[begin : begin + size] for begin in range(0, len(names), size)]


def main() -> None:
    run(ProjectService, required_one_of=[("names", "name")], mutually_exclusive=[("names", "name")])


if __name__ == "__main__":
    main()
