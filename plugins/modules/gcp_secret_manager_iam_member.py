#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_secret_manager_iam_member
short_description: Grant a role on a secret to one member
description:
  - Grants a role on one secret of Secret Manager to one member, and takes it back.
  - A role on the project would open every secret that the project has.
version_added: 0.2.0
author:
  - The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.gcp
  - mlops.mlflow.resource
  - mlops.mlflow.iam_member
options:
  secret:
    description:
      - Secret, by its name or by the RV(mlops.mlflow.gcp_secret_manager#module:resource) of a former task.
    type: raw
    required: true
seealso:
  - module: mlops.mlflow.gcp_secret_manager
  - module: mlops.mlflow.gcp_project_iam_member
  - module: mlops.mlflow.gcp_storage_bucket_iam_member
  - module: mlops.mlflow.gcp_iam_service_account_iam_member
"""

EXAMPLES = r"""
- name: Let a server read one secret
  mlops.mlflow.gcp_secret_manager_iam_member:
    project: my-project
    secret: mlflow-database-password
    role: roles/secretmanager.secretAccessor
    member: serviceAccount:mlflow@my-project.iam.gserviceaccount.com

- name: Let somebody read it until the end of the year
  mlops.mlflow.gcp_secret_manager_iam_member:
    project: my-project
    secret: mlflow-database-password
    role: roles/secretmanager.secretAccessor
    member: user:jane@example.com
    condition:
      title: until-2027
      expression: request.time < timestamp("2027-01-01T00:00:00Z")

- name: Take a role back
  mlops.mlflow.gcp_secret_manager_iam_member:
    project: my-project
    secret: mlflow-database-password
    role: roles/secretmanager.secretAccessor
    member: serviceAccount:mlflow@my-project.iam.gserviceaccount.com
    state: absent
"""

RETURN = r"""
resource:
  description: The grant, as the policy of the secret has it.
  returned: success
  type: dict
  sample:
    role: roles/secretmanager.secretAccessor
    member: serviceAccount:mlflow@my-project.iam.gserviceaccount.com
"""

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.iam import PolicyMember
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.module import run
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.references import name_of


class SecretManagerIamMember(PolicyMember):
    """A grant on a secret."""

    service = "secretmanager"
    collection = "v1/projects/{project}/secrets"
    item = "{secret}"
    holder = "secret"
    fields = {
        "secret": Field(url_only=True, required=True, type="raw", encode=name_of, no_log=False),
        **PolicyMember.fields,
    }


def main() -> None:
    run(SecretManagerIamMember)


if __name__ == "__main__":
    main()
