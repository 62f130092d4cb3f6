# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cloud SQL: PostgreSQL servers in containers, each in a pod on the segment of the peered network."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import time
import typing as t

from docker.errors import APIError, NotFound
from docker.models.containers import Container
from docker.types import LogConfig
from docker.utils.socket import frames_iter

from gcp_emulator.backends import DatabaseServer, FirewallRule, RefusedError
from gcp_emulator.backends.engine import LABEL, Engine
from gcp_emulator.backends.images import POSTGRES, Images
from gcp_emulator.backends.network import PodNetwork
from gcp_emulator.backends.pods import NET_ROLE, SEGMENT_LABEL, Pods, log, remove, run, started_at
from gcp_emulator.errors import ApiError, not_found

ROLE = "database"
SPEC_LABEL = f"{LABEL}.spec"
VERSION_LABEL = f"{LABEL}.version"
PORT = "5432"
START_SECONDS = 90
STOP_SECONDS = 30
LOG_SIZE = "10m"
ADMINISTRATOR = "cloudsqladmin"
SUPERUSER = "cloudsqlsuperuser"
# What users of the IAM types are members of; they are made when the first such user is.
IAM_ROLES = ("cloudsqliamuser", "cloudsqliamserviceaccount", "cloudsqliamgroup")
DEFAULT_COLLATION = "en_US.UTF8"
# Statements with passwords pass: whatever the flags say, nothing of this session is logged.
QUIET = "-c log_statement=none -c log_min_error_statement=panic -c log_min_duration_statement=-1"

# What every instance has from the start, as Google makes it. The database comes last and marks that all is there.
BOOTSTRAP = f"""
SELECT 'CREATE ROLE {SUPERUSER} NOLOGIN CREATEDB CREATEROLE' WHERE to_regrole('{SUPERUSER}') IS NULL \\gexec
SELECT 'CREATE ROLE postgres LOGIN CREATEDB CREATEROLE IN ROLE {SUPERUSER}' WHERE to_regrole('postgres') IS NULL \\gexec
GRANT pg_monitor, pg_signal_backend TO {SUPERUSER};
ALTER DATABASE postgres OWNER TO {SUPERUSER};
CREATE DATABASE {ADMINISTRATOR};
"""


def literal(value: str) -> str:
    """A value as an SQL literal, whatever characters it has.

    :raises RefusedError: it has a zero character, which PostgreSQL takes nowhere.
    """
    # with E'' the meaning does not depend on standard_conforming_strings
    return "E'" + _storable(value).replace("\\", "\\\\").replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name as an SQL identifier.

    :raises RefusedError: it has a zero character.
    """
    return '"' + _storable(name).replace('"', '""') + '"'


def memberships(name: str, roles: t.Collection[str]) -> str:
    """Statements that make a user a member of these roles, and of no others."""
    makes = [
        f"SELECT 'CREATE ROLE {role} NOLOGIN' WHERE to_regrole('{role}') IS NULL \\gexec"
        for role in IAM_ROLES
        if role in roles
    ]
    grants = [f"GRANT {identifier(role)} TO {identifier(name)};" for role in roles]
    member = f"holder.rolname = {literal(name)}"
    others = " AND ".join([member, *(f"held.rolname <> {literal(role)}" for role in roles)])
    revoke = (
        "SELECT format('REVOKE %I FROM %I', held.rolname, holder.rolname) FROM pg_auth_members "  # noqa: S608 (quoted)
        "JOIN pg_roles held ON held.oid = roleid JOIN pg_roles holder ON holder.oid = member "
        f"WHERE {others} \\gexec"
    )
    return "\n".join([*makes, *grants, revoke])


def _storable(text: str) -> str:
    if "\0" in text:
        raise RefusedError('invalid byte sequence for encoding "UTF8": 0x00')
    return text


def image_name(version: str) -> str:
    """The image of a version of the API, such as ``POSTGRES_17``.

    :raises ApiError: a version that the sandbox cannot run.
    """
    number = version.removeprefix("POSTGRES_")
    if number not in POSTGRES or number == version:
        known = ", ".join(f"POSTGRES_{known}" for known in POSTGRES)
        raise ApiError(400, f"The sandbox cannot run {version}: databaseVersion must be one of {known}.", "invalid")
    return f"postgres-{number}"


def pod_network(server: DatabaseServer) -> PodNetwork:
    """The network of a server's pod: its port is open to the ranges of the peered network, and nothing else is."""
    rule = FirewallRule(1000, True, server.subnet_ranges, "tcp", (PORT,))
    return PodNetwork(internal_ip=server.private_ip, ranges=server.subnet_ranges, firewall=(rule,))


