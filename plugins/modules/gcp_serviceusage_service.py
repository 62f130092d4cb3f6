#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_serviceusage_service
short_description: Enable or disable APIs of a project
version_added: 0.2.0
description:
  - Enables APIs, such as V(sqladmin.googleapis.com), in a Google Cloud project, those that are missing by twenty.
  - It never disables an API unless O(state=absent) says so. APIs that the task does not name stay as they are.
  - An API that does not exist, or that the caller may not use, is an error that names it, and none is enabled then.
author:
  - The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.gcp
  - mlops.mlflow.resource
options:
  names:
    description:
      - Names of the APIs. What does not look like one, such as V(compute), is refused before anything is asked.
      - Exactly one of O(names) and O(name) is required.
    type: list
    elements: str
  name:
    description:
      - Name of one API.
      - Exactly one of O(names) and O(name) is required.
    type: str
  disable_dependent_services:
    description:
      - Whether O(state=absent) also disables the enabled APIs that depend on these.
      - If it is V(false), an API that others depend on is not disabled. The error names them.
      - O(state=present) does not look at it.
    type: bool
    default: false
notes:
  - Resources of an API stay when it is disabled, and cost what they cost. Delete them first.
seealso:
  - name: Service Usage
    description: Google Cloud's documentation of enabling and disabling APIs.
    link: https://cloud.google.com/service-usage/docs/enable-disable
"""

EXAMPLES = r"""
- name: Enable the APIs of a virtual machine and of Cloud SQL
  mlops.mlflow.gcp_serviceusage_service:
    project: my-project
    names:
      - compute.googleapis.com
      - sqladmin.googleapis.com

- name: Enable one API with a service account's key
  mlops.mlflow.gcp_serviceusage_service:
    project: my-project
    auth_kind: serviceaccount
    service_account_file: /etc/keys/deployer.json
    name: secretmanager.googleapis.com

- name: Disable an API that is not used any more
  mlops.mlflow.gcp_serviceusage_service:
    project: my-project
    name: run.googleapis.com
    state: absent

- name: Disable an API with all that depend on it
  mlops.mlflow.gcp_serviceusage_service:
    project: my-project
    name: compute.googleapis.com
    disable_dependent_services: true
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

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError, Json
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.module import run
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Plan, Resource
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.rules import matching

READ_AT_ONCE = 30  # limits of the API
ENABLE_AT_ONCE = 20
API_NAME = matching(r"[a-z0-9-]+(\.[a-z0-9-]+)+", "the name of an API, such as compute.googleapis.com")


class ServiceusageService(Resource):
    """An API always exists; what comes and goes is that it is enabled."""

    service = "serviceusage"
    rules = {"required_one_of": [("names", "name")], "mutually_exclusive": [("names", "name")]}
    collection = "v1/projects/{project}/services"
    fields = {
        "names": Field(url_only=True, type="list", elements="str", must=API_NAME),
        "name": Field(url_only=True, must=API_NAME),
        "disable_dependent_services": Field(local=True, type="bool", default=False),
    }

    @classmethod
    def check(cls, params: Json) -> None:
        """Refuse a task about nothing."""
        super().check(params)
        if params["names"] == []:
            raise GcpError("The option names is empty. Give it at least one API.")

    @property
    def names(self) -> list[str]:
        """What the task names, each once."""
        return list(dict.fromkeys(self.params["names"] or [self.params["name"]]))

    @property
    def title(self) -> str:
        """What errors call it."""
        return f"projects/{self.params['project']}/services {', '.join(self.names)}"

    def read(self) -> Json:
        """The APIs, each with its state."""
        services = []
        for some in batches(self.names, READ_AT_ONCE):
            names = [f"projects/{self.params['project']}/services/{name}" for name in some]
            services += self.session.request("GET", f"{self.parent}:batchGet", query={"names": names})["services"]
        return {"services": services}

    def plan(self, current: Json | None) -> Plan:
        """Which APIs to enable or to disable; the diff shows those that are enabled."""
        enabled = {short(service) for service in (current or {}).get("services", []) if service["state"] == "ENABLED"}
        wanted = set(self.names) if self.params["state"] == "present" else set()
        before, after = ({name: "ENABLED" for name in self.names if name in some} for some in (enabled, wanted))
        changes = {name: after.get(name, "DISABLED") for name in self.names if (name in enabled) != (name in wanted)}
        return Plan("update" if changes else "none", before, after, changes, current or {})

    def update(self, plan: Plan) -> Json:
        """Enable them by twenty, or disable them one by one."""
        if self.params["state"] == "absent":
            return self.disable(plan.mask)
        for some in batches(plan.mask, ENABLE_AT_ONCE):
            self.finish(self.request("POST", f"{self.parent}:batchEnable", {"serviceIds": some}, repeatable=True))
        return {}

    def disable(self, names: list[str]) -> Json:
        """Disable APIs; one that others of them depend on comes after those."""
        while names:
            refused = {}
            for name in names:
                try:
                    self.disable_one(name)
                except GcpError as error:
                    if "is depended on by" not in error.message:
                        raise
                    refused[name] = error
            if len(refused) == len(names):
                raise refused[names[0]].note(
                    "Name those too, or set disable_dependent_services=true, which disables them as well."
                )
            names = list(refused)
        return {}

    def disable_one(self, name: str) -> None:
        """Disable an API. That it is not enabled any more is success."""
        body = {"disableDependentServices": True} if self.params["disable_dependent_services"] else {}
        url = f"{self.parent}/{name}"
        try:
            self.finish(self.request("POST", f"{url}:disable", body, repeatable=True), "disable")
        except GcpError as error:
            if error.canonical != "FAILED_PRECONDITION" or self.session.request("GET", url)["state"] == "ENABLED":
                raise


def short(service: Json) -> str:
    """The name of an API without the project."""
    return str(service["name"]).rpartition("/")[2]


def batches(names: list[str], size: int) -> list[list[str]]:
    """The names in groups of at most so many."""
    return [names[begin : begin + size] for begin in range(0, len(names), size)]


def main() -> None:
    run(ServiceusageService)


if __name__ == "__main__":
    main()
