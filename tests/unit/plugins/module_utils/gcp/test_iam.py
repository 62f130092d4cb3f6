# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp import iam
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError

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
    assert iam.holds(POLICY, wanted) is there


def test_a_principal_is_told_from_another_by_its_case() -> None:
    policy = {"bindings": [{"role": READER, "members": ["principal://x/subject/A"]}]}
    assert iam.holds(policy, grant(READER, "principal://x/subject/A"))
    assert not iam.holds(policy, grant(READER, "principal://x/subject/a"))


@pytest.mark.parametrize("wanted", [grant(READER, SERVER), grant("roles/new", SERVER), grant(READER, JANE, SOON)])
def test_a_grant_leaves_everything_else_as_it_was(wanted: Json) -> None:
    before = copy.deepcopy(POLICY)
    after = iam.with_grant(POLICY, wanted)
    assert iam.holds(after, wanted)
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
    ("reference", "project", "email"),
    [
        ("mlflow", "p", "mlflow@p.iam.gserviceaccount.com"),
        ("mlflow", "example.com:p", "mlflow@p.example.com.iam.gserviceaccount.com"),
        ("a@other.iam.gserviceaccount.com", "p", "a@other.iam.gserviceaccount.com"),
        ("projects/p/serviceAccounts/a@p.iam.gserviceaccount.com", "p", "a@p.iam.gserviceaccount.com"),
        ({"name": "projects/p/serviceAccounts/a@p.iam.gserviceaccount.com"}, "p", "a@p.iam.gserviceaccount.com"),
    ],
)
def test_an_account_is_known_by_any_of_its_names(reference: t.Any, project: str, email: str) -> None:
    assert iam.account_email(reference, project) == email


def test_an_account_of_another_project_is_not_created() -> None:
    with pytest.raises(GcpError, match=r"cannot be created in the project p.*options name and project"):
        iam.refuse_foreign("a@other.iam.gserviceaccount.com", "p")
