#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_sql_user
short_description: Manage a user of a Cloud SQL instance
description:
  - Creates and deletes a user of a Cloud SQL instance, and sets the password.
  - Cloud SQL never tells a password, so the module cannot see whether it differs. O(update_password) decides what
    to do about it.
  - PostgreSQL refuses to drop a user who still owns objects. Drop them, or give them to somebody else, first.
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
      - For a user of an IAM type on PostgreSQL it is the e-mail address, for a service account without its ending
        C(.gserviceaccount.com).
    type: str
    required: true
  host:
    description:
      - Host from which a user of MySQL may connect. PostgreSQL has no such thing; leave it out there.
    type: str
  type:
    description: How the user proves who they are. It cannot be changed later.
    type: str
    choices: [BUILT_IN, CLOUD_IAM_USER, CLOUD_IAM_SERVICE_ACCOUNT, CLOUD_IAM_GROUP]
  password:
    description: Password of a user of the type V(BUILT_IN). It is never returned, nor shown in a diff.
    type: str
  update_password:
    description:
      - V(on_create) sets the password of a user that is created, and leaves that of an existing user alone.
      - V(always) sets it at each run, which is a change each time.
    type: str
    choices: [on_create, always]
    default: on_create
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

- name: Change the password of a user
  mlops.mlflow.gcp_sql_user:
    project: my-project
    instance: mlflow
    name: mlflow
    password: "{{ new_password }}"
    update_password: always

- name: Let a service account log in without a password
  mlops.mlflow.gcp_sql_user:
    project: my-project
    instance: mlflow
    name: mlflow@my-project.iam
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
  description: The user as the API answers it, which is without the password.
  returned: success
  type: dict
  sample: {name: mlflow, instance: mlflow, project: my-project, host: ''}
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError, Json
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.module import run
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Plan
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.sql import SqlPart


class SqlUser(SqlPart):
    """A user of a Cloud SQL instance: the API names it in the query, for its name may hold what a path may not."""

    collection = "v1/projects/{project}/instances/{instance}/users"
    fields = {
        "instance": Field(url_only=True, required=True, type="raw"),
        "name": Field(required=True),
        "host": Field(),
        "type": Field(
            immutable=True,
            api_default="BUILT_IN",
            choices=["BUILT_IN", "CLOUD_IAM_USER", "CLOUD_IAM_SERVICE_ACCOUNT", "CLOUD_IAM_GROUP"],
        ),
        "password": Field(write_only=True, no_log=True),
        "update_password": Field(local=True, choices=["on_create", "always"], default="on_create", no_log=False),
    }

    def read(self) -> Json | None:
        """The user, out of the list of all users."""
        name, host = self.params["name"], self.params["host"]
        users = (self.session.get(self.parent) or {}).get("items", [])
        return next((u for u in users if u["name"] == name and host in (None, u.get("host", ""))), None)

    def resend(self) -> t.Collection[str]:
        """The password, if the task says so."""
        return ("password",) if self.params["update_password"] == "always" else ()  # noqa: S105 (a choice)

    def update(self, plan: Plan) -> Json:
        """Set the password."""
        return self.request("PUT", self.parent, {"name": self.params["name"], **plan.body}, self.identity(plan))

    def delete(self, plan: Plan) -> Json:
        """Drop the user."""
        try:
            return self.request("DELETE", self.parent, query=self.identity(plan))
        except GcpError as error:
            if error.missing:
                return {}
            raise

    def identity(self, plan: Plan) -> Json:
        """The query that names the user; PostgreSQL knows no hosts, and MySQL finds no user without."""
        host = plan.current.get("host")
        return {"name": self.params["name"]} | ({"host": host} if host else {})


def main() -> None:
    """Run the module."""
    run(SqlUser)


if __name__ == "__main__":
    main()
