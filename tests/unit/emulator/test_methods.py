# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What holds for all methods alike: each is one that Google has, what is missing says so, and lists come in pages."""

from __future__ import annotations

import re
import typing as t
from urllib.parse import urlencode

import pytest
from gcp_emulator import accounts, policies, tokens
from gcp_emulator.discovery import Apis, Method
from gcp_emulator.errors import ApiError
from gcp_emulator.front import Message
from gcp_emulator.services import ALL
from harness import Emulator, assemble

if t.TYPE_CHECKING:
    from gcp_emulator.services.base import Service

Json = dict[str, t.Any]
# What stands in a path.
PLACES = {
    "bucket": "one-bucket",
    "project": "test-project",
    "projectsId": "test-project",
    "region": "us-central1",
    "secretsId": "one",
    "v1Id": "projects",
    "v1Id1": "test-project",
    "zone": "us-central1-a",
}
PLACES_OF = {
    "compute.images.list": {"project": "debian-cloud"},
    "storage.folders.list": {"bucket": "tree-bucket"},
}
# What a list is asked besides.
QUERIES = {
    "cloudresourcemanager.projects.list v3": {"parent": "organizations/0"},
    "serviceusage.services.list v1": {"filter": "state:ENABLED"},
    "storage.buckets.list v1": {"project": "test-project"},
}
# Lists of what the sandbox does not have.
EMPTY = ("storage.managedFolders.list",)
each_service = pytest.mark.parametrize("service", ALL, ids=lambda service: service.__name__)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, apis: Apis) -> t.Iterator[Emulator]:
    """An emulator with two of everything that can be listed."""
    made = assemble(tmp_path_factory.mktemp("full"), apis)
    fill(made)
    yield made
    made.close()


def fill(emulator: Emulator) -> None:
    store, owner = emulator.cloud.store, f"serviceAccount:{emulator.owner}"
    accounts.create_project(store, "other-project")
    policies.grant(store, "projects/other-project", "roles/owner", owner)
    compute = "https://compute.googleapis.com/compute/v1/projects/test-project"
    region, zone = f"{compute}/regions/us-central1", f"{compute}/zones/us-central1-a"
    sql = "https://sqladmin.googleapis.com/v1/projects/test-project"
    secrets = "https://secretmanager.googleapis.com/v1/projects/test-project/secrets"
    services = "https://serviceusage.googleapis.com/v1/projects/test-project/services"
    storage = "https://storage.googleapis.com"
    emulator.ok("POST", f"{compute}/global/networks", {"name": "other", "autoCreateSubnetworks": False})
    networks = "projects/test-project/global/networks"
    uniform = {"uniformBucketLevelAccess": {"enabled": True}}
    tree = {"hierarchicalNamespace": {"enabled": True}, "iamConfiguration": uniform}
    emulator.ok("POST", f"{storage}/storage/v1/b?project=test-project", {"name": "tree-bucket"} | tree)
    for number, name in enumerate(("one", "two")):
        emulator.ok("POST", f"{region}/addresses", {"name": name})
        emulator.ok("POST", f"{compute}/global/addresses", {"name": name})
        emulator.ok("POST", f"{region}/routers", {"name": name, "network": f"{networks}/default"})
        body: Json = {"name": name, "network": f"{networks}/other", "ipCidrRange": f"10.{number}.0.0/24"}
        emulator.ok("POST", f"{region}/subnetworks", body)
        emulator.ok("POST", f"{zone}/instances", machine(name))
        emulator.ok("POST", f"{secrets}?secretId={name}", {"replication": {"automatic": {}}})
        emulator.ok("POST", f"{secrets}/one:addVersion", {"payload": {"data": "eA=="}})
        emulator.ok("POST", f"{storage}/storage/v1/b?project=test-project", {"name": f"{name}-bucket"})
        emulator.ok("POST", f"{storage}/storage/v1/b/tree-bucket/folders", {"name": f"{name}/"})
        emulator.ok("POST", f"{storage}/upload/storage/v1/b/one-bucket/o?uploadType=media&name={name}", b"x")
        emulator.ok("POST", f"{services}/{('run', 'container')[number]}.googleapis.com:enable", {})
        body = {"name": name, "databaseVersion": "POSTGRES_15", "settings": {"tier": "db-f1-micro"}}
        emulator.ok("POST", f"{sql}/instances", body)
    emulator.finish()
    for name in ("three", "four"):  # a final backup of each is left
        body = {"name": name, "databaseVersion": "POSTGRES_15", "settings": {"tier": "db-f1-micro"}}
        emulator.ok("POST", f"{sql}/instances", body)
        emulator.finish()
        emulator.ok("DELETE", f"{sql}/instances/{name}?enableFinalBackup=true")
    body = {"name": "range", "purpose": "VPC_PEERING", "addressType": "INTERNAL", "prefixLength": 24}
    emulator.ok("POST", f"{compute}/global/addresses", body | {"network": f"{networks}/default"})
    emulator.finish()
    connections = "https://servicenetworking.googleapis.com/v1/services/servicenetworking.googleapis.com/connections"
    project = emulator.ok("GET", "https://cloudresourcemanager.googleapis.com/v1/projects/test-project")[
        "projectNumber"
    ]
    body = {"network": f"projects/{project}/global/networks/default", "reservedPeeringRanges": ["range"]}
    emulator.ok("POST", connections, body)
    emulator.ok("PATCH", f"{connections}/-", body)
    emulator.finish()


