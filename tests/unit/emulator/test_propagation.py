# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""New accounts and APIs that are not known yet, once the switches are on."""

from __future__ import annotations

import typing as t

import pytest

if t.TYPE_CHECKING:
    from harness import Emulator

ACCOUNTS = "https://iam.googleapis.com/v1/projects/test-project/serviceAccounts"
PROJECT = "https://cloudresourcemanager.googleapis.com/v1/projects/test-project"
SERVICES = "https://serviceusage.googleapis.com/v1/projects/test-project/services"
INSTANCES = "https://compute.googleapis.com/compute/v1/projects/test-project/zones/us-central1-a/instances"
STORAGE = "https://storage.googleapis.com/storage/v1/b"
EMAIL = "robot-1@test-project.iam.gserviceaccount.com"
MEMBER = f"serviceAccount:{EMAIL}"


class Clock:
    """A time that passes when somebody says so."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(emulator: Emulator) -> Clock:
    """Both switches are on: 30 s for accounts, 60 s for APIs."""
    made = Clock()
    propagation = emulator.cloud.propagation
    propagation.clock, propagation.account_seconds, propagation.service_seconds = made, 30, 60
    return made


def bind_project(emulator: Emulator) -> t.Any:
    policy = emulator.ok("POST", f"{PROJECT}:getIamPolicy", {})
    policy["bindings"].append({"role": "roles/viewer", "members": [MEMBER]})
    return emulator.call("POST", f"{PROJECT}:setIamPolicy", {"policy": policy})


def bind_bucket(emulator: Emulator) -> t.Any:
    if emulator.call("GET", f"{STORAGE}/a-bucket").status == 404:
        emulator.ok("POST", f"{STORAGE}?project=test-project", {"name": "a-bucket"})
    policy = emulator.ok("GET", f"{STORAGE}/a-bucket/iam")
    policy["bindings"].append({"role": "roles/storage.objectViewer", "members": [MEMBER]})
    return emulator.call("PUT", f"{STORAGE}/a-bucket/iam", policy)


def create_key(emulator: Emulator) -> t.Any:
    return emulator.call("POST", f"{ACCOUNTS}/{EMAIL}/keys", {})


def read(emulator: Emulator) -> t.Any:
    return emulator.call("GET", f"{ACCOUNTS}/{EMAIL}")


@pytest.mark.parametrize(
    ("use", "status", "words"),
    [
        (bind_project, 400, f"Service account {EMAIL} does not exist."),
        (bind_bucket, 400, f"Service account {EMAIL} does not exist."),
        (create_key, 404, f"Unknown service account: {EMAIL}"),
        (read, 404, f"Unknown service account: {EMAIL}"),
    ],
)
def test_a_new_account_is_unknown_for_a_while(
    emulator: Emulator, clock: Clock, use: t.Callable[[Emulator], t.Any], status: int, words: str
) -> None:
    emulator.ok("POST", ACCOUNTS, {"accountId": "robot-1"})
    clock.now += 29
    refused = use(emulator)
    assert (refused.status, refused.message) == (status, words)
    assert emulator.call("POST", ACCOUNTS, {"accountId": "robot-1"}).status == 409
    clock.now += 1
    assert use(emulator).status == 200


def test_a_machine_does_not_start_as_an_account_that_is_not_known(emulator: Emulator, clock: Clock) -> None:
    emulator.ok("POST", ACCOUNTS, {"accountId": "robot-1"})
    image = "projects/debian-cloud/global/images/family/debian-12"
    body = {
        "name": "vm",
        "machineType": "zones/us-central1-a/machineTypes/e2-small",
        "disks": [{"boot": True, "initializeParams": {"sourceImage": image}}],
        "networkInterfaces": [{"network": "global/networks/default"}],
        "serviceAccounts": [{"email": EMAIL, "scopes": ["https://www.googleapis.com/auth/cloud-platform"]}],
    }
    refused = emulator.ok("POST", INSTANCES, body)
    emulator.finish()
    error = emulator.ok("GET", refused["selfLink"])["error"]["errors"][0]
    assert (error["code"], EMAIL in error["message"]) == ("RESOURCE_NOT_FOUND", True)
    clock.now += 30
    begun = emulator.ok("POST", INSTANCES, body)
    emulator.finish()
    assert "error" not in emulator.ok("GET", begun["selfLink"])


def test_an_api_says_for_a_while_that_it_is_off(emulator: Emulator, clock: Clock) -> None:
    name = "secretmanager.googleapis.com"
    emulator.ok("POST", f"{SERVICES}/{name}:disable", {"disableDependentServices": True})
    emulator.finish()
    emulator.ok("POST", f"{SERVICES}/{name}:enable", {})
    emulator.finish()
    assert emulator.ok("GET", f"{SERVICES}/{name}")["state"] == "ENABLED"
    secrets = "https://secretmanager.googleapis.com/v1/projects/test-project/secrets"
    refused = emulator.call("GET", secrets)
    assert (refused.status, refused.json()["error"]["details"][0]["reason"]) == (403, "SERVICE_DISABLED")
    clock.now += 60
    assert emulator.call("GET", secrets).status == 200


def test_enabling_what_is_enabled_starts_no_delay(emulator: Emulator, clock: Clock) -> None:
    emulator.ok("POST", f"{SERVICES}:batchEnable", {"serviceIds": ["compute.googleapis.com", "run.googleapis.com"]})
    emulator.finish()
    assert emulator.call("GET", INSTANCES).status == 200


def test_what_is_new_is_known_at_once_without_the_switches(emulator: Emulator) -> None:
    emulator.ok("POST", ACCOUNTS, {"accountId": "robot-1"})
    assert bind_project(emulator).status == 200
