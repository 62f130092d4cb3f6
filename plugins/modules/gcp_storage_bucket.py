#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_storage_bucket
short_description: Manage a Cloud Storage bucket
description:
  - Creates, updates and deletes a bucket.
  - An update sends only the fields that differ, and is planned again when somebody else changed the bucket meanwhile.
version_added: 0.1.0
author:
  - The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.gcp
  - mlops.mlflow.resource
options:
  name:
    description: Name of the bucket. All buckets of all of Google Cloud share one space of names.
    type: str
    required: true
  location:
    description:
      - Region, dual-region or multi-region of the bucket, such as V(europe-west1) or V(EU). It cannot be changed
        later.
      - Google Cloud chooses V(US) for a new bucket when it is left out.
    type: str
  storage_class:
    description: Storage class of new objects. Objects that are there keep theirs.
    type: str
    choices: [STANDARD, NEARLINE, COLDLINE, ARCHIVE]
  labels:
    description: Labels. They are exact when given; a label that is left out goes.
    type: dict
  versioning:
    description: Versions of objects.
    type: dict
    suboptions:
      enabled:
        description: Whether an object that is overwritten or deleted is kept as a noncurrent version.
        type: bool
  uniform_bucket_level_access:
    description: Whether IAM alone decides who may do what, and no access control list of an object.
    type: bool
  public_access_prevention:
    description: V(enforced) keeps anybody from making objects public; V(inherited) leaves it to the organization.
    type: str
    choices: [inherited, enforced]
  soft_delete_policy:
    description: For how long deleted objects can be brought back.
    type: dict
    suboptions:
      retention_duration_seconds:
        description: Seconds, from 604800 (a week) to 7776000 (90 days). V(0) switches soft deletion off.
        type: int
  lifecycle:
    description: What happens to objects by themselves.
    type: dict
    suboptions:
      rule:
        description: Rules. The list is the whole list; an empty one removes all rules.
        type: list
        elements: dict
        required: true
        suboptions:
          action:
            description: What to do.
            type: dict
            required: true
            suboptions:
              type:
                description: Kind of action.
                type: str
                required: true
                choices: [Delete, SetStorageClass, AbortIncompleteMultipartUpload]
              storage_class:
                description: Target of V(SetStorageClass).
                type: str
          condition:
            description: When to do it. All conditions must hold.
            type: dict
            required: true
            suboptions:
              age_days:
                description: Days since the object was made.
                type: int
              created_before:
                description: Date before which the object was made, as in V(2026-01-31).
                type: str
              is_live:
                description: V(true) is for live objects, V(false) for noncurrent versions.
                type: bool
              days_since_noncurrent_time:
                description: Days since the version became noncurrent.
                type: int
              num_newer_versions:
                description: How many newer versions there are at least.
                type: int
              matches_prefix:
                description: Beginnings of object names.
                type: list
                elements: str
              matches_suffix:
                description: Ends of object names.
                type: list
                elements: str
              matches_storage_class:
                description: Storage classes.
                type: list
                elements: str
  force_delete:
    description:
      - Whether O(state=absent) first deletes each object, with all its versions.
      - Without it, a bucket that is not empty is not deleted, which is an error.
    type: bool
    default: false
seealso:
  - module: mlops.mlflow.gcp_storage_bucket_iam_member
  - name: Cloud Storage
    description: Reference of the API behind the module.
    link: https://cloud.google.com/storage/docs/json_api/v1/buckets
"""

EXAMPLES = r"""
- name: Create a private bucket that keeps old versions
  mlops.mlflow.gcp_storage_bucket:
    project: my-project
    name: my-project-mlflow
    location: europe-west1
    uniform_bucket_level_access: true
    public_access_prevention: enforced
    versioning:
      enabled: true

- name: Delete versions a month after they were overwritten
  mlops.mlflow.gcp_storage_bucket:
    project: my-project
    name: my-project-mlflow
    lifecycle:
      rule:
        - action:
            type: Delete
          condition:
            days_since_noncurrent_time: 30

- name: Remove all lifecycle rules
  mlops.mlflow.gcp_storage_bucket:
    project: my-project
    name: my-project-mlflow
    lifecycle:
      rule: []

