#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_storage_bucket_iam_member
short_description: Grant a role on a Cloud Storage bucket to one member
description:
  - Grants a role on a bucket to one member, and takes it back.
  - A condition needs a bucket with uniform bucket-level access, and V(allUsers) one without public access prevention.
    Google Cloud refuses them otherwise.
version_added: 0.1.0
author:
  - The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.gcp
  - mlops.mlflow.resource
  - mlops.mlflow.iam_member
options:
  bucket:
    description:
      - Bucket, by its name or by the RV(mlops.mlflow.gcp_storage_bucket#module:resource) of a former task.
    type: raw
    required: true
seealso:
  - module: mlops.mlflow.gcp_storage_bucket
  - module: mlops.mlflow.gcp_project_iam_member
  - module: mlops.mlflow.gcp_iam_service_account_iam_member
  - module: mlops.mlflow.gcp_secret_manager_iam_member
"""

EXAMPLES = r"""
- name: Let a service account read and write the objects of one bucket
  mlops.mlflow.gcp_storage_bucket_iam_member:
    project: my-project
    bucket: my-project-mlflow
    role: roles/storage.objectUser
    member: serviceAccount:mlflow@my-project.iam.gserviceaccount.com

- name: Let somebody read until the end of the year
  mlops.mlflow.gcp_storage_bucket_iam_member:
    project: my-project
    bucket: my-project-mlflow
    role: roles/storage.objectViewer
    member: user:jane@example.com
    condition:
      title: until-2027
      expression: request.time < timestamp("2027-01-01T00:00:00Z")

- name: Take a role back
  mlops.mlflow.gcp_storage_bucket_iam_member:
    project: my-project
    bucket: my-project-mlflow
    role: roles/storage.objectUser
    member: serviceAccount:mlflow@my-project.iam.gserviceaccount.com
    state: absent
"""

RETURN = r"""
resource:
  description: The grant, as the policy of the bucket has it.
  returned: success
  type: dict
  sample:
    role: roles/storage.objectUser
    member: serviceAccount:mlflow@my-project.iam.gserviceaccount.com
"""

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import Json
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.iam import POLICY_VERSION, PolicyMember
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.module import run
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.references import name_of


class StorageBucketIamMember(PolicyMember):
    """A grant on a bucket."""

    service = "storage"
    collection = "storage/v1/b/{bucket}"
    item = "iam"
    holder = "bucket"
    fields = {"bucket": Field(url_only=True, required=True, type="raw", encode=name_of), **PolicyMember.fields}

    def read_policy(self) -> Json | None:
        """The policy of the bucket."""
        return self.session.get(self.url, {"optionsRequestedPolicyVersion": POLICY_VERSION})

    def write_policy(self, policy: Json) -> Json:
        """Replace the policy of the bucket."""
        return self.request("PUT", self.url, policy)


def main() -> None:
    run(StorageBucketIamMember)


if __name__ == "__main__":
    main()
