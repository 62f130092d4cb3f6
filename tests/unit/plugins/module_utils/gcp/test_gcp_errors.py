# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import (
    FOREVER,
    PROPAGATION,
    GcpError,
    advice,
    from_answer,
    from_operation,
)


def legacy(code: int, message: str, reason: str = "") -> t.Any:
    """An error as Compute, Cloud SQL and Storage word it."""
    return {"error": {"code": code, "message": message, "errors": [{"message": message, "reason": reason}]}}


def young(code: int, message: str, status: str, reason: str = "") -> t.Any:
    """An error as the younger APIs word it."""
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}] if reason else []
    return {"error": {"code": code, "message": message, "status": status, "details": details}}


@pytest.mark.parametrize(
    ("status", "body", "patience"),
    [
        (500, {}, FOREVER),
        (502, "<html>Bad gateway</html>", FOREVER),
        (503, legacy(503, "backend error", "backendError"), FOREVER),
        (504, {}, FOREVER),
        (501, {}, 0),
        (429, {}, FOREVER),
        (429, young(429, "Quota exceeded", "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED"), FOREVER),
        (429, legacy(429, "slow down", "rateLimitExceeded"), FOREVER),
        (429, young(429, "Too many", "RESOURCE_EXHAUSTED", "RESOURCE_QUOTA_EXCEEDED"), 0),
        (429, young(429, "Maximum number of keys on account reached.", "RESOURCE_EXHAUSTED"), 0),
        (429, young(429, "Quota exceeded, limit reached: 60 reads per minute", "RESOURCE_EXHAUSTED"), FOREVER),
        (403, legacy(403, "Quota exceeded for 'Queries' and limit 'Queries per minute'", "quotaExceeded"), FOREVER),
        (403, legacy(403, "busy", "concurrentOperationsQuotaExceeded"), FOREVER),
        (403, young(403, "busy", "PERMISSION_DENIED", "CONCURRENT_OPERATIONS_QUOTA_EXCEEDED"), FOREVER),
        (403, legacy(403, "Quota 'CPUS' exceeded. Limit: 24.0 in region europe-west1.", "quotaExceeded"), 0),
        (403, legacy(403, "Required 'compute.firewalls.create' permission", "forbidden"), 0),
        (409, legacy(409, "Operation failed because another operation was already in progress.", ""), FOREVER),
        (409, legacy(409, "x", "operationInProgress"), FOREVER),
        (409, legacy(409, "The Cloud SQL instance already exists.", "instanceAlreadyExists"), 0),
        (409, legacy(409, "The resource 'x' already exists", "alreadyExists"), 0),
        (400, legacy(400, "The resource 'networks/n' is not ready", "resourceNotReady"), FOREVER),
        (400, legacy(400, "There is a peering operation in progress on the local or peer network."), FOREVER),
        (400, young(400, "Another activation is in progress for p", "FAILED_PRECONDITION"), FOREVER),
        (
            400,
            young(400, "Service account a@p.example does not exist.", "INVALID_ARGUMENT"),
            PROPAGATION,
        ),
        (404, young(404, "Unknown service account", "NOT_FOUND"), PROPAGATION),
        (404, legacy(404, "The resource 'x' was not found", "notFound"), 0),
        (400, legacy(400, "Invalid value for field 'resource.name'", "invalid"), 0),
        (401, young(401, "Request had invalid authentication credentials", "UNAUTHENTICATED"), 0),
        (412, legacy(412, "fingerprint", "conditionNotMet"), 0),
    ],
)
def test_what_passes_by_itself_is_asked_again_and_nothing_else(status: int, body: t.Any, patience: float) -> None:
    assert from_answer(status, body, str(body)).patience == patience


@pytest.mark.parametrize(
    ("status", "body", "conflict"),
    [
        (
            412,
            legacy(412, "Supplied fingerprint does not match the current one.", "conditionNotMet"),
            True,
        ),
        (409, young(409, "There were concurrent policy changes.", "ABORTED"), True),
        (400, legacy(400, "The settingsVersion does not match", "invalid"), True),
        (409, legacy(409, "The resource already exists", "alreadyExists"), False),
        (400, legacy(400, "Invalid value for field 'resource.name'", "invalid"), False),
    ],
)
def test_a_change_by_somebody_else_is_a_conflict(status: int, body: t.Any, conflict: bool) -> None:
    assert from_answer(status, body, "").conflict is conflict


