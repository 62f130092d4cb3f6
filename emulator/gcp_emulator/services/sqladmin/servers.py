# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From documents to servers: what the engine must run for an instance, and its addresses."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from gcp_emulator.accounts import project_id
from gcp_emulator.backends import DatabaseServer
from gcp_emulator.cloud import Cloud
from gcp_emulator.errors import ApiError, Json
from gcp_emulator.services.compute import addressing, fabric
from gcp_emulator.services.compute.base import relative
from gcp_emulator.services.sqladmin import catalogue
from gcp_emulator.services.sqladmin.base import INSTANCES
from gcp_emulator.store import Store

FIRST = 3  # the first address of a range that a server gets: those before are the producer's network's own


def private_network(store: Store, settings: Json) -> str | None:
    """The path of the network on which an instance has a private address."""
    value = settings.get("ipConfiguration", {}).get("privateNetwork")
    if not value:
        return None
    _, project, rest = relative(value).split("/", 2)
    return f"projects/{project_id(store, project)}/{rest}"


def address(instance: Json, kind: str) -> str | None:
    """The PRIMARY or PRIVATE address of an instance."""
    return next((entry["ipAddress"] for entry in instance.get("ipAddresses", []) if entry["type"] == kind), None)


def assign_addresses(cloud: Cloud, path: str) -> None:
    """Give an instance the addresses that its settings ask for, and take those back that they do not.

    :raises ApiError: when the ranges of its network are exhausted.
    """
    with cloud.store.lock:
        instance = cloud.store.get(INSTANCES, path)
        if instance is None:
            return
        public, private = address(instance, "PRIMARY"), address(instance, "PRIVATE")
        if instance["settings"]["ipConfiguration"].get("ipv4Enabled"):
            public = public or addressing.free_external(cloud.store, cloud.settings)
        else:
            public = None
        network = private_network(cloud.store, instance["settings"])
        if network and not private:
            asked = instance["settings"]["ipConfiguration"].get("allocatedIpRange")
            private = _free_private(cloud.store, network, asked)
        found = [("PRIMARY", public), ("PRIVATE", private)]
        instance["ipAddresses"] = [{"type": kind, "ipAddress": text} for kind, text in found if text]
        cloud.store.put(INSTANCES, path, instance)


def _free_private(store: Store, network: str, asked: str | None) -> str:
    taken = {address(instance, "PRIVATE") for _key, instance in store.items(INSTANCES)}
    project = network.split("/")[1]
    names = [asked] if asked else (store.get("connections", network) or {}).get("reservedPeeringRanges", [])
    for name in names:
        document = store.get("compute.addresses", f"projects/{project}/global/addresses/{name}")
        if document is None:
            continue
        cidr = IPv4Network(f"{document['address']}/{document['prefixLength']}")
        for number in range(int(cidr[FIRST]), int(cidr[-1])):
            if str(IPv4Address(number)) not in taken:
                return str(IPv4Address(number))
    # issue: terraform-google-sql-db#159
    message = (
        "Failed to create subnetwork. Couldn't find free blocks in allocated IP ranges. "
        "Please allocate new ranges for this service provider."
    )
    raise ApiError(400, message, "INTERNAL_ERROR")


def server(store: Store, path: str) -> DatabaseServer | None:
    """What the engine must run for an instance, or None if there is no such instance."""
    instance = store.get(INSTANCES, path)
    if instance is None:
        return None
    settings = instance["settings"]
    network = private_network(store, settings)
    peered = bool(network and store.get("connections", network))
    flags = settings.get("databaseFlags", [])
    return DatabaseServer(
        project=instance["project"],
        name=instance["name"],
        version=instance["databaseVersion"],
        network=network,
        private_ip=address(instance, "PRIVATE"),
        subnet_ranges=fabric.subnet_ranges(store, network) if network and peered else (),
        flags={flag["name"]: flag.get("value", "on") for flag in flags if not flag["name"].startswith("cloudsql.")},
        memory_mb=catalogue.tier(settings["tier"], settings["edition"]).memory_mb,
    )


def runs(instance: Json) -> bool:
    """Whether the server of an instance is meant to run."""
    state, policy = str(instance["state"]), str(instance["settings"]["activationPolicy"])
    return state == "RUNNABLE" and policy != "NEVER"


def bring_up(cloud: Cloud, path: str) -> None:
    """Start the server of an instance, or bring it in line."""
    wanted = server(cloud.store, path)
    if wanted is not None:
        cloud.databases.start(wanted)


def configure_network(cloud: Cloud, network: str) -> None:
    """Bring every running server of a network in line, after its connection has changed."""
    for path, instance in list(cloud.store.items(INSTANCES)):
        if runs(instance) and private_network(cloud.store, instance["settings"]) == network:
            bring_up(cloud, path)
