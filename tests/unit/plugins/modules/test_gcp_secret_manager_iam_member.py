# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.modules.gcp_secret_manager_iam_member import SecretManagerIamMember

Json = dict[str, t.Any]

READ, WRITE = "v1/projects/p/secrets/one:getIamPolicy", "v1/projects/p/secrets/one:setIamPolicy"
ROLE, SERVER = "roles/secretmanager.secretAccessor", "serviceAccount:server@p.iam.gserviceaccount.com"
OPTIONS: Json = {"secret": "one", "role": ROLE, "member": SERVER}
NEW: Json = {"etag": "ACAB"}  # what a secret answers whose policy nobody wrote yet
WITH: Json = {"etag": "BwX=", "bindings": [{"role": ROLE, "members": [SERVER]}]}


def test_the_first_grant_of_a_secret_is_made(http: t.Any, run: t.Any) -> None:
    http.when("GET", READ, NEW, WITH).when("POST", WRITE, WITH)
    assert run(SecretManagerIamMember, **OPTIONS)["resource"] == {"role": ROLE, "member": SERVER}
    assert http.writes == [("POST", WRITE, {"policy": WITH | {"etag": "ACAB"}}, {})]
    assert http.requests[0].query == {"options.requestedPolicyVersion": 3}


@pytest.mark.parametrize("secret", ["one", {"name": "projects/1/secrets/one"}])
def test_a_grant_that_is_there_stays(http: t.Any, run: t.Any, secret: t.Any) -> None:
    http.when("GET", READ, WITH)
    assert not run(SecretManagerIamMember, **OPTIONS | {"secret": secret})["changed"]
    assert http.writes == []


def test_the_last_grant_is_taken_back(http: t.Any, run: t.Any) -> None:
    http.when("GET", READ, WITH, NEW).when("POST", WRITE, NEW)
    assert run(SecretManagerIamMember, **OPTIONS, state="absent")["changed"]
    assert http.writes == [("POST", WRITE, {"policy": {"etag": "BwX=", "bindings": []}}, {})]


def test_a_secret_that_is_not_there_is_no_reason_to_wait_for_long(http: t.Any, run: t.Any, clock: t.Any) -> None:
    assert not run(SecretManagerIamMember, **OPTIONS, state="absent")["changed"]
    assert clock.time == 0
    with pytest.raises(GcpError, match=r"there is no such secret\. Check the option secret"):
        run(SecretManagerIamMember, **OPTIONS)
    assert 5 <= clock.time < 15


def test_a_secret_that_can_be_seen_a_moment_later_gets_its_grant(http: t.Any, run: t.Any) -> None:
    http.will_answer(404).when("GET", READ, NEW, WITH).when("POST", WRITE, WITH)
    assert run(SecretManagerIamMember, **OPTIONS)["changed"]
