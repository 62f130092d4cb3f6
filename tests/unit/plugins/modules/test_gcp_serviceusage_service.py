# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.modules.gcp_serviceusage_service import ServiceusageService

ALL = "v1/projects/p/services"
DONE = {"name": "operations/acat.1", "done": True}


def services(**states: str) -> t.Any:
    """What batchGet answers."""
    found = [{"name": f"projects/1/services/{n}.googleapis.com", "state": s} for n, s in states.items()]
    return {"services": found}


def names(*short: str) -> list[str]:
    """Names of APIs."""
    return [f"{name}.googleapis.com" for name in short]


def test_what_is_missing_is_enabled_at_once(http: t.Any, run: t.Any) -> None:
    before = services(run="DISABLED", compute="ENABLED", iam="DISABLED")
    after = services(run="ENABLED", compute="ENABLED", iam="ENABLED")
    http.when("GET", f"{ALL}:batchGet", before, after).when("POST", f"{ALL}:batchEnable", DONE)
    result = run(ServiceusageService, names=names("run", "compute", "iam"))
    assert result["resource"] == after
    assert result["diff"]["before"] == {"compute.googleapis.com": "ENABLED"}
    assert result["diff"]["after"] == dict.fromkeys(names("run", "compute", "iam"), "ENABLED")
    assert http.writes == [("POST", f"{ALL}:batchEnable", {"serviceIds": names("run", "iam")}, {})]


@pytest.mark.parametrize("options", [{"name": "run.googleapis.com"}, {"names": names("run", "run")}])
def test_what_is_enabled_stays(http: t.Any, run: t.Any, options: t.Any) -> None:
    http.when("GET", f"{ALL}:batchGet", services(run="ENABLED"))
    assert not run(ServiceusageService, **options)["changed"]
    assert http.requests[0].query == {"names": ["projects/p/services/run.googleapis.com"]}


def test_many_are_read_by_thirty_and_enabled_by_twenty(http: t.Any, run: t.Any) -> None:
    many = [f"a{number}" for number in range(45)]
    http.when("GET", f"{ALL}:batchGet", services(**dict.fromkeys(many, "DISABLED")))
    http.when("POST", f"{ALL}:batchEnable", DONE)
    run(ServiceusageService, names=names(*many))
    assert [len(request.query["names"]) for request in http.requests[:2]] == [30, 15]
    assert [len(request.body["serviceIds"]) for request in http.writes] == [20, 20, 5]


def test_absent_disables_what_is_enabled(http: t.Any, run: t.Any) -> None:
    http.when("GET", f"{ALL}:batchGet", services(run="ENABLED", iam="DISABLED"))
    http.when("POST", f"{ALL}/run.googleapis.com:disable", DONE)
    assert run(ServiceusageService, names=names("run", "iam"), state="absent")["changed"]
    assert http.writes == [("POST", f"{ALL}/run.googleapis.com:disable", {}, {})]


def refusal(message: str) -> t.Any:
    """What Google answers where the state of things does not allow it."""
    return {"error": {"code": 400, "message": message, "status": "FAILED_PRECONDITION"}}


def test_what_others_depend_on_is_told_with_the_way_out(http: t.Any, run: t.Any) -> None:
    words = "The service compute.googleapis.com is depended on by the following active services: run.googleapis.com;"
    http.when("GET", f"{ALL}:batchGet", services(compute="ENABLED"))
    http.when("GET", f"{ALL}/compute.googleapis.com", services(compute="ENABLED")["services"][0])
    http.when("POST", f"{ALL}/compute.googleapis.com:disable", refusal(words), status_code=400)
    with pytest.raises(GcpError, match=r"run\.googleapis\.com.*or set disable_dependent_services=true"):
        run(ServiceusageService, names=names("compute"), state="absent")
    assert len(http.writes) == 1


def test_those_that_depend_go_too_where_that_is_asked(http: t.Any, run: t.Any) -> None:
    http.when("GET", f"{ALL}:batchGet", services(compute="ENABLED"))
    http.when("POST", f"{ALL}/compute.googleapis.com:disable", DONE)
    run(ServiceusageService, names=names("compute"), state="absent", disable_dependent_services=True)
    assert [request.body for request in http.writes] == [{"disableDependentServices": True}]


def test_another_refusal_is_not_taken_for_one_that_passes(http: t.Any, run: t.Any) -> None:
    http.when("GET", f"{ALL}:batchGet", services(run="ENABLED"))
    http.when("GET", f"{ALL}/run.googleapis.com", services(run="ENABLED")["services"][0])
    http.when("POST", f"{ALL}/run.googleapis.com:disable", refusal("It is in use."), status_code=400)
    with pytest.raises(GcpError, match="It is in use"):
        run(ServiceusageService, name="run.googleapis.com", state="absent")


def test_check_mode_enables_nothing(http: t.Any, run: t.Any) -> None:
    http.when("GET", f"{ALL}:batchGet", services(run="DISABLED"))
    assert run(ServiceusageService, True, name="run.googleapis.com")["changed"]
    assert http.writes == []


def test_another_activation_is_waited_for(http: t.Any, run: t.Any) -> None:
    busy = {"error": {"message": "Another activation is in progress", "status": "FAILED_PRECONDITION"}}
    http.will_answer(200, services(run="DISABLED")).will_answer(400, busy).will_answer(200, DONE)
    http.when("GET", f"{ALL}:batchGet", services(run="ENABLED"))
    assert run(ServiceusageService, name="run.googleapis.com")["changed"]


def test_an_api_that_does_not_exist_is_told(http: t.Any, run: t.Any) -> None:
    details = [{"reason": "SERVICE_CONFIG_NOT_FOUND_OR_PERMISSION_DENIED"}]
    http.will_answer(403, {"error": {"message": "Not found: nothing.googleapis.com", "details": details}})
    with pytest.raises(GcpError, match="Check the names of the APIs"):
        run(ServiceusageService, name="nothing.googleapis.com")
