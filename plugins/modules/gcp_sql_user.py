#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_sql_user
short_description: Manage a user of a Cloud SQL instance
description:
  - Creates and deletes a user of a Cloud SQL instance, and sets password, roles and policy.
  - Cloud SQL never tells a password, so nobody can see whether it differs. With O(password_version) a new password is a
    change exactly once, which the result and the diff show as a change of the version; O(update_password) decides
    where there is no version.
  - PostgreSQL refuses to drop a user who still owns objects. The error names the databases in which they are, and
    what to do about them.
version_added: 0.1.0
author:
  - The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.gcp
  - mlops.mlflow.resource
attributes:
  idempotent:
    description: A second run with the same options changes nothing.
    support: partial
    details:
      - With O(update_password=always) each run sets the password.
options:
  instance:
    description:
      - Cloud SQL instance, by its name or by the RV(mlops.mlflow.gcp_sql_instance#module:resource) of a former task.
    type: raw
    required: true
  name:
    description:
      - Name of the user.
      - For a user of an IAM type it is the e-mail address. The module writes it as PostgreSQL wants it, which is in
        small letters, and for a service account without its ending C(.gserviceaccount.com).
    type: str
    required: true
  host:
    description:
      - Host from which a user of MySQL may connect. PostgreSQL has no such thing; leave it out there.
    type: str
  type:
    description:
      - How the user proves who they are. It cannot be changed later.
      - All but V(BUILT_IN) need the database flag C(cloudsql.iam_authentication), and the role
        C(roles/cloudsql.instanceUser) for whom they stand.
    type: str
    choices: [BUILT_IN, CLOUD_IAM_USER, CLOUD_IAM_SERVICE_ACCOUNT, CLOUD_IAM_GROUP]
  password:
    description:
      - Password of a user of the type V(BUILT_IN). It is never returned, nor shown in a diff.
      - One that the policy of the instance does not allow is an error.
    type: str
  update_password:
    description:
      - V(on_create) sets the password of a user that is created, and that of an existing user only if
        O(password_version) says that it is another one.
      - V(always) sets it at each run, which is a change each time.
    type: str
    choices: [on_create, always]
    default: on_create
  password_version:
    description:
      - Any name for the password that you choose, such as a number that you count up, a date, or the number of the
        version in Secret Manager. Where it is not the one that was set last, the password is set.
      - The version is kept in a label of the instance, C(password-version-) with the name of the user, which
        M(mlops.mlflow.gcp_sql_instance) leaves alone. So the account needs C(cloudsql.instances.update) too, and
        everybody who sees the instance sees the version. Never make it from the password.
      - It takes one more request to read. After the instance was restored from a backup, the label may speak of a
        password that is not in the backup; give another version then.
      - Small letters, digits, V(_) and V(-), at most 63 of them; anything else is an error.
    type: str
    version_added: 0.2.0
  database_roles:
    description:
      - Roles of PostgreSQL or MySQL that the user is a member of. The list is the whole list; others are revoked.
      - Where it is not given, a new user of the type V(BUILT_IN) is in C(cloudsqlsuperuser).
      - A role that there is not is an error.
    type: list
    elements: str
    version_added: 0.2.0
  password_policy:
    description: Rules about the password of this user, besides those of the instance.
    type: dict
    version_added: 0.2.0
    suboptions:
      password_expiration_duration:
        description: How long a password is good, in seconds such as V(7776000s). V(0s) is for ever.
        type: str
      enable_failed_attempts_check:
        description: Whether the user is locked after O(password_policy.allowed_failed_attempts) wrong passwords.
        type: bool
      allowed_failed_attempts:
        description: How many wrong passwords in a row are allowed.
        type: int
seealso:
  - module: mlops.mlflow.gcp_sql_instance
  - module: mlops.mlflow.gcp_secret_manager
"""

EXAMPLES = r"""
- name: Create a user with a password
  mlops.mlflow.gcp_sql_user:
    project: my-project
    instance: mlflow
    name: mlflow
    password: "{{ database_password }}"

- name: Set the password of a user once, and again whenever the version is another one
  mlops.mlflow.gcp_sql_user:
    project: my-project
    instance: mlflow
    name: mlflow
    password: "{{ database_password }}"
    password_version: 2026-11

- name: Set the password of a user now
  mlops.mlflow.gcp_sql_user:
    project: my-project
    instance: mlflow
    name: mlflow
    password: "{{ new_password }}"
    update_password: always

- name: Create a user who reads, whose password is good for 90 days
  mlops.mlflow.gcp_sql_user:
    project: my-project
    instance: mlflow
    name: report
    password: "{{ report_password }}"
    database_roles: [pg_read_all_data]
    password_policy:
      password_expiration_duration: 7776000s

- name: Let a service account log in without a password
  mlops.mlflow.gcp_sql_user:
    project: my-project
    instance: mlflow
    name: mlflow@my-project.iam.gserviceaccount.com
    type: CLOUD_IAM_SERVICE_ACCOUNT

- name: Delete a user
  mlops.mlflow.gcp_sql_user:
    project: my-project
    instance: mlflow
    name: mlflow
    state: absent
"""

RETURN = r"""
resource:
  description:
    - The user as the API answers it, which is without the password.
    - With O(password_version), C(passwordVersion) is the version of the password that was set last.
  returned: success
  type: dict
  sample: {name: mlflow, instance: mlflow, project: my-project, host: '', databaseRoles: [cloudsqlsuperuser]}
"""

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.module import run
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.rules import DURATION, at_least, matching
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.sql import SqlUserResource

VERSION = matching(r"[a-z0-9_-]{1,63}", "1 to 63 lower-case letters, digits, _ and -")


class SqlUser(SqlUserResource):
    """What the options are; how they are planned is in the base."""

    fields = {
        **SqlUserResource.fields,
        "name": Field(required=True),
        "host": Field(),
        "type": Field(
            immutable=True,
            api_default="BUILT_IN",
            choices=["BUILT_IN", "CLOUD_IAM_USER", "CLOUD_IAM_SERVICE_ACCOUNT", "CLOUD_IAM_GROUP"],
        ),
        "password": Field(write_only=True, no_log=True),
        "update_password": Field(local=True, choices=["on_create", "always"], default="on_create", no_log=False),
        "password_version": Field(local=True, must=VERSION, no_log=False),
        "database_roles": Field(type="list", elements="str"),
        "password_policy": Field(
            type="dict",
            no_log=False,
            options={
                "password_expiration_duration": Field(must=DURATION, no_log=False, api_default="0s"),
                "enable_failed_attempts_check": Field(type="bool"),
                "allowed_failed_attempts": Field(type="int", must=at_least(0)),
            },
        ),
    }


def main() -> None:
    run(SqlUser)


if __name__ == "__main__":
    main()
