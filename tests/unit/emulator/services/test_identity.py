# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Projects, policies, service accounts, keys and tokens, as their clients see them."""

from __future__ import annotations

import base64
import json
import time
import typing as t

import pytest
from gcp_emulator import tokens
from google.auth import crypt, jwt

if t.TYPE_CHECKING:
    from harness import Answer, Emulator

IAM = "https://iam.googleapis.com/v1/projects/test-project/serviceAccounts"
CRM = "https://cloudresourcemanager.googleapis.com/v1/projects/test-project"
CREDENTIALS = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts"
TOKEN = "https://oauth2.googleapis.com/token"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"


def new_account(emulator: Emulator, name: str = "mlflow") -> str:
    return str(emulator.ok("POST", IAM, {"accountId": name})["email"])


def new_key(emulator: Emulator, email: str) -> tuple[str, dict[str, str]]:
    key = emulator.ok("POST", f"{IAM}/{email}/keys", {})
    return key["name"], json.loads(base64.b64decode(key["privateKeyData"]))


def assertion(key_file: dict[str, str], **changes: t.Any) -> str:
    signer = crypt.RSASigner.from_service_account_info(key_file)
    now = int(time.time())
    claims = {"iss": key_file["client_email"], "aud": TOKEN, "scope": SCOPE, "iat": now, "exp": now + 3600}
    return str(jwt.encode(signer, claims | changes).decode())


def exchange(emulator: Emulator, jwt_: str, grant: str = tokens.JWT_BEARER) -> Answer:
    return emulator.call("POST", TOKEN, f"grant_type={grant}&assertion={jwt_}".encode(), principal=None)


def bind(emulator: Emulator, *bindings: dict[str, t.Any], version: int = 1) -> Answer:
    policy = emulator.ok("POST", f"{CRM}:getIamPolicy", {"options": {"requestedPolicyVersion": 3}})
    policy |= {"bindings": [*policy["bindings"], *bindings], "version": version}
    return emulator.call("POST", f"{CRM}:setIamPolicy", {"policy": policy})


# -- projects and policies


@pytest.mark.parametrize("version", ["v1", "v3"])
def test_a_project_is_told_in_the_words_of_each_version(emulator: Emulator, version: str) -> None:
    project = emulator.ok("GET", f"https://cloudresourcemanager.googleapis.com/{version}/projects/test-project")
    assert project["projectId"] == "test-project"
    assert project["lifecycleState" if version == "v1" else "state"] == "ACTIVE"


@pytest.mark.parametrize("version", ["v1", "v3"])
def test_each_version_reads_and_writes_the_same_policy(emulator: Emulator, version: str) -> None:
    url = f"https://cloudresourcemanager.googleapis.com/{version}/projects/test-project"
    policy = emulator.ok("POST", f"{url}:getIamPolicy", {"options": {"requestedPolicyVersion": 3}})
    policy["bindings"].append({"role": "roles/browser", "members": ["user:a@example.com"]})
    emulator.ok("POST", f"{url}:setIamPolicy", {"policy": policy})
    assert emulator.ok("POST", f"{CRM}:getIamPolicy", {})["bindings"] == policy["bindings"]
    asked = {"permissions": ["resourcemanager.projects.get"]}
    assert emulator.ok("POST", f"{url}:testIamPermissions", asked) == asked
    answer = emulator.call("POST", f"{url}:setIamPolicy", {"policy": policy})
    assert (answer.status, answer.json()["error"]["status"]) == (409, "ABORTED")


def test_a_stranger_sees_no_project(emulator: Emulator) -> None:
    url = "https://cloudresourcemanager.googleapis.com/v3/projects:search"
    assert [project["projectId"] for project in emulator.ok("GET", url)["projects"]] == ["test-project"]
    assert emulator.ok("GET", url, principal=emulator.account("stranger")) == {}


