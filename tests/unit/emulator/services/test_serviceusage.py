# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Enabling and disabling APIs."""

from __future__ import annotations

import re
import typing as t

import pytest

if t.TYPE_CHECKING:
    from gcp_emulator.errors import Json
    from harness import Emulator

ROOT = "https://serviceusage.googleapis.com/v1"
SERVICES = f"{ROOT}/projects/test-project/services"
RUN = "run.googleapis.com"


def state(emulator: Emulator, service: str) -> str:
    return str(emulator.ok("GET", f"{SERVICES}/{service}")["state"])


def finished(emulator: Emulator, operation: Json) -> Json:
    emulator.finish()
    return emulator.ok("GET", f"{ROOT}/{operation['name']}")


def test_a_service_is_enabled_by_an_operation(emulator: Emulator) -> None:
    assert state(emulator, RUN) == "DISABLED"
    done = finished(emulator, emulator.ok("POST", f"{SERVICES}/{RUN}:enable", {}))
    assert (done["done"], done["response"]["service"]["state"]) == (True, "ENABLED")
    assert state(emulator, RUN) == "ENABLED"


def test_several_services_are_enabled_at_once(emulator: Emulator) -> None:
    names = [RUN, "container.googleapis.com"]
    done = finished(emulator, emulator.ok("POST", f"{SERVICES}:batchEnable", {"serviceIds": names}))
    assert {service["config"]["name"] for service in done["response"]["services"]} == set(names)


def test_what_is_enabled_is_done_at_once(emulator: Emulator) -> None:
    operation = emulator.ok("POST", f"{SERVICES}/compute.googleapis.com:enable", {})
    assert (operation["name"], operation["done"]) == ("operations/noop.DONE_OPERATION", True)


def test_a_service_is_disabled_by_an_operation(emulator: Emulator) -> None:
    finished(emulator, emulator.ok("POST", f"{SERVICES}/sqladmin.googleapis.com:disable", {}))
    assert state(emulator, "sqladmin.googleapis.com") == "DISABLED"
    sql = "https://sqladmin.googleapis.com/v1/projects/test-project/instances"
    assert emulator.call("GET", sql).reason == "accessNotConfigured"


@pytest.mark.parametrize(
    ("service", "dependents"),
    [("compute", "services?: container.googleapis.com;"), ("oslogin", "services: compute.*,container.googleapis.com;")],
)
def test_a_service_that_others_need_is_not_disabled_alone(emulator: Emulator, service: str, dependents: str) -> None:
    finished(emulator, emulator.ok("POST", f"{SERVICES}/container.googleapis.com:enable", {}))
    assert state(emulator, "oslogin.googleapis.com") == "ENABLED", "what a service needs is enabled with it"
    url = f"{SERVICES}/{service}.googleapis.com:disable"
    answer = emulator.call("POST", url, {})
    assert (answer.status, answer.reason) == (400, "FAILED_PRECONDITION")
    assert re.search(f"{service}.googleapis.com is depended on by the following active {dependents}", answer.message)
    finished(emulator, emulator.ok("POST", url, {"disableDependentServices": True}))
    assert {state(emulator, f"{name}.googleapis.com") for name in (service, "container")} == {"DISABLED"}


def test_compute_comes_with_its_account_however_it_is_enabled(emulator: Emulator) -> None:
    store = emulator.cloud.store
    project = store.get("projects", "test-project") or {}
    store.put("projects", "test-project", project | {"services": ["serviceusage.googleapis.com"]})
    account = f"{project['projectNumber']}-compute@developer.gserviceaccount.com"
    store.delete("serviceAccounts", account)
    finished(emulator, emulator.ok("POST", f"{SERVICES}/container.googleapis.com:enable", {}))
    assert store.get("serviceAccounts", account)


def test_what_is_not_enabled_cannot_be_disabled(emulator: Emulator) -> None:
    answer = emulator.call("POST", f"{SERVICES}/{RUN}:disable", {})
    assert (answer.status, answer.reason) == (400, "FAILED_PRECONDITION")


def test_thirty_services_are_read_at_once_and_no_more(emulator: Emulator) -> None:
    names = "&".join([f"names=projects/test-project/services/{RUN}"] * 30)
    assert len(emulator.ok("GET", f"{SERVICES}:batchGet?{names}")["services"]) == 30
    assert emulator.call("GET", f"{SERVICES}:batchGet?{names}&names=projects/test-project/services/{RUN}").status == 400


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"serviceIds": []}, 400, "At least one"),
        ({"serviceIds": [RUN] * 21}, 400, "at most 20"),
        ({"serviceIds": ["nothing.googleapis.com"]}, 403, "Not found or permission denied for service(s): nothing"),
        ({"services": [RUN]}, 400, 'Unknown name "services"'),
    ],
)
def test_a_batch_that_cannot_be_is_refused(emulator: Emulator, body: Json, status: int, words: str) -> None:
    answer = emulator.call("POST", f"{SERVICES}:batchEnable", body)
    assert answer.status == status
    assert words in answer.message


def test_a_project_without_billing_gets_no_paid_service(emulator: Emulator) -> None:
    store = emulator.cloud.store
    project = store.get("projects", "test-project") or {}
    store.put("projects", "test-project", project | {"billing": False, "services": ["serviceusage.googleapis.com"]})
    answer = emulator.call("POST", f"{SERVICES}:batchEnable", {"serviceIds": ["compute.googleapis.com"]})
    assert (answer.status, answer.reason) == (400, "FAILED_PRECONDITION")
    assert "Billing must be enabled for activation of service(s) 'compute.googleapis.com'" in answer.message


def test_the_list_comes_in_pages_and_can_be_filtered(emulator: Emulator) -> None:
    names: list[str] = []
    token = ""
    while True:
        page = emulator.ok("GET", f"{SERVICES}?filter=state:ENABLED&pageSize=5&pageToken={token}")
        assert len(page["services"]) <= 5
        names += [service["config"]["name"] for service in page["services"]]
        token = page.get("nextPageToken", "")
        if not token:
            break
    assert names == sorted((emulator.cloud.store.get("projects", "test-project") or {})["services"])
    disabled = emulator.ok("GET", f"{SERVICES}?filter=state:DISABLED&pageSize=200")["services"]
    assert {service["state"] for service in disabled} == {"DISABLED"}


def test_an_operation_that_was_never_begun_is_not_found(emulator: Emulator) -> None:
    assert emulator.call("GET", f"{ROOT}/operations/none").status == 404
