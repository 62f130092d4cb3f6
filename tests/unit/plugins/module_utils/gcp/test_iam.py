# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp import iam
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError, from_answer

Json = dict[str, t.Any]

SERVER = "serviceAccount:server@p.iam.gserviceaccount.com"
JANE, BOSS = "user:jane@example.com", "user:boss@example.com"
READER, OWNER = "roles/storage.objectViewer", "roles/owner"
SOON = {"title": "soon", "expression": 'request.time < timestamp("2027-01-01T00:00:00Z")'}
LATER = {"title": "later", "expression": SOON["expression"]}

POLICY: Json = {
    "version": 3,
    "etag": "BwX=",
    "bindings": [
        {"role": OWNER, "members": [BOSS]},
        {"role": READER, "members": [BOSS, JANE]},
        {"role": READER, "members": [BOSS], "condition": SOON},
    ],
    "auditConfigs": [{"service": "allServices"}],
}


def grant(role: str, member: str, condition: Json | None = None) -> Json:
    """A grant in the words of a policy."""
    return {"role": role, "member": member} | ({"condition": condition} if condition else {})


@pytest.mark.parametrize(
    ("wanted", "there"),
    [
        pytest.param(grant(READER, JANE), True, id="one of two members"),
        pytest.param(grant(READER, "user:Jane@Example.com"), True, id="an address in another case"),
        pytest.param(grant(READER, SERVER), False, id="another member"),
        pytest.param(grant(OWNER, JANE), False, id="another role"),
        pytest.param(grant(READER, BOSS, SOON), True, id="the same condition"),
        pytest.param(grant(READER, BOSS, LATER), False, id="another condition"),
        pytest.param(grant(READER, JANE, SOON), False, id="without the condition only"),
        pytest.param(grant(READER, "principal://iam.googleapis.com/A"), False, id="a principal"),
    ],
)
def test_a_grant_is_role_member_and_condition(wanted: Json, there: bool) -> None:
    assert (iam.granted(POLICY, wanted) is not None) is there


def test_a_principal_is_told_from_another_by_its_case() -> None:
    policy = {"bindings": [{"role": READER, "members": ["principal://x/subject/A"]}]}
    assert iam.granted(policy, grant(READER, "principal://x/subject/A"))
    assert not iam.granted(policy, grant(READER, "principal://x/subject/a"))


@pytest.mark.parametrize("wanted", [grant(READER, SERVER), grant("roles/new", SERVER), grant(READER, JANE, SOON)])
def test_a_grant_leaves_everything_else_as_it_was(wanted: Json) -> None:
    before = copy.deepcopy(POLICY)
    after = iam.with_grant(POLICY, wanted)
    assert iam.granted(after, wanted) == wanted
    assert before == POLICY, "the policy that was read is not touched"
    assert {key: after[key] for key in ("version", "etag", "auditConfigs")} == {
        key: POLICY[key] for key in ("version", "etag", "auditConfigs")
    }
    assert iam.without_grant(after, wanted) == POLICY


def test_a_new_grant_joins_the_binding_of_its_role() -> None:
    bindings = iam.with_grant(POLICY, grant(READER, SERVER))["bindings"]
    assert bindings[1] == {"role": READER, "members": [BOSS, JANE, SERVER]}
    assert len(bindings) == 3


def test_taking_a_grant_back_takes_no_other() -> None:
    bindings = iam.without_grant(POLICY, grant(READER, BOSS))["bindings"]
    assert bindings == [POLICY["bindings"][0], {"role": READER, "members": [JANE]}, POLICY["bindings"][2]]


def test_a_binding_of_nobody_goes() -> None:
    assert iam.without_grant(POLICY, grant(READER, BOSS, SOON))["bindings"] == POLICY["bindings"][:2]


