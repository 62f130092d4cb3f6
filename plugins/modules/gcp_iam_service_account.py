#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_iam_service_account
short_description: Manage a service account
description:
  - Creates, updates and deletes a service account.
  - A new service account cannot be seen everywhere for some seconds. The module returns when it can be read.
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
      - An ID has 6 to 30 characters, which are lower-case letters, digits and hyphens, and begins with a letter.
    type: str
    required: true
  display_name:
    description: What the account is called, at most 100 bytes.
    type: str
  description:
    description: What the account is for, at most 256 bytes.
    type: str
seealso:
  - module: mlops.mlflow.gcp_project_iam_member
  - module: mlops.mlflow.gcp_storage_bucket_iam_member
  - module: mlops.mlflow.gcp_iam_service_account_key
"""

EXAMPLES = r"""
- name: Create a service account for a server
  mlops.mlflow.gcp_iam_service_account:
    project: my-project
    name: mlflow-server
    display_name: MLflow tracking server

- name: Delete a service account by its e-mail address
  mlops.mlflow.gcp_iam_service_account:
    project: my-project
    name: mlflow-server@my-project.iam.gserviceaccount.com
    state: absent
"""

RETURN = r"""
resource:
  description: The service account as the API answers it.
  returned: success
  type: dict
  sample:
    name: projects/my-project/serviceAccounts/mlflow-server@my-project.iam.gserviceaccount.com
    email: mlflow-server@my-project.iam.gserviceaccount.com
    projectId: my-project
    uniqueId: '100000000000000000001'
    displayName: MLflow tracking server
"""

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError, Json
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.iam import account_email, refuse_foreign
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.module import run
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Plan, Resource
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.session import Session


class IamServiceAccount(Resource):
    """A service account, which is known by its e-mail address and wrapped in the bodies of its API."""

    service = "iam"
    collection = "v1/projects/{project}/serviceAccounts"
    fields = {
        "name": Field(url_only=True, required=True),
        "display_name": Field(),
        "description": Field(),
    }

    def __init__(self, session: Session, params: Json) -> None:
        super().__init__(session, params | {"name": account_email(params["name"], params["project"])})

    def create(self, plan: Plan) -> Json:
        """Create the account."""
        refuse_foreign(self.params["name"], self.params["project"])
        account_id = self.params["name"].partition("@")[0]
        return self.request("POST", self.parent, {"accountId": account_id, "serviceAccount": plan.body})

    def update(self, plan: Plan) -> Json:
        """Change the words about the account."""
        return self.request("PATCH", self.url, {"serviceAccount": plan.body, "updateMask": ",".join(plan.mask)})

    def explain(self, error: GcpError) -> GcpError:
        """Say which option makes an ID that cannot be."""
        if error.status == 400 and "account ID" in error.message:
            error.note("Check the option name.")
        return super().explain(error)


def main() -> None:
    """Run the module."""
    run(IamServiceAccount)


if __name__ == "__main__":
    main()
