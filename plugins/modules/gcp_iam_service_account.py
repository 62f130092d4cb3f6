#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_iam_service_account
short_description: Manage a service account
description:
  - Creates, updates, disables, enables and deletes a service account.
  - A new service account cannot be seen everywhere for some seconds. The module returns when it can be read.
  - An account that is made again under the name of a deleted one is another account, with another C(uniqueId). It
    inherits nothing. The roles of the old one stay bound to V(deleted:serviceAccount:...?uid=...) for up to 60 days.
    Disable an account first, and delete it when nobody misses it. A deleted account can be restored for 30 days with
    C(gcloud beta iam service-accounts undelete), as long as its name is not taken again.
version_added: 0.1.0
author:
  - The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.gcp
  - mlops.mlflow.resource
options:
  name:
    description:
      - The account's ID, such as V(mlflow), or its whole e-mail address, such as
        V(mlflow@my-project.iam.gserviceaccount.com).
      - An ID has 6 to 30 lower-case letters, digits and hyphens, begins with a letter and does not end with a hyphen.
        Another one is refused before anything is asked.
    type: str
    required: true
  display_name:
    description: What the account is called, at most 100 bytes.
    type: str
  description:
    description: What the account is for, at most 256 bytes.
    type: str
  disabled:
    description:
      - Whether the account is switched off. Google Cloud refuses its keys and its tokens then, also those that were
        given before, and takes them again when it is switched on.
      - An account that Google disabled, because a key of it was found in public, cannot be switched on.
    type: bool
    version_added: 0.2.0
seealso:
  - module: mlops.mlflow.gcp_project_iam_member
  - module: mlops.mlflow.gcp_storage_bucket_iam_member
  - module: mlops.mlflow.gcp_iam_service_account_iam_member
  - module: mlops.mlflow.gcp_iam_service_account_key
"""

EXAMPLES = r"""
- name: Create a service account for a server
  mlops.mlflow.gcp_iam_service_account:
    project: my-project
    name: mlflow
    display_name: MLflow tracking server

- name: Switch a service account off and look who misses it
  mlops.mlflow.gcp_iam_service_account:
    project: my-project
    name: mlflow
    disabled: true

- name: Delete a service account by its e-mail address
  mlops.mlflow.gcp_iam_service_account:
    project: my-project
    name: mlflow@my-project.iam.gserviceaccount.com
    state: absent
"""

RETURN = r"""
resource:
  description: The service account as the API answers it.
  returned: success
  type: dict
  sample:
    name: projects/my-project/serviceAccounts/mlflow@my-project.iam.gserviceaccount.com
    email: mlflow@my-project.iam.gserviceaccount.com
    projectId: my-project
    uniqueId: '100000000000000000001'
    displayName: MLflow tracking server
"""

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError, Json
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.module import run
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Plan, Resource
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.rules import matching, up_to_bytes
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.service_accounts import account_email, refuse_foreign
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.session import Session

NAME = matching(
    r"[a-z][-a-z0-9]{4,28}[a-z0-9]|[^@\s/]+@[^@\s/]+",
    "an ID of 6 to 30 lower-case letters, digits and hyphens that begins with a letter and does not end with a hyphen, "
    "or the e-mail address of a service account",
)


class IamServiceAccount(Resource):
    """A service account, which is known by its e-mail address, wrapped in the bodies of its API, and has a switch."""

    service = "iam"
    collection = "v1/projects/{project}/serviceAccounts"
    fields = {
        "name": Field(url_only=True, required=True, must=NAME),
        "display_name": Field(must=up_to_bytes(100)),
        "description": Field(must=up_to_bytes(256)),
        "disabled": Field(type="bool"),
    }

    def __init__(self, session: Session, params: Json) -> None:
        super().__init__(session, params | {"name": account_email(params["name"], params["project"])})

    def plan(self, current: Json | None) -> Plan:
        """Refuse to make the account of another project."""
        todo = super().plan(current)
        if todo.action == "create":
            refuse_foreign(self.params["name"], self.params["project"])
        return todo

    def foretold(self) -> Json:
        """With the address, which is made of the ID and the project."""
        email, project = self.params["name"], self.params["project"]
        return {"name": f"projects/{project}/serviceAccounts/{email}", "email": email, "projectId": project}

    def create(self, plan: Plan) -> Json:
        """Create the account, and switch it off if that is asked."""
        account_id, account = self.params["name"].partition("@")[0], plan.without("disabled").body
        answer = self.request("POST", self.parent, {"accountId": account_id, "serviceAccount": account})
        if plan.changes.get("disabled"):
            self.switch(plan)
        return answer

    def update(self, plan: Plan) -> Json:
        """Change the words about the account, and switch it, as far as they differ."""
        if changed := plan.without("disabled").body:
            self.request("PATCH", self.url, {"serviceAccount": changed, "updateMask": ",".join(changed)})
        if "disabled" in plan.changes:
            self.switch(plan)
        return {}

    def switch(self, plan: Plan) -> None:
        """Disable or enable the account, which takes a verb of its own."""
        verb = "disable" if plan.changes["disabled"] else "enable"
        self.request("POST", f"{self.url}:{verb}", {}, repeatable=True)

    def explain(self, error: GcpError) -> GcpError:
        """Say which option makes an ID that cannot be."""
        if error.status == 400 and "account ID" in error.message:
            error.note("Check the option name.")
        return super().explain(error)


def main() -> None:
    run(IamServiceAccount)


if __name__ == "__main__":
    main()
