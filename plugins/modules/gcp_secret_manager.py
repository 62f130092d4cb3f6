#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_secret_manager
short_description: Manage a secret, its value and its versions
description:
  - Creates, updates and deletes a secret of Secret Manager.
  - A new version is added only where the latest version is not enabled, or has another value.
  - With O(return_value) and without O(value) the module only reads. It creates nothing.
version_added: 0.1.0
author:
  - The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.gcp
  - mlops.mlflow.resource
options:
  name:
    description: Name of the secret, without the project.
    type: str
    required: true
    aliases: [key, secret, secret_id]
  value:
    description:
      - Value that the latest version has, of 1 to 65536 bytes. It is never shown in a diff.
      - Without it, no version is added.
      - To compare the values, the caller needs the permission C(secretmanager.versions.access).
    type: str
  labels:
    description: Labels. They are exact when given; a label that is left out goes.
    type: dict
  annotations:
    description:
      - Notes of programs, which may hold what a label may not, such as a capital letter. They are exact when given; an
        annotation that is left out goes.
    type: dict
    version_added: 0.2.0
  replication:
    description:
      - Where the values are kept, and by which keys they are encrypted. A new secret is replicated automatically when
        it is left out.
      - A secret cannot be moved. Its keys can be changed; only versions that are added from then on are encrypted by
        them.
    type: dict
    version_added: 0.2.0
    suboptions:
      automatic:
        description: Google Cloud chooses the places. It excludes O(replication.user_managed).
        type: dict
        suboptions:
          customer_managed_encryption:
            description: The key.
            type: dict
            suboptions:
              kms_key_name:
                description:
                  - Full name of a Cloud KMS key in the location C(global), as in
                    V(projects/p/locations/global/keyRings/r/cryptoKeys/k). An empty one goes back to Google's keys.
                  - Secret Manager's service agent needs the role C(roles/cloudkms.cryptoKeyEncrypterDecrypter) on it.
                type: str
      user_managed:
        description: You choose the places.
        type: dict
        suboptions:
          replicas:
            description: The places. The list is the whole list.
            type: list
            elements: dict
            required: true
            suboptions:
              location:
                description: Region, such as V(europe-west1).
                type: str
                required: true
              customer_managed_encryption:
                description: The key of this place. Google's own when it is left out.
                type: dict
                suboptions:
                  kms_key_name:
                    description: Full name of a Cloud KMS key in the same region.
                    type: str
                    required: true
  version_destroy_ttl:
    description:
      - Seconds from the moment at which a version is told to be destroyed until it is, from 86400 (a day) to 86400000.
        Meanwhile it is disabled, and can be enabled again. V(0) destroys at once.
    type: int
    version_added: 0.2.0
  old_versions:
    description:
      - What becomes of the versions that are older than the newest O(versions_kept) enabled ones.
      - V(disable) can be taken back, V(destroy) cannot, unless O(version_destroy_ttl) puts it off.
      - A version is ended after its successor was added, and whatever an interrupted run left is ended by the next one.
        What changes is shown in the diff by the numbers of the versions.
      - It needs the permission C(secretmanager.versions.list), and one of C(secretmanager.versions.disable) and
        C(secretmanager.versions.destroy).
    type: str
    choices: [keep, disable, destroy]
    default: keep
    version_added: 0.2.0
  versions_kept:
    description: How many of the newest enabled versions O(old_versions) leaves alone, the latest included.
    type: int
    default: 1
    version_added: 0.2.0
  return_value:
    description:
      - Whether to return RV(value). Set C(no_log) on such a task.
      - Ansible masks whatever equals O(value), so leave that out here.
    type: bool
    default: false
  version:
    description:
      - Number of the version whose value is returned, or V(latest).
      - With O(state=absent) and a number that version alone is destroyed; with V(latest) the secret is deleted with
        all its versions.
    type: str
    default: latest
notes:
  - Expiry, rotation reminders and Pub/Sub topics are not managed, and left alone. A secret that expires is deleted with
    its values by Google Cloud itself, and a reminder rotates nothing; to rotate, run the task with another O(value).
seealso:
  - module: mlops.mlflow.gcp_secret_manager_iam_member
  - module: mlops.mlflow.gcp_sql_user
"""

EXAMPLES = r"""
- name: Store a password
  mlops.mlflow.gcp_secret_manager:
    project: my-project
    name: mlflow-database-password
    value: "{{ database_password }}"