- name: Delete a bucket if it is empty
  mlops.mlflow.gcp_storage_bucket:
    project: my-project
    name: my-project-mlflow
    state: absent

- name: Delete a bucket with all that is in it
  mlops.mlflow.gcp_storage_bucket:
    project: my-project
    name: my-project-mlflow
    state: absent
    force_delete: true
"""

RETURN = r"""
resource:
  description: The bucket as the API answers it.
  returned: success
  type: dict
  sample:
    name: my-project-mlflow
    location: EUROPE-WEST1
    storageClass: STANDARD
    metageneration: '1'
    versioning: {enabled: true}
    iamConfiguration: {publicAccessPrevention: enforced, uniformBucketLevelAccess: {enabled: true}}
"""

from urllib.parse import quote

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError, Json
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.module import run
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Plan, Resource

ACTION = {
    "type": Field(required=True, choices=["Delete", "SetStorageClass", "AbortIncompleteMultipartUpload"]),
    "storage_class": Field(),
}
CONDITION = {
    "age_days": Field("age", type="int"),
    "created_before": Field(),
    # Left out it holds for live and noncurrent objects alike, which is not what false says.
    "is_live": Field(type="bool", api_default="either"),
    "days_since_noncurrent_time": Field(type="int"),
    "num_newer_versions": Field(type="int"),
    "matches_prefix": Field(type="list", elements="str"),
    "matches_suffix": Field(type="list", elements="str"),
    "matches_storage_class": Field(type="list", elements="str"),
}
RULE = {
    "action": Field(type="dict", required=True, options=ACTION),
    "condition": Field(type="dict", required=True, options=CONDITION),
}


class StorageBucket(Resource):
    """A bucket, whose changes are protected by its metageneration."""

    service = "storage"
    collection = "storage/v1/b"
    create_query = {"project": "{project}"}
    guard_query = {"ifMetagenerationMatch": "metageneration"}
    fields = {
        "name": Field(required=True),
        "location": Field(immutable=True, canonical=str.upper),
        "storage_class": Field(choices=["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"]),
        "labels": Field(type="dict"),
        "versioning": Field(type="dict", options={"enabled": Field(type="bool")}),
        "uniform_bucket_level_access": Field("iamConfiguration.uniformBucketLevelAccess.enabled", type="bool"),
        "public_access_prevention": Field(
            "iamConfiguration.publicAccessPrevention", choices=["inherited", "enforced"], api_default="inherited"
        ),
        "soft_delete_policy": Field(type="dict", options={"retention_duration_seconds": Field(type="int")}),
        "lifecycle": Field(
            type="dict", options={"rule": Field(type="list", elements="dict", required=True, options=RULE)}
        ),
        "force_delete": Field(local=True, type="bool", default=False),
    }

    def delete(self, plan: Plan) -> Json:
        """Delete the bucket; its objects only if the task says so."""
        if self.params["force_delete"]:
            self.empty()
        try:
            return super().delete(plan)
        except GcpError as error:
            if error.status == 409 and not self.params["force_delete"]:
                error.note("With force_delete=true all objects and their versions are deleted with the bucket.")
            raise

    def empty(self) -> None:
        """Delete each version of each object, page by page."""
        page: Json = {"nextPageToken": ""}
        while "nextPageToken" in page:
            query = {"versions": "true", "fields": "nextPageToken,items(name,generation)"}
            query |= {"pageToken": page["nextPageToken"]} if page["nextPageToken"] else {}
            page = self.session.get(f"{self.url}/o", query) or {}
            for item in page.get("items", []):
                try:
                    url = f"{self.url}/o/{quote(item['name'], safe='')}"
                    self.request("DELETE", url, query={"generation": item["generation"]})
                except GcpError as error:
                    if not error.missing:
                        raise

    def explain(self, error: GcpError) -> GcpError:
        """Say that the bucket may be somebody else's."""
        if (error.url == self.url and error.status == 403) or (error.url == self.parent and error.already_exists):
            error.note(
                "Buckets of all of Google Cloud share their names: this one may be somebody else's (option name)."
            )
        return super().explain(error)


def main() -> None:
    """Run the module."""
    run(StorageBucket)


if __name__ == "__main__":
    main()
