# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Routes, and what the documents say of bodies."""

from __future__ import annotations

import typing as t

import pytest
from gcp_emulator.discovery import DOCUMENTS, Apis
from gcp_emulator.errors import ApiError
from gcp_emulator.schema import refusal
from gcp_emulator.services import ALL

if t.TYPE_CHECKING:
    from gcp_emulator.services.base import Service
    from harness import Emulator

INSTANCE = "projects/p/zones/z/instances/i"
SECRET = "projects/p/secrets/s"


@pytest.mark.parametrize(
    ("verb", "host", "path", "method", "version", "resource"),
    [
        ("GET", "compute", f"/compute/v1/{INSTANCE}", "compute.instances.get", "v1", INSTANCE),
        ("GET", "www", f"/compute/v1/{INSTANCE}", "compute.instances.get", "v1", INSTANCE),
        ("POST", "compute", f"/compute/v1/{INSTANCE}/start", "compute.instances.start", "v1", f"{INSTANCE}/start"),
        ("GET", "sqladmin", "/v1/projects/p/instances/i", "sql.instances.get", "v1", "projects/p/instances/i"),
        (
            "GET",
            "sqladmin",
            "/sql/v1beta4/projects/p/instances/i",
            "sql.instances.get",
            "v1beta4",
            "projects/p/instances/i",
        ),
        (
            "POST",
            "secretmanager",
            f"/v1/{SECRET}:addVersion",
            "secretmanager.projects.secrets.addVersion",
            "v1",
            SECRET,
        ),
        (
            *("GET", "secretmanager", f"/v1/{SECRET}/versions/latest:access"),
            *("secretmanager.projects.secrets.versions.access", "v1", f"{SECRET}/versions/latest"),
        ),
        (
            *("POST", "cloudresourcemanager", "/v3/projects/p:setIamPolicy"),
            *("cloudresourcemanager.projects.setIamPolicy", "v3", "projects/p"),
        ),
        (
            *("GET", "serviceusage", "/v1/projects/p/services/run.googleapis.com"),
            *("serviceusage.services.get", "v1", "projects/p/services/run.googleapis.com"),
        ),
        (
            *("GET", "iam", "/v1/projects/-/serviceAccounts/a%40b.iam.gserviceaccount.com/keys/1"),
            "iam.projects.serviceAccounts.keys.get",
            *("v1", "projects/-/serviceAccounts/a@b.iam.gserviceaccount.com/keys/1"),
        ),
        ("GET", "storage", "/storage/v1/b/bucket/iam", "storage.buckets.getIamPolicy", "v1", "b/bucket/iam"),
    ],
)
def test_a_request_is_routed_to_its_method(
    apis: Apis, verb: str, host: str, path: str, method: str, version: str, resource: str
) -> None:
    route = apis.find(verb, f"{host}.googleapis.com", path)
    assert (route.method.id, route.api.version, route.resource) == (method, version, resource)


def test_a_path_is_known_by_both_of_its_forms(apis: Apis) -> None:
    route = apis.find("GET", "secretmanager.googleapis.com", f"/v1/{SECRET}/versions/7")
    assert route.path == {
        "projectsId": "p",
        "secretsId": "s",
        "versionsId": "7",
        "name": f"{SECRET}/versions/7",
    }


@pytest.mark.parametrize(
    ("verb", "host", "path", "code"),
    [
        ("GET", "compute.googleapis.com", "/compute/v1/nothing", 404),
        ("GET", "secretmanager.googleapis.com", f"/v1/{SECRET}:nothing", 404),
        ("GET", "container.googleapis.com", "/v1/projects/p", 404),
        ("DELETE", "secretmanager.googleapis.com", f"/v1/{SECRET}:addVersion", 405),
    ],
)
def test_a_request_that_means_nothing_is_refused(apis: Apis, verb: str, host: str, path: str, code: int) -> None:
    with pytest.raises(ApiError) as raised:
        apis.find(verb, host, path)
    assert raised.value.code == code


def checked(apis: Apis, verb: str, host: str, path: str, body: t.Any) -> list[str]:
    route = apis.find(verb, f"{host}.googleapis.com", path)
    return [violation.message for violation in route.api.check_request(route, {}, body)]


