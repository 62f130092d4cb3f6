# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Grants on whatever has a policy: what one task does to it, and what it leaves alone."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.iam import PolicyMember
from ansible_collections.mlops.mlflow.plugins.modules.gcp_iam_service_account import IamServiceAccount
from ansible_collections.mlops.mlflow.plugins.modules.gcp_storage_bucket import StorageBucket
from gcp_emulator.faults import Fault

from .cases import Case, Json, all_cases
from .cloud import Cloud

CASES = {name: case for name, case in all_cases().items() if issubclass(case.kind, PolicyMember)}
each_holder = pytest.mark.parametrize("case", CASES.values(), ids=CASES)

SOON: Json = {"title": "soon", "expression": 'request.time < timestamp("2030-01-01T00:00:00Z")'}
LATER: Json = {"title": "later", "expression": 'request.time < timestamp("2040-01-01T00:00:00Z")'}
AUDIT = [{"service": "allServices", "auditLogConfigs": [{"logType": "DATA_READ"}]}]
KEYS = {
    "gcp_project_iam_member": "projects/{project}",
    "gcp_storage_bucket_iam_member": "b/one",
    "gcp_secret_manager_iam_member": "projects/{project}/secrets/one",
    "gcp_iam_service_account_iam_member": "projects/{project}/serviceAccounts/server@{project}.iam.gserviceaccount.com",
}


@pytest.fixture
def holder(cloud: Cloud, case: Case) -> str:
    """What has the policy, by its key in the emulator's store; somebody else has grants on it."""
    for task in case.needs:
        cloud.run(task.kind, task.options)
    key = KEYS[next(name for name, other in CASES.items() if other is case)].format(project=cloud.project)
    if case.kind.service == "storage":
        enabled = {"name": "one", "location": "europe-west1", "uniform_bucket_level_access": True}
        cloud.run(StorageBucket, enabled)
    store, role = cloud.emulator.cloud.store, case.base["role"]
    policy = store.get("policies", key) or {"version": 1, "etag": "ACAB", "bindings": []}
    theirs = [
        {"role": role, "members": ["user:Boss@Example.com"]},
        {"role": role, "members": ["user:jane@example.com", "user:Boss@Example.com"], "condition": LATER},
        {"role": "roles/iam.securityAdmin", "members": ["deleted:user:old@example.com?uid=123"]},
    ]
    audit = {"auditConfigs": AUDIT} if key.count("/") == 1 and key.startswith("projects/") else {}
    store.put("policies", key, policy | {"version": 3, "bindings": [*policy["bindings"], *theirs]} | audit)
    return key


def policy_of(cloud: Cloud, key: str) -> Json:
    """The policy as the emulator keeps it, without its etag."""
    policy = cloud.emulator.cloud.store.get("policies", key) or {}
    return {name: value for name, value in policy.items() if name != "etag"}


def run(cloud: Cloud, case: Case, **options: t.Any) -> Json:
    """Run the case's module as a check and in earnest; the result."""
    task = {**case.base, **options}
    promise = cloud.run(case.kind, task, check_mode=True)
    result = cloud.run(case.kind, task)
    assert (promise["changed"], promise["diff"]) == (result["changed"], result["diff"])
    return result


@each_holder
@pytest.mark.parametrize("condition", [None, SOON], ids=["always", "under a condition"])
def test_a_grant_comes_and_goes_and_everything_else_stays(
    cloud: Cloud, case: Case, holder: str, condition: Json | None
) -> None:
    before = policy_of(cloud, holder)
    given = run(cloud, case, condition=condition)
    assert given["changed"]
    assert given["resource"] == {"role": case.base["role"], "member": case.base["member"]} | (
        {"condition": condition} if condition else {}
    )
    assert not run(cloud, case, condition=condition)["changed"]
    after = policy_of(cloud, holder)
    assert after != before
    assert after.get("auditConfigs") == before.get("auditConfigs")
    taken = run(cloud, case, condition=condition, state="absent")
    assert taken["changed"]
    assert policy_of(cloud, holder) == before
    assert not run(cloud, case, condition=condition, state="absent")["changed"]


