# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A secret and its versions, which are resources of their own: what is added, read, disabled and destroyed."""

from __future__ import annotations

import base64
import dataclasses

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError, Json
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Plan, Resource

LATEST = "latest"
REPLICATION = "replication"
STATES = {"disable": ("DISABLED", {"ENABLED"}), "destroy": ("DESTROYED", {"ENABLED", "DISABLED"})}


class Secret(Resource):
    """A secret and its versions."""

    service = "secretmanager"
    collection = "v1/projects/{project}/secrets"
    create_query = {"secretId": "{name}"}
    update_mask = True
    guard_body = "etag"
    old: list[Json]  # the versions that the plan disables or destroys

    @classmethod
    def check(cls, params: Json) -> None:
        """Refuse places that are none, and a version that cannot be meant."""
        super().check(params)
        placed = (params[REPLICATION] or {}).get("user_managed") or {}
        if placed.get("replicas") == []:
            raise GcpError("The option replication.user_managed.replicas is empty. Name at least one location.")
        if params["state"] == "absent" and params["version"] != LATEST and not params["version"].isdigit():
            raise GcpError(
                f"The option version is {params['version']!r}, but must be a number with state=absent, which destroys "
                "that version; without version, the secret is deleted with all its versions."
            )

    @property
    def one_version(self) -> bool:
        """Whether the task is about one version, and not about the secret."""
        return bool(self.params["state"] == "absent" and self.params["version"] != LATEST)

    def plan(self, current: Json | None) -> Plan:
        """Plan the secret, another version if the latest has another value, and the end of old versions."""
        value, self.old = self.params["value"], []
        if self.one_version:
            return self.plan_destruction(current)
        if self.params["state"] == "absent":
            return super().plan(current)
        if current is None and value is None and self.params["return_value"]:
            return Plan("none")
        refuse_moving(self.params[REPLICATION] or {}, current)
        plan = super().plan(current)
        before: Json = {}
        after: Json = {}
        if value is not None and (current is None or self.access(LATEST) != value):
            # The diff tells that there is another value, and no more.
            before = {"latestVersion": "another value"} if current else {}
            after = {"latestVersion": "a new value"}
        rule = self.params["old_versions"]
        if current is not None and rule != "keep":
            state, others = STATES[rule]
            versions = list(self.session.listed(f"{self.url}/versions", "versions"))
            self.old = outdated(versions, others, self.params["versions_kept"], bool(after))
            if self.old:
                before["oldVersions"] = {number_of(version): version["state"] for version in self.old}
                after["oldVersions"] = {number_of(version): state for version in self.old}
        if not after:
            return plan
        action = "update" if plan.action == "none" else plan.action
        return dataclasses.replace(plan, action=action, before=plan.before | before, after=plan.after | after)

    def plan_destruction(self, current: Json | None) -> Plan:
        """Plan the end of one version."""
        found = self.session.get(f"{self.url}/versions/{self.params['version']}") if current else None
        if found is None or is_ending(found):
            return Plan("none", current=current or {})
        self.old = [found]
        return Plan("delete", {"versions": {number_of(found): found["state"]}}, current=current or {})

    def create(self, plan: Plan) -> Json:
        """Create the secret, and its first version if there is a value."""
        changes = plan.changes
        if not any(path.startswith(REPLICATION) for path in changes):
            changes = changes | {REPLICATION: {"automatic": {}}}
        super().create(dataclasses.replace(plan, changes=changes))
        return self.add_version(plan)

    def update(self, plan: Plan) -> Json:
        """Change what differs, add the version, and only then end the old ones."""
        if plan.changes:
            super().update(whole_replication(plan))
        answer = self.add_version(plan)
        self.end_old_versions(self.params["old_versions"])
        return answer

    def delete(self, plan: Plan) -> Json:
        """Destroy the version that the task names, or delete the secret."""
        if not self.one_version:
            return super().delete(plan)
        self.end_old_versions("destroy")
        return {}

    def add_version(self, plan: Plan) -> Json:
        """Add the version that was planned."""
        if "latestVersion" not in plan.after:
            return {}
        # The latest version is told late at times, and whoever believes that adds the same value twice.
        if plan.current and self.access(LATEST) == self.params["value"]:
            return {}
        payload = {"data": base64.b64encode(self.params["value"].encode()).decode()}
        return self.request("POST", f"{self.url}:addVersion", {"payload": payload})

    def end_old_versions(self, verb: str) -> None:
        """Disable or destroy what was planned; somebody who changed a version since leads to another plan."""
        for version in self.old:
            self.request("POST", f"{self.url}/versions/{number_of(version)}:{verb}", {"etag": version["etag"]})

    def access(self, version: str) -> str | None:
        """The value of a version, or None if there is no such version or if it is not enabled."""
        try:
            answer = self.session.get(f"{self.url}/versions/{version}:access")
        except GcpError as error:
            if error.status == 400 and error.canonical == "FAILED_PRECONDITION":
                return None
            raise
        if answer is None:
            return None
        try:
            return base64.b64decode(answer["payload"].get("data", "")).decode()
        except UnicodeDecodeError:
            raise GcpError(f"{self.title}: the version {version} is not text, which this module is for.") from None

    def results(self, current: Json | None) -> Json:
        """The value, if it was asked for."""
        if not self.params["return_value"]:
            return {}
        return {"value": self.access(self.params["version"]) if current else None}


