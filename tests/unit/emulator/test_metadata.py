# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a VM learns about itself."""

from __future__ import annotations

import asyncio
import json
import typing as t

import pytest
from gcp_emulator import metadata
from google.auth import jwt

if t.TYPE_CHECKING:
    from harness import Answer, Emulator

VM = "projects/test-project/zones/us-central1-a/instances/vm"
EXTERNAL, INTERNAL = "198.18.77.16", "198.18.77.250"
ROOT = "/computeMetadata/v1"
FLAVOR = {"metadata-flavor": "Google"}


@pytest.fixture
def account(emulator: Emulator) -> str:
    email = emulator.account("runner", "roles/browser")
    instance = {
        "id": "4711",
        "name": "vm",
        "machineType": "https://www.googleapis.com/compute/v1/projects/test-project/zones/us-central1-a/machineTypes/e2-small",
        "metadata": {"items": [{"key": "startup-script", "value": "true"}, {"key": "with-dash", "value": "1"}]},
        "networkInterfaces": [
            {
                "network": "https://www.googleapis.com/compute/v1/projects/test-project/global/networks/default",
                "networkIP": "10.128.0.2",
                "accessConfigs": [{"natIP": EXTERNAL, "type": "ONE_TO_ONE_NAT"}],
            }
        ],
        "serviceAccounts": [{"email": email, "scopes": ["https://www.googleapis.com/auth/cloud-platform"]}],
        "tags": {"items": ["mlflow"]},
    }
    emulator.cloud.store.put("compute.instances", VM, instance)
    return email


def ask(emulator: Emulator, path: str, address: str = EXTERNAL, headers: dict[str, str] | None = None) -> Answer:
    app = metadata.MetadataServer(emulator.cloud.store)
    return asyncio.run(emulator.exchange(app, f"{ROOT}{path}", FLAVOR if headers is None else headers, address))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/instance/name", "vm"),
        ("/instance/id", "4711"),
        ("/instance/hostname", "vm.us-central1-a.c.test-project.internal"),
        ("/instance/attributes/startup-script", "true"),
        ("/instance/attributes/", "startup-script\nwith-dash\n"),
        ("/instance/network-interfaces/", "0/\n"),
        ("/instance/network-interfaces/0/ip", "10.128.0.2"),
        ("/instance/network-interfaces/0/access-configs/0/external-ip", EXTERNAL),
        ("/instance/service-accounts/default/scopes", "https://www.googleapis.com/auth/cloud-platform"),
        ("/instance/tags?alt=json", '["mlflow"]'),
        ("/instance/name?alt=json", '"vm"'),
        ("/project/project-id", "test-project"),
        ("/universe/universe-domain", "googleapis.com"),
        ("/instance/attributes/?recursive=true", '{"startup-script": "true", "with-dash": "1"}'),
        ("/instance/attributes/?recursive=true&alt=text", "startup-script true\nwith-dash 1\n"),
    ],
)
@pytest.mark.usefixtures("account")
def test_an_entry_is_told_as_google_tells_it(emulator: Emulator, path: str, text: str) -> None:
    answer = ask(emulator, path)
    assert (answer.status, answer.content.decode()) == (200, text)
    assert answer.headers["metadata-flavor"] == "Google"
    assert answer.headers["etag"]


@pytest.mark.usefixtures("account")
def test_the_whole_tree_has_the_names_of_json(emulator: Emulator) -> None:
    tree = json.loads(ask(emulator, "/?recursive=true").content)
    number = tree["project"]["numericProjectId"]
    assert tree["instance"]["machineType"] == f"projects/{number}/machineTypes/e2-small"
    assert tree["instance"]["zone"] == f"projects/{number}/zones/us-central1-a"
    assert tree["instance"]["networkInterfaces"][0]["accessConfigs"][0]["externalIp"] == EXTERNAL


