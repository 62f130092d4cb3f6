# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Subnetworks: their ranges, which never overlap, and what can be changed of them."""

from __future__ import annotations

import typing as t
import uuid
from ipaddress import IPv4Network

from gcp_emulator.errors import ApiError, Json, invalid
from gcp_emulator.services.base import Call, handles
from gcp_emulator.services.compute import addressing, fabric
from gcp_emulator.services.compute.base import (
    NAME,
    Collection,
    bad_value,
    fingerprint,
    in_use,
    link,
    not_specified,
    relative,
)
from gcp_emulator.values import same_bytes

# Ranges that no subnetwork may have (documentation: "Prohibited IPv4 subnet ranges").
PROHIBITED = tuple(
    IPv4Network(cidr)
    for cidr in (
        "0.0.0.0/8",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "199.36.153.4/30",
        "199.36.153.8/30",
        "224.0.0.0/4",
        "255.255.255.255/32",
    )
)
PREFIXES = range(4, 30)  # lengths of prefixes of primary and secondary ranges alike (documentation)
PROXIES = frozenset({"REGIONAL_MANAGED_PROXY", "GLOBAL_MANAGED_PROXY"})
# What a patch changes; other fields have verbs of their own, or stay (discovery).
PATCHED = ("secondaryIpRanges", "logConfig", "role", "stackType", "ipv6AccessType", "privateIpv6GoogleAccess")
LOGGED = {"aggregationInterval": "INTERVAL_5_SEC", "flowSampling": 0.5, "metadata": "EXCLUDE_ALL_METADATA"}


def cidr_range(text: str, field: str) -> IPv4Network:
    """A range that a subnetwork may have, or the 400 that it gets (wording unverified)."""
    try:
        cidr = IPv4Network(text)
    except ValueError:
        raise bad_value(field, text, "Must be a CIDR address range.") from None
    if cidr.prefixlen not in PREFIXES:
        raise bad_value(field, text, f"The prefix must be between /{PREFIXES[0]} and /{PREFIXES[-1]}.")
    if any(cidr.overlaps(prohibited) for prohibited in PROHIBITED):
        raise bad_value(field, text, "The range is reserved.")
    return cidr


def stamped(subnetwork: Json) -> Json:
    """A subnetwork with the fingerprint of its content."""
    content = {key: value for key, value in subnetwork.items() if key != "fingerprint"}
    return content | {"fingerprint": fingerprint(content)}


