# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Networks, and the ``default`` one that a project has from the start."""

from __future__ import annotations

from gcp_emulator.errors import ApiError, Json, invalid
from gcp_emulator.services.base import Call, applies, handles
from gcp_emulator.services.compute import catalogue, fabric
from gcp_emulator.services.compute.base import (
    Collection,
    bad_value,
    fingerprint,
    in_use,
    link,
    new_id,
    relative,
    timestamp,
)
from gcp_emulator.store import Store

# The rules of a default network (documentation: "Pre-populated rules in the default network").
DEFAULT_RULES: dict[str, Json] = {
    "default-allow-icmp": {
        "description": "Allow ICMP from anywhere",
        "sourceRanges": ["0.0.0.0/0"],
        "allowed": [{"IPProtocol": "icmp"}],
    },
    "default-allow-internal": {
        "description": "Allow internal traffic on the default network",
        "sourceRanges": ["10.128.0.0/9"],
        "allowed": [
            {"IPProtocol": "tcp", "ports": ["0-65535"]},
            {"IPProtocol": "udp", "ports": ["0-65535"]},
            {"IPProtocol": "icmp"},
        ],
    },
    "default-allow-rdp": {
        "description": "Allow RDP from anywhere",
        "sourceRanges": ["0.0.0.0/0"],
        "allowed": [{"IPProtocol": "tcp", "ports": ["3389"]}],
    },
    "default-allow-ssh": {
        "description": "Allow SSH from anywhere",
        "sourceRanges": ["0.0.0.0/0"],
        "allowed": [{"IPProtocol": "tcp", "ports": ["22"]}],
    },
}


def seed(store: Store, project: str) -> None:
    """Give a project its default network, once, when Compute is first used in it."""
    path = f"projects/{project}"
    with store.lock:
        if store.get("compute.projects", path) or not store.get("projects", project):
            return
        document = {
            "creationTimestamp": timestamp(),
            "commonInstanceMetadata": {"kind": "compute#metadata", "fingerprint": fingerprint([])},
        }
        store.put("compute.projects", path, document)
        network = f"{path}/global/networks/default"
        store.put(
            "compute.networks",
            network,
            _common(network, "network")
            | {"description": "Default network for the project", "autoCreateSubnetworks": True, **_defaults()},
        )
        make_subnetworks(store, network)
        for name, rule in DEFAULT_RULES.items():
            key = f"{path}/global/firewalls/{name}"
            values = {"network": link(network), "priority": 65534, "direction": "INGRESS", "disabled": False}
            store.put(
                "compute.firewalls", key, _common(key, "firewall") | rule | values | {"logConfig": {"enable": False}}
            )


def _common(path: str, kind: str) -> Json:
    return {
        "kind": "compute#" + kind,
        "id": new_id(),
        "creationTimestamp": timestamp(),
        "name": path.rsplit("/", 1)[1],
        "selfLink": link(path),
    }


def _defaults() -> Json:
    return {
        "routingConfig": {"routingMode": "REGIONAL"},
        "mtu": 1460,
        "networkFirewallPolicyEnforcementOrder": "AFTER_CLASSIC_FIREWALL",
    }


def make_subnetworks(store: Store, network: str) -> None:
    """The subnetworks of an auto mode network: one a region, of the network's name."""
    project, name = network.split("/")[1], network.rsplit("/", 1)[1]
    for region in catalogue.REGIONS:
        path = f"projects/{project}/regions/{region}/subnetworks/{name}"
        cidr = catalogue.auto_range(region)
        subnetwork = _common(path, "subnetwork") | {
            "network": link(network),
            "ipCidrRange": cidr,
            "gatewayAddress": cidr.replace(".0/20", ".1"),
            "region": link(f"projects/{project}/regions/{region}"),
            "privateIpGoogleAccess": False,
            "purpose": "PRIVATE",
            "stackType": "IPV4_ONLY",
            "fingerprint": fingerprint(cidr),
        }
        store.put("compute.subnetworks", path, subnetwork)


def check_mtu(network: Json) -> None:
    """Refuse packets of a size that there is not (discovery; wording unverified)."""
    if not 1300 <= int(network.get("mtu", 1460)) <= 8896:
        raise bad_value("resource.mtu", network["mtu"], "Must be between 1300 and 8896.")


