#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The settings of an instance: defaults, merging, and what Cloud SQL refuses."""

from __future__ import annotations

from ipaddress import ip_network

from gcp_emulator.errors import Json
from gcp_emulator.services.base import Call
from gcp_emulator.services.compute import catalogue as places
from gcp_emulator.services.compute.base import REFERENCE, relative
from gcp_emulator.services.compute.networks import seed
from gcp_emulator.services.sqladmin import catalogue, servers
from gcp_emulator.services.sqladmin.catalogue import wrong
from gcp_emulator.store import Store

EXACT = frozenset({"userLabels"})  # maps that a patch replaces as a whole (documentation)
RETENTION = {"ENTERPRISE": 7, "ENTERPRISE_PLUS": 35}


def complete(settings: Json, version: str, region: str) -> Json:
    """Settings with the defaults of a new instance (recording)."""
    edition = settings.get("edition") or catalogue.default_edition(version)
    plus = edition == "ENTERPRISE_PLUS"
    defaults: Json = {
        "kind": "sql#settings",
        "activationPolicy": "ALWAYS",
        "availabilityType": "ZONAL",
        "connectorEnforcement": "NOT_REQUIRED",
        "dataDiskSizeGb": "10",
        "dataDiskType": "PD_SSD",
        "deletionProtectionEnabled": False,
        "edition": edition,
        "pricingPlan": "PER_USE",
        "replicationType": "SYNCHRONOUS",
        "storageAutoResize": True,
        "storageAutoResizeLimit": "0",
    }
    groups: dict[str, Json] = {
        "backupConfiguration": {
            "kind": "sql#backupConfiguration",
            "enabled": False,
            "startTime": "12:00",
            "pointInTimeRecoveryEnabled": False,
            "transactionLogRetentionDays": 14 if plus else 7,
            "backupRetentionSettings": {"retainedBackups": 15 if plus else 7, "retentionUnit": "COUNT"},
        },
        "ipConfiguration": {
            "ipv4Enabled": True,
            "requireSsl": False,
            "sslMode": "ALLOW_UNENCRYPTED_AND_ENCRYPTED",
        },
        "locationPreference": {
            "kind": "sql#locationPreference",
            "zone": f"{region}-{places.REGIONS[region][1][0]}",
        },
    }
    completed = defaults | {key: value for key, value in settings.items() if value is not None}
    for group, values in groups.items():
        completed[group] = values | {k: v for k, v in (settings.get(group) or {}).items() if v is not None}
    return _in_form(completed)


def merge(current: Json, changes: Json) -> Json:
    """Settings after a patch: groups field by field, lists and labels as a whole, null removes."""
    merged = dict(current)
    for key, value in changes.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and key not in EXACT:
            merged[key] = merge(merged.get(key) or {}, value)
        else:
            merged[key] = value
    return _in_form(merged)


def _in_form(settings: Json) -> Json:
    """64 bit numbers are text in JSON."""
    sizes = ("dataDiskSizeGb", "storageAutoResizeLimit", "settingsVersion")
    return settings | {key: str(settings[key]) for key in sizes if key in settings}


def check(store: Store, call: Call, name: str, settings: Json) -> None:
    """Refuse settings that cannot be.

    :raises ApiError: 400.
    """
    project = call.path["project"]
    if not settings.get("tier"):
        raise wrong("Missing parameter: Tier.")  # recording
    catalogue.tier(settings["tier"], settings["edition"])
    backup = settings["backupConfiguration"]
    days, most = int(backup.get("transactionLogRetentionDays", 7)), RETENTION.get(settings["edition"], 7)
    if not 1 <= days <= most:
        # issue: langfuse-terraform-gcp#8
        raise wrong(f"The number of transaction log retention days must be between 1 and {most}.")
    if int(settings["dataDiskSizeGb"]) < 10:
        raise wrong("Data disk size must be at least 10 GB.")  # documentation; unverified wording
    for flag in settings.get("databaseFlags") or []:
        if flag.get("name") not in catalogue.FLAGS:
            raise wrong(f"Unknown database flag {flag.get('name')}.")  # unverified wording
    addresses = settings["ipConfiguration"]
    for network in addresses.get("authorizedNetworks") or []:
        try:
            ip_network(network.get("value", ""), strict=False)
        except ValueError:
            # unverified wording
            raise wrong(f"Invalid authorized network value {network.get('value', '')}.") from None
    if not addresses.get("ipv4Enabled") and not addresses.get("privateNetwork"):
        # issue: terraform-google-sql-db#535
        raise wrong("At least one of Public IP or Private IP or PSC connectivity must be enabled..")
    if addresses.get("privateNetwork"):
        _check_network(store, project, name, addresses)


def _check_network(store: Store, project: str, name: str, addresses: Json) -> None:
    value = addresses["privateNetwork"]
    if not REFERENCE.fullmatch(relative(value)):
        raise wrong(f"Invalid private network {value}.")  # unverified wording
    seed(store, project)
    network = servers.private_network(store, {"ipConfiguration": addresses}) or ""
    connection = store.get("connections", network)
    services = (store.get("projects", project) or {}).get("services", [])
    if connection is None:
        # recording; texts: issues
        peerless = "servicenetworking.googleapis.com" in services
        reason = "NETWORK_NOT_PEERED" if peerless else "SERVICE_NETWORKING_NOT_ENABLED"
        raise wrong(f"Incorrect Service Networking config for instance: {project}:{name}:{reason}.")
    asked = addresses.get("allocatedIpRange")
    if asked and asked not in connection["reservedPeeringRanges"]:
        # unverified wording
        raise wrong(f"Allocated IP range {asked} is not part of the service networking connection.")
