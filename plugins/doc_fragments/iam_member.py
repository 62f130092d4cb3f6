# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of every module that grants a role on something to one member."""

from __future__ import annotations


class ModuleDocFragment:
    """Who may do what, and when."""

    DOCUMENTATION = r"""
options:
  role:
    description:
      - Role, such as V(roles/storage.objectUser), or V(projects/my-project/roles/myRole) for one of your own.
    type: str
    required: true
  member:
    description:
      - Who gets the role, such as V(serviceAccount:mlflow@my-project.iam.gserviceaccount.com),
        V(user:jane@example.com), V(group:team@example.com), V(domain:example.com) or V(allUsers).
      - A name without its type in front is an error. Upper and lower case of addresses and domains are the same.
      - An account that was deleted, such as V(deleted:user:jane@example.com?uid=123456789012345678901), is another
        member than one that was made later under the same name. It can be taken out.
    type: str
    required: true
  condition:
    description:
      - When the role counts. A grant with a condition and one without are two different grants, and so are two with
        different conditions.
      - Basic roles, such as V(roles/viewer), take none.
    type: dict
    suboptions:
      title:
        description: What the condition is called, at most 100 characters.
        type: str
        required: true
      expression:
        description: Expression in Common Expression Language.
        type: str
        required: true
      description:
        description: What the condition is for.
        type: str
notes:
  - The policy is read, changed in this one place and written back with its etag, and the change is planned again when
    somebody else was faster. Grants of others, conditions, and whatever else the policy holds stay as they are.
  - A service account that was just created is unknown to IAM for some seconds. The module waits for it.
"""