@each_holder
def test_each_condition_makes_another_grant(cloud: Cloud, case: Case, holder: str) -> None:
    for condition in (None, SOON, {**SOON, "description": "for now"}):
        assert run(cloud, case, condition=condition)["changed"], condition
    assert not run(cloud, case, condition=LATER)["changed"], "jane has it"
    run(cloud, case, condition=SOON, state="absent")
    for condition in (None, LATER, {**SOON, "description": "for now"}):
        assert not run(cloud, case, condition=condition)["changed"], condition


@each_holder
def test_the_case_of_an_address_makes_no_other_member(cloud: Cloud, case: Case, holder: str) -> None:
    before = policy_of(cloud, holder)
    found = run(cloud, case, member="user:boss@example.com")
    assert not found["changed"]
    assert found["resource"]["member"] == "user:Boss@Example.com", "as the policy has it"
    assert policy_of(cloud, holder) == before


@each_holder
def test_a_policy_that_changes_between_reading_and_writing_is_planned_again(
    cloud: Cloud, case: Case, holder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = t.cast(type[PolicyMember], case.kind)
    write = kind.write_policy
    met: list[str] = []

    def overtaken(self: PolicyMember, policy: Json) -> Json:
        if not met:
            met.append(policy["etag"])
            cloud.run(kind, {**case.base, "member": "user:fast@example.com"})
        return write(self, policy)

    monkeypatch.setattr(kind, "write_policy", overtaken)
    assert cloud.run(kind, case.base)["changed"]
    assert met
    members = [m for binding in policy_of(cloud, holder)["bindings"] for m in binding["members"]]
    assert {"user:fast@example.com", "user:jane@example.com"} <= set(members)


METHODS = {
    "gcp_project_iam_member": "cloudresourcemanager.projects",
    "gcp_storage_bucket_iam_member": "storage.buckets",
    "gcp_secret_manager_iam_member": "secretmanager.projects.secrets",
    "gcp_iam_service_account_iam_member": "iam.projects.serviceAccounts",
}


@each_holder
@pytest.mark.parametrize(
    ("verb", "kind"),
    [
        *(("getIamPolicy", kind) for kind in ("stale", "503", "429", "reset-before", "reset-after")),
        *(("setIamPolicy", kind) for kind in ("503", "429", "reset-before", "reset-after", "slow")),
    ],
)
def test_a_fault_loses_no_grant_and_makes_none_twice(
    cloud: Cloud, case: Case, holder: str, verb: str, kind: str
) -> None:
    cloud.run(case.kind, {**case.base, "member": "user:fast@example.com"})
    before = policy_of(cloud, holder)
    method = METHODS[next(name for name, other in CASES.items() if other is case)]
    cloud.emulator.faults.add(Fault(method=f"{method}.{verb}", kind=kind, call=1))
    assert cloud.run(case.kind, case.base)["changed"]
    assert cloud.emulator.faults.met == 1
    cloud.emulator.faults.clear()
    assert not run(cloud, case)["changed"]
    assert cloud.run(case.kind, {**case.base, "state": "absent"})["changed"]
    assert policy_of(cloud, holder) == before


@each_holder
def test_an_account_that_was_made_again_does_not_inherit_a_grant(cloud: Cloud, case: Case, holder: str) -> None:
    account = {"name": "worker"}
    member = f"serviceAccount:worker@{cloud.project}.iam.gserviceaccount.com"
    cloud.run(IamServiceAccount, account)
    run(cloud, case, member=member)
    cloud.run(IamServiceAccount, {**account, "state": "absent"})
    cloud.run(IamServiceAccount, account)
    assert run(cloud, case, member=member)["changed"], "the old grant is of the deleted account"
    buried = [
        m for b in policy_of(cloud, holder)["bindings"] for m in b["members"] if m.startswith(f"deleted:{member}")
    ]
    assert run(cloud, case, member=buried[0], state="absent")["changed"]
    assert not run(cloud, case, member=member)["changed"]


def new_account(cloud: Cloud, name: str) -> str:
    """An account that was made just now, and is unknown for half a minute."""
    cloud.emulator.cloud.propagation.account_seconds = 30
    url = f"https://iam.googleapis.com/v1/projects/{cloud.project}/serviceAccounts"
    return str(cloud.emulator.ok("POST", url, {"accountId": name})["email"])


@each_holder
def test_an_account_that_is_new_gets_its_grant(cloud: Cloud, case: Case, holder: str) -> None:
    member = f"serviceAccount:{new_account(cloud, 'worker')}"
    assert cloud.run(case.kind, {**case.base, "member": member})["changed"]
    assert 30 <= cloud.time < 90
    assert not run(cloud, case, member=member)["changed"]


@each_holder
@pytest.mark.parametrize(
    ("options", "option"),
    [
        pytest.param({"member": "jane@example.com"}, "member", id="a member without a type"),
        pytest.param({"member": "users:jane@example.com"}, "member", id="a type that is none"),
        pytest.param({"role": "objectViewer"}, "role", id="half a role"),
        pytest.param({"condition": {"title": "", "expression": "true"}}, "condition.title", id="no title"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_asked(
    cloud: Cloud, case: Case, options: Json, option: str
) -> None:
    with cloud.recorded() as sent, pytest.raises(GcpError, match=f"The option {option}"):
        cloud.run(case.kind, {**case.base, **options})
    assert sent == []


@each_holder
@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param({"role": "roles/storage.objectReader"}, "Check the option role", id="an unknown role"),
        pytest.param({"role": "projects/p/roles/none"}, "Check the option role", id="a custom role"),
        pytest.param(
            {"member": "serviceAccount:none@test-project.iam.gserviceaccount.com"},
            "does not exist.*Check the option member",
            id="an account that never was",
        ),
        pytest.param(
            {"condition": {"title": "broken", "expression": "request.time <"}},
            "Check the option condition",
            id="an expression that is none",
        ),
    ],
)
def test_what_google_refuses_names_the_option(cloud: Cloud, case: Case, holder: str, options: Json, words: str) -> None:
    before = policy_of(cloud, holder)
    with pytest.raises(GcpError, match=words):
        cloud.run(case.kind, {**case.base, **options})
    assert policy_of(cloud, holder) == before


@pytest.mark.parametrize("name", sorted(CASES.keys() - {"gcp_project_iam_member"}))
def test_there_is_nothing_to_take_back_where_there_is_no_policy(cloud: Cloud, name: str) -> None:
    case = CASES[name]
    assert not run(cloud, case, state="absent")["changed"]
    assert cloud.run(case.kind, case.base, check_mode=True)["changed"], "it may be made meanwhile"
    with pytest.raises(GcpError, match="cannot be granted: there is no such"):
        cloud.run(case.kind, case.base)


def test_a_service_account_that_is_new_gets_its_policy(cloud: Cloud) -> None:
    case = CASES["gcp_iam_service_account_iam_member"]
    new_account(cloud, "server")
    assert cloud.run(case.kind, case.base, check_mode=True)["changed"]
    assert cloud.time == 0
    assert cloud.run(case.kind, case.base)["changed"]
    assert 30 <= cloud.time < 90


def test_a_person_is_made_an_owner_by_the_console_alone(cloud: Cloud) -> None:
    case = CASES["gcp_project_iam_member"]
    with pytest.raises(GcpError, match="Only the Cloud console can make a person an owner"):
        cloud.run(case.kind, {**case.base, "role": "roles/owner"})


def test_another_owner_keeps_the_spelling_of_the_address(cloud: Cloud) -> None:
    case, key = CASES["gcp_project_iam_member"], f"projects/{cloud.project}"
    store = cloud.emulator.cloud.store
    policy = store.get("policies", key) or {}
    owners = {"role": "roles/owner", "members": [*policy["bindings"][0]["members"], "user:Boss@Example.com"]}
    store.put("policies", key, policy | {"bindings": [owners]})
    assert run(cloud, case)["changed"], "an owner whose address comes back in another case counts as a new one"
    assert owners in policy_of(cloud, key)["bindings"]


def test_everybody_is_refused_where_the_bucket_forbids_it_without_asking_again(cloud: Cloud) -> None:
    case = CASES["gcp_storage_bucket_iam_member"]
    bucket = {"name": "one", "location": "europe-west1", "uniform_bucket_level_access": True}
    cloud.run(StorageBucket, {**bucket, "public_access_prevention": "enforced"})
    with cloud.recorded() as sent, pytest.raises(GcpError, match="public access prevention"):
        cloud.run(case.kind, {**case.base, "member": "allUsers"})
    assert [request.method for request in sent] == ["GET", "PUT"]
    cloud.run(StorageBucket, {**bucket, "public_access_prevention": "inherited"})
    assert run(cloud, case, member="allUsers")["changed"]
    assert not run(cloud, case, member="allUsers")["changed"]
