# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the resources of Cloud SQL have in common, and how they are planned. Their options are in the modules."""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError, Json
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field, dig, merge
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.references import name_of
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Plan, Resource
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.rules import text
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.session import Session

PROTECTION = "settings.deletion_protection_enabled"
LABELS = "settings.userLabels"
# What Cloud SQL changes by an operation of its own, before anything else.
ALONE = ("databaseVersion", "maintenanceVersion")
# Labels of an instance that begin so are not the instance's: they are the memory of gcp_sql_user.
PASSWORD_VERSION = "password-version-"  # noqa: S105 (the beginning of a label)
SERVICE_ACCOUNT = ".gserviceaccount.com"  # what the names of users of this type are without
# Words in a refusal, and the option that they are about.
BLAMED = {
    r"\broot user's password\b": "root_password",
    r"\bauthorized network\b": "settings.ip_configuration.authorized_networks",
    r"\bflags?\b": "settings.database_flags",
    r"\bretention days\b": "settings.backup_configuration.transaction_log_retention_days",
    r"\bdisk type\b": "settings.data_disk_type",
    r"\bregion\b": "region",
    r"\btier\b": "settings.tier",
    r"\bdatabase ?version\b": "database_version",
    r"\bnetwork\b": "settings.ip_configuration.private_network",
}
# Words in a refusal of something inside an instance, and the way out.
WAYS_OUT = {
    r"role \S+ cannot be dropped because": "In each database that is named, run REASSIGN OWNED BY the user TO another "
    "one, and DROP OWNED BY the user, and delete the user again.",
    r"is being accessed by other users": "Stop what is connected to the database, or end its sessions with "
    "pg_terminate_backend, and delete it again.",
    r"must be owner of database": "Give it to cloudsqlsuperuser with ALTER DATABASE ... OWNER TO, or drop it by psql.",
    r"INVALID_PASSWORD": "Check the option password: the instance has a policy, settings.password_validation_policy.",
    r"iam_authentication": "Set the flag cloudsql.iam_authentication to on in settings.database_flags of the instance.",
}


class SqlPart(Resource):
    """A part of an instance, which the option ``instance`` names."""

    service = "sqladmin"
    fields = {"instance": Field(url_only=True, required=True, type="raw", encode=name_of)}

    def create(self, plan: Plan) -> Json:
        """Ask for it. Where somebody else was faster, Cloud SQL answers 400, which is nothing but a conflict."""
        try:
            return super().create(plan)
        except GcpError as error:
            if error.status == 400 and "already exists" in error.message:
                error.status = 409
            raise

    def explain(self, error: GcpError) -> GcpError:
        """Say which option names an instance that is not there, and what to do about what PostgreSQL refuses."""
        if error.reason == "instanceDoesNotExist":
            error.note(f"Check the option instance, which is {self.params['instance']}.")
        for words, way_out in WAYS_OUT.items():
            if re.search(words, error.message):
                error.note(way_out)
        return super().explain(error)


