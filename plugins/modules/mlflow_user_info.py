#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_user_info
short_description: List the users of an MLflow server
description:
  - Lists the users of an MLflow server that has its own authentication on, with their roles and what these grant.
version_added: 0.3.0
author:
  - The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.mlflow
seealso:
  - module: mlops.mlflow.mlflow_user
"""

EXAMPLES = r"""
- name: List the users
  mlops.mlflow.mlflow_user_info:
    tracking_uri: https://mlflow.example.com
    tracking_username: admin
    tracking_password: "{{ admin_password }}"
  register: mlflow

- name: Show who is an administrator
  ansible.builtin.debug:
    msg: "{{ mlflow.users | selectattr('is_admin') | map(attribute='username') }}"
"""

RETURN = r"""
users:
  description:
    - The users as MLflow answers them.
    - What is granted to a user alone is in a role of the name C(__user_ID__).
  returned: success
  type: list
  elements: dict
  sample:
    - id: 2
      username: jane
      is_admin: false
      roles:
        - id: 1
          name: __user_2__
          workspace: default
          description:
          permissions:
            - {id: 1, role_id: 1, resource_type: experiment, resource_pattern: '1', permission: EDIT}
"""

from ansible_collections.mlops.mlflow.plugins.module_utils.mlflow.client import V2, Client, Json
from ansible_collections.mlops.mlflow.plugins.module_utils.mlflow.module import ask


def users(client: Client, _params: Json) -> Json:
    """Every user."""
    return {"users": (client.get(f"{V2}/users/list") or {}).get("users", [])}


def main() -> None:
    ask({}, users)


if __name__ == "__main__":
    main()
