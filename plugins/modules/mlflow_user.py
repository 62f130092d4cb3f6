#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_user
short_description: Manage a user of an MLflow server and what the user may do
description:
  - Creates and removes a user of an MLflow server that has its own authentication on
    (C(mlflow server --app-name basic-auth)), sets the password, makes the user an administrator or no longer one, and
    grants and revokes permissions.
  - MLflow never tells a password. The module knows whether it is the given one by logging in as the user once, so that
    a second run changes nothing and another password is a change exactly once.
version_added: 0.3.0
author:
  - The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.mlflow
options:
  name:
    description:
      - Name of the user.
      - ASCII without V(:), because MLflow reads logins as such on some of its paths.
    type: str
    required: true
  state:
    description:
      - Whether the user exists.
      - V(absent) also takes away what was granted to the user. What the user logged stays.
      - The user as whom the module logs in cannot be removed.
    type: str
    choices: [present, absent]
    default: present
  password:
    description:
      - Password of the user, at least 12 characters of ASCII. It is never returned, nor shown in a diff.
      - V(password1234), which older versions of MLflow gave to their administrator, is refused, because MLflow does not
        let an administrator in with it.
      - Required if the user does not exist yet.
    type: str
  update_password:
    description:
      - V(always) sets the password of an existing user if it is another one.
      - V(on_create) sets it only when the user is created. Nobody is logged in as the user to compare.
    type: str
    choices: [always, on_create]
    default: always
  admin:
    description:
      - Whether the user is an administrator, who may do everything, manage users among it.
      - A new user is none if it is not given.
      - The user as whom the module logs in cannot be made an ordinary one.
    type: bool
  permissions:
    description:
      - What the user may do besides the server's C(default_permission), which every user has on everything.
      - The list is the whole list of what is granted to this user in the O(workspace); see O(keep_owned). Roles that
        the user shares with others are not looked at.
      - Each element names one thing, or V(*) for every one of its type. A user has one permission on it.
      - What MLflow does not know, or is too old for, is an error with its own words.
    type: list
    elements: dict
    suboptions:
      permission:
        description:
          - V(READ) lets the user read, V(USE) use as well, V(EDIT) change as well, and V(MANAGE) also delete and grant.
          - V(DENY) (MLflow 3.17 or newer) takes away what a grant on V(*) or the default permission gives.
        type: str
        required: true
        choices: [READ, USE, EDIT, MANAGE, DENY]
      experiment:
        description:
          - Name of an experiment. One that does not exist, or is deleted, is an error; in check mode a warning, because
            a task before this one may be about to create it.
        type: str
      registered_model:
        description: Name of a registered model, which need not exist yet.
        type: str
      prompt:
        description: Name of a prompt, which need not exist yet.
        type: str
      scorer:
        description: Scorer, as MLflow writes it, which is C(EXPERIMENT_ID/NAME) with the name encoded as in a URL.
        type: str
      gateway_secret:
        description: ID of a secret of the gateway.
        type: str
      gateway_endpoint:
        description: ID of an endpoint of the gateway.
        type: str
      gateway_model_definition:
        description: ID of a model definition of the gateway.
        type: str
      mcp_server:
        description: Name of an MCP server.
        type: str
      skill:
        description: Skill, as MLflow writes it (MLflow 3.18 or newer).
        type: str
      run:
        description: V(*) for the runs of all experiments (MLflow 3.17 or newer, as with all below).
        type: str
      trace:
        description: V(*) for all traces.
        type: str
      assessment:
        description: V(*) for all assessments.
        type: str
      logged_model:
        description: V(*) for all logged models.
        type: str
      review_queue:
        description: V(*) for all review queues.
        type: str
      registered_model_version:
        description: V(*) for the versions of all registered models.
        type: str
      prompt_version:
        description: V(*) for the versions of all prompts.
        type: str
      scorer_version:
        description: V(*) for the versions of all scorers.
        type: str
      mcp_server_version:
        description: V(*) for the versions of all MCP servers.
        type: str
  keep_owned:
    description:
      - Whether V(MANAGE) on a single thing that O(permissions) does not name stays.
      - MLflow grants it to whoever creates an experiment, a registered model or a prompt, and nobody can tell it from
        what was granted otherwise. With V(false) the list is exact, and takes it away from who created the thing. With
        V(true) users keep what they created, and V(MANAGE) that was granted by hand, or that the list once named, stays
        too.
    type: bool
    default: false
notes:
  - Where C(auth_cache_ttl_seconds) of the server is not 0, each of its worker processes goes on for so long to accept a
    password that it has seen. So a removed user, a former administrator and an old password may count for a while; see
    RV(access_lost). For the same time the module may take a password that somebody else has just replaced for the
    present one.
seealso:
  - module: mlops.mlflow.mlflow_user_info
  - module: mlops.mlflow.mlflow_experiment
  - name: Authentication of MLflow
    description: MLflow's documentation of users and permissions.
    link: https://mlflow.org/docs/latest/self-hosting/security/basic-http-auth/
