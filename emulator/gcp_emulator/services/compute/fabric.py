# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From documents to machines: what the engine must run for an instance, and who must hear of a change.

Cloud SQL and service networking look here too for the ranges of a network and to pass their changes on.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from ipaddress import IPv4Network, ip_network

from gcp_emulator.backends import FirewallRule, Machine
from gcp_emulator.cloud import Cloud
from gcp_emulator.errors import Json
from gcp_emulator.services.compute import catalogue
from gcp_emulator.services.compute.base import relative
from gcp_emulator.store import Store

LOG = logging.getLogger(__name__)
AUTO_RANGE = "10.128.0.0/9"

# A machine is brought in line by one thread at a time, and from what the store says then: the last change wins.
_LOCKS: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


def subnet_ranges(store: Store, network: str) -> tuple[str, ...]:
    """The ranges of a network's subnetworks."""
    document = store.get("compute.networks", network) or {}
    ranges = [
        subnetwork["ipCidrRange"]
        for _key, subnetwork in store.items("compute.subnetworks")
        if relative(subnetwork["network"]) == network
    ]
    if document.get("autoCreateSubnetworks"):
        # All ranges that auto mode has now or ever lie in one block: one route serves for all regions.
        whole = IPv4Network(AUTO_RANGE)
        ranges = [AUTO_RANGE] + [cidr for cidr in ranges if not IPv4Network(cidr).subnet_of(whole)]
    return tuple(sorted(ranges))


def peered_ranges(store: Store, network: str) -> tuple[str, ...]:
    """The ranges that a network's connection to Google's services has been given."""
    connection = store.get("connections", network) or {}
    project = network.split("/")[1]
    found = []
    for name in connection.get("reservedPeeringRanges", []):
        address = store.get("compute.addresses", f"projects/{project}/global/addresses/{name}")
        if address is not None:
            found.append(f"{address['address']}/{address['prefixLength']}")
    return tuple(sorted(found))


def machine(store: Store, path: str) -> Machine | None:
    """What the engine must run for an instance, or None if there is no such instance."""
    instance = store.get("compute.instances", path)
    if instance is None:
        return None
    _, project, _, zone, _, name = path.split("/")
    interface = instance["networkInterfaces"][0]
    network = relative(interface["network"])
    kind = catalogue.MACHINE_TYPES[instance["machineType"].rsplit("/", 1)[1]]
    disk = store.get("compute.disks", relative(instance["disks"][0]["source"])) or {}
    image = catalogue.image(relative(disk.get("sourceImage", "")))
    accesses = interface.get("accessConfigs", [])
    subnetwork = relative(interface["subnetwork"])
    nat = has_nat(store, subnetwork)
    return Machine(
        project=project,
        zone=zone,
        name=name,
        image=image.guest if image else "",
        vcpus=kind.share,
        memory_mb=kind.memory_mb,
        network=network,
        internal_ip=interface["networkIP"],
        external_ip=accesses[0].get("natIP") if accesses else None,
        subnet_ranges=subnet_ranges(store, network) + peered_ranges(store, network),
        firewall=firewall(store, instance),
        nat=nat,
        google_access=nat or bool((store.get("compute.subnetworks", subnetwork) or {}).get("privateIpGoogleAccess")),
    )


def refusal(store: Store, address: str, google: bool) -> str:
    """Why the machine with an address in the sandbox's subnet cannot reach Google's APIs, or all else; "" if it can.

    Whoever is no machine can.
    """
    known = store.get("vm_addresses", address)
    wanted = machine(store, known["instance"]) if known else None
    if wanted is None or wanted.external_ip or wanted.nat or (google and wanted.google_access):
        return ""
    way = "its subnetwork has no Private Google Access, and " if google else ""
    return f"{wanted.path} has no external address, {way}no NAT gateway serves its subnetwork."


def has_nat(store: Store, subnetwork: str) -> bool:
    """Whether a NAT gateway serves the primary range of a subnetwork.

    Such a subnetwork has Private Google Access too, whatever its own switch says (documentation: NAT product
    interactions).
    """
    document = store.get("compute.subnetworks", subnetwork)
    if document is None:
        return False
    region = subnetwork.rsplit("/subnetworks/", 1)[0]
    return any(
        serves(nat, subnetwork)
        for _key, router in store.items("compute.routers", f"{region}/routers/")
        if router["network"] == document["network"]
        for nat in router.get("nats", [])
    )


def serves(nat: Json, subnetwork: str) -> bool:
    """Whether a NAT gateway is for the primary range of a subnetwork of its network and region."""
    if nat["sourceSubnetworkIpRangesToNat"] != "LIST_OF_SUBNETWORKS":
        return True
    return any(
        relative(entry["name"]) == subnetwork
        and not {"ALL_IP_RANGES", "PRIMARY_IP_RANGE"}.isdisjoint(entry["sourceIpRangesToNat"])
        for entry in nat["subnetworks"]
    )


