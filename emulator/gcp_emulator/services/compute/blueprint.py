# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the body of ``instances.insert`` to the documents of instance and disks, or to the error that it gets."""

from __future__ import annotations

import json
import re

from gcp_emulator.accounts import default_compute_account
from gcp_emulator.errors import ApiError, Json
from gcp_emulator.services.base import Call
from gcp_emulator.services.compute import addressing, catalogue, disks, metadata
from gcp_emulator.services.compute.base import (
    Collection,
    bad_value,
    check_labels,
    check_name,
    fingerprint,
    link,
    relative,
)

MOST_TAGS = 64
HOSTNAME = re.compile(r"(?=.{1,253}$)[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)+")


def machine_type(collection: Collection, call: Call, value: str, field: str) -> str:
    """The link of a machine type in the zone of the call."""
    zone = call.path["zone"]
    name = collection.reference(call, value, field).rsplit("/", 1)[1]
    if name not in catalogue.MACHINE_TYPES or f"zones/{zone}/machineTypes/" not in value:
        # issue: terratest#1132
        message = f"Machine type with name '{name}' does not exist in zone '{zone}'."
        raise bad_value(field, value, message)
    return link(f"projects/{call.path['project']}/zones/{zone}/machineTypes/{name}")


def tags(body: Json) -> Json:
    """Network tags with their fingerprint."""
    items = body.get("items") or []
    if len(items) > MOST_TAGS:
        # documentation: "Add network tags"; unverified wording
        raise bad_value("resource.tags.items", str(len(items)), f"An instance has at most {MOST_TAGS} tags.")
    for number, tag in enumerate(items):
        check_name(f"resource.tags.items[{number}]", tag)
    return {"fingerprint": fingerprint(items)} | ({"items": items} if items else {})


def scheduling(body: Json, machine: str) -> Json:
    """How the machine lives and dies (defaults: documentation; wording, where not noted: unverified).

    :param machine: its type, as name or link.
    """
    body = {key: value for key, value in body.items() if value is not None}
    spot = body.get("provisioningModel") == "SPOT"
    short = spot or body.get("preemptible") is True
    defaults: Json = {"onHostMaintenance": "MIGRATE", "automaticRestart": True, "preemptible": False}
    if short:
        defaults = {"onHostMaintenance": "TERMINATE", "automaticRestart": False, "preemptible": True}
    if spot:
        defaults["instanceTerminationAction"] = "STOP"
    result = defaults | {"provisioningModel": "STANDARD"} | body
    field = "resource.scheduling"
    if spot and not result["preemptible"]:
        message = "Scheduling must have preemptible be true when provisioning model is SPOT."
        raise bad_value(f"{field}.preemptible", "false", message)
    if short and result["automaticRestart"]:
        message = "Scheduling must have automatic restart be false when preemptible is true."
        raise bad_value(f"{field}.automaticRestart", "true", message)
    if short and result["onHostMaintenance"] == "MIGRATE":
        message = "Scheduling must have onHostMaintenance be TERMINATE when preemptible is true."
        raise bad_value(f"{field}.onHostMaintenance", "MIGRATE", message)
    if not spot and result.get("instanceTerminationAction"):
        message = "It can only be specified if the provisioning model is SPOT."
        raise bad_value(f"{field}.instanceTerminationAction", result["instanceTerminationAction"], message)
    if not short and result["onHostMaintenance"] == "TERMINATE" and machine.rsplit("/", 1)[-1].startswith("e2-"):
        # issue: terraform-infra-common#935
        message = "e2 instances do not support onHostMaintenance=TERMINATE unless they are preemptible."
        raise ApiError(400, message, "badRequest")
    return result