class SqlUserResource(SqlPart):
    """A user of an instance: the API names it in the query, for its name may hold what a path may not.

    Cloud SQL never tells a password, nor keeps anything that a caller could say about one. So the version of the
    password that was set last is in a label of the instance: it is written after the password, so that a run which
    was interrupted in between is repeated by the next one.
    """

    collection = "v1/projects/{project}/instances/{instance}/users"

    def __init__(self, session: Session, params: Json) -> None:
        name = params["name"]
        if is_iam(params):
            name = name.lower().removesuffix(SERVICE_ACCOUNT)
        super().__init__(session, params | {"name": name})

    @classmethod
    def check(cls, params: Json) -> None:
        """Refuse a password of somebody who has none, and the version of one that is not given."""
        super().check(params)
        for option in ("password", "password_version", "password_policy", "host"):
            if is_iam(params) and params[option] is not None:
                raise GcpError(f"The option {option} is for users of the type BUILT_IN, and type is {params['type']}.")
        if params["password_version"] and not params["password"] and params["state"] == "present":
            raise GcpError("The option password_version is the version of a password. Give the option password too.")

    def read(self) -> Json | None:
        """The user, out of the list of all users, with the version of the password where the task speaks of it."""
        name, host = self.params["name"], self.params["host"]
        users = self.session.listed(self.parent, "items")
        user = next((u for u in users if u["name"] == name and host in (None, u.get("host", ""))), None)
        if user is None or self.params["password_version"] is None:
            return user
        noted = self.labels(self.instance()).get(self.label)
        return user | ({"passwordVersion": noted} if noted else {})

    def resend(self) -> t.Collection[str]:
        """The password, if the task says so."""
        return ("password",) if self.params["update_password"] == "always" else ()  # noqa: S105 (a choice)

    def plan(self, current: Json | None) -> Plan:
        """Another version of the password is a difference, which the password itself can never be."""
        todo, wanted = super().plan(current), self.params["password_version"]
        if wanted is None or self.params["state"] == "absent":
            return todo
        after = todo.after | {"passwordVersion": wanted}
        if current is None:
            return replace(todo, after=after, changes=todo.changes | {"passwordVersion": wanted})
        noted = current.get("passwordVersion")
        before = todo.before | {"passwordVersion": noted}
        if noted == wanted:
            return replace(todo, before=before, after=after)
        changes = todo.changes | {"password": self.params["password"], "passwordVersion": wanted}
        return replace(todo, action="update", before=before, after=after, changes=changes)

    def create(self, plan: Plan) -> Json:
        """Create the user, and then remember the version of the password."""
        return self.remember(plan, super().create(plan.without("passwordVersion")))

    def update(self, plan: Plan) -> Json:
        """Set what differs: roles are named in the query, and a policy is sent as a whole."""
        query, body = self.identity(plan), {"name": self.params["name"]}
        if "databaseRoles" in plan.changes:
            query |= {"databaseRoles": plan.changes["databaseRoles"], "revokeExistingRoles": "true"}
        if "password" in plan.changes:
            body["password"] = plan.changes["password"]
        if policy := plan.body.get("passwordPolicy"):
            there = plan.current.get("passwordPolicy") or {}
            body["passwordPolicy"] = {key: value for key, value in there.items() if key != "status"} | policy
        return self.remember(plan, self.request("PUT", self.parent, body, query))

    def delete(self, plan: Plan) -> Json:
        """Drop the user, and forget the version of the password."""
        self.finish(self.remove(self.parent, self.identity(plan)), "delete")
        return self.set_label(None)

    def identity(self, plan: Plan) -> Json:
        """The query that names the user; PostgreSQL knows no hosts, and MySQL finds no user without."""
        host = plan.current.get("host")
        return {"name": self.params["name"]} | ({"host": host} if host else {})

    def remember(self, plan: Plan, answer: Json) -> Json:
        """Once a password is set, note its version."""
        if "passwordVersion" not in plan.changes:
            return answer
        self.finish(answer)
        return self.set_label(plan.changes["passwordVersion"])

    @property
    def label(self) -> str:
        """The label of the instance that holds the version; names that a label cannot have are told by a digest."""
        host = self.params["host"]
        name = f"{self.params['name']}@{host}" if host else self.params["name"]
        if re.fullmatch(r"[a-z0-9_-]{1,40}", name):
            return PASSWORD_VERSION + name
        import hashlib

        return PASSWORD_VERSION + hashlib.sha256(name.encode()).hexdigest()[:32]

    def set_label(self, version: str | None) -> Json:
        """Write the version to the instance; None takes it away."""
        instance = self.instance()
        labels = self.labels(instance)
        if labels.get(self.label) == version:
            return {}
        guard = {"settingsVersion": dig(instance, "settings.settingsVersion")}
        settings = guard | {"userLabels": labels | {self.label: version}}
        return self.request("PATCH", self.instance_url, {"settings": settings})

    @property
    def instance_url(self) -> str:
        """URL of the instance."""
        return self.parent.removesuffix("/users")

    def instance(self) -> Json:
        """The instance, or nothing."""
        return self.session.get(self.instance_url) or {}

    @staticmethod
    def labels(instance: Json) -> Json:
        """The labels of an instance."""
        return dig(instance, LABELS) or {}