def machine(name: str) -> Json:
    return {
        "name": name,
        "machineType": "zones/us-central1-a/machineTypes/e2-small",
        "disks": [
            {
                "boot": True,
                "initializeParams": {"sourceImage": "projects/debian-cloud/global/images/family/debian-12"},
            }
        ],
        "networkInterfaces": [{"network": "global/networks/default"}],
    }


def handled(emulator: Emulator, service: type[Service]) -> list[Method]:
    """The methods of a service that the emulator has, in each version."""
    made = next(one for one in emulator.services if type(one) is service)
    return [method for name in sorted(made.handlers) for method in emulator.front.apis.versions_of(name)]


def lists(emulator: Emulator, service: type[Service]) -> list[Method]:
    """Those that answer in pages."""
    return [method for method in handled(emulator, service) if "pageToken" in method.parameters]


def url_of(method: Method, **query: t.Any) -> str:
    """The address of a list in the emulator that is full."""
    places = PLACES | PLACES_OF.get(method.id, {})
    path = re.sub(r"\{([^}]+)\}", lambda match: places[match[1]], method.template)
    asked = QUERIES.get(f"{method.id} {method.api.version}", {}) | query
    return f"https://{method.api.name}.googleapis.com/{path}?{urlencode(asked)}"


def items_of(method: Method, answer: Json) -> list[t.Any]:
    """The resources in an answer; an aggregated one has them by place and kind."""
    if method.id.endswith(".aggregatedList"):
        places = answer.get("items", {}).values()
        return [item for place in places for items in place.values() if isinstance(items, list) for item in items]
    schema = method.api.schemas[method.document["response"]["$ref"]]["properties"]
    return next((answer[name] for name in schema if schema[name].get("type") == "array" and name in answer), [])


def size_of(method: Method) -> str:
    """The parameter that tells how long a page is."""
    return next(name for name in ("pageSize", "maxResults") if name in method.parameters)


def pages(emulator: Emulator, method: Method, **query: t.Any) -> list[list[t.Any]]:
    """All pages of a list."""
    found: list[list[t.Any]] = []
    token: dict[str, str] = {}
    while token or not found:
        answer = emulator.ok("GET", url_of(method, **query, **token))
        found.append(items_of(method, answer))
        token = {"pageToken": answer["nextPageToken"]} if answer.get("nextPageToken") else {}
    return found


@each_service
def test_small_pages_have_the_same_items_as_large_ones(full: Emulator, service: type[Service]) -> None:
    for method in lists(full, service):
        whole = [item for page in pages(full, method) for item in page]
        assert (len(whole) > 1) is (method.id not in EMPTY), method.id
        size = 1 if len(whole) < 100 else 100
        small = pages(full, method, **{size_of(method): size})
        assert [len(page) for page in small[:-1]] == [size] * (len(small) - 1), method.id
        assert [item for page in small for item in page] == whole, method.id


@each_service
def test_a_page_of_size_nought_is_one_of_the_usual_size(full: Emulator, service: type[Service]) -> None:
    for method in lists(full, service):
        assert pages(full, method, **{size_of(method): 0}) == pages(full, method), method.id


@each_service
@pytest.mark.parametrize("query", [{"pageToken": "!"}, {"pageToken": "LTE="}, {"size": -1}, {"size": "many"}], ids=str)
def test_a_token_or_size_that_cannot_be_is_refused(full: Emulator, service: type[Service], query: Json) -> None:
    for method in lists(full, service):
        asked = {size_of(method) if name == "size" else name: value for name, value in query.items()}
        if method.id.startswith("storage.") and "pageToken" in query:
            asked = {"pageToken": "!"}  # its tokens are names, and a number is one
        assert full.call("GET", url_of(method, **asked)).status == 400, method.id


@each_service
def test_a_method_that_is_missing_says_so_by_name(emulator: Emulator, service: type[Service]) -> None:
    known = {method.id for method in handled(emulator, service)}
    headers = {"authorization": f"Bearer {tokens.issue(emulator.cloud.store, emulator.owner)}"}
    everything = [method for api in emulator.front.apis.named(service.api) for method in api.methods.values()]
    assert {method.id for method in everything} > known
    for method in everything:
        if method.id in known:
            continue
        path = re.sub(r"\{[^}]+\}", "x1", f"/{method.template}")
        message = Message(method.verb, f"{service.api}.googleapis.com", path, {}, headers, b"")
        with pytest.raises(ApiError, match=f"does not have the method {re.escape(method.id)}\\.") as raised:
            emulator.front.answer(message, [])
        assert raised.value.code == 501