@pytest.mark.parametrize(
    ("status", "message", "missing"),
    [
        (404, "The resource 'projects/p/global/firewalls/f' was not found", True),
        (404, "The resource 'projects/p' was not found", False),
        (404, "Project p not found", False),
        (403, "not yours", False),
    ],
)
def test_a_missing_project_is_not_a_missing_resource(status: int, message: str, missing: bool) -> None:
    assert from_answer(status, legacy(status, message), "").missing is missing


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            from_answer(403, young(403, "API has not been used", "PERMISSION_DENIED", "SERVICE_DISABLED"), ""),
            "gcp_project_service and name=sqladmin.googleapis.com",
        ),
        (
            from_answer(403, legacy(403, "Required 'compute.firewalls.create' permission for 'x'", "forbidden"), ""),
            "a role with compute.firewalls.create",
        ),
        (from_answer(403, legacy(403, "Quota 'CPUS' exceeded.", "quotaExceeded"), ""), "more quota"),
        (from_answer(404, legacy(404, "The resource 'projects/nope' was not found"), ""), "option project"),
        (from_answer(403, legacy(403, "Billing must be enabled for p"), ""), "Link a billing account"),
        (from_answer(400, young(400, "This API requires billing to be enabled", "FAILED_PRECONDITION"), ""), "billing"),
        (from_answer(401, young(401, "invalid authentication", "UNAUTHENTICATED"), ""), "not valid"),
    ],
)
def test_an_error_says_what_to_do(error: GcpError, sentence: str) -> None:
    error.during("GET", "https://sqladmin.googleapis.com/v1/projects/p/instances/i")
    assert sentence in " ".join(advice(error, "a key"))


@pytest.mark.parametrize(("status", "named"), [(401, True), (403, True), (404, False), (400, False)])
def test_a_refused_credential_is_named(status: int, named: bool) -> None:
    error = from_answer(status, legacy(status, "no"), "")
    assert ("The credential was: service account a@p." in " ".join(advice(error, "service account a@p"))) is named


def test_an_error_tells_request_status_reason_and_message() -> None:
    error = from_answer(409, legacy(409, "It is there.", "alreadyExists"), "").during("POST", "https://x/y")
    assert str(error.note("Do this.")) == "POST https://x/y answered 409 alreadyExists: It is there. Do this."


def test_an_answer_that_is_no_json_is_told_as_text() -> None:
    error = from_answer(502, None, "<html><title>Bad</title> gateway</html>")
    assert error.message == "Bad gateway"


def test_field_violations_are_told() -> None:
    violations = [{"field": "name", "description": "is too long"}]
    body = {"error": {"message": "Invalid.", "details": [{"fieldViolations": violations}]}}
    assert from_answer(400, body, "").message == "Invalid. (name: is too long)"


@pytest.mark.parametrize(
    ("error", "message", "reason"),
    [
        ({"errors": [{"code": "QUOTA_EXCEEDED", "message": "CPUS"}]}, "CPUS", "QUOTA_EXCEEDED"),
        ({"errors": [{"code": "A", "message": "one"}, {"code": "B", "message": "two"}]}, "one; two", "A"),
        ({"code": 9, "message": "Producer services are still using this connection"}, "Producer services", ""),
    ],
)
def test_an_error_of_an_operation_is_told_in_its_dialect(error: t.Any, message: str, reason: str) -> None:
    told = from_operation(error)
    assert message in told.message
    assert told.reason == reason


@pytest.mark.parametrize(
    ("error", "status", "patience"),
    [
        ({"errors": [{"code": "ZONE_RESOURCE_POOL_EXHAUSTED", "message": "not enough resources"}]}, 503, 0),
        ({"errors": [{"code": "RESOURCE_NOT_READY", "message": "The network is not ready"}]}, 400, FOREVER),
        ({"code": 9, "message": "There is a peering operation in progress"}, None, FOREVER),
        ({"errors": [{"code": "QUOTA_EXCEEDED", "message": "Quota 'CPUS' exceeded."}]}, 403, 0),
    ],
)
def test_an_operation_is_begun_again_only_if_it_came_too_early(error: t.Any, status: int, patience: float) -> None:
    told = from_operation(error, status)
    assert (told.patience, told.status) == (patience, status)


def test_a_zone_without_room_is_told_with_the_way_out() -> None:
    error = from_operation({"errors": [{"code": "ZONE_RESOURCE_POOL_EXHAUSTED", "message": "no"}]}, 503)
    assert "another zone" in " ".join(advice(error, ""))
