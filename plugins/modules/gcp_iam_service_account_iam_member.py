#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_iam_service_account_iam_member
short_description: Grant a role on a service account to one member
description:
  - Grants a role on a service account to one member, and takes it back.
  - It is about who may use the account, such as act as it or get its tokens. What the account itself may do stands in
    the policies of projects and buckets, such as M(mlops.mlflow.gcp_project_iam_member) writes.
version_added: 0.2.0
author:
  - The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.gcp
  - mlops.mlflow.resource
  - mlops.mlflow.iam_member
options:
  service_account:
    description:
      - Service account, by its ID, by its e-mail address, or by the
        RV(mlops.mlflow.gcp_iam_service_account#module:resource) of a former task.
      - An account that was just created is waited for.
    type: raw
    required: true
seealso:
  - module: mlops.mlflow.gcp_iam_service_account
  - module: mlops.mlflow.gcp_project_iam_member
  - module: mlops.mlflow.gcp_storage_bucket_iam_member
  - module: mlops.mlflow.gcp_secret_manager_iam_member
"""

EXAMPLES = r"""
- name: Let a group start virtual machines that run as the account
  mlops.mlflow.gcp_iam_service_account_iam_member:
    project: my-project
    service_account: mlflow
    role: roles/iam.serviceAccountUser
    member: group:team@example.com

- name: Let a pipeline act as the account without a key
  mlops.mlflow.gcp_iam_service_account_iam_member:
    project: my-project
    service_account: mlflow@my-project.iam.gserviceaccount.com
    role: roles/iam.serviceAccountTokenCreator
    member: serviceAccount:pipeline@my-project.iam.gserviceaccount.com

- name: Take a role back
  mlops.mlflow.gcp_iam_service_account_iam_member:
    project: my-project
    service_account: mlflow
    role: roles/iam.serviceAccountUser
    member: group:team@example.com
    state: absent
"""

RETURN = r"""
resource:
  description: The grant, as the policy of the service account has it.
  returned: success
  type: dict
  sample:
    role: roles/iam.serviceAccountUser
    member: group:team@example.com
"""

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import PROPAGATION, GcpError, Json
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.iam import POLICY_VERSION, PolicyMember
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.module import run
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.service_accounts import account_email
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.session import Session


class IamServiceAccountIamMember(PolicyMember):
    """A grant on a service account."""

    service = "iam"
    collection = "v1/projects/{project}/serviceAccounts"
    item = "{service_account}"
    holder = "service_account"
    patience = PROPAGATION
    fields = {"service_account": Field(url_only=True, required=True, type="raw"), **PolicyMember.fields}

    def __init__(self, session: Session, params: Json) -> None:
        email = account_email(params["service_account"], params["project"])
        super().__init__(session, params | {"service_account": email})

    def read_policy(self) -> Json | None:
        """The policy of the account."""
        query = {"options.requestedPolicyVersion": POLICY_VERSION}
        try:
            return self.session.request("POST", f"{self.url}:getIamPolicy", query=query, repeatable=True)
        except GcpError as error:
            if error.missing:
                return None
            raise


def main() -> None:
    run(IamServiceAccountIamMember)


if __name__ == "__main__":
    main()