"""

EXAMPLES = r"""
- name: Create a user who has the server's default permission
  mlops.mlflow.mlflow_user:
    tracking_uri: https://mlflow.example.com
    tracking_username: admin
    tracking_password: "{{ admin_password }}"
    name: jane
    password: "{{ jane_password }}"

- name: Let a user write into one experiment and manage one model, and nothing else
  mlops.mlflow.mlflow_user:
    tracking_uri: https://mlflow.example.com
    tracking_username: admin
    tracking_password: "{{ admin_password }}"
    name: jane
    permissions:
      - experiment: churn
        permission: EDIT
      - registered_model: churn-classifier
        permission: MANAGE

- name: Let a user write into every experiment but one
  mlops.mlflow.mlflow_user:
    tracking_uri: https://mlflow.example.com
    tracking_username: admin
    tracking_password: "{{ admin_password }}"
    name: jane
    permissions:
      - experiment: "*"
        permission: EDIT
      - experiment: payroll
        permission: DENY

- name: Take away all that was granted, but not what the user created
  mlops.mlflow.mlflow_user:
    tracking_uri: https://mlflow.example.com
    tracking_username: admin
    tracking_password: "{{ admin_password }}"
    name: jane
    permissions: []
    keep_owned: true

- name: Create a user who is to choose another password, and leave it alone afterwards
  mlops.mlflow.mlflow_user:
    tracking_uri: https://mlflow.example.com
    tracking_username: admin
    tracking_password: "{{ admin_password }}"
    name: jane
    password: "{{ first_password }}"
    update_password: on_create

- name: Make a user an administrator, through the server's socket on its own host
  mlops.mlflow.mlflow_user:
    unix_socket: /run/mlflow.sock
    tracking_username: admin
    tracking_password: "{{ admin_password }}"
    name: jane
    admin: true

- name: Remove a user
  mlops.mlflow.mlflow_user:
    tracking_uri: https://mlflow.example.com
    tracking_username: admin
    tracking_password: "{{ admin_password }}"
    name: jane
    state: absent

- name: State the server and the login once
  module_defaults:
    group/mlops.mlflow.mlflow:
      tracking_uri: https://mlflow.example.com
      tracking_username: admin
      tracking_password: "{{ admin_password }}"
  block:
    - name: Remove several users
      mlops.mlflow.mlflow_user:
        name: "{{ item }}"
        state: absent
      loop: [jane, joe]
"""

RETURN = r"""
resource:
  description:
    - The user as MLflow answers it, which is without the password, and V({}) if there is none.
    - With O(permissions), C(permissions) is what is granted to the user, C(resource_pattern) being the ID of an
      experiment, or the name of something else.
  returned: success
  type: dict
  sample:
    id: 2
    username: jane
    is_admin: false
    permissions:
      - {resource_type: experiment, resource_pattern: '1', permission: EDIT}
access_lost:
  description:
    - Whether something that was right, or allowed, before is not so any more by what was changed, so that workers of
      the server that remember it should be restarted.
    - It is V(true) if an existing user was removed, is no longer an administrator, has another password, or may do
      less, because a permission was revoked or lowered, or because a new one overrides a wider one, such as V(DENY).
  returned: success
  type: bool
  sample: false
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils.mlflow import permissions
from ansible_collections.mlops.mlflow.plugins.module_utils.mlflow.client import V2, V3, Call, Client, Json, MlflowError
from ansible_collections.mlops.mlflow.plugins.module_utils.mlflow.module import run
from ansible_collections.mlops.mlflow.plugins.module_utils.mlflow.permissions import Experiments, Grant, named
from ansible_collections.mlops.mlflow.plugins.module_utils.mlflow.resource import Plan, Resource

ON_CREATE = "on_create"
SHORTEST_PASSWORD = 12
REFUSED_PASSWORD = "password1234"  # noqa: S105 (a public one, which MLflow refuses)
DEFAULT_WORKSPACE = "default"


