# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Instances."""

from __future__ import annotations

import logging
import re
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from gcp_emulator.cloud import Cloud
from gcp_emulator.errors import ApiError, Json
from gcp_emulator.services.base import Call, applies, handles
from gcp_emulator.services.compute import catalogue as places
from gcp_emulator.services.sqladmin import backups, catalogue, passwords, servers, settings
from gcp_emulator.services.sqladmin.backups import BACKUPS
from gcp_emulator.services.sqladmin.base import DATABASES, INSTANCES, USERS, Part, etag, timestamp
from gcp_emulator.services.sqladmin.catalogue import wrong
from gcp_emulator.services.sqladmin.paging import page
from gcp_emulator.values import KMS_KEY

LOG = logging.getLogger(__name__)
NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,96}[a-z0-9])?")
DELETED = "sql.deleted"
BLOCKED = 7 * 24 * 3600  # seconds for which a deleted name cannot be had again
OWN_DATABASE, OWN_USER, OWN_ROLE = "postgres", "postgres", "cloudsqlsuperuser"


class Instances(Part):
    """The ``instances`` collection."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._root_passwords: dict[str, str] = {}

    def wake(self) -> None:
        """Start the servers again that ran when the sandbox stopped."""
        running = [path for path, instance in self.store.items(INSTANCES) if servers.runs(instance)]
        with ThreadPoolExecutor(4, thread_name_prefix="wake") as pool:
            for path in running:
                pool.submit(self._heal, path)

    def _heal(self, path: str) -> None:
        try:
            servers.bring_up(self.cloud, path)
        except Exception:
            # One server that cannot be had is no reason to leave the others off.
            LOG.exception("%s does not start", path)

    @handles("sql.instances.get")
    def get(self, call: Call) -> Json:
        return self.answer(call, self.instance(call)[1])

    @handles("sql.instances.list")
    def list_all(self, call: Call) -> Json:
        prefix = f"projects/{call.path['project']}/"
        found = [self.answer(call, instance) for _path, instance in self.store.items(INSTANCES, prefix)]
        return page(call, found, "sql#instancesList")

    @handles("sql.instances.insert")
    def insert(self, call: Call) -> Json:
        with self.store.lock:
            path, instance = self._new(call)
            self.store.put(INSTANCES, path, instance)
            if password := call.body.get("rootPassword"):
                # Kept in memory alone until the server takes it; after a crash in between, `users` sets one.
                self._root_passwords[path] = password
            return self.operate(call, "CREATE", path, "sql.instances.create", factor=4)

    def _new(self, call: Call) -> tuple[str, Json]:
        body, project = call.body, call.path["project"]
        name, version, region = body.get("name", ""), body.get("databaseVersion", ""), body.get("region", "us-central1")
        if not NAME.fullmatch(name):
            raise wrong(f"Invalid instance name ({name}).")  # recording
        path = f"projects/{project}/instances/{name}"
        self._check_name(path)
        if not catalogue.VERSION.fullmatch(version):
            # Google would make MySQL of none, and can make SQL Server; the sandbox cannot.
            raise wrong(f"Invalid database version ({version}): the sandbox has PostgreSQL alone.")
        if region not in places.REGIONS:
            raise wrong(f"Invalid value for region: {region}.")  # unverified wording
        wanted = settings.complete(body.get("settings") or {}, version, region)
        settings.check(self.store, call, name, wanted)
        zone = wanted["locationPreference"]["zone"]
        if places.ZONES.get(zone) != region:
            # issue: compute-phabricator#3
            raise wrong("Request contains unrecognized GCE zone when creating or updating an instance.")
        passwords.check_root(wanted, body.get("rootPassword") or "")
        if body.get("maintenanceVersion"):
            # documentation (of Terraform); unverified wording
            raise wrong("The maintenance version cannot be set when an instance is created.")
        current, newer = catalogue.maintenance(version)
        number = str((self.store.get("projects", project) or {}).get("projectNumber"))
        instance: Json = {
            "kind": "sql#instance",
            "name": name,
            "project": project,
            "region": region,
            "gceZone": zone,
            "databaseVersion": version,
            "upgradableDatabaseVersions": catalogue.upgrades(version),
            "maintenanceVersion": current,
            "availableMaintenanceVersions": [newer],
            "state": "PENDING_CREATE",
            "backendType": "SECOND_GEN",
            "instanceType": "CLOUD_SQL_INSTANCE",
            "connectionName": f"{project}:{region}:{name}",
            "createTime": timestamp(time.time()),
            "selfLink": path,
            "serviceAccountEmailAddress": f"p{number}-sandbox@gcp-sa-cloud-sql.iam.gserviceaccount.com",
            "satisfiesPzi": True,
            "sqlNetworkArchitecture": "NEW_NETWORK_ARCHITECTURE",
            "settings": wanted | {"settingsVersion": "1"},
        }
        instance |= _encryption(body)
        return path, instance | {"etag": etag(instance)}

    def _check_name(self, path: str) -> None:
        if self.store.get(INSTANCES, path):
            raise ApiError(409, "The Cloud SQL instance already exists.", "instanceAlreadyExists")  # recording
        gone = self.store.get(DELETED, path)
        if gone and time.time() < gone["deleted"] + BLOCKED:
            # issue: terraform-google-gke-gitlab#81
            message = (
                "The Cloud SQL instance already exists. When you delete an instance, you can't reuse the name of the "
                "deleted instance until one week from the deletion date."
            )
            raise ApiError(409, message, "instanceAlreadyExists")

    @applies("sql.instances.create")
    def apply_create(self, path: str) -> None:
        """Make the server.

        What the sandbox refuses to make, such as a version that it does not have, leaves nothing, so that the name is
        free for another try. What fails is FAILED, as at Google, and is deleted by who wants it again.
        """
        try:
            servers.assign_addresses(self.cloud, path)
            servers.bring_up(self.cloud, path)
            self.cloud.databases.set_user(path, OWN_USER, self._root_passwords.get(path))
        except ApiError as error:
            if error.code < 500:
                self.cloud.databases.delete(path)
                self.store.delete(INSTANCES, path)
            else:
                self._update(path, state="FAILED")
            raise
        except Exception:
            self._update(path, state="FAILED")
            raise
        self._root_passwords.pop(path, None)
        with self.store.lock:
            instance = self.store.get(INSTANCES, path)
            if instance is None:
                return
            self.store.put(DATABASES, f"{path}/{OWN_DATABASE}", database(instance, {"name": OWN_DATABASE}))
            self.store.put(USERS, f"{path}/{OWN_USER}", user(instance, {"name": OWN_USER, "databaseRoles": [OWN_ROLE]}))
        self._update(path, state="RUNNABLE")

    @handles("sql.instances.patch")
    def patch(self, call: Call) -> Json:
        with self.store.lock:
            path, instance = self._changeable(call)
            body = call.body
            if (version := body.get("databaseVersion")) and version != instance["databaseVersion"]:
                return self._upgrade(call, path, instance, version)
            if (version := body.get("maintenanceVersion")) and version != instance.get("maintenanceVersion"):
                if version not in instance.get("availableMaintenanceVersions", []):
                    raise wrong(f"Invalid maintenance version ({version}).")  # unverified wording
                return self.operate(call, "SELF_SERVICE_MAINTENANCE", path, "sql.instances.maintain", version=version)
            merged = settings.merge(instance["settings"], body.get("settings") or {})
            return self._replace(call, path, instance, merged)

    def _upgrade(self, call: Call, path: str, instance: Json, version: str) -> Json:
        if version not in [offer["name"] for offer in instance.get("upgradableDatabaseVersions", [])]:
            # documentation: upwards alone; unverified wording
            raise wrong(f"The database version cannot be changed from {instance['databaseVersion']} to {version}.")
        if not servers.runs(instance):
            raise wrong("Invalid request since instance is not running.")  # recording
        return self.operate(call, "MAJOR_VERSION_UPGRADE", path, "sql.instances.upgrade", factor=4, version=version)

    @applies("sql.instances.upgrade")
    def apply_upgrade(self, path: str, version: str) -> None:
        """Start the server in the new version; where that cannot be, it goes on in the old one, as at Google."""
        if wanted := servers.server(self.store, path):
            self.cloud.databases.start(replace(wanted, version=version))
        current, newer = catalogue.maintenance(version)
        self._update(
            path,
            databaseVersion=version,
            upgradableDatabaseVersions=catalogue.upgrades(version),
            maintenanceVersion=current,
            availableMaintenanceVersions=[newer],
        )

    @applies("sql.instances.maintain")
    def apply_maintenance(self, path: str, version: str) -> None:
        """Restart the server, which has no maintenance versions, and say that it has this one."""
        self.cloud.databases.stop(path)
        servers.bring_up(self.cloud, path)
        self._update(path, maintenanceVersion=version, availableMaintenanceVersions=[])

    @handles("sql.instances.update")
    def update(self, call: Call) -> Json:
        with self.store.lock:
            path, instance = self._changeable(call)
            body = call.body.get("settings") or {}
            kept = {"edition": instance["settings"]["edition"]}
            whole = settings.complete(kept | body, instance["databaseVersion"], instance["region"])
            return self._replace(call, path, instance, whole)

    def _changeable(self, call: Call) -> tuple[str, Json]:
        """An instance that may be changed as the body says."""
        path, instance = self.instance(call)
        self.check_idle(path)
        for field in ("name", "region"):
            if call.body.get(field) not in (None, "", instance[field]):
                # unverified wording
                raise wrong(f"The {field} of an instance cannot be changed to {call.body[field]}.")
        key = (call.body.get("diskEncryptionConfiguration") or {}).get("kmsKeyName")
        if key and key != (instance.get("diskEncryptionConfiguration") or {}).get("kmsKeyName"):
            raise wrong("The encryption key of an instance cannot be changed.")  # documentation; unverified wording
        version = (call.body.get("settings") or {}).get("settingsVersion")
        if version is not None and str(version) != instance["settings"]["settingsVersion"]:
            raise ApiError(412, "Condition does not match.", "staleData")  # recording
        return path, instance

    def _replace(self, call: Call, path: str, instance: Json, wanted: Json) -> Json:
        old = instance["settings"]
        if int(wanted["dataDiskSizeGb"]) < int(old["dataDiskSizeGb"]):
            raise wrong("Data disk size cannot be decreased.")  # documentation; unverified wording
        if wanted["dataDiskType"] != old["dataDiskType"]:
            raise wrong("The type of the data disk cannot be changed.")  # documentation; unverified wording
        network, next_network = (servers.private_network(self.store, one) for one in (old, wanted))
        if network and not next_network:
            # discovery: it can be updated, but not removed; unverified wording
            raise wrong("The private network of an instance cannot be removed.")
        if network != next_network:
            addresses = instance.get("ipAddresses", [])
            instance["ipAddresses"] = [entry for entry in addresses if entry["type"] != "PRIVATE"]
        settings.check(self.store, call, instance["name"], wanted)
        wanted["settingsVersion"] = str(int(old["settingsVersion"]) + 1)
        was_up, instance["settings"] = servers.runs(instance), wanted
        if servers.runs(instance):
            instance["state"] = "RUNNABLE"
        self.store.put(INSTANCES, path, instance | {"etag": etag(instance)})
        return self.operate(call, "UPDATE", path, "sql.instances.change", stop=was_up and not servers.runs(instance))

    @applies("sql.instances.change")
    def apply_change(self, path: str, stop: bool) -> None:
        """Bring the server in line with the settings."""
        instance = self.store.get(INSTANCES, path)
        if stop:
            self.cloud.databases.stop(path)
        elif instance is not None and servers.runs(instance):
            servers.assign_addresses(self.cloud, path)
            servers.bring_up(self.cloud, path)

    @handles("sql.instances.restart")
    def restart(self, call: Call) -> Json:
        with self.store.lock:
            path, instance = self.instance(call)
            self.check_idle(path)
            if not servers.runs(instance):
                raise wrong("Invalid request since instance is not running.")  # recording
            return self.operate(call, "RESTART", path, "sql.instances.restart")

    @applies("sql.instances.restart")
    def apply_restart(self, path: str) -> None:
        """Stop the server and start it."""
        self.cloud.databases.stop(path)
        servers.bring_up(self.cloud, path)

    @handles("sql.instances.delete")
    def delete(self, call: Call) -> Json:
        with self.store.lock:
            path, instance = self.instance(call)
            self.check_idle(path)
            if instance["settings"]["deletionProtectionEnabled"]:
                # recording
                message = "The instance is protected. Please disable the deletion protection and try again."
                raise ApiError(400, message, "invalidRequest")
            backup = backups.final(call, instance)
            self.store.put(INSTANCES, path, instance | {"state": "PENDING_DELETE"})
            return self.operate(call, "DELETE", path, "sql.instances.delete", backup=backup)

    @applies("sql.instances.delete")
    def apply_delete(self, path: str, backup: Json | None = None) -> None:
        """Remove the server, then the documents: a repeat finds what is left."""
        self.cloud.databases.delete(path)
        if backup:
            self.store.put(BACKUPS, backup["name"], backup)
        with self.store.lock:
            for kind in (DATABASES, USERS):
                for key, _document in list(self.store.items(kind, path + "/")):
                    self.store.delete(kind, key)
            if self.store.get(INSTANCES, path):
                self.store.put(DELETED, path, {"deleted": time.time()})
            self.store.delete(INSTANCES, path)

    def _update(self, path: str, **values: t.Any) -> None:
        with self.store.lock:
            instance = self.store.get(INSTANCES, path)
            if instance is not None:
                self.store.put(INSTANCES, path, instance | values)


def _encryption(body: Json) -> Json:
    """What an instance tells of its key; without one, Google's own encrypts, and nothing is told."""
    key = (body.get("diskEncryptionConfiguration") or {}).get("kmsKeyName")
    if not key:
        return {}
    if not KMS_KEY.fullmatch(key):
        raise wrong(f"Invalid KMS key name ({key}).")  # documentation; unverified wording
    return {
        "diskEncryptionConfiguration": {"kind": "sql#diskEncryptionConfiguration", "kmsKeyName": key},
        "diskEncryptionStatus": {
            "kind": "sql#diskEncryptionStatus",
            "kmsKeyVersionName": f"{key}/cryptoKeyVersions/1",
        },
    }


def database(instance: Json, body: Json) -> Json:
    """A database's document."""
    document = {
        "kind": "sql#database",
        "name": body["name"],
        "instance": instance["name"],
        "project": instance["project"],
        "charset": body.get("charset") or "UTF8",
        "collation": body.get("collation") or "en_US.UTF8",
        "selfLink": f"projects/{instance['project']}/instances/{instance['name']}/databases/{body['name']}",
    }
    return document | {"etag": etag(document)}


def user(instance: Json, body: Json) -> Json:
    """A user's document, which never holds a password."""
    document = {
        "kind": "sql#user",
        "name": body["name"],
        "host": "",
        "instance": instance["name"],
        "project": instance["project"],
    }
    for field in ("type", "databaseRoles"):
        if body.get(field):
            document[field] = body[field]
    return document | {"etag": etag(document)}