@pytest.mark.parametrize(("collection", "refused"), [("users", 0), ("databases", 2)])
def test_a_parameter_that_google_takes_unlisted_is_taken_there_alone(apis: Apis, collection: str, refused: int) -> None:
    route = apis.find("GET", "sqladmin.googleapis.com", f"/sql/v1beta4/projects/p/instances/i/{collection}")
    assert len(route.api.check_request(route, {"name": ["jane"], "host": [""]}, None)) == refused


@pytest.mark.parametrize(
    ("host", "path", "body", "after"),
    [
        ("storage", "/storage/v1/b/bucket", {"nonsense": 1, "labels": {"a": None}}, {"labels": {"a": None}}),
        ("storage", "/storage/v1/b/bucket", {"lifecycle": None}, {"lifecycle": None}),
        (
            *("sqladmin", "/v1/projects/p/instances/i"),
            {"settings": {"user_labels": {"a_b": None}, "tier": None, "dataDiskSizeGb": 20}},
            {"settings": {"userLabels": {"a_b": None}, "dataDiskSizeGb": 20}},
        ),
        (
            *("compute", "/compute/v1/projects/p/global/firewalls/f"),
            *({"description": "", "denied": None, "selfLink": "x"}, {"description": ""}),
        ),
        ("secretmanager", f"/v1/{SECRET}", {"etag": "a-_=", "createTime": "x"}, {"etag": "a-_="}),
    ],
)
def test_a_body_comes_to_the_service_in_one_form(apis: Apis, host: str, path: str, body: t.Any, after: t.Any) -> None:
    assert checked(apis, "PATCH", host, path, body) == []
    assert body == after


@pytest.mark.parametrize(
    ("host", "path", "body", "words"),
    [
        (
            "sqladmin",
            "/v1/projects/p/instances",
            {"databaseVersion": "POSTGRES_99"},
            "Invalid value at 'databaseVersion'",
        ),
        ("sqladmin", "/v1/projects/p/instances", {"settings": {"dataDiskSizeGb": "big"}}, '(TYPE_INT64), "big"'),
        ("sqladmin", "/v1/projects/p/instances", {"settings": {"dataDiskSize": 1}}, "at 'settings': Cannot find field"),
        ("secretmanager", f"/v1/{SECRET}:addVersion", {"payload": {"data": "%"}}, "(TYPE_BYTES)"),
        ("secretmanager", f"/v1/{SECRET}:addVersion", {"payload": "x"}, "(type SecretPayload)"),
        ("secretmanager", "/v1/projects/p/secrets", {"labels": {"a": 1}}, "'labels[a]' (TYPE_STRING), 1"),
        ("compute", "/compute/v1/projects/p/global/firewalls", {}, "Invalid value for field 'resource.name'"),
    ],
)
def test_a_body_that_does_not_fit_is_told_where(apis: Apis, host: str, path: str, body: t.Any, words: str) -> None:
    assert any(words in message for message in checked(apis, "POST", host, path, body))


def test_what_is_malformed_is_told_before_what_is_invalid(apis: Apis) -> None:
    route = apis.find("POST", "compute.googleapis.com", "/compute/v1/projects/p/global/firewalls")
    error = refusal(route.api.check_request(route, {}, {"name": "Bad_Name", "nonsense": 1, "priority": "x"}))
    assert error.message.splitlines() == [
        'Invalid JSON payload received. Unknown name "nonsense": Cannot find field.',
        "Invalid value at 'priority' (TYPE_INT32), \"x\"",
    ]


def test_a_patch_need_not_repeat_what_an_insert_requires(apis: Apis) -> None:
    assert checked(apis, "PATCH", "compute", "/compute/v1/projects/p/global/firewalls/f", {"priority": 7}) == []


@pytest.mark.parametrize("service", ALL, ids=lambda service: service.__name__)
def test_every_handler_answers_a_method_that_google_has(service: type[Service], emulator: Emulator, apis: Apis) -> None:
    made = next(one for one in emulator.services if type(one) is service)
    known = {method for api in apis.named(service.api) for method in api.methods}
    assert set(made.handlers)
    assert set(made.handlers) <= known


def test_every_document_is_routed_flat(apis: Apis) -> None:
    """A template whose parameter spans several segments would never match."""
    names = {name.partition(".")[0] for name in DOCUMENTS}
    methods = [method for name in names for api in apis.named(name) for method in api.methods.values()]
    assert len(methods) > 1000
    assert not [method.id for method in methods if "+" in method.template]