def reservation_affinity(body: Json) -> Json:
    """Which reservations the machine may use; the sandbox has none to name."""
    kind = body.get("consumeReservationType") or "ANY_RESERVATION"
    if kind == "SPECIFIC_RESERVATION":
        raise ApiError(501, "The sandbox has no reservations.", "notImplemented")
    if body.get("key") or body.get("values"):  # discovery; unverified wording
        message = "Key and values are only for SPECIFIC_RESERVATION."
        raise bad_value("resource.reservationAffinity", "", message)
    return {"consumeReservationType": kind}


def check_platform(platform: str, machine: str, field: str) -> None:
    """Refuse a processor that the machine type cannot have (documentation; wording unverified)."""
    name = machine.rsplit("/", 1)[-1]
    if platform not in catalogue.CPU_PLATFORMS.get(name.split("-")[0], ()):
        raise bad_value(field, platform, f"CPU platform is not supported by machine type '{name}'.")


def service_accounts(collection: Collection, call: Call, accounts: list[Json]) -> list[Json]:
    """The account of the machine, ``default`` resolved."""
    if len(accounts) > 1:
        raise bad_value("resource.serviceAccounts", "", "At most one service account is supported.")
    project = collection.store.get("projects", call.path["project"]) or {}
    default = default_compute_account(project)
    return [
        {"email": default if account.get("email", "default") == "default" else account["email"],
         "scopes": account.get("scopes", [])}
        for account in accounts
    ]  # fmt: skip


def missing_account(collection: Collection, accounts: list[Json]) -> ApiError | None:
    """How the operation ends when the account is not there (issue; seen with Terraform)."""
    for account in accounts:
        email = account["email"]
        known = collection.store.get("serviceAccounts", email) and collection.cloud.propagation.knows_account(email)
        if email.endswith(".iam.gserviceaccount.com") and not known:
            return ApiError(
                404, f"The resource '{email}' of type 'serviceAccount' was not found.", "RESOURCE_NOT_FOUND"
            )
    return None


