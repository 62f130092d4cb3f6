# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is in an instance: databases and users, which are those of PostgreSQL itself."""

from __future__ import annotations

from gcp_emulator.backends import RefusedError
from gcp_emulator.errors import ApiError, Json
from gcp_emulator.services.base import Call, handles
from gcp_emulator.services.sqladmin import passwords
from gcp_emulator.services.sqladmin.base import DATABASES, USERS, Part, etag
from gcp_emulator.services.sqladmin.catalogue import wrong
from gcp_emulator.services.sqladmin.instances import OWN_ROLE, database, user
from gcp_emulator.services.sqladmin.passwords import user_policy

# What users of each IAM type are members of in PostgreSQL (documentation; for groups unverified).
IAM_ROLES = {
    "CLOUD_IAM_USER": "cloudsqliamuser",
    "CLOUD_IAM_SERVICE_ACCOUNT": "cloudsqliamserviceaccount",
    "CLOUD_IAM_GROUP": "cloudsqliamgroup",
}


class Databases(Part):
    """The ``databases`` collection."""

    @handles("sql.databases.get")
    def get(self, call: Call) -> Json:
        return self.answer(call, self._load(call)[1])

    @handles("sql.databases.list")
    def list_all(self, call: Call) -> Json:
        path, _instance = self.instance(call)
        found = [self.answer(call, item) for _key, item in self.store.items(DATABASES, path + "/")]
        return {"kind": "sql#databasesList"} | ({"items": found} if found else {})

    @handles("sql.databases.insert")
    def insert(self, call: Call) -> Json:
        with self.connected(call) as (path, instance):
            name = call.body.get("name")
            if not name:
                raise wrong("Missing parameter: Database name.")  # unverified wording
            if self.store.get(DATABASES, f"{path}/{name}"):
                # recording
                detail = f'Detail: pq: database "{name}" already exists'
                raise wrong(f"failed to create database {name}. {detail}")
            document = database(instance, call.body)
            try:
                self.cloud.databases.create_database(path, name, document["charset"], document["collation"])
            except RefusedError as error:
                raise wrong(f"failed to create database {name}. Detail: pq: {error}") from error
            self.store.put(DATABASES, f"{path}/{name}", document)
            return self.operate(call, "CREATE_DATABASE", path)

    @handles("sql.databases.patch", "sql.databases.update")
    def update(self, call: Call) -> Json:
        with self.connected(call) as (path, _instance):
            _key, document = self._load(call)
            for field in ("charset", "collation"):
                if call.body.get(field) not in (None, "", document[field]):
                    # PostgreSQL fixes both when it creates a database; unverified wording
                    raise wrong(f"The {field} of database {document['name']} cannot be changed.")
            return self.operate(call, "UPDATE_DATABASE", path)

    @handles("sql.databases.delete")
    def delete(self, call: Call) -> Json:
        with self.connected(call) as (path, _instance):
            key, document = self._load(call)
            try:
                self.cloud.databases.drop_database(path, document["name"])
            except RefusedError as error:
                # issue
                raise wrong(f'failed to delete database "{document["name"]}". Detail: pq: {error}') from error
            self.store.delete(DATABASES, key)
            return self.operate(call, "DELETE_DATABASE", path)

    def _load(self, call: Call) -> tuple[str, Json]:
        path, _instance = self.instance(call)
        key = f"{path}/{call.path['database']}"
        document = self.store.get(DATABASES, key)
        if document is None:
            raise ApiError(404, "Not Found", "notFound")  # recording
        return key, document


