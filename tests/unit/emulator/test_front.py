# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may call what, and what is answered to a request that Google would refuse."""

from __future__ import annotations

import gzip
import json
import typing as t

import pytest
from gcp_emulator import accounts, policies, tokens
from harness import OWNER

if t.TYPE_CHECKING:
    from harness import Emulator

FIREWALLS = "https://compute.googleapis.com/compute/v1/projects/test-project/global/firewalls"
INSTANCES = "https://compute.googleapis.com/compute/v1/projects/test-project/zones/us-central1-a/instances"
SQL = "https://sqladmin.googleapis.com/v1/projects/test-project/instances"
SECRETS = "https://secretmanager.googleapis.com/v1/projects/test-project/secrets"
RULE = {"name": "a", "allowed": [{"IPProtocol": "tcp"}]}
STRANGER = "stranger@test-project.iam.gserviceaccount.com"
BUCKETS = "https://storage.googleapis.com/storage/v1/b"


@pytest.mark.parametrize(
    ("verb", "url", "body", "principal", "status"),
    [
        pytest.param("GET", f"{BUCKETS}?project=test-project", None, OWNER, 200, id="JSON"),
        pytest.param("GET", f"{BUCKETS}/none", None, OWNER, 404, id="an error"),
        pytest.param("GET", f"{BUCKETS}/none", None, None, 401, id="no credential"),
        pytest.param("GET", f"{BUCKETS}/none/o/a?alt=media", None, OWNER, 404, id="data"),
        pytest.param("GET", "https://storage.googleapis.com/none/a", None, OWNER, 404, id="XML"),
        pytest.param("GET", f"{BUCKETS.replace('storage.', 'www.')}/none", None, OWNER, 404, id="the old host"),
    ],
)
def test_each_answer_of_storage_has_an_id_of_its_own(
    emulator: Emulator, verb: str, url: str, body: t.Any, principal: str | None, status: int
) -> None:
    answers = [emulator.call(verb, url, body, principal=principal) for _ in range(2)]
    assert [answer.status for answer in answers] == [status, status]
    assert len({answer.headers["x-guploader-uploadid"] for answer in answers}) == 2


def test_an_answer_of_another_api_has_no_id_of_storage(emulator: Emulator) -> None:
    assert "x-guploader-uploadid" not in emulator.call("GET", FIREWALLS).headers


