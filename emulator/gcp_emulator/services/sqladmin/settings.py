# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The settings of an instance: defaults, merging, and what Cloud SQL refuses."""

from __future__ import annotations

import re
from ipaddress import ip_network

from gcp_emulator.errors import Json
from gcp_emulator.services.base import Call
from gcp_emulator.services.compute import catalogue as places
from gcp_emulator.services.compute.base import REFERENCE, relative
from gcp_emulator.services.compute.networks import seed
from gcp_emulator.services.sqladmin import catalogue, servers
from gcp_emulator.services.sqladmin.catalogue import wrong
from gcp_emulator.store import Store
from gcp_emulator.values import merged

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
        "dataDiskType": catalogue.default_disk(settings.get("tier") or ""),
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
    """Settings after a patch: groups and labels entry by entry, lists as a whole, null removes (documentation)."""
    return _in_form(merged(current, changes))


def _in_form(settings: Json) -> Json:
    """How Google tells settings: 64 bit numbers are text in JSON, networks have a kind, Insights its defaults."""
    sizes = ("dataDiskSizeGb", "storageAutoResizeLimit", "settingsVersion")
    formed: Json = settings | {key: str(settings[key]) for key in sizes if key in settings}
    if labels := settings.get("userLabels"):
        formed["userLabels"] = {key: value for key, value in labels.items() if value is not None}
    addresses = settings["ipConfiguration"]
    if networks := addresses.get("authorizedNetworks"):
        entries = [{"kind": "sql#aclEntry", **entry} for entry in networks]
        formed["ipConfiguration"] = addresses | {"authorizedNetworks": entries}
    place = settings["locationPreference"]
    if place.get("secondaryZone") == "no_secondary_zone":  # the word for none (discovery)
        formed["locationPreference"] = {key: value for key, value in place.items() if key != "secondaryZone"}
    if (settings.get("insightsConfig") or {}).get("queryInsightsEnabled"):
        # What Insights keeps if nothing is said (discovery).
        formed["insightsConfig"] = {"queryPlansPerMinute": 5, "queryStringLength": 1024} | settings["insightsConfig"]
    return formed


def check(store: Store, call: Call, name: str, settings: Json) -> None:
    """Refuse settings that cannot be.

    :raises ApiError: 400.
    """
    project = call.path["project"]
    if not settings.get("tier"):
        raise wrong("Missing parameter: Tier.")  # recording
    tier = catalogue.tier(settings["tier"], settings["edition"])
    _check_backups(settings)
    _check_disk(settings, tier)
    _check_flags(settings)
    _check_ranges(settings)
    _check_addresses(store, project, name, settings["ipConfiguration"])


def _check_disk(settings: Json, tier: catalogue.Tier) -> None:
    """Documentation; unverified wording."""
    if settings["dataDiskType"] not in tier.disk_types:
        raise wrong(f"Invalid disk type ({settings['dataDiskType']}) for tier ({tier.name}).")
    size, limit = int(settings["dataDiskSizeGb"]), int(settings["storageAutoResizeLimit"])
    if size < 10:
        raise wrong("Data disk size must be at least 10 GB.")
    if 0 < limit < size:
        raise wrong("The storage auto resize limit is below the size of the disk.")
    if (settings.get("dataCacheConfig") or {}).get("dataCacheEnabled") and settings["edition"] != "ENTERPRISE_PLUS":
        raise wrong("Data cache is available in the edition ENTERPRISE_PLUS alone.")


def _check_flags(settings: Json) -> None:
    flags = settings.get("databaseFlags") or []
    for flag in flags:
        catalogue.check_flag(flag.get("name", ""), flag.get("value", ""))
    if len({flag["name"] for flag in flags}) < len(flags):
        raise wrong("A database flag is given more than once.")  # unverified


def _check_addresses(store: Store, project: str, name: str, addresses: Json) -> None:
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


def _check_backups(settings: Json) -> None:
    backup = settings["backupConfiguration"]
    days, most = int(backup.get("transactionLogRetentionDays", 7)), RETENTION.get(settings["edition"], 7)
    if not 1 <= days <= most:
        # issue: langfuse-terraform-gcp#8
        raise wrong(f"The number of transaction log retention days must be between 1 and {most}.")
    kept = (backup.get("backupRetentionSettings") or {}).get("retainedBackups", 7)
    if backup.get("enabled") and int(kept) < days:
        # issue: terraform-google-sql-db#785; as many are enough, for the defaults are 7 and 7 (documentation)
        raise wrong("backup retention should be > transaction log retention.")
    if backup.get("pointInTimeRecoveryEnabled") and not backup.get("enabled"):
        # documentation; unverified wording
        raise wrong("Point-in-time recovery requires automated backups to be enabled.")


def _check_ranges(settings: Json) -> None:
    """Numbers that the documentation bounds; unverified wording."""
    for group, field, low, high in (
        ("maintenanceWindow", "day", 1, 7),
        ("maintenanceWindow", "hour", 0, 23),
        ("insightsConfig", "queryStringLength", 256, 4500),
        ("insightsConfig", "queryPlansPerMinute", 0, 20),
        ("finalBackupConfig", "retentionDays", 1, 365),
    ):
        value = (settings.get(group) or {}).get(field)
        if value is not None and not low <= int(value) <= high:
            raise wrong(f"Invalid value for {group}.{field}: {value} is not between {low} and {high}.")
    retained = (settings["backupConfiguration"].get("backupRetentionSettings") or {}).get("retainedBackups", 7)
    if not 1 <= int(retained) <= 365:
        raise wrong(f"The number of retained backups must be between 1 and 365, and is {retained}.")
    periods = settings.get("denyMaintenancePeriods") or []
    if len(periods) > 1:
        raise wrong("An instance has one deny maintenance period at most.")
    for period in periods:
        if not all(re.fullmatch(r"(\d{4}-)?\d{2}-\d{2}", period.get(end, "")) for end in ("startDate", "endDate")):
            raise wrong("Invalid date of a deny maintenance period.")


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
