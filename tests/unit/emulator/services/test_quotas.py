# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Limits of Compute: each metric is enforced where it grows, and nothing is left of what was refused."""

from __future__ import annotations

import typing as t

import pytest
from gcp_emulator.services.compute import quotas

if t.TYPE_CHECKING:
    from harness import Emulator

Json = dict[str, t.Any]
COMPUTE = "https://compute.googleapis.com/compute/v1/projects/test-project"
ZONE = f"{COMPUTE}/zones/us-central1-a"
IMAGE = "projects/debian-cloud/global/images/family/debian-12"


def machine(name: str) -> Json:
    return {
        "name": name,
        "machineType": "zones/us-central1-a/machineTypes/e2-standard-2",
        "disks": [
            {
                "boot": True,
                "initializeParams": {
                    "sourceImage": IMAGE,
                    "diskSizeGb": "20",
                    "diskType": "zones/us-central1-a/diskTypes/pd-ssd",
                },
            }
        ],
        "networkInterfaces": [{"network": "global/networks/default", "accessConfigs": [{"type": "ONE_TO_ONE_NAT"}]}],
    }


def firewall(name: str) -> Json:
    return {"name": name, "allowed": [{"IPProtocol": "tcp"}]}


def network(name: str) -> Json:
    return {"name": name, "autoCreateSubnetworks": False}


def subnetwork(name: str) -> Json:
    return {"name": name, "network": "global/networks/default", "ipCidrRange": f"10.{ord(name[0]) - 90}.0.0/24"}


def router(name: str) -> Json:
    return {"name": name, "network": "global/networks/default"}


def address(name: str) -> Json:
    return {"name": name}


REGION = f"{COMPUTE}/regions/us-central1"
AT_ONCE = [
    # the default network has four rules, and a subnetwork in each region
    pytest.param("FIREWALLS", 5, f"{COMPUTE}/global/firewalls", firewall, "globally", id="FIREWALLS"),
    pytest.param("NETWORKS", 2, f"{COMPUTE}/global/networks", network, "globally", id="NETWORKS"),
    pytest.param("ROUTERS", 1, f"{REGION}/routers", router, "globally", id="ROUTERS"),
    pytest.param("STATIC_ADDRESSES", 1, f"{REGION}/addresses", address, "in region us-central1", id="STATIC_ADDRESSES"),
]
AT_THE_END = [
    pytest.param("CPUS", 2, id="CPUS"),
    pytest.param("INSTANCES", 1, id="INSTANCES"),
    pytest.param("IN_USE_ADDRESSES", 1, id="IN_USE_ADDRESSES"),
    pytest.param("SSD_TOTAL_GB", 20, id="SSD_TOTAL_GB"),
]


def state(emulator: Emulator) -> list[tuple[str, str, Json]]:
    """All that the project has of Compute."""
    kinds = ("instances", "disks", "addresses", "firewalls", "networks", "subnetworks", "routers")
    store = emulator.cloud.store
    return [(kind, *item) for kind in kinds for item in store.items(f"compute.{kind}")]


@pytest.mark.parametrize(("metric", "limit", "url", "body", "where"), AT_ONCE)
def test_what_is_over_a_limit_is_refused_at_once(
    emulator: Emulator, metric: str, limit: int, url: str, body: t.Callable[[str], Json], where: str
) -> None:
    emulator.cloud.settings.quotas[metric] = float(limit)
    emulator.ok("POST", url, body("first"))
    emulator.finish()
    before = state(emulator)
    refused = emulator.call("POST", url, body("second"))
    assert (refused.status, refused.reason) == (403, "quotaExceeded")
    assert refused.message == f"Quota '{metric}' exceeded.  Limit: {limit}.0 {where}."
    assert state(emulator) == before
    emulator.cloud.settings.quotas.clear()
    emulator.ok("POST", url, body("second"))


@pytest.mark.parametrize(("metric", "limit"), AT_THE_END)
def test_a_machine_over_a_limit_ends_in_an_error_and_leaves_nothing(
    emulator: Emulator, metric: str, limit: int
) -> None:
    emulator.cloud.settings.quotas[f"us-central1/{metric}"] = float(limit)
    assert "error" not in finished(emulator, emulator.ok("POST", f"{ZONE}/instances", machine("first")))
    before = state(emulator)
    ended = finished(emulator, emulator.ok("POST", f"{ZONE}/instances", machine("second")))
    message = f"Quota '{metric}' exceeded.  Limit: {limit}.0 in region us-central1."
    assert ended["error"]["errors"] == [{"code": "QUOTA_EXCEEDED", "message": message}]
    assert ended["httpErrorStatusCode"] == 403
    assert state(emulator) == before
    elsewhere = machine("third") | {"machineType": "zones/europe-west1-b/machineTypes/e2-standard-2"}
    elsewhere["disks"][0]["initializeParams"]["diskType"] = "zones/europe-west1-b/diskTypes/pd-ssd"
    other = f"{COMPUTE}/zones/europe-west1-b/instances"
    assert "error" not in finished(emulator, emulator.ok("POST", other, elsewhere))


def test_a_machine_that_is_stopped_needs_no_cpus(emulator: Emulator) -> None:
    emulator.cloud.settings.quotas["CPUS"] = 2.0
    for name in ("first", "second"):
        assert "error" not in finished(emulator, emulator.ok("POST", f"{ZONE}/instances", machine(name)))
        finished(emulator, emulator.ok("POST", f"{ZONE}/instances/{name}/stop"))
    assert "error" not in finished(emulator, emulator.ok("POST", f"{ZONE}/instances/first/start"))
    ended = finished(emulator, emulator.ok("POST", f"{ZONE}/instances/second/start"))
    assert ended["error"]["errors"][0]["code"] == "QUOTA_EXCEEDED"
    assert emulator.ok("GET", f"{ZONE}/instances/second")["status"] == "TERMINATED"


def finished(emulator: Emulator, operation: Json) -> Json:
    emulator.finish()
    return emulator.ok("GET", operation["selfLink"])


def test_limits_and_what_is_used_are_told(emulator: Emulator) -> None:
    emulator.cloud.settings.quotas.update({"FIREWALLS": 9.0, "us-central1/STATIC_ADDRESSES": 3.0})
    emulator.ok("POST", f"{REGION}/addresses", address("first"))
    assert emulator.ok("GET", COMPUTE)["quotas"] == [{"metric": "FIREWALLS", "limit": 9.0, "usage": 4.0}]
    assert emulator.ok("GET", REGION)["quotas"] == [{"metric": "STATIC_ADDRESSES", "limit": 3.0, "usage": 1.0}]
    assert emulator.ok("GET", f"{COMPUTE}/regions/europe-west1")["quotas"] == []


@pytest.mark.parametrize(
    ("text", "meant"), [("FIREWALLS=3", ("FIREWALLS", 3.0)), ("europe-west1/CPUS=2.5", ("europe-west1/CPUS", 2.5))]
)
def test_a_limit_is_written_as_metric_and_number(text: str, meant: tuple[str, float]) -> None:
    assert quotas.parse(text) == meant


@pytest.mark.parametrize("text", ["FIREWALLS", "NONSENSE=1", "FIREWALLS=-1", "europe-west1/FIREWALLS=1", "=1"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="quota"):
        quotas.parse(text)