class Blueprint:
    """What one ``insert`` makes. Read ``instance`` and ``disks`` after ``draw``."""

    def __init__(self, collection: Collection, call: Call) -> None:
        self.collection, self.call, self.store = collection, call, collection.store
        self.project, self.zone = call.path["project"], call.path["zone"]
        self.path, self.instance = collection.new(call)
        self.disks: dict[str, Json] = {}
        self.made: list[str] = []  # those of the disks that were not there before

    def draw(self) -> None:
        """Check the body and fill in what Google fills in (defaults: recording).

        :raises ApiError: as Google refuses it.
        """
        body, instance = self.call.body, self.instance
        if not body.get("machineType"):
            raise bad_value("resource.machineType", "", "The URL is malformed.")
        check_labels(body.get("labels", {}))
        accounts = service_accounts(self.collection, self.call, body.get("serviceAccounts") or [])
        shielded = {"enableSecureBoot": False, "enableVtpm": True, "enableIntegrityMonitoring": True}
        instance |= {
            "machineType": machine_type(self.collection, self.call, body["machineType"], "resource.machineType"),
            "status": "PROVISIONING",
            "tags": tags(body.get("tags", {})),
            "metadata": metadata.made(body.get("metadata", {})),
            "labelFingerprint": fingerprint(body.get("labels", {})),
            "scheduling": scheduling(body.get("scheduling", {}), body["machineType"]),
            "shieldedInstanceConfig": shielded | body.get("shieldedInstanceConfig", {}),
            "shieldedInstanceIntegrityPolicy": {"updateAutoLearnPolicy": True},
            "canIpForward": body.get("canIpForward", False),
            "deletionProtection": body.get("deletionProtection", False),
            "startRestricted": False,
            "cpuPlatform": "Unknown CPU Platform",
            "reservationAffinity": reservation_affinity(body.get("reservationAffinity", {})),
            "networkInterfaces": self._interfaces(body.get("networkInterfaces") or []),
        }
        if accounts:
            instance["serviceAccounts"] = accounts
        if platform := body.get("minCpuPlatform"):
            check_platform(platform, instance["machineType"], "resource.minCpuPlatform")
        if (hostname := body.get("hostname")) and not HOSTNAME.fullmatch(hostname):
            # discovery: RFC 1035; unverified wording
            raise bad_value("resource.hostname", hostname, "Must be a fully qualified domain name.")
        self._attached(body.get("disks") or [])

    # Disks

    def _attached(self, wanted: list[Json]) -> None:
        if not wanted:
            # unverified wording
            raise bad_value("resource.disks", "", "No disks are specified.")
        if not wanted[0].get("boot", True) or any(disk.get("boot") for disk in wanted[1:]):
            # discovery: the index 0 is that of the boot disk; unverified wording
            raise bad_value("resource.disks[0]", "", "Boot disk must be the first disk.")
        self.instance["disks"] = []
        for number, disk in enumerate(wanted):
            self.instance["disks"].append(self._attach(number, disk))

    def _attach(self, number: int, wanted: Json) -> Json:
        field = f"resource.disks[{number}]"
        parameters = wanted.get("initializeParams")
        if bool(wanted.get("source")) == (parameters is not None):
            # discovery; unverified wording
            raise bad_value(field, "", "One of source or initializeParams must be specified.")
        if parameters is not None:
            path, disk = self._make_disk(number, parameters, field + ".initializeParams")
        else:
            path, disk = disks.existing(self.collection, self.call, wanted["source"], field + ".source")
        attached = disks.attach(self.instance, wanted, disk, field)
        self.disks[path] = disk
        return attached

    def _make_disk(self, number: int, parameters: Json, field: str) -> tuple[str, Json]:
        name = parameters.get("diskName") or (self.instance["name"] + (f"-{number}" if number else ""))
        check_name(f"{field}.diskName", name)
        path = f"projects/{self.project}/zones/{self.zone}/disks/{name}"
        if self.store.get("compute.disks", path) or path in self.disks:
            raise ApiError(409, f"The resource '{path}' already exists", "alreadyExists")
        wanted = parameters | {key: parameters.get(name) for key, name in disks.IN_INSTANCE.items()}
        disk = disks.draw(self.collection, self.call, path, wanted, field, disks.IN_INSTANCE, boot=number == 0)
        self.made.append(path)
        return path, disk

    # Network

    def _interfaces(self, wanted: list[Json]) -> list[Json]:
        if not wanted:
            # recording
            message = "At least one network interface is required."
            raise bad_value("resource.networkInterfaces", "", message)
        if len(wanted) > 1:
            raise ApiError(501, "A machine of the sandbox has one network interface.", "notImplemented")
        return [self._interface(wanted[0], "resource.networkInterfaces[0]")]

    def _interface(self, wanted: Json, field: str) -> Json:
        network, subnetwork, cidr = self._subnetwork(wanted, field)
        interface: Json = {
            "kind": "compute#networkInterface",
            "name": "nic0",
            "stackType": "IPV4_ONLY",
            "network": link(network),
            "subnetwork": link(subnetwork),
            "networkIP": self._internal(wanted.get("networkIP"), subnetwork, cidr, field),
        }
        if kind := wanted.get("nicType"):
            interface["nicType"] = kind
        if wanted.get("aliasIpRanges") or wanted.get("stackType", "IPV4_ONLY") != "IPV4_ONLY":
            raise ApiError(501, "A machine of the sandbox has one address of IPv4 inside.", "notImplemented")
        accesses = wanted.get("accessConfigs") or []
        if len(accesses) > 1:
            raise bad_value(f"{field}.accessConfigs", "", "At most one access config is supported.")
        if accesses:
            where = f"{field}.accessConfigs[0]"
            access = access_config(self.collection, self.call, accesses[0], self.instance["selfLink"], where)
            interface["accessConfigs"] = [access]
        return interface | {"fingerprint": fingerprint(interface)}

    def _subnetwork(self, wanted: Json, field: str) -> tuple[str, str, str]:
        region = catalogue.ZONES[self.zone]
        if value := wanted.get("subnetwork"):
            path = self.collection.reference(self.call, value, field + ".subnetwork")
            document = self.collection.required("compute.subnetworks", path)
            if f"/regions/{region}/" not in path:
                # unverified wording
                raise bad_value(f"{field}.subnetwork", value, f"It is not in region '{region}'.")
            network = relative(document["network"])
            asked = wanted.get("network")
            if asked and self.collection.reference(self.call, asked, field + ".network") != network:
                message = "Network and subnetwork do not belong together."
                raise bad_value(f"{field}.network", asked, message)
            return network, path, document["ipCidrRange"]
        value = str(wanted.get("network") or "global/networks/default")
        network = self.collection.reference(self.call, value, field + ".network")
        document = self.collection.required("compute.networks", network)
        if not document.get("autoCreateSubnetworks"):
            # documentation; wording seen in issues
            message = "Subnetwork should be specified for custom subnetmode network"
            raise bad_value(field, json.dumps({"network": value}), message)
        path = f"projects/{network.split('/')[1]}/regions/{region}/subnetworks/{network.rsplit('/', 1)[1]}"
        return network, path, self.collection.required("compute.subnetworks", path)["ipCidrRange"]

    def _internal(self, wanted: str | None, subnetwork: str, cidr: str, field: str) -> str:
        if not wanted:
            return addressing.free_internal(self.store, subnetwork, cidr)
        for path, address in self.store.items("compute.addresses", f"projects/{self.project}/regions/"):
            if address["address"] == wanted and relative(address.get("subnetwork", "")) == subnetwork:
                if address.get("users"):
                    break
                addressing.claim(self.store, path, self.instance["selfLink"])
                return wanted
        else:
            if not addressing.is_usable(cidr, wanted):
                message = f"IP address is out of range of subnetwork '{subnetwork}'."
                raise bad_value(f"{field}.networkIP", wanted, message)
            if wanted not in addressing.internal_taken(self.store, subnetwork):
                return wanted
        # issue: terraform#18998
        message = f"IP '{wanted}' is already being used by another resource."
        raise ApiError(400, message, "IP_IN_USE_BY_ANOTHER_RESOURCE")