- name: Rotate a password, keep the one before for a way back, and destroy what is older a week later
  mlops.mlflow.gcp_secret_manager:
    project: my-project
    name: mlflow-database-password
    value: "{{ new_database_password }}"
    old_versions: destroy
    versions_kept: 2
    version_destroy_ttl: 604800

- name: Keep a secret in Europe, encrypted by keys of your own
  mlops.mlflow.gcp_secret_manager:
    project: my-project
    name: mlflow-database-password
    replication:
      user_managed:
        replicas:
          - location: europe-west1
            customer_managed_encryption:
              kms_key_name: projects/my-project/locations/europe-west1/keyRings/mlflow/cryptoKeys/secrets
          - location: europe-west4
            customer_managed_encryption:
              kms_key_name: projects/my-project/locations/europe-west4/keyRings/mlflow/cryptoKeys/secrets

- name: Read a password
  mlops.mlflow.gcp_secret_manager:
    project: my-project
    name: mlflow-database-password
    return_value: true
  register: password
  no_log: true

- name: Label a secret, and leave its versions alone
  mlops.mlflow.gcp_secret_manager:
    project: my-project
    name: mlflow-database-password
    labels:
      app: mlflow

- name: Destroy a version that has leaked
  mlops.mlflow.gcp_secret_manager:
    project: my-project
    name: mlflow-database-password
    version: "3"
    state: absent

- name: Delete a secret with all its versions
  mlops.mlflow.gcp_secret_manager:
    project: my-project
    name: mlflow-database-password
    state: absent
"""

RETURN = r"""
resource:
  description: The secret as the API answers it. The value is not in it.
  returned: success
  type: dict
  sample:
    name: projects/1/secrets/mlflow-database-password
    createTime: '2026-01-01T00:00:00Z'
    replication: {automatic: {}}
    labels: {app: mlflow}
value:
  description: The value of the version, or null where there is no such version or where it is not enabled.
  returned: when O(return_value=true)
  type: str
  sample: correct horse battery staple
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.module import run
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.rules import (
    KMS_KEY,
    LABELS,
    Rule,
    at_least,
    matching,
    zero_or_between,
)
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.secret import Secret

DAY = 86400  # seconds
PAYLOAD = 64 * 1024
NAME = matching(r"[A-Za-z0-9_-]{1,255}", "1 to 255 letters, digits, hyphens and underscores")
VALUE = Rule(lambda text: 0 < len(text.encode()) <= PAYLOAD, "a text of 1 to 65536 bytes")


def encryption(**key: t.Any) -> dict[str, Field]:
    """The options that name a key."""
    return {
        "customer_managed_encryption": Field(
            type="dict", options={"kms_key_name": Field(must=KMS_KEY, required=not key, **key)}
        )
    }


class SecretManager(Secret):
    """A secret, its value and its versions."""

    fields = {
        "name": Field(url_only=True, required=True, must=NAME, aliases=["key", "secret", "secret_id"], no_log=False),
        "value": Field(local=True, no_log=True, must=VALUE),
        "labels": Field(type="dict", must=LABELS),
        "annotations": Field(type="dict"),
        "replication": Field(
            type="dict",
            mutually_exclusive=[("automatic", "user_managed")],
            options={
                "automatic": Field(
                    type="dict", options=encryption(removes="replication.automatic.customerManagedEncryption")
                ),
                "user_managed": Field(
                    type="dict",
                    options={
                        "replicas": Field(
                            type="list",
                            elements="dict",
                            required=True,
                            options={"location": Field(required=True), **encryption()},
                        )
                    },
                ),
            },
        ),
        "version_destroy_ttl": Field(
            type="int",
            must=zero_or_between(DAY, 1000 * DAY),
            encode=lambda seconds: f"{seconds}s" if seconds else "",
            removes="versionDestroyTtl",
        ),
        "old_versions": Field(local=True, choices=["keep", "disable", "destroy"], default="keep"),
        "versions_kept": Field(local=True, type="int", default=1, must=at_least(1)),
        "return_value": Field(local=True, type="bool", default=False),
        "version": Field(
            local=True, default="latest", must=matching(r"[A-Za-z0-9_-]+", "a number, an alias, or latest")
        ),
    }


def main() -> None:
    run(SecretManager)


if __name__ == "__main__":
    main()
