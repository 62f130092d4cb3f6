# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reserved addresses: regional ones for machines, global ones, and ranges for peering. All live in one kind."""

from __future__ import annotations

from ipaddress import IPv4Network

from gcp_emulator.errors import ApiError, Json, not_found
from gcp_emulator.services.base import Call, applies, handles
from gcp_emulator.services.compute import addressing
from gcp_emulator.services.compute.base import Collection, bad_value, check_labels, fingerprint, in_use, link, relative


class Addresses(Collection):
    """The ``addresses`` and ``globalAddresses`` collections, which are one in paths."""

    collection, item = "addresses", "address"

    @handles("compute.addresses.get", "compute.globalAddresses.get")
    def get(self, call: Call) -> Json:
        return self.load(call)[1]

    @handles("compute.addresses.list", "compute.globalAddresses.list")
    def list_all(self, call: Call) -> Json:
        return self.answer_list(call)

    @handles("compute.addresses.aggregatedList")
    def aggregated_list(self, call: Call) -> Json:
        return self.answer_aggregated(call)

    @handles("compute.addresses.setLabels", "compute.globalAddresses.setLabels")
    def set_labels(self, call: Call) -> Json:
        return self.change_labels(call)

    @handles("compute.addresses.insert", "compute.globalAddresses.insert")
    def insert(self, call: Call) -> Json:
        path, address = self.new(call)
        check_labels(address.get("labels", {}))
        address.setdefault("addressType", "EXTERNAL")
        if address.get("ipVersion") == "IPV6":
            raise ApiError(501, "The sandbox has no IPv6.", "notImplemented")
        purpose, regional = address.get("purpose"), "region" in call.path
        if address["addressType"] == "EXTERNAL":
            self._external(address, regional)
        elif regional and purpose != "IPSEC_INTERCONNECT":
            self._internal(call, address)
        else:
            self._range(call, address)
        address |= {"labelFingerprint": fingerprint(address.get("labels", {})), "status": "RESERVING"}
        self.store.put(self.kind, path, address)
        return self.operate(call, "insert", path, "compute.addresses.reserve")

    @applies("compute.addresses.reserve")
    def apply_reserve(self, path: str) -> None:
        """The reservation stands."""
        with self.store.lock:
            address = self.store.get(self.kind, path)
            if address is not None and address["status"] == "RESERVING":
                self.store.put(self.kind, path, address | {"status": "RESERVED"})

    @handles("compute.addresses.delete", "compute.globalAddresses.delete")
    def delete(self, call: Call) -> Json:
        path, address = self.load_settled(call)
        if users := address.get("users"):
            raise in_use("address", path, relative(users[0]))
        return self.operate(call, "delete", path, "compute.addresses.delete")

    @applies("compute.addresses.delete")
    def apply_delete(self, path: str) -> None:
        """Give the address back."""
        self.store.delete(self.kind, path)

    def _external(self, address: Json, regional: bool) -> None:
        for field in ("network", "subnetwork", "prefixLength", "purpose"):  # discovery; unverified wording
            if address.get(field):
                raise bad_value(f"resource.{field}", address[field], "It is only for internal addresses.")
        if not regional and address.get("networkTier", "PREMIUM") != "PREMIUM":  # discovery; unverified wording
            raise bad_value("resource.networkTier", address["networkTier"], "Global addresses are always PREMIUM.")
        address.setdefault("networkTier", "PREMIUM")
        address.setdefault("ipVersion", "IPV4")
        if wanted := address.get("address"):
            # documentation: only an ephemeral address that the project has in use may be named and so promoted
            holders = self._ephemeral_holders(wanted)
            if not holders:
                message = "Specified IP address is not allocated to the project or does not belong to it."
                raise bad_value("resource.address", wanted, message)
            address |= {"users": holders}
            return
        address["address"] = addressing.free_external(self.store, self.cloud.settings)

    def _ephemeral_holders(self, wanted: str) -> list[str]:
        if any(taken["address"] == wanted for _key, taken in self.store.items(self.kind)):
            return []
        return [
            instance["selfLink"]
            for _key, instance in self.store.items("compute.instances")
            for nic in addressing.interfaces(instance)
            if any(access.get("natIP") == wanted for access in nic.get("accessConfigs", []))
        ]

    def _internal(self, call: Call, address: Json) -> None:
        region = call.path["region"]
        self._refuse_tier(address)
        if address.get("purpose") in ("VPC_PEERING", "PRIVATE_SERVICE_CONNECT"):  # discovery; unverified wording
            raise bad_value("resource.purpose", address["purpose"], "It is only for global addresses.")
        for field in ("network", "prefixLength"):  # discovery; unverified wording
            if address.get(field):
                raise bad_value(f"resource.{field}", address[field], "It is not for addresses of a subnetwork.")
        value = address.get("subnetwork") or f"regions/{region}/subnetworks/default"
        subnetwork = self.reference(call, value, "resource.subnetwork")
        document = self.store.get("compute.subnetworks", subnetwork)
        if document is None:
            raise not_found(subnetwork)
        address |= {"subnetwork": link(subnetwork), "purpose": address.get("purpose") or "GCE_ENDPOINT"}
        wanted = address.get("address")
        if wanted is None:
            address["address"] = addressing.free_internal(self.store, subnetwork, document["ipCidrRange"])
        elif not addressing.is_usable(document["ipCidrRange"], wanted):
            # unverified wording
            raise bad_value("resource.address", wanted, "IP address is out of range.")
        elif wanted in addressing.internal_taken(self.store, subnetwork):
            # issue: kubernetes/ingress-gce#2735
            message = f"IP_IN_USE_BY_ANOTHER_RESOURCE - IP '{wanted}' is already being used by another resource."
            raise ApiError(409, message, "alreadyExists")

    @staticmethod
    def _refuse_tier(address: Json) -> None:
        if address.get("networkTier", "PREMIUM") != "PREMIUM":  # discovery; unverified wording
            raise bad_value("resource.networkTier", address["networkTier"], "Internal addresses are always PREMIUM.")

    def _range(self, call: Call, address: Json) -> None:
        """A range in a network, or one address of it, that is of no subnetwork."""
        self._refuse_tier(address)
        purpose = address.get("purpose")
        if purpose not in ("VPC_PEERING", "PRIVATE_SERVICE_CONNECT", "IPSEC_INTERCONNECT") or (
            purpose == "IPSEC_INTERCONNECT" and "region" not in call.path
        ):
            # discovery; unverified wording
            message = "Only VPC_PEERING and PRIVATE_SERVICE_CONNECT are supported for global internal addresses."
            raise bad_value("resource.purpose", purpose or "", message)
        network = self.reference(call, address.get("network", ""), "resource.network")
        if self.store.get("compute.networks", network) is None:
            raise not_found(network)
        address |= {"network": link(network)}
        prefix = int(address.get("prefixLength", 32 if purpose == "PRIVATE_SERVICE_CONNECT" else 0))
        if purpose == "PRIVATE_SERVICE_CONNECT" and prefix != 32:  # documentation: it is one address
            raise bad_value("resource.prefixLength", prefix, "It is not for PRIVATE_SERVICE_CONNECT.")
        if purpose != "PRIVATE_SERVICE_CONNECT":
            if not 8 <= prefix <= 29:
                # unverified
                raise bad_value("resource.prefixLength", prefix, "Must be between 8 and 29.")
            address["prefixLength"] = prefix
        wanted = address.get("address")
        if wanted is None:
            address["address"] = addressing.free_range(self.store, network, prefix)
            return
        try:
            cidr = IPv4Network(f"{wanted}/{prefix}")
        except ValueError:
            raise bad_value("resource.address", wanted, "Must be a valid range.") from None
        if any(cidr.overlaps(taken) for taken in addressing.network_ranges(self.store, network)):
            # unverified wording
            message = "Requested range conflicts with other resources."
            raise bad_value("resource.address", wanted, message)
