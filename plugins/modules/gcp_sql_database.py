#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_sql_database
short_description: Manage a database of a Cloud SQL instance
description:
  - Creates and deletes a database of a Cloud SQL instance.
  - PostgreSQL fixes the character set and the collation of a database when it creates it. So a difference is an error,
    which names both values.
  - A database is not deleted while somebody is connected to it, or when it belongs to somebody else than
    C(cloudsqlsuperuser). The error says which of them it is, and what to do.
version_added: 0.1.0
author:
  - The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.gcp
  - mlops.mlflow.resource
options:
  instance:
    description:
      - Cloud SQL instance, by its name or by the RV(mlops.mlflow.gcp_sql_instance#module:resource) of a former task.
    type: raw
    required: true
  name:
    description: Name of the database.
    type: str
    required: true
  charset:
    description:
      - Character set, such as V(UTF8), in small or capital letters.
      - A database keeps the one that it was made with.
    type: str
  collation:
    description: Collation, such as V(en_US.UTF8). A database keeps the one that it was made with.
    type: str
seealso:
  - module: mlops.mlflow.gcp_sql_instance
  - module: mlops.mlflow.gcp_sql_user
"""

EXAMPLES = r"""
- name: Create a database
  mlops.mlflow.gcp_sql_database:
    project: my-project
    instance: mlflow
    name: mlflow
    charset: UTF8

- name: Create a database that sorts by bytes
  mlops.mlflow.gcp_sql_database:
    project: my-project
    instance: mlflow
    name: archive
    charset: UTF8
    collation: C

- name: Delete a database with all that is in it
  mlops.mlflow.gcp_sql_database:
    project: my-project
    instance: mlflow
    name: mlflow
    state: absent
"""

RETURN = r"""
resource:
  description: The database as the API answers it.
  returned: success
  type: dict
  sample: {name: mlflow, instance: mlflow, project: my-project, charset: UTF8, collation: en_US.UTF8}
"""

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.module import run
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.sql import SqlPart


class SqlDatabase(SqlPart):
    """A database of a Cloud SQL instance."""

    collection = "v1/projects/{project}/instances/{instance}/databases"
    fields = {
        **SqlPart.fields,
        "name": Field(required=True),
        "charset": Field(immutable=True, canonical=lambda name: str(name or "").upper()),
        "collation": Field(immutable=True),
    }


def main() -> None:
    run(SqlDatabase)


if __name__ == "__main__":
    main()