def is_iam(params: Json) -> bool:
    """Whether a user proves who they are by IAM."""
    return params["type"] not in (None, "BUILT_IN")


def is_protected(current: Json) -> bool:
    """Whether Cloud SQL refuses to delete an instance."""
    return bool(dig(current, "settings.deletionProtectionEnabled"))


class SqlInstanceResource(Resource):
    """A Cloud SQL instance; nearly all that can be changed is in its settings, which have a version."""

    service = "sqladmin"
    collection = "v1/projects/{project}/instances"
    needed = ("database_version", "settings.tier")
    guard_body = "settings.settingsVersion"
    state_path = "state"
    pending = frozenset({"PENDING_CREATE"})
    leaving = frozenset({"PENDING_DELETE"})

    def plan(self, current: Json | None) -> Plan:
        """Refuse what cannot end well before anything is sent."""
        if current is not None and self.params["state"] == "absent":
            self.refuse_protected(current)
        elif current is not None:
            self.refuse_broken(current)
            self.refuse_version(current)
        return super().plan(current)

    def wanted(self, current: Json | None) -> Json:
        """Take for right what became so without the task."""
        if current is None:
            return self.params | {"maintenance_version": None}  # a new instance has the newest
        if self.params["state"] == "absent":
            return self.params
        wanted = self.params
        for accepted in (self.grown_disk, self.newer_maintenance, self.password_versions):
            wanted = merge(wanted, accepted(current))
        return wanted

    def refuse_protected(self, current: Json) -> None:
        """Say how a protected instance is deleted."""
        if is_protected(current) and dig(self.params, PROTECTION) is not False:
            raise GcpError(f"{self.title} is protected against deletion. To delete it, set {PROTECTION} to false.")

    def foretold(self) -> Json:
        """With what clients of Cloud SQL call it."""
        project, region, name = (self.params[option] for option in ("project", "region", "name"))
        return {"name": name} | ({"connectionName": f"{project}:{region}:{name}"} if region else {})

    def update(self, plan: Plan) -> Json:
        """Send what differs; what Cloud SQL changes by an operation of its own comes first, each by itself."""
        rest, answer, current = dict(plan.changes), {}, plan.current
        for path in ALONE:
            if path in rest:
                answer = self.request("PATCH", self.url, {path: rest.pop(path)})
                if rest:
                    self.finish(answer)
                    current = self.read() or {}
        return super().update(replace(plan, changes=rest, current=current)) if rest else answer

    def delete(self, plan: Plan) -> Json:
        """Delete the instance, and switch its protection off first, which the task has said."""
        if is_protected(plan.current):
            settings = {"deletionProtectionEnabled": False}
            version = {"settingsVersion": dig(plan.current, self.guard_body)}
            self.finish(self.request("PATCH", self.url, {"settings": settings | version}))
        backup = {
            "enableFinalBackup": self.params["enable_final_backup"],
            "finalBackupTtlDays": self.params["final_backup_ttl_days"],
            "finalBackupExpiryTime": self.params["final_backup_expiry_time"],
            "finalBackupDescription": self.params["final_backup_description"],
        }
        return self.remove(self.url, {name: text(value) for name, value in backup.items() if value is not None})

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

    def refuse_version(self, current: Json) -> None:
        """Upgrade to a higher major version in place only if the task says that it may, for there is no way back."""
        wanted, there = self.params["database_version"], current.get("databaseVersion")
        if wanted in (None, there):
            return
        offers = current.get("upgradableDatabaseVersions") or []
        known = {name for offer in offers for name in (offer.get("name"), offer.get("majorVersion"))}
        refusal = f"database_version cannot be changed from {there!r} to {wanted!r}"
        if wanted not in known if known else not is_higher(wanted, there or ""):
            offered = f" It can be upgraded to {', '.join(sorted(filter(None, known)))}." if known else ""
            raise GcpError(
                f"{refusal}: Cloud SQL has no such upgrade.{offered} Leave the option as it is, or create an instance "
                "under another name and move the data."
            )
        if not self.params["allow_major_version_upgrade"]:
            raise GcpError(
                f"{refusal} just so: the upgrade takes the database down for minutes, and there is no way back. Leave "
                "the option as it is, or set allow_major_version_upgrade to true."
            )

    def grown_disk(self, current: Json) -> Json:
        """A disk that is larger than asked has grown by itself, or cannot be had smaller."""
        wanted, there = dig(self.params, "settings.data_disk_size_gb"), dig(current, "settings.dataDiskSizeGb")
        if wanted is None or int(there or 0) <= wanted:
            return {}
        grows = dig(self.params, "settings.storage_auto_resize")
        if not (dig(current, "settings.storageAutoResize") is not False if grows is None else grows):
            raise GcpError(
                f"settings.data_disk_size_gb cannot be changed from {there} to {wanted}: a disk of Cloud SQL cannot "
                "shrink. Give the size that it has, or leave the option out."
            )
        return {"settings": {"data_disk_size_gb": None}}

    def newer_maintenance(self, current: Json) -> Json:
        """Maintenance goes on by itself, and never back."""
        wanted, there = self.params["maintenance_version"], current.get("maintenanceVersion")
        return {"maintenance_version": None} if wanted and there and release(wanted) < release(there) else {}

    def password_versions(self, current: Json) -> Json:
        """Labels in which gcp_sql_user remembers something are not among those that the task means."""
        wanted = dig(self.params, "settings.user_labels")
        if wanted is None:
            return {}
        labels = (dig(current, LABELS) or {}).items()
        kept = {key: value for key, value in labels if key.startswith(PASSWORD_VERSION)}
        return {"settings": {"user_labels": kept | wanted}}

    def explain(self, error: GcpError) -> GcpError:
        """Name the option that Cloud SQL refuses, which its words do not."""
        if error.already_exists:
            error.note(
                "The name of a deleted instance is blocked for a week: choose another one (option name, or "
                "cloudsql_instance of the role cloudsql)."
            )
        elif error.status == 400:
            options = (option for word, option in BLAMED.items() if re.search(word, error.message, re.IGNORECASE))
            if option := next(options, None):
                value = dig(self.params, option)
                shown = f", which is {value}" if isinstance(value, str | int) and option != "root_password" else ""
                error.note(f"Check the option {option}{shown}.")
        return super().explain(error)


def is_higher(wanted: str, there: str) -> bool:
    """Whether a database version is a later one of the same database."""
    numbers = [[int(number) for number in re.findall(r"\d+", version)] for version in (wanted, there)]
    return not there or (wanted.split("_")[0] == there.split("_")[0] and numbers[0] > numbers[1])


def release(version: str) -> str:
    """The part of a maintenance version, such as ``POSTGRES_17_4.R20250302.00_04``, that grows with time."""
    return version.partition(".R")[2]


def any_zone(value: t.Any) -> str:
    """A secondary zone; that there shall be none in particular is said by a word, and told by none."""
    return "" if value in (None, "no_secondary_zone") else str(value)


def on_or_off(value: t.Any) -> str:
    """The value of a flag as Cloud SQL writes it, whatever YAML has made of ``on``."""
    return {"true": "on", "false": "off"}.get(str(value).lower(), str(value))