class Subnetworks(Collection):
    """The ``subnetworks`` collection."""

    collection, item = "subnetworks", "subnetwork"

    @handles("compute.subnetworks.get")
    def get(self, call: Call) -> Json:
        return self.load(call)[1]

    @handles("compute.subnetworks.list")
    def list_all(self, call: Call) -> Json:
        return self.answer_list(call)

    @handles("compute.subnetworks.aggregatedList")
    def aggregated_list(self, call: Call) -> Json:
        return self.answer_aggregated(call)

    @handles("compute.subnetworks.insert")
    def insert(self, call: Call) -> Json:
        for field in ("network", "ipCidrRange"):
            if not call.body.get(field):
                raise not_specified(f"resource.{field}")
        network = self.reference(call, call.body["network"], "resource.network")
        owner = self.required("compute.networks", network)
        cidr = cidr_range(call.body["ipCidrRange"], "resource.ipCidrRange")
        if owner.get("autoCreateSubnetworks") and cidr.overlaps(IPv4Network(fabric.AUTO_RANGE)):
            # issue: bosh-google-cpi-release#262
            message = f"Extended subnetworks in auto subnet mode networks cannot overlap with {fabric.AUTO_RANGE}"
            raise bad_value("resource.ipCidrRange", str(cidr), message)
        path, subnetwork = self.new(call, network=link(network))
        self._free(path, network, cidr, "resource.ipCidrRange")
        defaults: Json = {
            "gatewayAddress": str(cidr[1]),
            "privateIpGoogleAccess": False,
            "purpose": "PRIVATE",
            "stackType": "IPV4_ONLY",
        }
        subnetwork = self._checked({}, defaults | subnetwork, path, network)
        self.store.put(self.kind, path, stamped(subnetwork))
        return self.operate_in_network(call, "insert", path, subnetwork)

    @handles("compute.subnetworks.patch")
    def patch(self, call: Call) -> Json:
        path, old = self.load_settled(call)
        if not call.body.get("fingerprint"):
            # A patch needs the fingerprint (issue: terraform-provider-google#1469).
            raise not_specified("resource.fingerprint")
        if not same_bytes(call.body["fingerprint"], old["fingerprint"]):
            # discovery; wording unverified
            raise ApiError(412, "Invalid fingerprint.", "conditionNotMet")
        for field, value in call.body.items():
            if field not in (*PATCHED, "fingerprint", "kind") and value != old.get(field):
                # unverified wording
                raise bad_value(f"resource.{field}", value, "The field cannot be changed by a patch.")
        changes = {field: call.body[field] for field in PATCHED if field in call.body}
        if "logConfig" in changes:
            changes["logConfig"] = old.get("logConfig", {}) | changes["logConfig"]
        subnetwork = self._checked(old, old | changes, path, relative(old["network"]))
        self.store.put(self.kind, path, stamped(subnetwork))
        return self.operate_in_network(call, "compute.subnetworks.patch", path, subnetwork)

    @handles("compute.subnetworks.expandIpCidrRange")
    def expand(self, call: Call) -> Json:
        path, subnetwork = self.load_settled(call)
        text = call.body.get("ipCidrRange", "")
        cidr, present = cidr_range(text, "ipCidrRange"), IPv4Network(subnetwork["ipCidrRange"])
        if cidr == present or not present.subnet_of(cidr):
            # discovery: a superset; wording unverified
            raise bad_value("ipCidrRange", text, f"The new range must contain the existing range {present}.")
        self._free(path, relative(subnetwork["network"]), cidr, "ipCidrRange", grown=True)
        subnetwork = subnetwork | {"ipCidrRange": str(cidr)}
        self.store.put(self.kind, path, stamped(subnetwork))
        return self.operate_in_network(call, "compute.subnetworks.expandIpCidrRange", path, subnetwork)

    @handles("compute.subnetworks.setPrivateIpGoogleAccess")
    def set_private_ip_google_access(self, call: Call) -> Json:
        path, subnetwork = self.load_settled(call)
        subnetwork = subnetwork | {"privateIpGoogleAccess": call.body.get("privateIpGoogleAccess", False)}
        self.store.put(self.kind, path, stamped(subnetwork))
        return self.operate_in_network(call, "compute.subnetworks.setPrivateIpGoogleAccess", path, subnetwork)

    @handles("compute.subnetworks.delete")
    def delete(self, call: Call) -> Json:
        path, subnetwork = self.load_settled(call)
        network = relative(subnetwork["network"])
        if (self.store.get("compute.networks", network) or {}).get("autoCreateSubnetworks") and IPv4Network(
            subnetwork["ipCidrRange"]
        ).subnet_of(IPv4Network(fabric.AUTO_RANGE)):
            # documentation: those of auto mode stay; unverified wording
            raise invalid(f"Invalid resource usage: 'Cannot delete auto subnetwork {path}'.")
        for user in self._users(path):
            raise in_use("subnetwork", path, user)
        return self.operate_in_network(call, "delete", path, subnetwork, gone=True)

    def _users(self, path: str) -> t.Iterator[str]:
        """What keeps a subnetwork from being deleted."""
        for key, instance in self.store.items("compute.instances"):
            if any(relative(nic["subnetwork"]) == path for nic in instance["networkInterfaces"]):
                yield key
        for key, address in self.store.items("compute.addresses"):
            if relative(address.get("subnetwork", "")) == path:
                yield key
        for key, router in self.store.items("compute.routers"):
            if any(relative(entry["name"]) == path for nat in router.get("nats", []) for entry in named(nat)):
                yield key

    def _checked(self, old: Json, new: Json, path: str, network: str) -> Json:
        """A subnetwork with what Google fills in, or the 400 that it gets (wording, where not noted: unverified)."""
        if new.get("role") and new["purpose"] not in PROXIES:
            raise bad_value("resource.role", new["role"], "Only a subnetwork for proxies has a role.")
        self._check_secondary(old, new, path, network)
        if new["stackType"] != "IPV4_ONLY":
            new = self._with_ipv6(new, network)
        elif new.get("ipv6AccessType") and not old.get("ipv6AccessType"):
            raise bad_value("resource.ipv6AccessType", new["ipv6AccessType"], "The stack type has no IPv6.")
        if old.get("ipv6AccessType", new.get("ipv6AccessType")) != new.get("ipv6AccessType"):
            raise bad_value("resource.ipv6AccessType", new.get("ipv6AccessType", ""), "It cannot be changed.")
        if (logged := new.get("logConfig")) is not None:
            new = new | self._logging(logged, new["purpose"])
        return new

    def _check_secondary(self, old: Json, new: Json, path: str, network: str) -> None:
        known = {entry["rangeName"]: entry["ipCidrRange"] for entry in old.get("secondaryIpRanges", [])}
        seen: list[IPv4Network] = [IPv4Network(new["ipCidrRange"])]
        names = set()
        for number, entry in enumerate(new.get("secondaryIpRanges", [])):
            field, name = f"resource.secondaryIpRanges[{number}]", entry.get("rangeName", "")
            if not NAME.fullmatch(name) or name in names:
                raise bad_value(f"{field}.rangeName", name, "It must be a name, and no other range may bear it.")
            cidr = cidr_range(entry.get("ipCidrRange", ""), f"{field}.ipCidrRange")
            if known.get(name) != str(cidr):
                # Ranges that are to go count too (issue: terraform-google-network#20).
                self._free(path, network, cidr, f"{field}.ipCidrRange")
            if any(cidr.overlaps(other) for other in seen):
                raise bad_value(f"{field}.ipCidrRange", str(cidr), "It overlaps another range of the subnetwork.")
            names.add(name)
            seen.append(cidr)
        for key, router in self.store.items("compute.routers"):
            for entry in (entry for nat in router.get("nats", []) for entry in named(nat)):
                if relative(entry["name"]) == path and not names.issuperset(entry.get("secondaryIpRangeNames", [])):
                    raise in_use("subnetwork", path, key)

    def _with_ipv6(self, subnetwork: Json, network: str) -> Json:
        """Ranges of IPv6 (documentation: an internal one is of the network's own)."""
        access = subnetwork.get("ipv6AccessType")
        if not access:
            raise not_specified("resource.ipv6AccessType")
        if access == "INTERNAL":
            owner = self.store.get("compute.networks", network) or {}
            if not owner.get("enableUlaInternalIpv6"):
                raise bad_value("resource.ipv6AccessType", access, "The network has no internal range of IPv6.")
            field, block = "internalIpv6Prefix", "fd20"
        else:
            field, block = "externalIpv6Prefix", "2600:1900"
        if field in subnetwork:
            return subnetwork
        middle = uuid.uuid4().hex
        return subnetwork | {field: f"{block}:{middle[:4]}:{middle[4:8]}::/64"}

    def _logging(self, logged: Json, purpose: str) -> Json:
        """The settings of flow logs; details need them to be on (discovery)."""
        details = {key: value for key, value in logged.items() if key != "enable" and value not in ([], "")}
        if logged.get("enable"):
            if purpose == "REGIONAL_MANAGED_PROXY":
                raise bad_value("resource.logConfig.enable", True, "A subnetwork for proxies has no flow logs.")
            if not 0 <= float(details.get("flowSampling", 0)) <= 1:
                raise bad_value("resource.logConfig.flowSampling", details["flowSampling"], "Must be in [0, 1].")
            if details.get("metadataFields") and details.get("metadata") != "CUSTOM_METADATA":
                message = "Only CUSTOM_METADATA has fields of its own."
                raise bad_value("resource.logConfig.metadataFields", details["metadataFields"], message)
            return {"logConfig": LOGGED | details | {"enable": True}, "enableFlowLogs": True}
        return {"logConfig": details | {"enable": False}, "enableFlowLogs": False}

    def _free(self, path: str, network: str, wanted: IPv4Network, field: str, *, grown: bool = False) -> None:
        """Refuse a range that overlaps another of the network; ``grown``: the subnetwork's own primary one may.

        issue: terraform-google-network#20
        """
        for key, subnetwork in self.store.items("compute.subnetworks"):
            if relative(subnetwork["network"]) != network:
                continue
            taken = addressing.ranges_of(subnetwork)
            if any(wanted.overlaps(cidr) for cidr in (taken[1:] if grown and key == path else taken)):
                name, region = key.rsplit("/", 1)[1], key.split("/")[3]
                message = f"conflicts with existing subnetwork '{name}' in region '{region}'."
                raise bad_value(field, str(wanted), f"Invalid IPCidrRange: {wanted} {message}")
        for cidr in addressing.peering_ranges(self.store, network):
            if wanted.overlaps(cidr):
                # unverified wording
                message = (
                    f"Invalid IPCidrRange: {wanted} conflicts with the range {cidr}, which is allocated for peering."
                )
                raise bad_value(field, str(wanted), message)


def named(nat: Json) -> list[Json]:
    """The subnetworks that a NAT gateway names."""
    return t.cast(list[Json], nat.get("subnetworks", []))