def test_a_binding_lets_its_member_in_at_once(emulator: Emulator) -> None:
    email = new_account(emulator)
    assert emulator.call("GET", CRM, principal=email).status == 403
    assert bind(emulator, {"role": "roles/browser", "members": [f"serviceAccount:{email}"]}).status == 200
    assert emulator.call("GET", CRM, principal=email).status == 200


def test_a_policy_that_changed_meanwhile_is_not_overwritten(emulator: Emulator) -> None:
    policy = emulator.ok("POST", f"{CRM}:getIamPolicy", {})
    emulator.ok("POST", f"{CRM}:setIamPolicy", {"policy": policy})
    answer = emulator.call("POST", f"{CRM}:setIamPolicy", {"policy": policy})
    assert (answer.status, answer.json()["error"]["status"]) == (409, "ABORTED")
    assert "There were concurrent policy changes" in answer.message


def test_an_etag_may_come_in_either_alphabet(emulator: Emulator) -> None:
    for _attempt in range(20):  # until an etag has a letter that differs
        policy = emulator.ok("POST", f"{CRM}:getIamPolicy", {})
        policy["etag"] = policy["etag"].replace("+", "-").replace("/", "_")
        emulator.ok("POST", f"{CRM}:setIamPolicy", {"policy": policy})