def firewall(store: Store, instance: Json) -> tuple[FirewallRule, ...]:
    """The ingress rules that apply to an instance; at one priority those that deny come first (documentation)."""
    network = relative(instance["networkInterfaces"][0]["network"])
    project = network.split("/")[1]
    rules = []
    for _key, rule in store.items("compute.firewalls", f"projects/{project}/global/firewalls/"):
        if relative(rule["network"]) != network or rule["direction"] != "INGRESS" or rule.get("disabled"):
            continue
        if not _selects(rule, instance, "target"):
            continue
        sources = tuple(_sources(store, rule, network))
        for allow, entries in ((True, rule.get("allowed", [])), (False, rule.get("denied", []))):
            rules += [
                FirewallRule(rule["priority"], allow, sources, entry["IPProtocol"], tuple(entry.get("ports", [])))
                for entry in entries
                if sources
            ]
    return tuple(sorted(rules, key=lambda rule: (rule.priority, rule.allow)))


def _selects(rule: Json, instance: Json, side: str) -> bool:
    """Whether a rule's tags or accounts of one side (``source``, ``target``) mean an instance; no targets are all."""
    tags, accounts = rule.get(side + "Tags", []), rule.get(side + "ServiceAccounts", [])
    if not tags and not accounts:
        return side == "target"
    has_tags = set(instance.get("tags", {}).get("items", []))
    has_accounts = {account["email"] for account in instance.get("serviceAccounts", [])}
    return bool(has_tags.intersection(tags) or has_accounts.intersection(accounts))


def _sources(store: Store, rule: Json, network: str) -> list[str]:
    """The addresses that a rule lets in: its ranges, and the instances that its source tags or accounts mean."""
    sources = [str(cidr) for cidr in map(_cidr, rule.get("sourceRanges", [])) if cidr]
    for _key, instance in store.items("compute.instances"):
        interface = instance["networkInterfaces"][0]
        if relative(interface["network"]) == network and _selects(rule, instance, "source"):
            sources.append(interface["networkIP"] + "/32")
    return sources


def _cidr(text: str) -> IPv4Network | None:
    """A source range; the sandbox has no IPv6."""
    network = ip_network(text, strict=False)
    return network if isinstance(network, IPv4Network) else None


def start(cloud: Cloud, path: str) -> None:
    """Boot an instance's machine, set it RUNNING, and catch up with what changed while it booted."""
    with _LOCKS[path]:
        before = machine(cloud.store, path)
        if before is None:
            return
        if before.external_ip:
            # Its first questions to the metadata server come before it has booted.
            cloud.store.put("vm_addresses", before.external_ip, {"instance": path})
        cloud.machines.start(before)
        _remember_address(cloud, path)
        with cloud.store.lock:
            instance = cloud.store.get("compute.instances", path)
            if instance is not None and instance["status"] != "STOPPING":
                cloud.store.put("compute.instances", path, instance | {"status": "RUNNING"})
        after = machine(cloud.store, path)
        if after is not None and after != before:
            cloud.machines.configure(after)
            _remember_address(cloud, path)


def _remember_address(cloud: Cloud, path: str) -> None:
    """Write down the address from which a machine asks the metadata server."""
    address = cloud.machines.metadata_address(path)
    with cloud.store.lock:
        forget_addresses(cloud.store, path)
        cloud.store.put("vm_addresses", address, {"instance": path})


def forget_addresses(store: Store, path: str) -> None:
    """Remove what the metadata server knows an instance by."""
    for address, known in store.items("vm_addresses"):
        if known["instance"] == path:
            store.delete("vm_addresses", address)


def configure(cloud: Cloud, path: str) -> None:
    """Bring one machine in line, if it runs; one that boots catches up by itself, one that is stopped at its start."""
    instance = cloud.store.get("compute.instances", path)
    if instance is None or instance["status"] != "RUNNING":
        return
    with _LOCKS[path]:
        wanted = machine(cloud.store, path)
        if wanted is None:
            return
        cloud.machines.configure(wanted)
        _remember_address(cloud, path)


def configure_network(cloud: Cloud, network: str) -> None:
    """Bring every running machine of a network in line."""
    for path, instance in list(cloud.store.items("compute.instances")):
        if relative(instance["networkInterfaces"][0]["network"]) == network:
            configure(cloud, path)


def configure_peers(cloud: Cloud, network: str, but: str) -> None:
    """After a change of one instance: the others, if a rule of the network knows sources by tag or account."""
    rules = cloud.store.items("compute.firewalls", f"projects/{network.split('/')[1]}/global/firewalls/")
    if not any(
        relative(rule["network"]) == network and (rule.get("sourceTags") or rule.get("sourceServiceAccounts"))
        for _key, rule in rules
    ):
        return
    for path, instance in list(cloud.store.items("compute.instances")):
        if path != but and relative(instance["networkInterfaces"][0]["network"]) == network:
            configure(cloud, path)
