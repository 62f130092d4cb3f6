# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Limits of how much of Compute a project may have, by Google's metrics. Off by default: nothing is limited."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from gcp_emulator.cloud import Cloud
from gcp_emulator.errors import ApiError, Json
from gcp_emulator.operations import TRACES
from gcp_emulator.services.compute import catalogue
from gcp_emulator.store import Store

QUOTA = re.compile(r"((?P<region>[a-z]+-[a-z]+\d+)/)?(?P<metric>[A-Z_]+)=(?P<limit>\d+(\.\d+)?)")
SSD = frozenset({"pd-ssd", "pd-balanced"})


@dataclass(frozen=True)
class Metric:
    """
    ``usage``: how much of it a resource of this ``kind`` in the store is. ``raised_by``: collection and type of the
    operations that may need more of it. ``regional``: whether each region has a limit of its own.
    """

    kind: str
    usage: t.Callable[[Json], float]
    raised_by: frozenset[tuple[str, str]]
    regional: bool = False


def _count(_resource: Json) -> float:
    return 1


def _name(link: str) -> str:
    return link.rpartition("/")[2]


def _runs(instance: Json) -> bool:
    return instance["status"] not in ("TERMINATED", "STOPPED")


def _cpus(instance: Json) -> float:
    kind = _name(instance["machineType"])
    known = catalogue.MACHINE_TYPES.get(kind)
    return float(known.cpus) if known and _runs(instance) else 0


def _addresses_in_use(instance: Json) -> float:
    nics = instance.get("networkInterfaces", [])
    return sum(1 for nic in nics for access in nic.get("accessConfigs", []) if access.get("natIP"))


def _reserved(address: Json) -> float:
    return float(address.get("addressType", "EXTERNAL") == "EXTERNAL")


def _gigabytes(types: t.Collection[str], disk: Json) -> float:
    return float(disk["sizeGb"]) if _name(disk.get("type", "pd-standard")) in types else 0


_RUNNING = frozenset({("instances", "insert"), ("instances", "start")})
_DISKS = frozenset({("instances", "insert"), ("disks", "insert"), ("disks", "resizeDisk")})


def _of_project(collection: str) -> Metric:
    return Metric(f"compute.{collection}", _count, frozenset({(collection, "insert")}))


# What can be limited (discovery: Quota.metric; documentation: "Allocation quotas").
METRICS = {
    "FIREWALLS": _of_project("firewalls"),
    "NETWORKS": _of_project("networks"),
    "SUBNETWORKS": _of_project("subnetworks"),
    "ROUTERS": _of_project("routers"),
    "INSTANCES": Metric("compute.instances", _count, frozenset({("instances", "insert")}), True),
    "CPUS": Metric("compute.instances", _cpus, _RUNNING, True),
    "IN_USE_ADDRESSES": Metric(
        "compute.instances", _addresses_in_use, _RUNNING | {("instances", "addAccessConfig")}, True
    ),
    "STATIC_ADDRESSES": Metric("compute.addresses", _reserved, frozenset({("addresses", "insert")}), True),
    "SSD_TOTAL_GB": Metric("compute.disks", lambda disk: _gigabytes(SSD, disk), _DISKS, True),
    "DISKS_TOTAL_GB": Metric("compute.disks", lambda disk: _gigabytes({"pd-standard"}, disk), _DISKS, True),
}


def parse(text: str) -> tuple[str, float]:
    """``FIREWALLS=3`` or ``europe-west1/CPUS=8``: key and limit.

    :raises ValueError: it is neither.
    """
    match = QUOTA.fullmatch(text)
    if match is None or match["metric"] not in METRICS:
        known = ", ".join(METRICS)
        raise ValueError(f"{text} is no quota, such as FIREWALLS=3 or europe-west1/CPUS=8; metrics are {known}")
    if match["region"] and not METRICS[match["metric"]].regional:
        raise ValueError(f"{match['metric']} is a quota of the project: a region has none")
    return text.partition("=")[0], float(match["limit"])


def check(cloud: Cloud, operation: str, path: str) -> ApiError | None:
    """What is answered to a change that needs more than a limit allows; it is taken back then.

    Instances are told so at the end of the operation (issue: UE4-GHA-BuildSystem#9), all else at once.

    :param operation: type of the operation that would carry out the change, which is in the store already.
    :param path: of the resource that is changed.
    :return: how the operation ends; None if nothing is in the way.
    :raises ApiError: 403, at once.
    """
    parts = path.split("/")
    region = _region(path)
    for metric, found in METRICS.items():
        if (parts[-2], operation) not in found.raised_by:
            continue
        limit = _limit(cloud, metric, region if found.regional else "")
        if limit is None or _usage(cloud.store, found, parts[1], region) <= limit:
            continue
        cloud.store.undo(TRACES)
        where = f"in region {region}" if found.regional and region else "globally"
        # issue: kyma-project/test-infra#677, terraform-dcos#61
        message = f"Quota '{metric}' exceeded.  Limit: {limit} {where}."
        if parts[-2] == "instances":
            return ApiError(403, message, "QUOTA_EXCEEDED")
        raise ApiError(403, message, "quotaExceeded")
    return None


def view(cloud: Cloud, project: str, region: str = "") -> list[Json]:
    """The limited metrics of a region, or of the project, with what is used (discovery: Quota)."""
    found = []
    for metric, meant in METRICS.items():
        limit = _limit(cloud, metric, region)
        if meant.regional == bool(region) and limit is not None:
            found.append({"metric": metric, "limit": limit, "usage": _usage(cloud.store, meant, project, region)})
    return found


def _limit(cloud: Cloud, metric: str, region: str) -> float | None:
    limits = cloud.settings.quotas
    return limits.get(f"{region}/{metric}", limits.get(metric))


def _usage(store: Store, metric: Metric, project: str, region: str) -> float:
    resources = store.items(metric.kind, f"projects/{project}/")
    return sum(metric.usage(one) for path, one in resources if not metric.regional or _region(path) == region)


def _region(path: str) -> str:
    """The region in which a path is; "" if it is global."""
    _projects, _project, scope, place = [*path.split("/"), "", ""][:4]
    return place.rpartition("-")[0] if scope == "zones" else place if scope == "regions" else ""