def number_of(version: Json) -> str:
    """The number of a version."""
    return str(version["name"]).rpartition("/")[2]


def is_ending(version: Json) -> bool:
    """Whether a version is destroyed, or will be without anybody doing anything."""
    return version["state"] == "DESTROYED" or "scheduledDestroyTime" in version


def outdated(versions: list[Json], states: set[str], kept: int, one_more: bool) -> list[Json]:
    """The versions in these states that are older than the newest enabled ones that are kept; the oldest first.

    Disabled ones count for nothing: where the newest is disabled, the one that is in use is not an old one.

    :param kept: how many enabled versions are kept.
    :param one_more: whether a version is about to be added, which is one of them.
    """
    by_age = sorted(versions, key=lambda version: int(number_of(version)))
    enabled = [int(number_of(version)) for version in by_age if version["state"] == "ENABLED"]
    newest = enabled[-(kept - one_more) :] if kept > one_more else []
    if not (newest or one_more):
        return []
    found = [version for version in by_age if not newest or int(number_of(version)) < newest[0]]
    ending = "DISABLED" in states
    return [version for version in found if version["state"] in states and not (ending and is_ending(version))]


def refuse_moving(asked: Json, current: Json | None) -> None:
    """
    :raises GcpError: if the task wants the secret in other places than it is in.
    """
    placed, automatic = asked.get("user_managed"), asked.get("automatic")
    if current is None or (placed is None and automatic is None):
        return
    option = "automatic" if placed is None else "user_managed.replicas"
    new = places((placed or {}).get("replicas", []))
    old = places((current.get(REPLICATION) or {}).get("userManaged", {}).get("replicas", []))
    if new != old:
        raise GcpError(
            f"replication.{option} cannot be changed from {old} to {new}: Google Cloud can change the keys of a secret "
            "alone. Leave the option as it is, or delete the secret first (state: absent) and create it "
            "anew."
        )


def places(replicas: list[Json]) -> str:
    """Where replicas are, in words; without any, Google Cloud chooses."""
    return ", ".join(sorted(replica["location"] for replica in replicas)) or "automatic"


def whole_replication(plan: Plan) -> Plan:
    """The plan with the replication as a whole, which is how Secret Manager takes another key."""
    parts = {path: value for path, value in plan.changes.items() if path.startswith(REPLICATION)}
    if not parts:
        return plan
    rest = {path: value for path, value in plan.changes.items() if path not in parts}
    replicas = parts.get("replication.userManaged.replicas")
    key = parts.get("replication.automatic.customerManagedEncryption.kmsKeyName")
    automatic = {"customerManagedEncryption": {"kmsKeyName": key}} if key else {}
    whole = {"userManaged": {"replicas": replicas}} if replicas else {"automatic": automatic}
    return dataclasses.replace(plan, changes=rest | {REPLICATION: whole})
