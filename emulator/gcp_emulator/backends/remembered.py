# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Nothing behind the APIs: what they ask for is remembered, as long as the process lives, and done at once.

The APIs themselves are whole: their state is in the store. For sandboxes in which nobody logs in to a VM or opens a
database, and for tests, which see here what a backend was told.
"""

from __future__ import annotations

import typing as t

from gcp_emulator.backends import DatabaseServer, Machine, RefusedError


class RememberedMachines:
    """Machines that never boot: what was asked last of each, and whether it is to run."""

    def __init__(self) -> None:
        self.machines: dict[str, Machine] = {}
        self.up: dict[str, bool] = {}
        self.resets: list[str] = []

    def start(self, machine: Machine) -> None:
        """Remember it as running."""
        self.machines[machine.path] = machine
        self.up[machine.path] = True

    def configure(self, machine: Machine) -> None:
        """Remember what it is now."""
        self.machines[machine.path] = machine

    def stop(self, path: str) -> None:
        """Remember it as shut down."""
        self.up[path] = False

    def reset(self, path: str) -> None:
        """Remember that it was asked."""
        self.resets.append(path)

    def delete(self, path: str) -> None:
        """Forget it."""
        self.machines.pop(path, None)
        self.up.pop(path, None)

    def running(self, path: str) -> bool:
        """Whether it was started and not stopped since."""
        return self.up.get(path, False)

    def serial_output(self, path: str) -> str:
        """What the console of a machine that booted ends with."""
        return f"{path.rpartition('/')[2]} login: "

    def metadata_address(self, path: str) -> str:
        """The address that it would have."""
        return self.machines[path].external_ip or self.machines[path].internal_ip


class RememberedDatabases:
    """PostgreSQL servers without PostgreSQL: databases (charset, collation), users (password) and roles by name."""

    own_roles = frozenset({"cloudsqlsuperuser", "cloudsqliamuser", "cloudsqliamserviceaccount", "cloudsqliamgroup"})

    def __init__(self) -> None:
        self.servers: dict[str, DatabaseServer] = {}
        self.up: dict[str, bool] = {}
        self.databases: dict[str, dict[str, tuple[str, str]]] = {}
        self.users: dict[str, dict[str, str | None]] = {}
        self.roles: dict[str, dict[str, tuple[str, ...]]] = {}

    def start(self, server: DatabaseServer) -> None:
        """Remember it as running, with the database that every server has."""
        self.servers[server.path] = server
        self.up[server.path] = True
        self.databases.setdefault(server.path, {"postgres": ("UTF8", "en_US.UTF8")})
        self.users.setdefault(server.path, {})
        self.roles.setdefault(server.path, {})

    def stop(self, path: str) -> None:
        """Remember it as stopped."""
        self.up[path] = False

    def delete(self, path: str) -> None:
        """Forget it and all that is in it."""
        self.servers.pop(path, None)
        self.up.pop(path, None)
        self.databases.pop(path, None)
        self.users.pop(path, None)
        self.roles.pop(path, None)

    def create_database(self, path: str, name: str, charset: str, collation: str) -> None:
        """Remember a database."""
        self.databases[path][name] = (charset, collation)

    def drop_database(self, path: str, name: str) -> None:
        """Forget it."""
        self.databases[path].pop(name, None)

    def set_user(self, path: str, name: str, password: str | None, roles: t.Collection[str] | None = None) -> None:
        """Remember a user with this password and these roles."""
        users = self.users[path]
        for role in roles or ():
            if role not in self.own_roles and role not in users and not role.startswith("pg_"):
                raise RefusedError(f'role "{role}" does not exist')
        self.roles[path][name] = tuple(self.roles[path].get(name, ("cloudsqlsuperuser",)) if roles is None else roles)
        users[name] = users.get(name) if password is None else password

    def drop_user(self, path: str, name: str) -> None:
        """Forget it."""
        self.users[path].pop(name, None)
        self.roles[path].pop(name, None)
