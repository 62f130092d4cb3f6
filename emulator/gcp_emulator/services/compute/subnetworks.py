#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Subnetworks."""

from __future__ import annotations

from ipaddress import IPv4Network

from gcp_emulator.errors import Json, invalid, not_found
from gcp_emulator.services.base import Call, applies, handles
from gcp_emulator.services.compute import addressing, fabric
from gcp_emulator.services.compute.base import Collection, bad_value, fingerprint, in_use, link, relative


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
        network = self.reference(call, call.body.get("network", ""), "resource.network")
        if self.store.get("compute.networks", network) is None:
            raise not_found(network)
        cidr = call.body.get("ipCidrRange", "")
        try:
            wanted = IPv4Network(cidr)
        except ValueError:
            raise bad_value("resource.ipCidrRange", cidr, "Must be a CIDR address range.") from None
        if any(wanted.overlaps(taken) for taken in addressing.network_ranges(self.store, network)):
            # unverified wording
            raise invalid(f"Invalid IPCidrRange: {cidr} conflicts with existing subnetwork in network '{network}'.")
        path, subnetwork = self.new(call, network=link(network))
        defaults = {
            "gatewayAddress": str(wanted[1]),
            "privateIpGoogleAccess": False,
            "purpose": "PRIVATE",
            "stackType": "IPV4_ONLY",
            "fingerprint": fingerprint(cidr),
        }
        self.store.put(self.kind, path, defaults | subnetwork)
        return self.operate(call, "insert", path, "compute.subnetworks.changed", network=network)

    @handles("compute.subnetworks.delete")
    def delete(self, call: Call) -> Json:
        path, subnetwork = self.load_settled(call)
        network = relative(subnetwork["network"])
        if (self.store.get("compute.networks", network) or {}).get("autoCreateSubnetworks") and IPv4Network(
            subnetwork["ipCidrRange"]
        ).subnet_of(IPv4Network(fabric.AUTO_RANGE)):
            # documentation: those of auto mode stay; unverified wording
            raise invalid(f"Invalid resource usage: 'Cannot delete auto subnetwork {path}'.")
        for key, instance in self.store.items("compute.instances"):
            if any(relative(nic["subnetwork"]) == path for nic in instance["networkInterfaces"]):
                raise in_use("subnetwork", path, key)
        for key, address in self.store.items("compute.addresses"):
            if relative(address.get("subnetwork", "")) == path:
                raise in_use("subnetwork", path, key)
        return self.operate(call, "delete", path, "compute.subnetworks.delete", network=network)

    @applies("compute.subnetworks.delete")
    def apply_delete(self, path: str, network: str) -> None:
        """Remove it, and its route from the network's machines."""
        self.store.delete(self.kind, path)
        fabric.configure_network(self.cloud, network)

    @applies("compute.subnetworks.changed")
    def apply_change(self, path: str, network: str) -> None:
        """Tell the network's machines of the route."""
        fabric.configure_network(self.cloud, network)
