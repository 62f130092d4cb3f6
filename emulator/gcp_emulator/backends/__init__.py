# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What stands behind the APIs. Services know these interfaces alone, so that nothing need stand there."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field


@dataclass(frozen=True)
class FirewallRule:
    """An ingress rule that applies to a VM: already matched by tag or account, lowest priority number first."""

    priority: int
    allow: bool
    source_ranges: tuple[str, ...]
    protocol: str  # "tcp", "udp", "icmp", "all" or a number
    ports: tuple[str, ...] = ()  # "22" or "8000-9000"; none are all


@dataclass(frozen=True)
class Machine:
    """A VM as the engine must run it."""

    project: str
    zone: str
    name: str
    image: str  # a guest image of ours, such as "debian-12"
    vcpus: float
    memory_mb: int
    network: str  # "projects/p/global/networks/default"
    internal_ip: str
    external_ip: str | None
    subnet_ranges: tuple[str, ...] = ()  # every range that is on the network's own segment: subnets and peered ranges
    firewall: tuple[FirewallRule, ...] = ()
    # ways out of a machine without an external address: to everywhere (Cloud NAT), to Google's APIs
    nat: bool = False
    google_access: bool = False

    @property
    def path(self) -> str:
        """The resource's path, which is its key everywhere."""
        return f"projects/{self.project}/zones/{self.zone}/instances/{self.name}"


class Machines(t.Protocol):
    """Virtual machines. Every verb is idempotent and returns when it is done."""

    def start(self, machine: Machine) -> None:
        """Make the machine if it is not there, bring its limits, addresses, routes and firewall in line, boot it."""

    def configure(self, machine: Machine) -> None:
        """Bring addresses, routes, limits and firewall of a machine that may be running in line."""

    def stop(self, path: str) -> None:
        """Shut it down and keep its disk."""

    def reset(self, path: str) -> None:
        """Power it off and on, without a shutdown."""

    def delete(self, path: str) -> None:
        """Remove it and its disk."""

    def running(self, path: str) -> bool:
        """Whether it is booted."""

    def serial_output(self, path: str) -> str:
        """What its console printed."""

    def metadata_address(self, path: str) -> str:
        """The address from which it asks the metadata server, once it has been started."""


@dataclass(frozen=True)
class DatabaseServer:
    """A PostgreSQL server as the engine must run it."""

    project: str
    name: str
    version: str  # "POSTGRES_17"
    network: str | None  # the peered network, or None without a private address
    private_ip: str | None
    subnet_ranges: tuple[str, ...] = ()  # the ranges of that network, which may reach it
    flags: dict[str, str] = field(default_factory=dict)
    memory_mb: int = 1024

    @property
    def path(self) -> str:
        """The resource's path, which is its key everywhere."""
        return f"projects/{self.project}/instances/{self.name}"


class RefusedError(Exception):
    """What PostgreSQL refuses, in its own words, such as ``role "x" cannot be dropped because ...``."""


class Databases(t.Protocol):
    """PostgreSQL servers. Every verb is idempotent and returns when it is done; a refusal is a RefusedError."""

    def start(self, server: DatabaseServer) -> None:
        """Make the server if it is not there, bring its address and flags in line, and wait until it answers."""

    def stop(self, path: str) -> None:
        """Stop it and keep its data."""

    def delete(self, path: str) -> None:
        """Remove it and its data."""

    def create_database(self, path: str, name: str, charset: str, collation: str) -> None:
        """CREATE DATABASE, owned by cloudsqlsuperuser."""

    def drop_database(self, path: str, name: str) -> None:
        """DROP DATABASE; sessions in it are an error, as at Google."""

    def set_user(self, path: str, name: str, password: str | None, roles: t.Collection[str] | None = None) -> None:
        """Create the user, or give it this password and the whole of these roles.

        None leaves the password, or the roles, as they are; a new user is in cloudsqlsuperuser then.
        """

    def drop_user(self, path: str, name: str) -> None:
        """DROP ROLE; one that owns objects is an error that PostgreSQL words."""


class Objects(t.Protocol):
    """Contents of objects, on disk, under a name that the service chooses once for each generation."""

    def write(self, blob: str, chunks: t.Iterable[bytes]) -> None:
        """Write atomically."""

    def append(self, blob: str, offset: int, chunk: bytes) -> int:
        """Put a chunk of a resumable upload at an offset, cut what is behind it; the size it has then."""

    def read(self, blob: str, start: int = 0, end: int | None = None) -> t.Iterator[bytes]:
        """Read a range, ``end`` excluded, in chunks."""

    def size(self, blob: str) -> int:
        """Bytes."""

    def delete(self, blob: str) -> None:
        """Remove; one that is not there is no error."""

    def names(self) -> t.Iterator[str]:
        """Every blob that there is, so that what a crash left behind is found."""