@pytest.mark.parametrize(
    ("verb", "url", "body", "status", "reason", "words"),
    [
        ("GET", FIREWALLS.replace("walls", "wallz"), None, 404, "notFound", "was not found"),
        ("PUT", FIREWALLS, RULE, 405, "httpMethodNotAllowed", "PUT is not allowed"),
        ("GET", f"{FIREWALLS}?foo=1", None, 400, "badRequest", 'Unknown name "foo": Cannot bind query parameter'),
        ("GET", f"{FIREWALLS}?maxResults=many", None, 400, "badRequest", "Invalid value at 'maxResults' (TYPE_UINT32)"),
        ("POST", FIREWALLS, b"{", 400, "badRequest", "Unexpected token"),
        ("POST", FIREWALLS, [], 400, "badRequest", "Root element must be a message"),
        ("POST", FIREWALLS, RULE | {"sourceRange": []}, 400, "badRequest", 'Unknown name "sourceRange": Cannot find'),
        ("POST", FIREWALLS, RULE | {"allowed": {}}, 400, "badRequest", "Invalid value at 'allowed' (type list)"),
        ("POST", FIREWALLS, RULE | {"direction": "IN"}, 400, "badRequest", "Invalid value at 'direction' (TYPE_ENUM)"),
        ("POST", FIREWALLS, RULE | {"priority": 2**31}, 400, "badRequest", "Invalid value at 'priority' (TYPE_INT32)"),
        ("POST", FIREWALLS, RULE | {"disabled": "no"}, 400, "badRequest", "Invalid value at 'disabled' (TYPE_BOOL)"),
        (
            "POST",
            FIREWALLS,
            RULE | {"name": "Bad_Name"},
            400,
            "invalid",
            "'resource.name': 'Bad_Name'. Must be a match",
        ),
        ("POST", FIREWALLS, {"allowed": []}, 400, "invalid", "Invalid value for field 'resource.name': ''"),
        (
            *("POST", FIREWALLS, {"name": "a", "allowed": [{"IPProtocol": "tcp", "port": 1}]}),
            *(400, "badRequest", "Unknown name \"port\" at 'allowed[0]'"),
        ),
        ("GET", FIREWALLS.replace("test-project", "Test"), None, 400, "invalid", "field 'project': 'Test'"),
        ("GET", FIREWALLS.replace("test-project", "nobody"), None, 404, "notFound", "The resource 'projects/nobody'"),
        ("GET", SQL.replace("test-project", "nobody"), None, 403, "notAuthorized", "The client is not authorized"),
        (
            "GET",
            SECRETS.replace("test-project", "nobody"),
            None,
            403,
            "PERMISSION_DENIED",
            "on resource project nobody",
        ),
        ("POST", f"{SECRETS}?secretId=s", {"lables": {}}, 400, "INVALID_ARGUMENT", 'Unknown name "lables"'),
        ("GET", "https://storage.googleapis.com/storage/v1/b", None, 400, "required", "Required parameter: project"),
        ("GET", FIREWALLS.replace("firewalls", "sslPolicies"), None, 501, "notImplemented", "compute.sslPolicies.list"),
    ],
)
def test_a_request_that_google_would_refuse_is_refused(
    emulator: Emulator, verb: str, url: str, body: t.Any, status: int, reason: str, words: str
) -> None:
    answer = emulator.call(verb, url, body)
    assert (answer.status, answer.reason) == (status, reason), answer.content
    assert words in answer.message


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"source_ranges": ["10.0.0.0/8"]},
        {"direction": 1},
        {"direction": "", "description": None},
        {"id": "7", "creationTimestamp": "never", "kind": "compute#firewall"},
        {"project": "test-project"},
    ],
    ids=["plain", "snake_case", "enum number", "unset", "output-only", "path-bound"],
)
def test_a_body_that_google_takes_is_taken(emulator: Emulator, changes: dict[str, t.Any]) -> None:
    answer = emulator.front.apis.find(
        "POST", "compute.googleapis.com", "/compute/v1/projects/test-project/global/firewalls"
    )
    body = json.loads(json.dumps(RULE | changes))
    assert answer.api.check_request(answer, {}, body) == []
    assert body.get("id") is None
    assert "source_ranges" not in body
    assert body.get("direction") != ""


def test_a_list_takes_the_parameter_that_the_document_dropped(emulator: Emulator) -> None:
    emulator.ok("GET", f"{FIREWALLS}?returnPartialSuccess=true&max_results=5")


def test_a_compressed_body_is_read(emulator: Emulator) -> None:
    url = "https://cloudresourcemanager.googleapis.com/v1/projects/test-project:testIamPermissions"
    content = gzip.compress(json.dumps({"permissions": ["resourcemanager.projects.get"]}).encode())
    answer = emulator.ok("POST", url, content, headers={"content-encoding": "gzip"})
    assert answer == {"permissions": ["resourcemanager.projects.get"]}