@pytest.mark.parametrize(
    ("path", "address", "headers", "status"),
    [
        ("/instance/name", EXTERNAL, {}, 403),
        ("/instance/name", EXTERNAL, FLAVOR | {"x-forwarded-for": "10.0.0.1"}, 403),
        ("/instance/name", "198.18.77.99", FLAVOR, 403),
        ("/instance/nothing", EXTERNAL, FLAVOR, 404),
        ("/instance/attributes", EXTERNAL, FLAVOR, 301),
        ("/instance/service-accounts/other/token", EXTERNAL, FLAVOR, 404),
        ("/instance/service-accounts/default/identity", EXTERNAL, FLAVOR, 400),
    ],
)
@pytest.mark.usefixtures("account")
def test_what_is_not_for_the_caller_is_refused(
    emulator: Emulator, path: str, address: str, headers: dict[str, str], status: int
) -> None:
    assert ask(emulator, path, address, headers).status == status


@pytest.mark.usefixtures("account")
def test_a_machine_without_external_address_is_known_by_its_other_one(emulator: Emulator) -> None:
    emulator.cloud.store.put("vm_addresses", INTERNAL, {"instance": VM})
    assert ask(emulator, "/instance/name", INTERNAL).content == b"vm"


def test_the_token_is_the_accounts(emulator: Emulator, account: str) -> None:
    token = ask(emulator, "/instance/service-accounts/default/token").json()
    headers = {"authorization": f"Bearer {token['access_token']}"}
    url = "https://cloudresourcemanager.googleapis.com/v1/projects/test-project"
    assert emulator.call("GET", url, headers=headers).status == 200
    assert ask(emulator, "/instance/service-accounts/default/email").content.decode() == account


def test_an_account_that_is_gone_has_no_token(emulator: Emulator, account: str) -> None:
    emulator.ok("DELETE", f"https://iam.googleapis.com/v1/projects/-/serviceAccounts/{account}")
    assert ask(emulator, "/instance/service-accounts/default/token").status == 404


def test_a_full_identity_token_names_the_machine(emulator: Emulator, account: str) -> None:
    answer = ask(emulator, "/instance/service-accounts/default/identity?audience=me&format=full")
    claims = jwt.decode(answer.content, verify=False)
    assert (claims["email"], claims["aud"]) == (account, "me")
    assert claims["google"]["compute_engine"]["instance_name"] == "vm"


@pytest.mark.usefixtures("account")
def test_a_change_is_waited_for(emulator: Emulator) -> None:
    store = emulator.cloud.store
    app = metadata.MetadataServer(store)
    url = f"{ROOT}/instance/attributes/?recursive=true&wait_for_change=true&timeout_sec=30"
    instance = store.get("compute.instances", VM) or {}

    async def change_meanwhile() -> Answer:
        waiting = asyncio.create_task(emulator.exchange(app, url, FLAVOR, EXTERNAL))
        done, _pending = await asyncio.wait([waiting], timeout=0)
        assert not done
        store.put("compute.instances", VM, instance | {"metadata": {"items": [{"key": "new", "value": "1"}]}})
        return await waiting

    assert json.loads(asyncio.run(change_meanwhile()).content) == {"new": "1"}


@pytest.mark.usefixtures("account")
def test_whoever_missed_a_change_does_not_wait(emulator: Emulator) -> None:
    etag = ask(emulator, "/instance/name").headers["etag"]
    assert ask(emulator, "/instance/name?wait_for_change=true&last_etag=0").headers["etag"] == etag
    same = f"/instance/name?wait_for_change=true&last_etag={etag}&timeout_sec=0"
    assert ask(emulator, same).content == b"vm"


@pytest.mark.usefixtures("account")
def test_a_machine_may_have_a_name_of_its_own(emulator: Emulator) -> None:
    instance = emulator.cloud.store.get("compute.instances", VM) or {}
    emulator.cloud.store.put("compute.instances", VM, instance | {"hostname": "vm.example.com"})
    assert ask(emulator, "/instance/hostname").content == b"vm.example.com"