def present(store: Store, network: Json) -> Json:
    """A network as it is answered, with the links of its subnetworks."""
    links = [
        subnetwork["selfLink"]
        for _key, subnetwork in store.items("compute.subnetworks")
        if subnetwork["network"] == network["selfLink"]
    ]
    base = network["selfLink"].rsplit("/", 1)[0]
    return network | {"selfLinkWithId": f"{base}/{network['id']}"} | ({"subnetworks": links} if links else {})


class Networks(Collection):
    """The ``networks`` collection."""

    collection, item = "networks", "network"

    @handles("compute.networks.get")
    def get(self, call: Call) -> Json:
        return present(self.store, self.load(call)[1])

    @handles("compute.networks.list")
    def list_all(self, call: Call) -> Json:
        found = self.items(f"{self.parent(call)}/{self.collection}")
        return self.answer_list(call, [present(self.store, network) for network in found])

    @handles("compute.networks.insert")
    def insert(self, call: Call) -> Json:
        check_mtu(call.body)
        if "IPv4Range" in call.body or "autoCreateSubnetworks" not in call.body:
            # issues: teamcity-google-template#22, cluster-api-provider-gcp#391
            message = (
                "Creation of legacy mode networks is deprecated. Please create a subnet mode network instead by "
                "removing the IPv4Range field and adding the autoCreateSubnetworks field to your network insert "
                "request."
            )
            raise ApiError(400, message, "badRequest")
        path, network = self.new(call)
        routing = _defaults()["routingConfig"] | network.get("routingConfig", {})
        self.store.put(self.kind, path, _defaults() | network | {"routingConfig": routing})
        if network["autoCreateSubnetworks"]:
            make_subnetworks(self.store, path)
        return self.operate(call, "insert", path)

    @handles("compute.networks.patch")
    def patch(self, call: Call) -> Json:
        path, network = self.load_settled(call)
        check_mtu(call.body)
        # documentation (gcloud's reference of what can be updated); wording unverified
        for field in ("name", "description", "autoCreateSubnetworks", "IPv4Range"):
            if field in call.body and call.body[field] != network.get(field):
                raise bad_value(f"resource.{field}", call.body[field], "The field cannot be changed.")
        changes = {key: call.body[key] for key in ("mtu", "networkFirewallPolicyEnforcementOrder") if key in call.body}
        routing = network["routingConfig"] | call.body.get("routingConfig", {})
        self.store.put(self.kind, path, network | changes | {"routingConfig": routing})
        return self.operate(call, "compute.networks.patch", path)

    @handles("compute.networks.switchToCustomMode")
    def switch_to_custom_mode(self, call: Call) -> Json:
        path, network = self.load_settled(call)
        if not network.get("autoCreateSubnetworks"):
            # unverified wording
            raise invalid(f"The network '{path}' is not in auto subnet mode.")
        self.store.put(self.kind, path, network | {"autoCreateSubnetworks": False})
        return self.operate(call, "switchToCustomMode", path)

    @handles("compute.networks.delete")
    def delete(self, call: Call) -> Json:
        path, network = self.load_settled(call)
        if user := self._user(path, bool(network.get("autoCreateSubnetworks"))):
            raise in_use("network", path, user)
        return self.operate(call, "delete", path, "compute.networks.delete")

    @applies("compute.networks.delete")
    def apply_delete(self, path: str) -> None:
        """Remove a network and, of one in auto mode, the subnetworks."""
        for key, subnetwork in list(self.store.items("compute.subnetworks")):
            if relative(subnetwork["network"]) == path:
                self.store.delete("compute.subnetworks", key)
        self.store.delete(self.kind, path)

    @applies("compute.networks.configure")
    def apply_configure(self, path: str, network: str, removed: str) -> None:
        """Bring the network's machines in line with what has changed in it.

        :param removed: the kind of what is to be removed; "" if it stays.
        """
        if removed:
            self.store.delete(removed, path)
        fabric.configure_network(self.cloud, network)

    def _user(self, path: str, auto: bool) -> str | None:
        """Something that keeps a network from being deleted."""
        kinds = ["compute.firewalls", "compute.addresses", "compute.routers"] + (
            [] if auto else ["compute.subnetworks"]
        )
        for kind in kinds:
            for key, resource in self.store.items(kind):
                if relative(resource.get("network", "")) == path:
                    return key
        for key, instance in self.store.items("compute.instances"):
            if any(relative(nic["network"]) == path for nic in instance["networkInterfaces"]):
                return key
        if self.store.get("connections", path):
            return f"{path}/networkPeerings/servicenetworking-googleapis-com"
        return None