class User(Resource):
    """A user, whose permissions MLflow keeps in a role of the user's own."""

    options = {
        "name": {"type": "str", "required": True},
        "password": {"type": "str", "no_log": True},
        "update_password": {"type": "str", "choices": ["always", ON_CREATE], "default": "always", "no_log": False},
        "admin": {"type": "bool"},
        "permissions": permissions.OPTIONS,
        "keep_owned": {"type": "bool", "default": False},
    }

    def __init__(self, client: Client, params: Json, check_mode: bool = False) -> None:
        super().__init__(client, params, check_mode)
        self.name: str = params["name"]
        self.experiments = Experiments(client)

    def check(self) -> t.Iterator[str]:
        """What is wrong with the task."""
        absent, password = self.params["state"] == "absent", self.params["password"]
        if not self.name:
            yield "The option name is empty. Give it a value."
        elif not absent and not (self.name.isascii() and self.name.isprintable() and ":" not in self.name):
            yield f"name is {self.name!r}, but must be printable ASCII without a colon, or nobody could log in with it."
        if self.name == self.client.username and absent:
            yield f"The module logs in as {self.name!r} and cannot remove this user. Log in as another administrator."
        if self.name == self.client.username and self.params["admin"] is False:
            yield f"The module logs in as {self.name!r}, who must stay an administrator. Log in as another one."
        if password is not None and len(password) < SHORTEST_PASSWORD:
            yield f"password has {len(password)} characters, but MLflow wants at least {SHORTEST_PASSWORD}."
        if password is not None and not (password.isascii() and password.isprintable()):
            yield "password must be printable ASCII, because MLflow reads logins as such on some of its paths."
        if password == REFUSED_PASSWORD:
            yield "password is the one that older versions of MLflow came with, which is known. Give another one."
        yield from permissions.complaints(self.params["permissions"] or [])

    def read(self) -> Json | None:
        """The user, with all that was granted if the task speaks of that."""
        answer = self.client.get(f"{V2}/users/get", username=self.name)
        if answer is None:
            return None
        user: Json = answer["user"]
        if self.params["permissions"] is not None and self.params["state"] == "present":
            roles = self.client.get(f"{V3}/users/roles/list", username=self.name) or {"roles": []}
            user["grants"] = permissions.granted(roles["roles"], self.params["workspace"] or DEFAULT_WORKSPACE)
        return user

    def plan(self, current: Json | None) -> Plan:
        """Removal, creation, or what differs."""
        if self.params["state"] == "absent":
            return self._removal(current)
        admin, was_admin = self.params["admin"], current is not None and current["is_admin"]
        before: Json = {"name": self.name} if current else {}
        after: Json = {"name": self.name}
        calls = self._creation() if current is None else []
        if current and self._has_another_password():
            before["password"], after["password"] = "(another one)", "(the given one)"
            calls.append(self._new_password())
        if admin is not None:
            after["admin"] = admin
            before |= {"admin": was_admin} if current else {}
        if admin not in (None, was_admin):
            calls.append(Call("PATCH", f"{V2}/users/update-admin", {"username": self.name, "is_admin": admin}))
        resource = {"username": self.name, **(current or {}), "is_admin": was_admin if admin is None else admin}
        present = resource.pop("grants", [])
        if self.params["permissions"] is not None:
            wanted = self._wanted(present)
            calls += permissions.calls(self.name, wanted, present)
            resource["permissions"] = [grant.resource for grant in sorted(wanted)]
            after["permissions"] = permissions.shown(wanted, self.experiments.name_of)
            before |= {"permissions": permissions.shown(present, self.experiments.name_of)} if current else {}
        return Plan(before, after, calls, resource)

    def _removal(self, current: Json | None) -> Plan:
        if current is None:
            return Plan({}, {})
        before = {"name": self.name, "admin": current["is_admin"]}
        return Plan(before, {}, [Call("DELETE", f"{V2}/users/delete", {"username": self.name})])

    def _creation(self) -> list[Call]:
        password = self.params["password"]
        if password is None:
            raise MlflowError(f"There is no user {self.name!r}, and one cannot be created without password.")
        return [Call("POST", f"{V2}/users/create", {"username": self.name, "password": password})]

    def change(self, call: Call) -> None:
        """Do one step; who changes their own password goes on with the new one."""
        super().change(call)
        if call.path.endswith("/update-password") and self.name == self.client.username:
            self.client.now_logs_in_with(call.body["password"])

    def results(self, plan: Plan) -> Json:
        """Whether somebody lost what they could before."""
        removed = bool(plan.before) and not plan.after
        demoted = plan.before.get("admin") is True and plan.after.get("admin") is False
        rights = (one.get("permissions", []) for one in (plan.before, plan.after))
        restricted = bool(plan.before and plan.after) and permissions.less(*rights)
        return {"access_lost": removed or demoted or "password" in plan.after or restricted}

    def _has_another_password(self) -> bool:
        password = self.params["password"]
        if password is None or self.params["update_password"] == ON_CREATE:
            return False
        return not self.client.accepts(self.name, password)

    def _new_password(self) -> Call:
        body = {"username": self.name, "password": self.params["password"]}
        if self.name == self.client.username:
            body["current_password"] = self.params["tracking_password"]
        return Call("PATCH", f"{V2}/users/update-password", body)

    def _wanted(self, present: list[Grant]) -> list[Grant]:
        """The rights that the user is to have."""
        wanted, unknown = [], []
        for option in self.params["permissions"]:
            kind, name = named(option)
            pattern = self.experiments.id_of(name) if kind == "experiment" else name
            if pattern is None:
                unknown.append(name)
                pattern = self.experiments.foretell(name)
            wanted.append(Grant(kind, pattern, option["permission"]))
        if unknown:
            message = f"permissions names experiments that do not exist, or are deleted: {', '.join(unknown)}."
            if not self.check_mode:
                raise MlflowError(f"{message} Create them first, for example with mlops.mlflow.mlflow_experiment.")
            self.warnings.append(f"{message} They are taken as about to be created.")
        if self.params["keep_owned"]:
            about = {grant.on for grant in wanted}
            owned = (one for one in present if one.permission == "MANAGE" and one.pattern != permissions.EVERY)
            wanted += [grant for grant in owned if grant.on not in about]
        return wanted


def main() -> None:
    run(User)


if __name__ == "__main__":
    main()
