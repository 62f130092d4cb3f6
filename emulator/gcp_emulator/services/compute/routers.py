# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Routers and their NAT gateways, by which machines without an external address reach the Internet."""

from __future__ import annotations

from gcp_emulator.errors import ApiError, Json, not_found
from gcp_emulator.services.base import Call, applies, handles
from gcp_emulator.services.compute import addressing, fabric
from gcp_emulator.services.compute.base import (
    NAME,
    Collection,
    bad_value,
    in_use,
    link,
    not_ready,
    not_specified,
    relative,
)
from gcp_emulator.services.compute.subnetworks import named
from gcp_emulator.values import merged

# What the sandbox has nothing behind: peers beyond it, and translation that is not of IPv4 to the Internet.
WITHOUT = ("interfaces", "bgpPeers", "md5AuthenticationKeys", "nccGateway", "encryptedInterconnectRouter")
NAT_WITHOUT = ("rules", "nat64Subnetworks", "sourceSubnetworkIpRangesToNat64")
EVERYTHING = frozenset({"ALL_SUBNETWORKS_ALL_IP_RANGES", "ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES"})
# Private numbers of autonomous systems, and the one of Partner Interconnect (documentation).
PRIVATE_ASN = (range(64512, 65535), range(4200000000, 4294967295), range(16550, 16551))
LISTED = "LIST_OF_SECONDARY_IP_RANGES"


def is_power(number: int) -> bool:
    """Whether a number is a power of two."""
    return number > 0 and number & (number - 1) == 0


