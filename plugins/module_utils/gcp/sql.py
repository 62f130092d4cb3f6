# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the resources of Cloud SQL have in common, and how an instance is planned. Its options are in the module."""

from __future__ import annotations

import re

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError, Json
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import dig, merge
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.references import name_of
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Plan, Resource
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.session import Session

PROTECTION = "settings.deletion_protection_enabled"
# Words in a refusal, and the option that they are about.
BLAMED = {
    r"\bregion\b": "region",
    r"\btier\b": "settings.tier",
    r"\bdatabase ?version\b": "database_version",
    r"\bnetwork\b": "settings.ip_configuration.private_network",
}


class SqlPart(Resource):
    """A part of an instance, which the option ``instance`` names."""

    service = "sqladmin"

    def __init__(self, session: Session, params: Json) -> None:
        super().__init__(session, params | {"instance": name_of(params["instance"])})

    def explain(self, error: GcpError) -> GcpError:
        """Say which option names an instance that is not there."""
        if error.reason == "instanceDoesNotExist":
            error.note(f"Check the option instance, which is {self.params['instance']}.")
        return super().explain(error)


def is_protected(current: Json) -> bool:
    """Whether Cloud SQL refuses to delete an instance."""
    return bool(dig(current, "settings.deletionProtectionEnabled"))


class SqlInstanceResource(Resource):
    """A Cloud SQL instance; nearly all that can be changed is in its settings, which have a version."""

    service = "sqladmin"
    collection = "v1/projects/{project}/instances"
    guard_body = "settings.settingsVersion"
    state_path = "state"
    pending = frozenset({"PENDING_CREATE"})
    leaving = frozenset({"PENDING_DELETE"})

    def plan(self, current: Json | None) -> Plan:
        """Refuse what cannot end well before anything is sent, and leave a disk alone that has grown by itself."""
        if current is None:
            self.refuse_incomplete()
        elif self.params["state"] == "absent":
            self.refuse_protected(current)
        else:
            self.refuse_broken(current)
            self.accept_grown_disk(current)
        return super().plan(current)

    def refuse_incomplete(self) -> None:
        """Name what is needed to create an instance."""
        needed = {option: dig(self.params, option) for option in ("database_version", "settings.tier")}
        missing = [option for option, value in needed.items() if not value]
        if missing and self.params["state"] == "present":
            raise GcpError(f"{self.title} does not exist. To create it, give {' and '.join(missing)} too.")

    def refuse_protected(self, current: Json) -> None:
        """Say how a protected instance is deleted."""
        if is_protected(current) and dig(self.params, PROTECTION) is not False:
            raise GcpError(f"{self.title} is protected against deletion. To delete it, set {PROTECTION} to false.")

    def delete(self, plan: Plan) -> Json:
        """Delete the instance, and switch its protection off first, which the task has said."""
        if is_protected(plan.current):
            settings = {"deletionProtectionEnabled": False}
            version = {"settingsVersion": dig(plan.current, self.guard_body)}
            self.finish(self.request("PATCH", self.url, {"settings": settings | version}))
        return super().delete(plan)

    def refuse_broken(self, current: Json) -> None:
        """Say that an instance will not work, whatever its settings are."""
        if current.get("state") in {"FAILED", "SUSPENDED"}:
            raise GcpError(
                f"{self.title} is {current['state']}: {self.cause(current)}. Repair it, or delete it with state=absent "
                "and create it under another name."
            )

    def cause(self, current: Json) -> str:
        """Why an instance does not work, as far as Cloud SQL tells."""
        query = {"instance": self.params["name"]}
        url = f"{self.host}/v1/projects/{self.params['project']}/operations"
        listed = (self.session.get(url, query) or {}).get("items", [])
        errors = [error for operation in listed for error in (dig(operation, "error.errors") or [])]
        words = current.get("suspensionReason") or [error.get("message") or error.get("code") for error in errors[:1]]
        return ", ".join(words).rstrip(".") or "no operation tells why"

    def accept_grown_disk(self, current: Json) -> None:
        """A disk that is larger than asked has grown by itself, or cannot be had smaller."""
        wanted, there = dig(self.params, "settings.data_disk_size_gb"), dig(current, "settings.dataDiskSizeGb")
        if wanted is None or int(there or 0) <= wanted:
            return
        grows = dig(self.params, "settings.storage_auto_resize")
        if not (dig(current, "settings.storageAutoResize") is not False if grows is None else grows):
            raise GcpError(
                f"settings.data_disk_size_gb cannot be changed from {there} to {wanted}: a disk of Cloud SQL cannot "
                "shrink. Give the size that it has, or leave the option out."
            )
        self.params = merge(self.params, {"settings": {"data_disk_size_gb": None}})

    def explain(self, error: GcpError) -> GcpError:
        """Name the option that Cloud SQL refuses, which its words do not."""
        if error.already_exists:
            error.note("The name of a deleted instance is blocked for a week: choose another one (option name).")
        elif error.status == 400:
            options = (option for word, option in BLAMED.items() if re.search(word, error.message, re.IGNORECASE))
            if option := next(options, None):
                error.note(f"Check the option {option}, which is {dig(self.params, option)}.")
        return super().explain(error)
