#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is in an instance: databases and users, which are those of PostgreSQL itself."""

from __future__ import annotations

from gcp_emulator.backends import RefusedError
from gcp_emulator.errors import ApiError, Json
from gcp_emulator.services.base import Call, handles
from gcp_emulator.services.sqladmin.base import DATABASES, USERS, Part
from gcp_emulator.services.sqladmin.catalogue import wrong
from gcp_emulator.services.sqladmin.instances import database, user


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
            name = call.body.get("name")
            if not name:
                raise wrong("Missing parameter: User name.")  # unverified wording
            self._set(path, name, call.body.get("password"), "create")
            self.store.put(USERS, f"{path}/{name}", user(instance, call.body))
            return self.operate(call, "CREATE_USER", path)

    @handles("sql.users.update")
    def update(self, call: Call) -> Json:
        with self.connected(call) as (path, _instance):
            _key, document = self._load(call, call.first("name") or call.body.get("name", ""))
            if password := call.body.get("password"):
                self._set(path, document["name"], password, "update")
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

    def _set(self, path: str, name: str, password: str | None, verb: str) -> None:
        try:
            self.cloud.databases.set_user(path, name, password)
        except RefusedError as error:
            raise wrong(f"failed to {verb} user {name}: . {error}") from error

    def _load(self, call: Call, name: str) -> tuple[str, Json]:
        path, _instance = self.instance(call)
        document = self.store.get(USERS, f"{path}/{name}")
        if document is None:
            raise ApiError(404, "The user does not exist.", "userDoesNotExist")  # recording
        return f"{path}/{name}", document