class Routers(Collection):
    """The ``routers`` collection."""

    collection, item = "routers", "router"

    @handles("compute.routers.get")
    def get(self, call: Call) -> Json:
        return self.load(call)[1]

    @handles("compute.routers.list")
    def list_all(self, call: Call) -> Json:
        return self.answer_list(call)

    @handles("compute.routers.aggregatedList")
    def aggregated_list(self, call: Call) -> Json:
        return self.answer_aggregated(call)

    @handles("compute.routers.insert")
    def insert(self, call: Call) -> Json:
        if not call.body.get("network"):
            raise not_specified("resource.network")
        network = self.reference(call, call.body["network"], "resource.network")
        self.required("compute.networks", network)
        path, router = self.new(call, network=link(network))
        return self._put(call, "insert", path, {}, router)

    @handles("compute.routers.patch")
    def patch(self, call: Call) -> Json:
        path, router = self._idle(call)
        return self._put(call, "compute.routers.patch", path, router, merged(router, self._body(call, router)))

    @handles("compute.routers.update")
    def update(self, call: Call) -> Json:
        path, router = self._idle(call)
        if not call.body.get("network"):
            raise not_specified("resource.network")  # an update must name it (discovery)
        kept = ("kind", "id", "creationTimestamp", "name", "selfLink", "region", "network")
        wanted = {key: router[key] for key in kept} | self._body(call, router)
        return self._put(call, "compute.routers.update", path, router, wanted)

    @handles("compute.routers.delete")
    def delete(self, call: Call) -> Json:
        path, router = self._idle(call)
        return self.operate(call, "delete", path, "compute.routers.delete", network=relative(router["network"]))

    @applies("compute.routers.delete")
    def apply_delete(self, path: str, network: str) -> None:
        """Remove it, give back its addresses, and close the way out by it."""
        with self.store.lock:
            addressing.release(self.store, link(path))
            self.store.delete(self.kind, path)
        fabric.configure_network(self.cloud, network)

    def _idle(self, call: Call) -> tuple[str, Json]:
        """A router for a change: it takes one at a time (unverified; Terraform locks a router for that reason)."""
        path, router = self.load(call)
        if self.cloud.operations.pending(path):
            raise not_ready(path)
        return path, router

    def _body(self, call: Call, router: Json) -> Json:
        """What a body asks to change; what it repeats of the router's identity has to be the same."""
        body = {key: value for key, value in call.body.items() if key not in ("kind", "id", "selfLink", "region")}
        network = body.pop("network", "") or router["network"]
        if link(self.reference(call, network, "resource.network")) != router["network"]:
            raise bad_value("resource.network", network, "Cannot change network.")  # unverified wording
        if body.pop("name", router["name"]) != router["name"]:
            raise bad_value("resource.name", call.body["name"], "Cannot change name.")  # unverified wording
        return body

    def _put(self, call: Call, kind: str, path: str, old: Json, router: Json) -> Json:
        if used := next((field for field in WITHOUT if router.get(field)), None):
            raise ApiError(501, f"A router of the sandbox has no {used}.", "notImplemented")
        if (bgp := router.get("bgp")) is not None:
            router = router | {"bgp": self._bgp(bgp, old.get("bgp", {}))}
        nats = [self._nat(call, nat, f"resource.nats[{n}]", path) for n, nat in enumerate(router.get("nats", []))]
        names = [nat["name"] for nat in nats]
        if repeated := next((name for name in names if names.count(name) > 1), None):
            raise bad_value("resource.nats", repeated, "Two NATs of a router cannot have one name.")
        self._refuse_overlap(path, router["network"], nats)
        wanted = {relative(address) for nat in nats for address in nat.get("natIps", [])}
        addressing.release(self.store, link(path), but=wanted)
        for address in wanted:
            addressing.claim(self.store, address, link(path))
        router = {key: value for key, value in router.items() if key != "nats"} | ({"nats": nats} if nats else {})
        self.store.put(self.kind, path, router)
        return self.operate_in_network(call, kind, path, router)

    def _bgp(self, bgp: Json, old: Json) -> Json:
        """How it speaks BGP, with defaults, or the 400 that it gets (discovery; wording unverified)."""
        defaults: Json = {"advertiseMode": "DEFAULT", "keepaliveInterval": 20}
        bgp = defaults | bgp
        if "asn" not in bgp:
            raise not_specified("resource.bgp.asn")
        if not any(int(bgp["asn"]) in private for private in PRIVATE_ASN):
            raise bad_value("resource.bgp.asn", bgp["asn"], "Must be a private ASN of RFC 6996.")
        if not 20 <= int(bgp["keepaliveInterval"]) <= 60:
            raise bad_value("resource.bgp.keepaliveInterval", bgp["keepaliveInterval"], "Must be between 20 and 60.")
        lists = ("advertisedGroups", "advertisedIpRanges")
        if bgp["advertiseMode"] != "CUSTOM":
            for field in lists:
                if bgp.get(field) and bgp[field] != old.get(field):
                    raise bad_value(f"resource.bgp.{field}", "", "The advertise mode is not CUSTOM.")
        return {
            key: value for key, value in bgp.items() if key not in lists or (value and bgp["advertiseMode"] == "CUSTOM")
        }

    def _nat(self, call: Call, nat: Json, field: str, path: str) -> Json:
        """A NAT gateway with defaults, or the 400 that it gets (discovery; wording, where not noted: unverified)."""
        if used := next((key for key in NAT_WITHOUT if nat.get(key)), None):
            raise ApiError(501, f"A NAT gateway of the sandbox has no {used}.", "notImplemented")
        if nat.get("type", "PUBLIC") != "PUBLIC":
            raise ApiError(501, "The sandbox has no private NAT gateways.", "notImplemented")
        if not NAME.fullmatch(nat.get("name", "")):
            raise bad_value(f"{field}.name", nat.get("name", ""), "Must be a name as RFC 1035 has it.")
        for key in ("natIpAllocateOption", "sourceSubnetworkIpRangesToNat"):
            if not nat.get(key):
                raise not_specified(f"{field}.{key}")
        self._check_ports(nat, field)
        # recording (what describes a new gateway everywhere)
        made: Json = {
            "type": "PUBLIC",
            "endpointTypes": ["ENDPOINT_TYPE_VM"],
            "enableEndpointIndependentMapping": False,
            "autoNetworkTier": "PREMIUM",
        } | {key: value for key, value in nat.items() if value != []}
        made |= self._addresses(call, nat, field, path)
        if nat["sourceSubnetworkIpRangesToNat"] == "LIST_OF_SUBNETWORKS":
            subnetworks = nat.get("subnetworks") or []
            if not subnetworks:
                raise not_specified(f"{field}.subnetworks")
            network = self._network(call, path)
            made["subnetworks"] = [
                self._subnetwork(call, entry, f"{field}.subnetworks[{n}]", network)
                for n, entry in enumerate(subnetworks)
            ]
        elif nat.get("subnetworks"):
            raise bad_value(f"{field}.subnetworks", "", "It is for LIST_OF_SUBNETWORKS alone.")
        return made

    def _network(self, call: Call, path: str) -> str:
        known = self.store.get(self.kind, path)
        return relative(known["network"]) if known else self.reference(call, call.body["network"], "resource.network")

    def _check_ports(self, nat: Json, field: str) -> None:
        dynamic = nat.get("enableDynamicPortAllocation", False)
        if dynamic and nat.get("enableEndpointIndependentMapping"):
            message = "Endpoint-Independent Mapping cannot be enabled with Dynamic Port Allocation."
            raise bad_value(f"{field}.enableEndpointIndependentMapping", True, message)
        least = int(nat.get("minPortsPerVm") or (32 if dynamic else 64))
        most = int(nat.get("maxPortsPerVm") or 65536)
        if not 2 <= least <= 65536 or (dynamic and not (is_power(least) and least >= 32)):
            raise bad_value(
                f"{field}.minPortsPerVm", least, "Must be a number of ports; a power of two from 32, if dynamic."
            )
        if nat.get("maxPortsPerVm") and not dynamic:
            # unverified: discovery has it that the field is without effect then
            raise bad_value(f"{field}.maxPortsPerVm", most, "It needs Dynamic Port Allocation.")
        if dynamic and not (is_power(most) and least < most <= 65536):
            raise bad_value(f"{field}.maxPortsPerVm", most, "Must be a power of two greater than the minimum.")
        for key, value in nat.items():
            if key.endswith("TimeoutSec") and int(value) < 1:
                raise bad_value(f"{field}.{key}", value, "Must be a positive number of seconds.")

    def _addresses(self, call: Call, nat: Json, field: str, path: str) -> Json:
        manual = nat["natIpAllocateOption"] == "MANUAL_ONLY"
        if bool(nat.get("natIps")) != manual:
            message = "AUTO_ONLY takes no addresses." if nat.get("natIps") else "MANUAL_ONLY needs addresses."
            raise bad_value(f"{field}.natIps", "", message)
        found: Json = {}
        for key in ("natIps", "drainNatIps"):
            links = [
                link(self._address(call, value, f"{field}.{key}[{n}]", path))
                for n, value in enumerate(nat.get(key, []))
            ]
            if links:
                found[key] = links
        if shared := set(found.get("natIps", [])).intersection(found.get("drainNatIps", [])):
            raise bad_value(f"{field}.drainNatIps", shared.pop(), "An address cannot be drained that is in use.")
        return found

    def _address(self, call: Call, value: str, field: str, path: str) -> str:
        address = self.reference(call, value, field)
        document = self.store.get("compute.addresses", address)
        if document is None:
            raise not_found(address)  # an address that is not there is 404 (issue: terraform-google-cloud-nat#74)
        if document["addressType"] != "EXTERNAL" or f"/{'/'.join(path.split('/')[2:4])}/" not in address:
            raise bad_value(field, value, "Must be a reserved external address of the router's region.")
        if document.get("users") not in (None, [], [link(path)]):
            raise in_use("address", address, relative(document["users"][0]))
        return address

    def _subnetwork(self, call: Call, entry: Json, field: str, network: str) -> Json:
        subnetwork = self.reference(call, entry.get("name", ""), f"{field}.name")
        document = self.required("compute.subnetworks", subnetwork)
        if relative(document["network"]) != network or f"/regions/{call.path['region']}/" not in subnetwork:
            raise bad_value(f"{field}.name", entry["name"], "Must be of the router's network and region.")
        ranges = entry.get("sourceIpRangesToNat") or ["ALL_IP_RANGES"]
        if len(ranges) > 1 and set(ranges) != {"PRIMARY_IP_RANGE", LISTED}:
            raise bad_value(f"{field}.sourceIpRangesToNat", ",".join(ranges), "These cannot be combined.")
        names = entry.get("secondaryIpRangeNames") or []
        known = {secondary["rangeName"] for secondary in document.get("secondaryIpRanges", [])}
        if bool(names) != (LISTED in ranges) or not known.issuperset(names):
            raise bad_value(
                f"{field}.secondaryIpRangeNames", ",".join(names), f"They go with {LISTED}, and have to be there."
            )
        made: Json = {"name": link(subnetwork), "sourceIpRangesToNat": ranges}
        return made | ({"secondaryIpRangeNames": names} if names else {})

    def _refuse_overlap(self, path: str, network: str, nats: list[Json]) -> None:
        """Let no two gateways of a network and region serve one range."""
        region = path.rsplit("/", 1)[0]
        others = [
            nat
            for key, router in self.store.items(self.kind, f"{region}/")
            if key != path and router["network"] == network
            for nat in router.get("nats", [])
        ]
        for number, nat in enumerate(nats):
            for other in [*others, *nats[:number]]:
                field = f"resource.nats[{number}]"
                option = nat["sourceSubnetworkIpRangesToNat"]
                if blocking := EVERYTHING.intersection({option, other["sourceSubnetworkIpRangesToNat"]}):
                    # issue: osv.dev#5629
                    message = f"Can not create new Nats since a Nat with option {min(blocking)} exists."
                    raise bad_value(f"{field}.sourceSubnetworkIpRangesToNat", option, message)
                self._refuse_shared(field, nat, other)

    def _refuse_shared(self, field: str, nat: Json, other: Json) -> None:
        for number, entry in enumerate(named(nat)):
            for taken in (taken for taken in named(other) if taken["name"] == entry["name"]):
                options = [*entry["sourceIpRangesToNat"], *taken["sourceIpRangesToNat"]]
                apart = sorted(options) == [LISTED, "PRIMARY_IP_RANGE"]
                names = set(entry.get("secondaryIpRangeNames", []))
                listed = set(options) == {LISTED} and names.isdisjoint(taken["secondaryIpRangeNames"])
                if not (apart or listed):
                    # issue: terraform-google-forseti#203
                    message = (
                        f"The subnetwork is already configured with {taken['sourceIpRangesToNat'][0]} for Nat which "
                        "conflicts with the specified IpRangeToNatOption options in this Nat."
                    )
                    raise bad_value(f"{field}.subnetworks[{number}].sourceIpRangesToNat", "", message)