def await_answer(database: Container) -> None:
    """Wait until a server takes connections.

    :raises ApiError: one that does not start, with what it printed.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        database.reload()
        if database.status != "running":
            words = worded(log(database, tail=5))
            raise ApiError(400, f"Invalid request: the database server does not start: {words}", "invalid")
        # over the address, where initdb's own server does not listen
        with contextlib.suppress(APIError):  # it may end meanwhile, which the next look tells
            if run(database, "pg_isready", "--quiet", "--host=127.0.0.1")[0] == 0:
                return
        time.sleep(0.1)
    raise ApiError(500, f"{database.name} has not answered within {START_SECONDS} s.", "internalError")


def arguments(flags: dict[str, str]) -> list[str]:
    """Database flags as the server's arguments."""
    return [word for name, value in sorted(flags.items()) for word in ("-c", f"{name}={value}")]


def worded(output: str) -> str:
    """PostgreSQL's own words for what went wrong, out of what psql prints."""
    found = re.search(r"(?:ERROR|FATAL):\s+(.*?)(?:\nDETAIL:\s+(.*?))?(?:\n[A-Z]+:|\Z)", output.strip(), re.DOTALL)
    if not found:
        return output.strip()
    return f"{found[1].strip()} Details: {found[2].strip()}" if found[2] else found[1].strip()