def test_no_credential_is_401(emulator: Emulator) -> None:
    answer = emulator.call("GET", FIREWALLS, principal=None)
    assert answer.status == 401
    assert "missing required authentication credential" in answer.message
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("authorization", ["Bearer nonsense", "Bearer a.b.c", "Basic eDp5"])
def test_a_credential_that_was_never_given_is_401(emulator: Emulator, authorization: str) -> None:
    answer = emulator.call("GET", FIREWALLS, headers={"authorization": authorization})
    assert (answer.status, answer.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
    assert "invalid authentication credentials" in answer.message


def test_an_expired_token_is_401(emulator: Emulator) -> None:
    token = tokens.issue(emulator.cloud.store, emulator.owner, seconds=-1)
    assert emulator.call("GET", FIREWALLS, headers={"authorization": f"Bearer {token}"}).status == 401


def test_a_token_in_the_query_counts(emulator: Emulator) -> None:
    token = tokens.issue(emulator.cloud.store, emulator.owner)
    assert emulator.call("GET", f"{FIREWALLS}?access_token={token}", principal=None).status == 200


def test_a_token_of_another_scope_is_403(emulator: Emulator) -> None:
    token = tokens.issue(emulator.cloud.store, emulator.owner, ["https://www.googleapis.com/auth/devstorage.read_only"])
    answer = emulator.call("GET", FIREWALLS, headers={"authorization": f"Bearer {token}"})
    assert (answer.status, answer.message) == (403, "Request had insufficient authentication scopes.")


def test_a_reading_token_does_not_write_objects(emulator: Emulator) -> None:
    token = tokens.issue(emulator.cloud.store, emulator.owner, ["https://www.googleapis.com/auth/devstorage.read_only"])
    emulator.ok("POST", "https://storage.googleapis.com/storage/v1/b?project=test-project", {"name": "read-bucket"})
    upload = "https://storage.googleapis.com/upload/storage/v1/b/read-bucket/o?uploadType=media&name=x"
    headers = {"authorization": f"Bearer {token}"}
    assert emulator.call("POST", upload, b"x", headers=headers).status == 403
    listing = "https://storage.googleapis.com/storage/v1/b/read-bucket/o"
    assert emulator.call("GET", listing, headers=headers).status == 200


def test_a_disabled_service_says_how_to_enable_it(emulator: Emulator) -> None:
    project = accounts.create_project(emulator.cloud.store, "other-project")
    policies.grant(emulator.cloud.store, "projects/other-project", "roles/owner", f"serviceAccount:{emulator.owner}")
    answer = emulator.call("GET", FIREWALLS.replace("test-project", "other-project"))
    error = answer.json()["error"]
    assert (answer.status, error["status"], answer.reason) == (403, "PERMISSION_DENIED", "accessNotConfigured")
    assert f"Compute Engine API has not been used in project {project['projectNumber']} before" in answer.message
    info = error["details"][0]
    assert (info["reason"], info["metadata"]["service"]) == ("SERVICE_DISABLED", "compute.googleapis.com")
    assert info["metadata"]["consumer"] == f"projects/{project['projectNumber']}"


@pytest.mark.parametrize(
    ("verb", "url", "body", "reason", "words"),
    [
        (
            *("POST", FIREWALLS, RULE, "forbidden"),
            "Required 'compute.firewalls.create' permission for 'projects/test-project/global/firewalls/a'",
        ),
        ("GET", SQL, None, "notAuthorized", "The client is not authorized to make this request."),
        ("GET", SECRETS, None, "PERMISSION_DENIED", "Permission 'secretmanager.secrets.list' denied for resource"),
        (
            *("POST", "https://storage.googleapis.com/storage/v1/b?project=test-project", {"name": "b-1"}, "forbidden"),
            f"{STRANGER} does not have storage.buckets.create access to the Google Cloud project.",
        ),
        (
            *("GET", "https://iam.googleapis.com/v1/projects/test-project/serviceAccounts", None, "forbidden"),
            "Permission 'iam.serviceAccounts.list' denied on resource",
        ),
        (
            "PATCH",
            "https://servicenetworking.googleapis.com/v1/services/servicenetworking.googleapis.com/connections/-",
            {"network": "projects/test-project/global/networks/default"},
            "PERMISSION_DENIED",
            "Permission denied to add peering for service 'servicenetworking.googleapis.com'.",
        ),
    ],
)
def test_a_missing_permission_is_named(
    emulator: Emulator, verb: str, url: str, body: t.Any, reason: str, words: str
) -> None:
    answer = emulator.call(verb, url, body, principal=emulator.account("stranger"))
    assert (answer.status, answer.reason) == (403, reason)
    assert words in answer.message


def test_a_firewall_rule_needs_the_network_too(emulator: Emulator) -> None:
    admin = emulator.account("admins", "roles/compute.instanceAdmin.v1")
    assert "compute.firewalls.create" in emulator.call("POST", FIREWALLS, RULE, principal=admin).message


def test_starting_a_machine_as_an_account_needs_the_right_to_act_as_it(emulator: Emulator) -> None:
    admin = emulator.account("admins", "roles/compute.admin")
    runner = emulator.account("runner")
    body = {
        "name": "vm",
        "machineType": "zones/us-central1-a/machineTypes/e2-small",
        "serviceAccounts": [{"email": runner}],
    }
    refused = emulator.call("POST", INSTANCES, body, principal=admin)
    assert f"The user does not have access to service account '{runner}'.  User: '{admin}'." in refused.message
    resource = f"projects/{emulator.project}/serviceAccounts/{runner}"
    policies.grant(emulator.cloud.store, resource, "roles/iam.serviceAccountUser", f"serviceAccount:{admin}")
    assert "does not have access" not in emulator.call("POST", INSTANCES, body, principal=admin).content.decode()


def test_a_project_may_be_named_by_its_number(emulator: Emulator) -> None:
    number = emulator.ok("GET", "https://cloudresourcemanager.googleapis.com/v1/projects/test-project")["projectNumber"]
    assert emulator.ok("GET", FIREWALLS.replace("test-project", number)) == emulator.ok("GET", FIREWALLS)


@pytest.mark.parametrize(
    "url",
    [
        FIREWALLS.replace("compute.google", "www.google"),
        "https://www.googleapis.com/storage/v1/b?project=test-project",
        "https://sqladmin.googleapis.com/sql/v1beta4/projects/test-project/instances",
        "https://www.googleapis.com/sql/v1beta4/projects/test-project/instances",
    ],
)
def test_an_api_answers_at_its_older_addresses(emulator: Emulator, url: str) -> None:
    emulator.ok("GET", url)


def test_the_parts_of_a_batch_are_answered_one_by_one(emulator: Emulator) -> None:
    path = "/compute/v1/projects/test-project/global/firewalls"
    parts = [
        f"--b\r\nContent-Type: application/http\r\nContent-ID: <{number}>\r\n\r\nGET {target} HTTP/1.1\r\n\r\n\r\n"
        for number, target in enumerate([path, f"https://compute.googleapis.com{path}/none", f"{path}?foo=1"])
    ]
    content = "".join([*parts, "--b--\r\n"]).encode()
    headers = {"content-type": "multipart/mixed; boundary=b"}
    answer = emulator.call("POST", "https://compute.googleapis.com/batch/compute/v1", content, headers=headers)
    text = answer.content.decode()
    assert answer.headers["content-type"].startswith("multipart/mixed; boundary=")
    assert [line for line in text.splitlines() if line.startswith("HTTP/1.1")] == [
        *("HTTP/1.1 200 OK", "HTTP/1.1 404 Not Found", "HTTP/1.1 400 Bad Request"),
    ]
    assert "Content-ID: <response-1>" in text


def test_a_handler_that_fails_is_500_and_tells_nothing(emulator: Emulator) -> None:
    emulator.front.strict = False
    emulator.front._handlers["compute.firewalls.list"] = lambda call: {"items": call.path["nothing"]}
    answer = emulator.call("GET", FIREWALLS)
    assert (answer.status, answer.message) == (500, "Internal error encountered.")


def test_a_handler_that_answers_what_the_schema_lacks_is_a_defect(emulator: Emulator) -> None:
    emulator.front._handlers["compute.firewalls.list"] = lambda _call: {"itemz": []}
    with pytest.raises(AssertionError, match='Unknown name "itemz"'):
        emulator.call("GET", FIREWALLS)