def test_a_condition_raises_the_version() -> None:
    policy = {"version": 1, "etag": "a"}
    assert iam.with_grant(policy, grant(READER, JANE))["version"] == 1
    assert iam.with_grant(policy, grant(READER, JANE, SOON))["version"] == 3


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("user:Jane@Example.com", "user:jane@example.com", True),
        ("domain:Example.com", "domain:example.com", True),
        ("user:jane@example.com", "group:jane@example.com", False),
        ("deleted:user:Jane@example.com?uid=1", "deleted:user:jane@example.com?uid=1", True),
        ("deleted:user:jane@example.com?uid=1", "deleted:user:jane@example.com?uid=2", False),
        ("deleted:user:jane@example.com?uid=1", "user:jane@example.com", False),
        ("principalSet://x/attribute.A/b", "principalSet://x/attribute.a/b", False),
        ("deleted:principal://x/subject/A", "deleted:principal://x/subject/a", False),
        ("allUsers", "allUsers", True),
        ("allUsers", "allusers", False),
    ],
)
def test_members_are_the_same_as_iam_sees_them(one: str, other: str, same: bool) -> None:
    assert iam.is_same_member(one, other) is same


def test_the_spelling_of_others_is_written_back_as_it_was() -> None:
    policy = {"etag": "a", "bindings": [{"role": OWNER, "members": ["user:Boss@Example.com"]}]}
    assert iam.with_grant(policy, grant(OWNER, JANE))["bindings"][0]["members"] == ["user:Boss@Example.com", JANE]


def test_the_version_that_conditions_were_read_with_stays_when_the_last_one_goes() -> None:
    policy = POLICY | {"bindings": POLICY["bindings"][2:]}
    assert iam.without_grant(policy, grant(READER, BOSS, SOON)) == POLICY | {"bindings": []}


@pytest.mark.parametrize(
    "member",
    [
        *("allUsers", "allAuthenticatedUsers", "user:a@example.com", "projectOwner:p", "domain:example.com"),
        *("serviceAccount:p.svc.id.goog[default/mlflow]", "deleted:serviceAccount:a@b.c?uid=12"),
        "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/*",
    ],
)
@pytest.mark.parametrize(
    "role", ["roles/viewer", "roles/compute.instanceAdmin.v1", "projects/p/roles/my_Role.1", "organizations/1/roles/r"]
)
def test_what_iam_takes_is_taken(member: str, role: str) -> None:
    iam.PolicyMember.check({"role": role, "member": member})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"member": "a@example.com"}, "The option member is 'a@example.com', but must be allUsers"),
        ({"member": "allusers"}, "The option member"),
        ({"member": "user:"}, "The option member"),
        ({"member": "user:a b"}, "The option member"),
        ({"role": "viewer"}, "The option role is 'viewer', but must be a role"),
        ({"role": "roles/"}, "The option role"),
        ({"condition": {"title": "x", "expression": ""}}, "The option condition.expression is empty"),
    ],
)
def test_what_iam_does_not_take_is_refused(options: Json, words: str) -> None:
    with pytest.raises(GcpError, match=words):
        iam.PolicyMember.check({"role": "roles/viewer", "member": "allUsers"} | options)


@pytest.mark.parametrize(
    ("status", "message", "conflict"),
    [
        (409, "There were concurrent policy changes. Please retry the whole read-modify-write.", True),
        (412, "At least one of the pre-conditions you specified did not hold.", True),
        (412, "Precondition Failed", True),
        (412, "The member bindings allUsers are not allowed since public access prevention is enforced.", False),
        (412, "To set IAM conditions in this bucket, enable uniform bucket-level access.", False),
        (412, "One or more users named in the policy do not belong to a permitted customer.", False),
        (412, "Request violates constraint 'constraints/storage.publicAccessPrevention'", False),
    ],
)
def test_only_somebody_who_was_faster_is_a_conflict(status: int, message: str, conflict: bool) -> None:
    body = {"error": {"code": status, "message": message, "errors": [{"reason": "conditionNotMet"}]}}
    if status == 409:
        body["error"]["status"] = "ABORTED"
    assert from_answer(status, body, "").conflict is conflict