class Users(Part):
    """The ``users`` collection."""

    @handles("sql.users.get")
    def get(self, call: Call) -> Json:
        return self._load(call, call.path["name"])[1]

    @handles("sql.users.list")
    def list_all(self, call: Call) -> Json:
        path, _instance = self.instance(call)
        found = [item for _key, item in self.store.items(USERS, path + "/")]
        return {"kind": "sql#usersList"} | ({"items": found} if found else {})

    @handles("sql.users.insert")
    def insert(self, call: Call) -> Json:
        with self.connected(call) as (path, instance):
            body, name = call.body, call.body.get("name")
            if not name:
                raise wrong("Missing parameter: User name.")  # unverified wording
            self._check(instance, body, body.get("type"))
            roles = body.get("databaseRoles") or [IAM_ROLES.get(body.get("type") or "", OWN_ROLE)]
            self._set(path, name, body.get("password"), roles, "create")
            document = user(instance, body | {"databaseRoles": roles})
            self._put(f"{path}/{name}", document, {"passwordPolicy": user_policy(None, body.get("passwordPolicy"))})
            return self.operate(call, "CREATE_USER", path)

    @handles("sql.users.update")
    def update(self, call: Call) -> Json:
        with self.connected(call) as (path, instance):
            key, document = self._load(call, call.first("name") or call.body.get("name", ""))
            self._check(instance, call.body | {"name": document["name"]}, document.get("type"))
            password, roles = call.body.get("password"), _roles(call, document)
            self._set(path, document["name"], password, roles, "update")
            changes: Json = {} if roles is None else {"databaseRoles": roles}
            if password or call.body.get("passwordPolicy"):
                changes["passwordPolicy"] = user_policy(document.get("passwordPolicy"), call.body.get("passwordPolicy"))
            self._put(key, document, changes)
            return self.operate(call, "UPDATE_USER", path)

    @handles("sql.users.delete")
    def delete(self, call: Call) -> Json:
        with self.connected(call) as (path, _instance):
            key, document = self._load(call, call.first("name"))
            try:
                self.cloud.databases.drop_user(path, document["name"])
            except RefusedError as error:
                # issue: terraform-google-sql-db#323
                raise wrong(f"failed to delete user {document['name']}: . {error}") from error
            self.store.delete(USERS, key)
            return self.operate(call, "DELETE_USER", path)

    def _check(self, instance: Json, body: Json, kind: str | None) -> None:
        """Refuse a user that cannot be."""
        name, password = body["name"], body.get("password")
        if kind in (None, "", "BUILT_IN"):
            if password:
                passwords.check(instance["settings"], name, password)
            return
        if kind not in IAM_ROLES:
            raise ApiError(501, f"The sandbox has no users of the type {kind}.", "notImplemented")
        if password or body.get("host"):
            # issue: terraform-google-sql-db#463
            raise wrong("For IAM users, password or hostname should not be specified.")
        if name.endswith(".gserviceaccount.com"):
            suffix = 'should be created without ".gserviceaccount.com" suffix'
            raise wrong(f"Database username for Cloud IAM service account {suffix}.")  # issue, several in these words
        if name != name.lower():
            raise wrong(f"Invalid IAM user name ({name}): it must be lowercase.")  # documentation; unverified wording
        flags = {flag["name"]: flag.get("value") for flag in instance["settings"].get("databaseFlags") or []}
        if flags.get("cloudsql.iam_authentication") != "on":
            # documentation says to set the flag first; that it is refused, and the wording, are unverified
            raise wrong("IAM database authentication is not enabled: set the flag cloudsql.iam_authentication to on.")

    def _put(self, key: str, document: Json, changes: Json) -> None:
        changed = {name: value for name, value in (document | changes).items() if value or name not in changes}
        self.store.put(USERS, key, changed | {"etag": etag(changed)})

    def _set(self, path: str, name: str, password: str | None, roles: list[str] | None, verb: str) -> None:
        try:
            self.cloud.databases.set_user(path, name, password, roles)
        except RefusedError as error:
            raise wrong(f"failed to {verb} user {name}: . {error}") from error

    def _load(self, call: Call, name: str) -> tuple[str, Json]:
        path, _instance = self.instance(call)
        document = self.store.get(USERS, f"{path}/{name}")
        if document is None:
            raise ApiError(404, "The user does not exist.", "userDoesNotExist")  # recording
        return f"{path}/{name}", document


def _roles(call: Call, document: Json) -> list[str] | None:
    """The roles that an update gives a user by its query; None leaves them. Its body names none (discovery)."""
    added = call.query.get("databaseRoles", [])
    if call.first("revokeExistingRoles") == "true":
        return added
    held = document.get("databaseRoles", [])
    return [*held, *(role for role in added if role not in held)] if added else None