@pytest.mark.parametrize(
    ("binding", "words"),
    [
        (
            {"role": "roles/viewer", "members": ["serviceAccount:none@test-project.iam.gserviceaccount.com"]},
            "Service account none@test-project.iam.gserviceaccount.com does not exist.",
        ),
        ({"role": "roles/viewer", "members": ["alice@example.com"]}, 'must be of the form "<type>:<value>"'),
        ({"role": "roles/viewer", "members": ["person:alice@example.com"]}, "is of an unknown type"),
        ({"role": "roles/viewer", "members": ["allUsers"]}, "invalid due to membership type restrictions"),
        ({"role": "viewer", "members": ["user:a@example.com"]}, "Role viewer is not supported"),
        (
            {"role": "roles/storage.objectReader", "members": ["user:a@example.com"]},
            "roles/storage.objectReader is not",
        ),
        ({"role": "roles/storage.legacyBucketReader", "members": ["user:a@example.com"]}, "is not supported"),
        (
            {"role": "roles/viewer", "members": ["user:a@example.com"], "condition": {"expression": "true"}},
            "must specify version 3",
        ),
    ],
)
def test_a_binding_that_cannot_be_is_refused(emulator: Emulator, binding: dict[str, t.Any], words: str) -> None:
    answer = bind(emulator, binding)
    assert (answer.status, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert words in answer.message


def test_a_condition_survives_and_shows_to_those_who_know_it(emulator: Emulator) -> None:
    condition = {"title": "never", "expression": 'request.time < timestamp("2020-01-01T00:00:00Z")'}
    email = new_account(emulator)
    binding = {"role": "roles/browser", "members": [f"serviceAccount:{email}"], "condition": condition}
    assert bind(emulator, binding, version=3).status == 200
    whole = emulator.ok("POST", f"{CRM}:getIamPolicy", {"options": {"requestedPolicyVersion": 3}})
    assert (whole["version"], whole["bindings"][-1]) == (3, binding)
    older = emulator.ok("POST", f"{CRM}:getIamPolicy", {})
    assert older["version"] == 1
    assert older["bindings"][-1]["role"].startswith("roles/browser_withcond_")
    assert emulator.call("GET", CRM, principal=email).status == 403


READERS = {"role": "roles/browser", "members": ["user:a@example.com"]}
AUDIT = [{"service": "allServices", "auditLogConfigs": [{"logType": "DATA_READ"}]}]
SOON = {"title": "soon", "expression": 'request.time < timestamp("2030-01-01T00:00:00Z")'}


def project_policy(emulator: Emulator, version: int = 3) -> dict[str, t.Any]:
    return emulator.ok("POST", f"{CRM}:getIamPolicy", {"options": {"requestedPolicyVersion": version}})


def set_policy(emulator: Emulator, policy: dict[str, t.Any], mask: str = "") -> Answer:
    body = {"policy": policy} | ({"updateMask": mask} if mask else {})
    return emulator.call("POST", f"{CRM}:setIamPolicy", body)


def test_the_audit_configuration_is_changed_by_name_alone(emulator: Emulator) -> None:
    before = project_policy(emulator)
    assert set_policy(emulator, {"auditConfigs": AUDIT}, "auditConfigs").json()["bindings"] == before["bindings"]
    assert bind(emulator, READERS).json()["auditConfigs"] == AUDIT
    without = {name: value for name, value in project_policy(emulator).items() if name != "auditConfigs"}
    assert set_policy(emulator, without).json()["auditConfigs"] == AUDIT, "the usual mask does not name it"
    assert "auditConfigs" not in set_policy(emulator, {}, "auditConfigs").json()
    assert READERS in project_policy(emulator)["bindings"]
    assert set_policy(emulator, {}, "rules").status == 400


def test_a_policy_with_conditions_is_changed_in_its_own_version_alone(emulator: Emulator) -> None:
    assert bind(emulator, READERS | {"condition": SOON}, version=3).status == 200
    policy = project_policy(emulator)
    without = policy | {"version": 1, "bindings": policy["bindings"][:-1]}
    assert "must specify version 3" in set_policy(emulator, without).message
    hashed = project_policy(emulator, 1)["bindings"][-1]
    both = policy | {"bindings": [*policy["bindings"], hashed]}
    assert "cannot contain both conditions and condition hashes" in set_policy(emulator, both).message
    assert set_policy(emulator, {key: without[key] for key in ("version", "bindings")}).status == 200, "without etag"
    assert project_policy(emulator)["version"] == 1


@pytest.mark.parametrize("version", [2, 4])
def test_a_version_that_there_is_not_is_refused(emulator: Emulator, version: int) -> None:
    options = {"options": {"requestedPolicyVersion": version}}
    assert emulator.call("POST", f"{CRM}:getIamPolicy", options).status == 400
    assert set_policy(emulator, project_policy(emulator) | {"version": version}).status == 400


def test_bindings_of_one_role_are_merged(emulator: Emulator) -> None:
    twice = READERS | {"members": ["user:b@example.com", "user:A@example.com", "user:a@example.com"]}
    conditional = READERS | {"condition": SOON}
    assert bind(emulator, READERS, twice, conditional, READERS | {"members": []}, version=3).status == 200
    merged = READERS | {"members": ["user:a@example.com", "user:b@example.com"]}
    assert project_policy(emulator)["bindings"][1:] == [merged, conditional]


def test_a_member_keeps_the_spelling_that_its_account_has(emulator: Emulator) -> None:
    bind(emulator, READERS | {"members": ["user:Jane@Example.com"]})
    bind(emulator, {"role": "roles/viewer", "members": ["user:jane@example.com"]})
    assert [binding["members"] for binding in project_policy(emulator)["bindings"][1:]] == [
        *(["user:Jane@Example.com"], ["user:Jane@Example.com"]),
    ]


@pytest.mark.parametrize(
    ("owners", "kind"),
    [
        (["user:a@example.com"], "SOLO_MUST_INVITE_OWNERS"),
        (["group:a@example.com"], "SOLO_MUST_INVITE_OWNERS"),
        ([], "SOLO_REQUIRE_TOS_ACCEPTOR"),
    ],
)
def test_the_owners_of_a_project_are_not_a_matter_of_its_policy(
    emulator: Emulator, owners: list[str], kind: str
) -> None:
    policy = project_policy(emulator)
    mine = policy["bindings"][0]["members"] if owners else []
    policy["bindings"] = [{"role": "roles/owner", "members": mine + owners}, READERS]
    answer = set_policy(emulator, policy)
    assert (answer.status, answer.message) == (400, "Request contains an invalid argument.")
    assert answer.json()["error"]["details"][0]["type"] == kind


def test_a_policy_has_a_limited_number_of_members(emulator: Emulator) -> None:
    members = [f"user:{number}@example.com" for number in range(1499)]
    assert bind(emulator, READERS | {"members": members}).status == 200
    answer = bind(emulator, {"role": "roles/viewer", "members": ["user:a@example.com"]})
    assert "(1,501) is larger than the maximum allowed size 1,500" in answer.message


def test_an_account_that_is_gone_may_stay_in_a_policy_and_not_come_into_one(emulator: Emulator) -> None:
    email = new_account(emulator)
    member = f"serviceAccount:{email}"
    bind(emulator, READERS | {"members": [member]})
    emulator.ok("DELETE", f"{IAM}/{email}")
    buried = project_policy(emulator)["bindings"][1]["members"]
    assert bind(emulator).status == 200, "as it was read"
    foreign = f"deleted:{member}?uid=1"
    refusal = bind(emulator, {"role": "roles/viewer", "members": [foreign]}).message
    assert f"Email '{email}' is not the primary email address for unique ID '1'" in refusal
    assert bind(emulator, {"role": "roles/viewer", "members": buried}).status == 200
    assert f"Service account {email} does not exist." in bind(emulator, READERS | {"members": [member]}).message


@pytest.mark.parametrize(
    ("member", "there"),
    [
        ("serviceAccount:1-compute@developer.gserviceaccount.com", False),
        ("serviceAccount:service-1@gs-project-accounts.iam.gserviceaccount.com", True),
        ("serviceAccount:service-1@gcp-sa-cloud-sql.iam.gserviceaccount.com", True),
        ("serviceAccount:1@cloudservices.gserviceaccount.com", True),
        ("principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/subject/S", True),
        ("domain:example.com", True),
        ("deleted:user:a@example.com", False),
    ],
)
def test_a_service_account_must_exist_where_projects_make_it(emulator: Emulator, member: str, there: bool) -> None:
    assert (bind(emulator, READERS | {"members": [member]}).status == 200) is there


@pytest.mark.parametrize(
    ("url", "role"),
    [
        (f"{IAM}/mlflow@test-project.iam.gserviceaccount.com", "roles/compute.admin"),
        ("https://secretmanager.googleapis.com/v1/projects/test-project/secrets/s", "roles/logging.logWriter"),
    ],
)
def test_a_role_that_means_nothing_there_is_refused(emulator: Emulator, url: str, role: str) -> None:
    new_account(emulator)
    secret = "https://secretmanager.googleapis.com/v1/projects/test-project/secrets?secretId=s"
    emulator.ok("POST", secret, {"replication": {"automatic": {}}})
    policy = {"bindings": [{"role": role, "members": ["user:a@example.com"]}]}
    answer = emulator.call("POST", f"{url}:setIamPolicy", {"policy": policy})
    assert (answer.status, answer.message) == (400, f"Role {role} is not supported for this resource.")


def test_the_policy_of_an_account_that_is_not_there_is_404(emulator: Emulator) -> None:
    answer = emulator.call("POST", f"{IAM}/none@test-project.iam.gserviceaccount.com:getIamPolicy", {})
    words = "Not found; Gaia id not found for email none@test-project.iam.gserviceaccount.com"
    assert (answer.status, answer.message) == (404, words)


def test_permissions_can_be_asked_for(emulator: Emulator) -> None:
    viewer = emulator.account("viewer", "roles/viewer")
    asked = ["resourcemanager.projects.get", "resourcemanager.projects.setIamPolicy"]
    answer = emulator.ok("POST", f"{CRM}:testIamPermissions", {"permissions": asked}, principal=viewer)
    assert answer == {"permissions": asked[:1]}


# -- service accounts and keys


def test_an_account_is_found_by_address_and_by_number(emulator: Emulator) -> None:
    account = emulator.ok("POST", IAM, {"accountId": "mlflow", "serviceAccount": {"displayName": "MLflow"}})
    assert account["email"] == "mlflow@test-project.iam.gserviceaccount.com"
    wildcard = IAM.replace("test-project", "-")
    for url in (f"{IAM}/{account['email']}", f"{wildcard}/{account['email']}", f"{wildcard}/{account['uniqueId']}"):
        assert emulator.ok("GET", url) == account


@pytest.mark.parametrize(
    ("project", "status", "words"),
    [("test-project", 404, "Unknown service account: none@"), ("-", 403, "denied on resource (or it may not exist)")],
)
def test_an_account_that_is_not_there_is_404_where_its_project_is_named(
    emulator: Emulator, project: str, status: int, words: str
) -> None:
    url = IAM.replace("test-project", project)
    answer = emulator.call("GET", f"{url}/none@test-project.iam.gserviceaccount.com")
    assert (answer.status, words in answer.message) == (status, True)


def test_the_tokens_of_a_disabled_account_do_nothing(emulator: Emulator) -> None:
    email = emulator.account("browser", "roles/browser")
    assert emulator.call("GET", CRM, principal=email).status == 200
    emulator.ok("POST", f"{IAM}/{email}:disable", {})
    assert emulator.call("GET", CRM, principal=email).status == 401
    emulator.ok("POST", f"{IAM}/{email}:enable", {})
    assert emulator.call("GET", CRM, principal=email).status == 200


@pytest.mark.parametrize("name", ["short", "a" * 31, "Mlflow-1", "1mlflow", "mlflow-"])
def test_an_account_id_that_cannot_be_is_refused(emulator: Emulator, name: str) -> None:
    answer = emulator.call("POST", IAM, {"accountId": name})
    assert answer.status == 400
    assert name in answer.message


@pytest.mark.parametrize(("name", "size"), [("displayName", 100), ("description", 256)])
def test_the_words_about_an_account_are_limited(emulator: Emulator, name: str, size: int) -> None:
    body = {"accountId": "mlflow", "serviceAccount": {name: "é" * (size // 2)}}
    email = emulator.ok("POST", IAM, body)["email"]
    wanted = {"serviceAccount": {name: "x" * (size + 1)}, "updateMask": name}
    assert f"{name} must not be longer than {size} bytes" in emulator.call("PATCH", f"{IAM}/{email}", wanted).message


def test_a_token_is_not_of_another_account_that_bears_its_name_later(emulator: Emulator) -> None:
    email = emulator.account("worker", "roles/browser")
    assert emulator.call("GET", CRM, principal=email).status == 200
    emulator.ok("DELETE", f"{IAM}/{email}")
    assert emulator.call("GET", CRM, principal=email).status == 401
    new_account(emulator, "worker")
    bind(emulator, {"role": "roles/browser", "members": [f"serviceAccount:{email}"]})
    assert emulator.call("GET", CRM, principal=email).status == 401


def test_an_account_is_made_once(emulator: Emulator) -> None:
    new_account(emulator)
    answer = emulator.call("POST", IAM, {"accountId": "mlflow"})
    assert (answer.status, answer.json()["error"]["status"]) == (409, "ALREADY_EXISTS")
    assert answer.message == "Service account mlflow already exists within project projects/test-project."


def test_a_patch_changes_what_its_mask_names(emulator: Emulator) -> None:
    url = f"{IAM}/{new_account(emulator)}"
    wanted = {"serviceAccount": {"displayName": "one", "description": "two"}, "updateMask": "displayName"}
    assert emulator.ok("PATCH", url, wanted)["displayName"] == "one"
    assert "description" not in emulator.ok("GET", url)


def test_an_account_that_is_made_anew_does_not_inherit(emulator: Emulator) -> None:
    email = new_account(emulator)
    bind(emulator, {"role": "roles/browser", "members": [f"serviceAccount:{email}"]})
    assert emulator.ok("DELETE", f"{IAM}/{email}") == {}
    assert emulator.call("GET", f"{IAM}/{email}").status == 404
    members = emulator.ok("POST", f"{CRM}:getIamPolicy", {})["bindings"][-1]["members"]
    assert members[0].startswith(f"deleted:serviceAccount:{email}?uid=")
    new_account(emulator)
    assert emulator.call("GET", CRM, principal=email).status == 403


def test_a_key_tells_its_private_half_once(emulator: Emulator) -> None:
    email = new_account(emulator)
    name, key_file = new_key(emulator, email)
    assert key_file["client_email"] == email
    url = f"https://iam.googleapis.com/v1/{name}"
    assert emulator.ok("GET", url)["keyAlgorithm"] == "KEY_ALG_RSA_2048"
    assert "privateKeyData" not in emulator.ok("GET", url)
    assert key_file["private_key"] not in "".join(map(str, emulator.cloud.store.items("serviceAccountKeys")))
    raw = emulator.ok("GET", f"{url}?publicKeyType=TYPE_RAW_PUBLIC_KEY")["publicKeyData"]
    assert base64.b64decode(raw).startswith(b"-----BEGIN PUBLIC KEY-----")


def test_an_account_has_at_most_ten_keys(emulator: Emulator) -> None:
    email = new_account(emulator)
    for number in range(10):
        emulator.cloud.store.put("serviceAccountKeys", f"{email}/{number}", {"name": "x", "keyType": "USER_MANAGED"})
    assert emulator.call("POST", f"{IAM}/{email}/keys", {}).status == 400
    assert len(emulator.ok("GET", f"{IAM}/{email}/keys")["keys"]) == 10


# -- tokens


def test_a_key_buys_a_token(emulator: Emulator) -> None:
    _name, key_file = new_key(emulator, emulator.owner)
    answer = exchange(emulator, assertion(key_file))
    assert answer.status == 200
    token = answer.json()["access_token"]
    assert emulator.call("GET", CRM, headers={"authorization": f"Bearer {token}"}).status == 200
    info = emulator.ok("GET", f"https://oauth2.googleapis.com/tokeninfo?access_token={token}", principal=None)
    assert (info["email"], info["scope"]) == (emulator.owner, SCOPE)
    headers = {"authorization": f"Bearer {token}"}
    assert (
        emulator.ok("GET", "https://www.googleapis.com/oauth2/v3/userinfo", headers=headers)["email"] == emulator.owner
    )


def test_a_jwt_that_an_account_signs_itself_is_a_token(emulator: Emulator) -> None:
    _name, key_file = new_key(emulator, emulator.owner)
    signed = assertion(key_file, aud="https://cloudresourcemanager.googleapis.com/")
    assert emulator.call("GET", CRM, headers={"authorization": f"Bearer {signed}"}).status == 200


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("deleted key", "Invalid JWT Signature."),
        ("disabled key", "Invalid JWT Signature."),
        ("disabled account", "Invalid JWT Signature."),
        ("expired", "Token must be a short-lived token"),
        ("another's name", "Invalid JWT Signature."),
    ],
)
def test_a_key_that_does_not_count_buys_nothing(emulator: Emulator, case: str, words: str) -> None:
    email = new_account(emulator)
    name, key_file = new_key(emulator, email)
    url = f"https://iam.googleapis.com/v1/{name}"
    changes: dict[str, t.Any] = {}
    if case == "deleted key":
        emulator.ok("DELETE", url)
    elif case == "disabled key":
        emulator.ok("POST", f"{url}:disable", {})
    elif case == "disabled account":
        emulator.ok("POST", f"{IAM}/{email}:disable", {})
    elif case == "expired":
        changes = {"iat": int(time.time()) - 7200, "exp": int(time.time()) - 3600}
    else:
        changes = {"iss": emulator.owner}
    answer = exchange(emulator, assertion(key_file, **changes))
    assert (answer.status, answer.json()["error"]) == (400, "invalid_grant")
    assert words in answer.json()["error_description"]


def test_a_grant_that_is_none_is_refused(emulator: Emulator) -> None:
    assert exchange(emulator, "x", grant="password").json()["error"] == "unsupported_grant_type"


def test_a_refresh_token_buys_a_token(emulator: Emulator) -> None:
    emulator.cloud.store.put("tokens", "1//refresh", {"principal": emulator.owner, "refresh": True})
    answer = emulator.call("POST", TOKEN, b"grant_type=refresh_token&refresh_token=1//refresh", principal=None)
    token = answer.json()["access_token"]
    assert emulator.call("GET", CRM, headers={"authorization": f"Bearer {token}"}).status == 200
    assert emulator.call("GET", CRM, headers={"authorization": "Bearer 1//refresh"}).status == 401


# -- acting for an account


def test_not_even_the_owner_may_act_for_an_account_unasked(emulator: Emulator) -> None:
    email = new_account(emulator)
    answer = emulator.call("POST", f"{CREDENTIALS}/{email}:generateAccessToken", {"scope": [SCOPE]})
    assert (answer.status, answer.message) == (
        403,
        "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).",
    )


def allow(emulator: Emulator, email: str) -> None:
    member = f"serviceAccount:{emulator.owner}"
    policy = {"bindings": [{"role": "roles/iam.serviceAccountTokenCreator", "members": [member]}]}
    emulator.ok("POST", f"{IAM}/{email}:setIamPolicy", {"policy": policy})


def test_a_token_creator_acts_for_the_account(emulator: Emulator) -> None:
    email = emulator.account("browser", "roles/browser")
    allow(emulator, email)
    answer = emulator.ok("POST", f"{CREDENTIALS}/{email}:generateAccessToken", {"scope": [SCOPE], "lifetime": "60s"})
    headers = {"authorization": f"Bearer {answer['accessToken']}"}
    assert emulator.call("GET", CRM, headers=headers).status == 200
    assert emulator.call("GET", IAM, headers=headers).status == 403


def test_the_scope_that_googles_library_asks_for_is_enough_to_act_for_an_account(emulator: Emulator) -> None:
    email = emulator.account("browser", "roles/browser")
    allow(emulator, email)
    token = tokens.issue(emulator.cloud.store, emulator.owner, ["https://www.googleapis.com/auth/iam"])
    headers = {"authorization": f"Bearer {token}"}
    assert emulator.call("GET", CRM, headers=headers).message == "Request had insufficient authentication scopes."
    emulator.ok("POST", f"{CREDENTIALS}/{email}:generateAccessToken", {"scope": [SCOPE]}, headers=headers)


@pytest.mark.parametrize("body", [{}, {"scope": []}, {"scope": [SCOPE], "lifetime": "7200s"}])
def test_an_impersonation_that_cannot_be_is_refused(emulator: Emulator, body: dict[str, t.Any]) -> None:
    email = new_account(emulator)
    allow(emulator, email)
    assert emulator.call("POST", f"{CREDENTIALS}/{email}:generateAccessToken", body).status == 400


def test_an_identity_token_is_signed_by_the_published_certificate(emulator: Emulator) -> None:
    email = new_account(emulator)
    allow(emulator, email)
    url = f"{CREDENTIALS}/{email}:generateIdToken"
    token = emulator.ok("POST", url, {"audience": "https://mlflow", "includeEmail": True})["token"]
    short = emulator.ok("POST", url, {"audience": "https://mlflow"})["token"]
    assert "email" not in jwt.decode(short, verify=False)
    certificates = emulator.ok("GET", "https://www.googleapis.com/oauth2/v1/certs", principal=None)
    claims = jwt.decode(token, certs=certificates, audience="https://mlflow")
    assert (claims["email"], claims["iss"]) == (email, "https://accounts.google.com")


def test_a_signature_for_an_account_counts_as_its_own(emulator: Emulator) -> None:
    allow(emulator, emulator.owner)
    now = int(time.time())
    claims = {"iss": emulator.owner, "aud": TOKEN, "scope": SCOPE, "iat": now, "exp": now + 600}
    signed = emulator.ok("POST", f"{CREDENTIALS}/{emulator.owner}:signJwt", {"payload": json.dumps(claims)})
    assert exchange(emulator, signed["signedJwt"]).status == 200
    assert emulator.ok("GET", f"{IAM}/{emulator.owner}/keys") == {}
