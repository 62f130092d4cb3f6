#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_project_iam_member
short_description: Grant a role on a project to one member
description:
  - Grants a role on a project to one member, and takes it back.
  - The audit configuration, which stands in the same policy, stays as it is.
  - A project takes neither V(allUsers) nor V(allAuthenticatedUsers). Only the Cloud console can make a person an owner
    of a project that is in no organization.
version_added: 0.1.0
author:
  - The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.gcp
  - mlops.mlflow.resource
  - mlops.mlflow.iam_member
seealso:
  - module: mlops.mlflow.gcp_iam_service_account
  - module: mlops.mlflow.gcp_storage_bucket_iam_member
  - module: mlops.mlflow.gcp_iam_service_account_iam_member
  - module: mlops.mlflow.gcp_secret_manager_iam_member
"""

EXAMPLES = r"""
- name: Let a service account write logs
  mlops.mlflow.gcp_project_iam_member:
    project: my-project
    role: roles/logging.logWriter
    member: serviceAccount:mlflow@my-project.iam.gserviceaccount.com

- name: Let a group connect to one Cloud SQL instance
  mlops.mlflow.gcp_project_iam_member:
    project: my-project
    role: roles/cloudsql.client
    member: group:team@example.com
    condition:
      title: one-instance
      expression: resource.name == "projects/my-project/instances/mlflow"

- name: Take a role back
  mlops.mlflow.gcp_project_iam_member:
    project: my-project
    role: roles/logging.logWriter
    member: serviceAccount:mlflow@my-project.iam.gserviceaccount.com
    state: absent
"""

RETURN = r"""
resource:
  description: The grant, as the policy of the project has it.
  returned: success
  type: dict
  sample:
    role: roles/logging.logWriter
    member: serviceAccount:mlflow@my-project.iam.gserviceaccount.com
"""

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError, Json
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.iam import POLICY_VERSION, PolicyMember
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.module import run


class ProjectIamMember(PolicyMember):
    """A grant on a project."""

    service = "cloudresourcemanager"
    collection = "v1/projects"
    item = "{project}"

    def read_policy(self) -> Json:
        """The policy of the project."""
        options = {"options": {"requestedPolicyVersion": POLICY_VERSION}}
        return self.session.request("POST", f"{self.url}:getIamPolicy", options, repeatable=True)

    def explain(self, error: GcpError) -> GcpError:
        """Say why somebody cannot be made an owner, which Google only calls an invalid argument."""
        if error.status == 400 and self.params["role"] == "roles/owner":
            error.note("Only the Cloud console can make a person an owner, and a project must keep one.")
        return super().explain(error)


def main() -> None:
    run(ProjectIamMember)


if __name__ == "__main__":
    main()