class PostgresServers:
    """PostgreSQL servers in the container engine. The data is in a volume; containers are made anew when flags change.

    The administrator has no password and cannot come in over the network. Everybody else is a member of
    cloudsqlsuperuser, as Google's users are.
    """

    def __init__(self, engine: Engine, images: Images | None = None) -> None:
        self._engine = engine
        self._images = images or Images(engine)
        self._pods = Pods(engine, self._images)

    def start(self, server: DatabaseServer) -> None:
        """Make the server if it is not there, bring its address and flags in line, and wait until it answers.

        :raises ApiError: a version that cannot be had or changed, or flags with which it does not start.
        """
        image, name = image_name(server.version), self._volume(server.path)
        self._ensure_volume(server, name)
        image = self._images.ensure(image)
        net = self._pods.find(server.path, NET_ROLE)
        if net is not None and net.labels.get(SEGMENT_LABEL) != server.network:
            remove(self._stopped(server.path))
            self._pods.delete(server.path)
        net = self._pods.start(
            server.path, f"{name}.net", pod_network(server), segment=server.network, hostname=server.name
        )
        parts = [net.id, image, server.memory_mb, server.flags]
        spec = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        database = self._pods.find(server.path, ROLE)
        if database is not None and database.labels[SPEC_LABEL] != spec:
            remove(self._stopped(server.path))
            database = None
        if database is None:
            database = self._create(server, name, net, image, spec)
        net.reload()
        if database.status == "running" and started_at(database) < started_at(net):
            database.stop(timeout=STOP_SECONDS)  # it is in a network namespace that is no more
            database.reload()
        if database.status != "running":
            database.start()
        await_answer(database)
        if not self._exists(server.path, "pg_database", "datname", ADMINISTRATOR, "template1"):
            self._execute(server.path, BOOTSTRAP, database="template1")

    def stop(self, path: str) -> None:
        """Stop it and keep its data."""
        self._stopped(path)
        if (net := self._pods.find(path, NET_ROLE)) is not None:
            net.stop(timeout=STOP_SECONDS)

    def delete(self, path: str) -> None:
        """Remove it and its data."""
        remove(self._pods.find(path, ROLE))
        self._pods.delete(path)
        with contextlib.suppress(NotFound):
            self._engine.client().volumes.get(self._volume(path)).remove(force=True)

    def create_database(self, path: str, name: str, charset: str, collation: str) -> None:
        """CREATE DATABASE, owned by cloudsqlsuperuser; one that is there is left as it is."""
        if self._exists(path, "pg_database", "datname", name):
            return
        locale = literal(collation or DEFAULT_COLLATION)
        self._execute(
            path,
            f"CREATE DATABASE {identifier(name)} OWNER {SUPERUSER} TEMPLATE template0 "
            f"ENCODING {literal(charset or 'UTF8')} LC_COLLATE {locale} LC_CTYPE {locale};",
        )

    def drop_database(self, path: str, name: str) -> None:
        """DROP DATABASE; sessions in it are an error, as at Google."""
        self._execute(path, f"DROP DATABASE IF EXISTS {identifier(name)};")

    def set_user(self, path: str, name: str, password: str | None, roles: t.Collection[str] | None = None) -> None:
        """Create the user, or give it this password and the whole of these roles; see the protocol."""
        role, statements = identifier(name), []
        if not self._exists(path, "pg_roles", "rolname", name):
            roles = (SUPERUSER,) if roles is None else roles
            powers = " CREATEDB CREATEROLE" if SUPERUSER in roles else ""
            statements.append(f"CREATE ROLE {role} LOGIN{powers};")
        if roles is not None:
            statements.append(memberships(name, roles))
        if password is not None:
            statements.append(f"ALTER ROLE {role} PASSWORD {literal(password)};")
        if statements:
            # one without a password is not left behind when the password is refused
            transaction = "\n".join(["BEGIN;", *statements, "COMMIT;"])
            self._execute(path, transaction)

    def drop_user(self, path: str, name: str) -> None:
        """DROP ROLE; one that owns objects is an error that PostgreSQL words."""
        self._execute(path, f"DROP ROLE IF EXISTS {identifier(name)};")

    # --- containers ---

    def _volume(self, path: str) -> str:
        return f"gcp-{self._engine.settings.name}-sql-{path.rpartition('/')[2]}"

    def _ensure_volume(self, server: DatabaseServer, name: str) -> None:
        client = self._engine.client()
        try:
            volume = client.volumes.get(name)
        except NotFound:
            client.volumes.create(name, labels=self._engine.labels | {VERSION_LABEL: server.version})
        else:
            if (made := volume.attrs["Labels"][VERSION_LABEL]) != server.version:
                raise ApiError(
                    400, f"The sandbox cannot turn an instance of {made} into one of {server.version}.", "invalid"
                )

    def _create(self, server: DatabaseServer, name: str, net: Container, image: str, spec: str) -> Container:
        memory = server.memory_mb * 1024 * 1024
        return self._engine.client().containers.create(
            image,
            arguments(server.flags),
            name=name,
            labels=self._pods.labels(server.path, ROLE) | {SPEC_LABEL: spec},
            network_mode=f"container:{net.id}",
            volumes={name: {"bind": "/data", "mode": "rw"}},
            mem_limit=memory,
            memswap_limit=memory,
            shm_size=memory // 4,  # parallel queries share memory there
            log_config=LogConfig(type="json-file", config={"max-size": LOG_SIZE}),
        )

    def _stopped(self, path: str) -> Container | None:
        """The server's container, shut down in order."""
        database = self._pods.find(path, ROLE)
        if database is not None:
            database.stop(timeout=STOP_SECONDS)
        return database

    # --- SQL ---

    def _exists(self, path: str, table: str, column: str, name: str, database: str = ADMINISTRATOR) -> bool:
        query = f"SELECT count(*) FROM {table} WHERE {column} = {literal(name)};"  # noqa: S608 (literal quotes it)
        return self._execute(path, query, database=database).strip() == "1"

    def _execute(self, path: str, sql: str, database: str = ADMINISTRATOR) -> str:
        """Run statements as the administrator; they go in by the standard input, never by an argument.

        :returns: what a query answered.
        :raises RefusedError: the server refused a statement.
        :raises ApiError: it does not run, or is not there.
        """
        container = self._pods.find(path, ROLE)
        if container is None:
            raise not_found(path)
        if container.status != "running":
            raise ApiError(400, "Invalid request since instance is not running.", "invalidState")
        api = self._engine.client().api
        command = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", ADMINISTRATOR, "-d", database]
        environment = {"PGOPTIONS": QUIET, "PGCLIENTENCODING": "UTF8"}
        execution = api.exec_create(container.id, command, stdin=True, user="postgres", environment=environment)["Id"]
        stream: t.Any = api.exec_start(execution, socket=True)
        try:
            getattr(stream, "_sock", stream).sendall(f"{sql}\n\\q\n".encode())
            output: dict[int, bytes] = {1: b"", 2: b""}
            for kind, chunk in frames_iter(stream, tty=False):  # type: ignore[no-untyped-call] # docker has no types here
                output[kind] += chunk
        finally:
            stream.close()
        if api.exec_inspect(execution)["ExitCode"]:
            raise RefusedError(worded(output[2].decode(errors="replace")))
        return output[1].decode()
