# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which addresses and ranges are taken, and the next free ones.

Whoever picks holds the store's lock until it is put.
"""

from __future__ import annotations

import typing as t
from ipaddress import IPv4Address, IPv4Network, ip_address, ip_network

from gcp_emulator.errors import ApiError, Json
from gcp_emulator.services.compute.base import relative
from gcp_emulator.settings import Settings
from gcp_emulator.store import Store

EXTERNAL = range(16, 240)  # last octets in the sandbox's subnet; the rest is the engine's
# Searched in this order: a machine's own LAN is often in the low half of 10.0.0.0/8, and would be shadowed in the VMs.
PEERING = (IPv4Network("10.64.0.0/10"), IPv4Network("10.0.0.0/10"))


def interfaces(instance: Json) -> t.Iterator[Json]:
    """The network interfaces of an instance."""
    yield from instance.get("networkInterfaces", [])


def external_pool(settings: Settings) -> list[str]:
    """Every external address of the sandbox."""
    base = ip_network(settings.subnet).network_address
    return [str(base + offset) for offset in EXTERNAL]


def external_taken(store: Store) -> set[str]:
    """External addresses that are reserved or in use, in all projects."""
    taken = {address["address"] for _key, address in store.items("compute.addresses")}
    for _key, instance in store.items("compute.instances"):
        for interface in interfaces(instance):
            taken |= {access["natIP"] for access in interface.get("accessConfigs", []) if access.get("natIP")}
    for _key, database in store.items("sql.instances"):
        taken |= {address["ipAddress"] for address in database.get("ipAddresses", [])}
    return taken


def free_external(store: Store, settings: Settings) -> str:
    """An external address that nobody has.

    :raises ApiError: 403 as for a quota, when the subnet is exhausted.
    """
    taken = external_taken(store)
    for address in external_pool(settings):
        if address not in taken:
            return address
    raise ApiError(403, f"Quota 'IN_USE_ADDRESSES' exceeded.  Limit: {len(EXTERNAL)}.0 globally.", "quotaExceeded")


def internal_taken(store: Store, subnetwork: str) -> set[str]:
    """Addresses of a subnetwork that an instance or a reservation has."""
    taken = {
        address["address"]
        for _key, address in store.items("compute.addresses")
        if relative(address.get("subnetwork", "")) == subnetwork
    }
    for _key, instance in store.items("compute.instances"):
        taken |= {nic["networkIP"] for nic in interfaces(instance) if relative(nic["subnetwork"]) == subnetwork}
    return taken


def usable(cidr: str) -> t.Iterator[str]:
    """Addresses of a subnetwork that may be given away: not the first two, nor the last two (documentation)."""
    network = IPv4Network(cidr)
    for number in range(int(network.network_address) + 2, int(network.broadcast_address) - 1):
        yield str(IPv4Address(number))


def free_internal(store: Store, subnetwork: str, cidr: str) -> str:
    """An address of a subnetwork that nobody has."""
    taken = internal_taken(store, subnetwork)
    for address in usable(cidr):
        if address not in taken:
            return address
    message = f"IP space of '{subnetwork}' is exhausted."
    raise ApiError(400, message, "IP_SPACE_EXHAUSTED")


def is_usable(cidr: str, address: str) -> bool:
    """Whether an address may be asked for in a subnetwork."""
    try:
        wanted = ip_address(address)
    except ValueError:
        return False
    network = IPv4Network(cidr)
    return wanted in network and int(network[1]) < int(wanted) < int(network[-2])


def ranges_of(subnetwork: Json) -> list[IPv4Network]:
    """The primary range of a subnetwork and its secondary ones."""
    secondary = [entry["ipCidrRange"] for entry in subnetwork.get("secondaryIpRanges", [])]
    return [IPv4Network(cidr) for cidr in (subnetwork["ipCidrRange"], *secondary)]


def network_ranges(store: Store, network: str) -> list[IPv4Network]:
    """Every range that is taken in a network: subnetworks and ranges reserved for peering."""
    taken = [
        cidr
        for _key, subnetwork in store.items("compute.subnetworks")
        if relative(subnetwork["network"]) == network
        for cidr in ranges_of(subnetwork)
    ]
    return taken + peering_ranges(store, network)


def peering_ranges(store: Store, network: str) -> list[IPv4Network]:
    """The ranges and addresses of a network that are reserved for peering and the like, outside of subnetworks."""
    return [
        IPv4Network(f"{address['address']}/{address.get('prefixLength', 32)}")
        for _key, address in store.items("compute.addresses")
        if address.get("network") and relative(address["network"]) == network
    ]


def free_range(store: Store, network: str, prefix: int) -> str:
    """The first address of a range for peering that overlaps nothing in the network.

    It lies outside 10.128.0.0/9, which belongs to the subnetworks of auto mode networks (documentation).
    """
    taken = network_ranges(store, network)
    for block in PEERING:
        for candidate in block.subnets(new_prefix=prefix) if prefix >= block.prefixlen else ():
            if not any(candidate.overlaps(other) for other in taken):
                return str(candidate.network_address)
    raise ApiError(400, f"Couldn't find a free /{prefix} range in network '{network}'.", "invalid")


def claim(store: Store, path: str, user: str) -> None:
    """Note who uses a reserved address."""
    address = store.get("compute.addresses", path) or {}
    store.put("compute.addresses", path, address | {"users": [user], "status": "IN_USE"})


def release(store: Store, user: str, only: str | None = None, but: t.Collection[str] = ()) -> None:
    """Give back the reserved addresses of a user.

    :param only: the one that is meant, if not all.
    :param but: paths of those that it keeps.
    """
    for path, address in list(store.items("compute.addresses")):
        if address.get("users") == [user] and path not in but and only in (None, address["address"]):
            address.pop("users")
            store.put("compute.addresses", path, address | {"status": "RESERVED"})