def access_config(collection: Collection, call: Call, wanted: Json, user: str, field: str) -> Json:
    """An access configuration with an address; a reserved one is claimed.

    :raises ApiError: 400 for an address that is not reserved in the region, or that another has.
    """
    access = {
        "kind": "compute#accessConfig",
        "type": "ONE_TO_ONE_NAT",
        "name": "External NAT",
        "networkTier": "PREMIUM",
        **{key: value for key, value in wanted.items() if value not in (None, "")},
    }
    address = access.get("natIP")
    if not address:
        return access | {"natIP": addressing.free_external(collection.store, collection.cloud.settings)}
    region = catalogue.ZONES[call.path["zone"]]
    prefix = f"projects/{call.path['project']}/regions/{region}/addresses/"
    for path, reserved in collection.store.items("compute.addresses", prefix):
        if reserved["address"] == address and reserved["addressType"] == "EXTERNAL":
            if reserved.get("users") not in (None, [], [user]):
                # unverified wording
                message = f"External IP address: {address} is already in-use."
                raise bad_value(f"{field}.natIP", address, message)
            tier = reserved["networkTier"]
            if wanted.get("networkTier", tier) != tier:
                # discovery; unverified wording
                message = f"The network tier of external IP address {address} is {tier}."
                raise bad_value(f"{field}.networkTier", wanted["networkTier"], message)
            addressing.claim(collection.store, path, user)
            return access | {"networkTier": tier}
    # issue: terraform-provider-google#435
    message = f"The specified external IP address '{address}' was not found in region '{region}'."
    raise bad_value(f"{field}.natIP", address, message)
