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
  custom_placement_config:
    description: Where a dual-region bucket is whose regions are chosen. It cannot be changed later.
    type: dict
    version_added: 0.2.0
    suboptions:
      data_locations:
        description:
          - The two regions, such as V(US-EAST1) and V(US-WEST1). Both lie in the multi-region that O(location) names.
        type: list
        elements: str
        required: true
  storage_class:
    description: Storage class of new objects. Objects that are there keep theirs.
    type: str
    choices: [STANDARD, NEARLINE, COLDLINE, ARCHIVE]
  autoclass:
    description:
      - Whether Google Cloud moves each object to the class that fits how often it is read.
      - The class of such a bucket is V(STANDARD), and no rule of O(lifecycle) speaks of classes.
    type: dict
    version_added: 0.2.0
    suboptions:
      enabled:
        description: Whether it does.
        type: bool
      terminal_storage_class:
        description:
          - The coldest class that an object gets. Google Cloud chooses V(NEARLINE) when it is left out.
          - It needs O(autoclass.enabled=true).
        type: str
        choices: [NEARLINE, ARCHIVE]
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
    description:
      - Whether IAM alone decides who may do what, and no access control list of an object.
      - Google Cloud takes V(false) for the first 90 days only.
    type: bool
  public_access_prevention:
    description: V(enforced) keeps anybody from making objects public; V(inherited) leaves it to the organization.
    type: str
    choices: [inherited, enforced]
  iam_configuration:
    description:
      - The same as O(uniform_bucket_level_access) and O(public_access_prevention), in the words of the google.cloud
        collection, for tasks that come from there. Give one or the other.
    type: dict
    version_added: 0.2.0
    suboptions:
      uniform_bucket_level_access:
        description: As O(uniform_bucket_level_access).
        type: dict
        suboptions:
          enabled:
            description: As O(uniform_bucket_level_access).
            type: bool
      public_access_prevention:
        description: As O(public_access_prevention).
        type: str
        choices: [inherited, enforced]
  soft_delete_policy:
    description: For how long deleted objects can be brought back.
    type: dict
    suboptions:
      retention_duration_seconds:
        description: Seconds, from 604800 (a week) to 7776000 (90 days). V(0) switches soft deletion off.
        type: int
  retention_policy:
    description: For how long objects can be neither deleted nor overwritten.
    type: dict
    version_added: 0.2.0
    suboptions:
      retention_period:
        description:
          - Seconds since an object was made, less than 100 years. V(0) removes the policy.
          - The period of a locked policy can only grow; less is an error.
        type: int
      is_locked:
        description:
          - Whether the policy is locked, so that nobody, Google's support included, can remove or shorten it.
          - B(It cannot be taken back.) The bucket itself can then be deleted only when its last object has reached its
            age. Therefore V(true) is only taken together with O(retention_policy.retention_period), the period that is
            locked, and is warned of.
          - V(false) for a policy that is locked is an error.
        type: bool
  default_event_based_hold:
    description:
      - Whether new objects are held until somebody releases the hold. The time of O(retention_policy) begins then.
    type: bool
    version_added: 0.2.0
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
                description: Target of V(SetStorageClass), which needs it.
                type: str
          condition:
            description:
              - When to do it. All conditions must hold, and there is at least one.
              - V(AbortIncompleteMultipartUpload) knows the age, the prefixes and the suffixes only.
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
              noncurrent_time_before:
                description: Date before which the version became noncurrent, as in V(2026-01-31).
                type: str
                version_added: 0.2.0
              num_newer_versions:
                description: How many newer versions there are at least.
                type: int
              days_since_custom_time:
                description: Days since the time that the object bears as its own C(customTime).
                type: int
                version_added: 0.2.0
              custom_time_before:
                description: Date before which the object's own C(customTime) is, as in V(2026-01-31).
                type: str
                version_added: 0.2.0
              size_above_bytes:
                description: Bytes that the object is larger than.
                type: int
                version_added: 0.2.0
              size_below_bytes:
                description: Bytes that the object is smaller than.
                type: int
                version_added: 0.2.0
              matches_prefix:
                description: Beginnings of object names.
                type: list
                elements: str
              matches_suffix:
                description: Ends of object names.
                type: list
                elements: str
              matches_pattern:
                description: RE2 expression for object names. Google Cloud has opened it to selected projects only.
                type: str
                version_added: 0.2.0
              matches_storage_class:
                description: Storage classes.
                type: list
                elements: str
  cors:
    description:
      - Which web pages of other origins may use the bucket. The list is the whole list, and its order counts; an empty
        one removes all entries.
    type: list
    elements: dict
    version_added: 0.2.0
    suboptions:
      origin:
        description: Origins, such as V(https://mlflow.example.com), or V(*).
        type: list
        elements: str
      method:
        description: HTTP methods, such as V(GET), or V(*).
        type: list
        elements: str
      response_header:
        description: Headers of the answer that the page may see.
        type: list
        elements: str
      max_age_seconds:
        description: For how long a browser may remember the answer to its question.
        type: int
  logging:
    description: Where Google Cloud writes who did what with the objects.
    type: dict
    version_added: 0.2.0
    suboptions:
      log_bucket:
        description:
          - Name of the bucket for the logs. An empty one switches the logs off.
          - The group C(cloud-storage-analytics@google.com) needs the role C(roles/storage.objectCreator) there.
        type: str
      log_object_prefix:
        description: Beginning of the names of the logs. Google Cloud takes the bucket's name when it is left out.
        type: str
  website:
    description: What is served where a bucket is a web site.
    type: dict
    version_added: 0.2.0
    suboptions:
      main_page_suffix:
        description: Object that stands for a folder, such as V(index.html). An empty one removes it.
        type: str
      not_found_page:
        description: Object that stands for what is not there, such as V(404.html). An empty one removes it.
        type: str
  encryption:
    description: How new objects are encrypted.
    type: dict
    version_added: 0.2.0
    suboptions:
      default_kms_key_name:
        description:
          - Full name of the Cloud KMS key, C(projects/P/locations/L/keyRings/R/cryptoKeys/K), in the location of the
            bucket. An empty one goes back to the keys of Google.
          - The project's Cloud Storage service agent needs the role C(roles/cloudkms.cryptoKeyEncrypterDecrypter) on
            it.
        type: str
  billing:
    description: Who pays.
    type: dict
    version_added: 0.2.0
    suboptions:
      requester_pays:
        description:
          - Whether whoever uses the objects pays for it.
          - MLflow does not name a project that pays, so that only those can use such a bucket with it who may charge
            the bucket's own project, such as its owners.
        type: bool
  rpo:
    description:
      - How soon an object is in both places of a dual-region bucket; V(ASYNC_TURBO) is within 15 minutes.
    type: str
    choices: [DEFAULT, ASYNC_TURBO]
    version_added: 0.2.0
  hierarchical_namespace:
    description: Folders that are more than parts of names. It cannot be changed later.
    type: dict
    version_added: 0.2.0
    suboptions:
      enabled:
        description:
          - Whether the bucket has them. It needs O(uniform_bucket_level_access=true), and excludes O(versioning) and
            O(retention_policy).
        type: bool
        required: true
  force_delete:
    description:
      - Whether O(state=absent) first deletes each object, with all its versions, and the folders of
        O(hierarchical_namespace).
      - If one of them is on hold, or not as old as O(retention_policy) wants, none is deleted, which is an error.
      - What is deleted when O(timeout) comes is gone; the next run goes on with the rest. For millions of objects raise
        it, or let a rule of O(lifecycle) empty the bucket before.
      - Without it, a bucket that is not empty is not deleted, which is an error.
    type: bool
    default: false
notes:
  - Access control lists are not managed. With O(uniform_bucket_level_access=true) there are none, and
    M(mlops.mlflow.gcp_storage_bucket_iam_member) says who may do what.
  - A bucket's IP filter is not managed either. It shuts Google Cloud's own services and this module out as easily as
    others. What it has is left alone.
  - Nor is retention object by object, which the programs that write the objects would have to ask for, and MLflow does
    not. O(retention_policy) keeps all objects of a bucket.
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

- name: Throw away what an interrupted upload left, and let logs get cold
  mlops.mlflow.gcp_storage_bucket:
    project: my-project
    name: my-project-mlflow
    lifecycle:
      rule:
        - action:
            type: AbortIncompleteMultipartUpload
          condition:
            age_days: 7
        - action:
            type: SetStorageClass
            storage_class: COLDLINE
          condition:
            age_days: 90
            matches_suffix: [.log]

- name: Create a bucket in two regions, which is safe 15 minutes after each write
  mlops.mlflow.gcp_storage_bucket:
    project: my-project
    name: my-project-mlflow
    location: US
    custom_placement_config:
      data_locations: [US-EAST1, US-WEST1]
    rpo: ASYNC_TURBO

- name: Keep what is written for 30 days, whatever happens
  mlops.mlflow.gcp_storage_bucket:
    project: my-project
    name: my-project-mlflow-audit
    retention_policy:
      retention_period: 2592000

- name: Let nobody shorten that any more, which cannot be taken back
  mlops.mlflow.gcp_storage_bucket:
    project: my-project
    name: my-project-mlflow-audit
    retention_policy:
      retention_period: 2592000
      is_locked: true

- name: Remove a retention policy that is not locked
  mlops.mlflow.gcp_storage_bucket:
    project: my-project
    name: my-project-mlflow-audit
    retention_policy:
      retention_period: 0

- name: Write who did what into another bucket
  mlops.mlflow.gcp_storage_bucket:
    project: my-project
    name: my-project-mlflow
    logging:
      log_bucket: my-project-logs
      log_object_prefix: mlflow

- name: Let a web page read artifacts
  mlops.mlflow.gcp_storage_bucket:
    project: my-project
    name: my-project-mlflow
    cors:
      - origin: [https://mlflow.example.com]
        method: [GET]
        response_header: [Content-Type]
        max_age_seconds: 3600

- name: Encrypt new objects with a key of your own
  mlops.mlflow.gcp_storage_bucket:
    project: my-project
    name: my-project-mlflow
    encryption:
      default_kms_key_name: projects/my-project/locations/europe-west1/keyRings/mlflow/cryptoKeys/artifacts

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

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.bucket import Bucket
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import Json
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.module import run
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.rules import (
    KMS_KEY,
    LABELS,
    Rule,
    at_least,
    between,
    matching,
    zero_or_between,
)

# Seconds; the century is Google's.
WEEK = 604800
QUARTER = 7776000
CENTURY = 3155760000
CLASSES = ["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"]
DATE = matching(r"\d{4}-\d{2}-\d{2}", "a date such as 2026-01-31")
NAME = matching(r"[A-Za-z0-9._-]{3,255}", "the name of a bucket, such as my-bucket")
NOT_EMPTY = Rule(bool, "a text that is not empty")

ACTION = {
    "type": Field(required=True, choices=["Delete", "SetStorageClass", "AbortIncompleteMultipartUpload"]),
    "storage_class": Field(),
}
# Left out, a condition holds for every object, which is not what false or 0 says.
ANY: Json = {"api_default": "any"}
COUNT: Json = {"type": "int", "must": at_least(0), **ANY}
NAMES: Json = {"type": "list", "elements": "str", "must": NOT_EMPTY}
CONDITION = {
    "age_days": Field("age", **COUNT),
    "created_before": Field(must=DATE),
    "is_live": Field(type="bool", **ANY),
    "days_since_noncurrent_time": Field(**COUNT),
    "noncurrent_time_before": Field(must=DATE),
    "num_newer_versions": Field(**COUNT),
    "days_since_custom_time": Field(**COUNT),
    "custom_time_before": Field(must=DATE),
    "size_above_bytes": Field(**COUNT),
    "size_below_bytes": Field(**COUNT),
    "matches_prefix": Field(**NAMES),
    "matches_suffix": Field(**NAMES),
    "matches_pattern": Field(must=NOT_EMPTY),
    "matches_storage_class": Field(**NAMES),
}
RULE = {
    "action": Field(
        type="dict", required=True, options=ACTION, required_if=[("type", "SetStorageClass", ["storage_class"])]
    ),
    "condition": Field(type="dict", required=True, options=CONDITION, required_one_of=[list(CONDITION)]),
}
CORS = {
    "origin": Field(type="list", elements="str"),
    "method": Field(type="list", elements="str"),
    "response_header": Field(type="list", elements="str"),
    "max_age_seconds": Field(type="int", must=at_least(0)),
}
ENABLED = {"enabled": Field(type="bool")}
PREVENTION: Json = {"choices": ["inherited", "enforced"], "api_default": "inherited"}


def group(**options: Field) -> Field:
    """An option that only holds others."""
    return Field(type="dict", options=options)


class StorageBucket(Bucket):
    """A bucket."""

    rules = {
        "mutually_exclusive": [
            ("iam_configuration", "uniform_bucket_level_access"),
            ("iam_configuration", "public_access_prevention"),
        ]
    }
    fields = {
        "name": Field(required=True, must=NAME),
        "location": Field(immutable=True, canonical=str.upper, must=NOT_EMPTY),
        "custom_placement_config": group(
            data_locations=Field(
                type="list", elements="str", required=True, immutable=True, encode=str.upper, canonical=str.upper
            )
        ),
        "storage_class": Field(choices=CLASSES),
        "autoclass": group(**ENABLED, terminal_storage_class=Field(choices=["NEARLINE", "ARCHIVE"])),
        "labels": Field(type="dict", must=LABELS),
        "versioning": group(**ENABLED),
        "uniform_bucket_level_access": Field("iamConfiguration.uniformBucketLevelAccess.enabled", type="bool"),
        "public_access_prevention": Field("iamConfiguration.publicAccessPrevention", **PREVENTION),
        "iam_configuration": group(
            uniform_bucket_level_access=group(**ENABLED), public_access_prevention=Field(**PREVENTION)
        ),
        "soft_delete_policy": group(retention_duration_seconds=Field(type="int", must=zero_or_between(WEEK, QUARTER))),
        "retention_policy": Field(
            type="dict",
            required_by={"is_locked": ["retention_period"]},
            options={
                "retention_period": Field(type="int", removes="retentionPolicy", must=between(0, CENTURY)),
                "is_locked": Field(type="bool"),
            },
        ),
        "default_event_based_hold": Field(type="bool"),
        "lifecycle": group(rule=Field(type="list", elements="dict", required=True, options=RULE)),
        "cors": Field(type="list", elements="dict", ordered=True, options=CORS),
        "logging": group(log_bucket=Field(removes="logging"), log_object_prefix=Field(must=NOT_EMPTY)),
        "website": group(
            main_page_suffix=Field(removes="website.mainPageSuffix"),
            not_found_page=Field(removes="website.notFoundPage"),
        ),
        "encryption": group(default_kms_key_name=Field(removes="encryption.defaultKmsKeyName", must=KMS_KEY)),
        "billing": group(requester_pays=Field(type="bool")),
        "rpo": Field(choices=["DEFAULT", "ASYNC_TURBO"], api_default="DEFAULT"),
        "hierarchical_namespace": group(enabled=Field(type="bool", required=True, immutable=True, api_default=False)),
        "force_delete": Field(local=True, type="bool", default=False),
    }


def main() -> None:
    run(StorageBucket)


if __name__ == "__main__":
    main()
