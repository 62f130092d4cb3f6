# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.advice import advice
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import (
    FOREVER,
    PROPAGATION,
    UNREACHABLE,
    GcpError,
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


QUOTA_PER_MINUTE = (
    "Quota exceeded for quota metric 'Read requests' and limit 'Read requests per minute' of service "
    "'compute.googleapis.com' for consumer 'project_number:415104041262'."
)
ANOTHER_ACTIVATION = (
    "Another activation or deactivation is in progress for the following service(s): compute.googleapis.com. Please "
    "wait for it to finish before retrying."
)
NO_EXTERNAL_ADDRESS = (
    "Constraint constraints/compute.vmExternalIpAccess violated for project 415104041262. Add instance "
    "projects/p/zones/z/instances/i to the constraint to use external IP with it."
)


@pytest.mark.parametrize(
    ("status", "body", "patience"),
    [
        pytest.param(500, {}, FOREVER, id="500"),
        pytest.param(502, "<html>Bad gateway</html>", FOREVER, id="502"),
        pytest.param(503, legacy(503, "backend error", "backendError"), FOREVER, id="503"),
        pytest.param(504, {}, FOREVER, id="504"),
        pytest.param(501, {}, 0, id="501 is an answer"),
        pytest.param(429, {}, FOREVER, id="429"),
        pytest.param(
            429,
            young(429, "Quota exceeded", "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED"),
            FOREVER,
            id="429 RATE_LIMIT_EXCEEDED",
        ),
        pytest.param(429, legacy(429, "slow down", "rateLimitExceeded"), FOREVER, id="429 rateLimitExceeded"),
        pytest.param(
            429,
            young(429, "Too many", "RESOURCE_EXHAUSTED", "RESOURCE_QUOTA_EXCEEDED"),
            0,
            id="429 for a resource limit",
        ),
        pytest.param(
            429,
            young(429, "Maximum number of keys on account reached.", "RESOURCE_EXHAUSTED"),
            0,
            id="429 for a maximum number",
        ),
        pytest.param(
            429,
            young(
                429,
                "A quota has been reached for project number 1: Service accounts per project.",
                "RESOURCE_EXHAUSTED",
            ),
            0,
            id="429 for a quota that is used up",
        ),
        pytest.param(
            429,
            young(429, "Quota exceeded, limit reached: 60 reads per minute", "RESOURCE_EXHAUSTED"),
            FOREVER,
            id="429 for a quota per minute",
        ),
        pytest.param(403, legacy(403, QUOTA_PER_MINUTE, "quotaExceeded"), FOREVER, id="403 quota per minute"),
        pytest.param(
            403,
            legacy(403, "busy", "concurrentOperationsQuotaExceeded"),
            FOREVER,
            id="403 concurrentOperationsQuotaExceeded",
        ),
        pytest.param(
            403,
            young(403, "busy", "PERMISSION_DENIED", "CONCURRENT_OPERATIONS_QUOTA_EXCEEDED"),
            FOREVER,
            id="403 CONCURRENT_OPERATIONS_QUOTA_EXCEEDED",
        ),
        pytest.param(
            403,
            legacy(403, "Quota 'CPUS' exceeded. Limit: 24.0 in region europe-west1.", "quotaExceeded"),
            0,
            id="403 for a resource limit",
        ),
        pytest.param(
            403, legacy(403, "Required 'compute.firewalls.create' permission", "forbidden"), 0, id="403 permission"
        ),
        pytest.param(
            409,
            legacy(409, "Operation failed because another operation was already in progress.", ""),
            FOREVER,
            id="409 SQL operation in progress",
        ),
        pytest.param(409, legacy(409, "x", "operationInProgress"), FOREVER, id="409 operationInProgress"),
        pytest.param(
            409,
            legacy(409, "The Cloud SQL instance already exists.", "instanceAlreadyExists"),
            0,
            id="409 instanceAlreadyExists",
        ),
        pytest.param(409, legacy(409, "The resource 'x' already exists", "alreadyExists"), 0, id="409 alreadyExists"),
        pytest.param(
            400,
            legacy(400, "The resource 'projects/p/global/networks/n' is not ready", "resourceNotReady"),
            FOREVER,
            id="400 resourceNotReady",
        ),
        pytest.param(
            400,
            legacy(400, "There is a peering operation in progress on the local or peer network. Try again later."),
            FOREVER,
            id="400 peering operation in progress",
        ),
        pytest.param(400, young(400, ANOTHER_ACTIVATION, "FAILED_PRECONDITION"), FOREVER, id="400 another activation"),
        pytest.param(
            400,
            young(400, "Service account a@p.example does not exist.", "INVALID_ARGUMENT"),
            PROPAGATION,
            id="400 IAM member not found yet",
        ),
        pytest.param(
            404, young(404, "Unknown service account", "NOT_FOUND"), PROPAGATION, id="404 service account not found yet"
        ),
        pytest.param(404, legacy(404, "The resource 'x' was not found", "notFound"), 0, id="404"),
        pytest.param(400, legacy(400, "Invalid value for field 'resource.name'", "invalid"), 0, id="400 invalid"),
        pytest.param(401, young(401, "Request had invalid credentials", "UNAUTHENTICATED"), 0, id="401"),
        pytest.param(408, {}, 0, id="another 4xx"),
        pytest.param(412, legacy(412, "fingerprint", "conditionNotMet"), 0, id="412 is planned again, not sent again"),
        pytest.param(412, legacy(412, NO_EXTERNAL_ADDRESS, "conditionNotMet"), 0, id="412 of an organization policy"),
        pytest.param(200, "<html>Log in to the hotel</html>", UNREACHABLE, id="an answer that is no JSON"),
    ],
)
def test_what_passes_by_itself_is_asked_again_and_nothing_else(status: int, body: t.Any, patience: float) -> None:
    assert from_answer(status, body, str(body)).patience == patience


@pytest.mark.parametrize(("status", "ambiguous"), [(500, True), (503, True), (200, True), (501, False), (400, False)])
def test_a_request_may_have_been_done_although_the_answer_is_an_error(status: int, ambiguous: bool) -> None:
    assert from_answer(status, None, "").ambiguous is ambiguous


@pytest.mark.parametrize(
    ("status", "body", "conflict"),
    [
        pytest.param(
            412,
            legacy(412, "Supplied fingerprint does not match current metadata fingerprint.", "conditionNotMet"),
            True,
            id="fingerprint",
        ),
        pytest.param(400, legacy(400, "Invalid fingerprint.", "invalid"), True, id="a fingerprint without 412"),
        pytest.param(
            409,
            young(
                409,
                "There were concurrent policy changes. Please retry the whole read-modify-write.",
                "ABORTED",
            ),
            True,
            id="etag of a policy",
        ),
        pytest.param(412, legacy(412, "Precondition Failed", "conditionNotMet"), True, id="metageneration"),
        pytest.param(400, legacy(400, "The settingsVersion does not match", "invalid"), True, id="settingsVersion"),
        pytest.param(409, legacy(409, "The resource already exists", "alreadyExists"), False, id="already exists"),
        pytest.param(400, legacy(400, "Invalid value for field 'resource.name'", "invalid"), False, id="invalid"),
        pytest.param(412, legacy(412, NO_EXTERNAL_ADDRESS, "conditionNotMet"), False, id="organization policy"),
        pytest.param(
            412,
            legacy(
                412, "One or more users named in the policy do not belong to a permitted customer.", "conditionNotMet"
            ),
            False,
            id="domain restricted sharing",
        ),
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


SQL = "https://sqladmin.googleapis.com/v1/projects/p/instances/i"
FENCED = {
    "error": {
        "code": 403,
        "message": "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: eYhDkfYCu",
        "status": "PERMISSION_DENIED",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.PreconditionFailure",
                "violations": [{"type": "VPC_SERVICE_CONTROLS", "description": "eYhDkfYCu"}],
            },
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "SECURITY_POLICY_VIOLATED",
                "domain": "googleapis.com",
                "metadata": {"service": "iam.googleapis.com", "uid": "eYhDkfYCu", "consumer": "projects/p"},
            },
        ],
    }
}
DISABLED = {
    "error": {
        "code": 403,
        "message": "Compute Engine API has not been used in project 415104041262 before or it is disabled. Enable it "
        "by visiting https://console.developers.google.com/apis/api/compute.googleapis.com/overview then retry.",
        "status": "PERMISSION_DENIED",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "SERVICE_DISABLED",
                "domain": "googleapis.com",
                "metadata": {"service": "compute.googleapis.com", "consumer": "projects/415104041262"},
            }
        ],
    }
}
PERMISSION = {
    "error": {
        "code": 403,
        "message": "Permission 'secretmanager.secrets.create' denied on resource "
        "'//cloudresourcemanager.googleapis.com/projects/p' (or it may not exist).",
        "status": "PERMISSION_DENIED",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "IAM_PERMISSION_DENIED",
                "domain": "iam.googleapis.com",
                "metadata": {"permission": "secretmanager.secrets.create", "resource": "projects/p"},
            }
        ],
    }
}
FOREIGN = {
    "error": {
        "code": 400,
        "message": "One or more users named in the policy do not belong to a permitted customer.",
        "status": "FAILED_PRECONDITION",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.PreconditionFailure",
                "violations": [
                    {
                        "type": "constraints/iam.allowedPolicyMemberDomains",
                        "subject": "orgpolicy:projects/p?configvalue=jane%40example.com",
                        "description": "User jane@example.com is not in permitted organization.",
                    }
                ],
            }
        ],
    }
}


@pytest.mark.parametrize(
    ("error", "sentences"),
    [
        pytest.param(
            from_answer(403, DISABLED, ""),
            ["gcp_serviceusage_service and name=compute.googleapis.com", "gcp_infra_services"],
            id="service disabled",
        ),
        pytest.param(
            from_answer(403, legacy(403, "Access Not Configured.", "accessNotConfigured"), ""),
            ["gcp_serviceusage_service and name=sqladmin.googleapis.com"],
            id="service disabled, as Storage says it",
        ),
        pytest.param(
            from_answer(
                403,
                legacy(
                    403,
                    "Required 'compute.firewalls.create' permission for 'projects/p/global/firewalls/f'",
                    "forbidden",
                ),
                "",
            ),
            ["roles/compute.securityAdmin", "compute.firewalls.create", "gcp_project_iam_member", "auth_kind"],
            id="permission of Compute",
        ),
        pytest.param(
            from_answer(403, PERMISSION, ""),
            ["roles/secretmanager.admin", "secretmanager.secrets.create"],
            id="permission of IAM's own words",
        ),
        pytest.param(
            from_answer(403, legacy(403, "The client is not authorized to make this request.", "notAuthorized"), ""),
            ["roles/cloudsql.admin"],
            id="permission that Cloud SQL does not name",
        ),
        pytest.param(
            from_answer(
                403, legacy(403, "Permission 'iam.serviceAccounts.actAs' denied on service account a@p", "x"), ""
            ),
            ["roles/iam.serviceAccountUser"],
            id="permission to act as an account",
        ),
        pytest.param(
            from_answer(
                403, legacy(403, "Quota 'CPUS' exceeded. Limit: 24.0 in region europe-west1.", "quotaExceeded"), ""
            ),
            ["more quota", "Cloud console"],
            id="quota",
        ),
        pytest.param(
            from_operation({"errors": [{"code": "QUOTA_EXCEEDED", "message": "Quota 'SSD_TOTAL_GB' exceeded."}]}, 403),
            ["more quota"],
            id="quota, told by an operation",
        ),
        pytest.param(
            from_answer(403, legacy(403, QUOTA_PER_MINUTE, "rateLimitExceeded"), ""),
            ["fewer tasks at once", "option timeout"],
            id="quota per minute",
        ),
        pytest.param(
            from_answer(404, legacy(404, "The resource 'projects/nope' was not found", "notFound"), ""),
            ["option project", "GCP_PROJECT"],
            id="project wrong",
        ),
        pytest.param(
            from_answer(
                403, young(403, "Project 'nope' not found or deleted.", "PERMISSION_DENIED", "CONSUMER_INVALID"), ""
            ),
            ["option project"],
            id="project wrong, as the younger APIs say it",
        ),
        pytest.param(
            from_answer(
                403,
                legacy(
                    403, "The billing account for the owning project is disabled in state absent", "accountDisabled"
                ),
                "",
            ),
            ["Link a billing account", "gcloud billing projects link"],
            id="billing off, Storage",
        ),
        pytest.param(
            from_answer(
                400,
                young(
                    400,
                    "Billing account for project '415104041262' is not found. Billing must be enabled for activation "
                    "of service(s) 'compute.googleapis.com' to proceed.",
                    "FAILED_PRECONDITION",
                    "UREQ_PROJECT_BILLING_NOT_FOUND",
                ),
                "",
            ),
            ["Link a billing account"],
            id="billing off, services",
        ),
        pytest.param(
            from_answer(
                400,
                legacy(
                    400,
                    "Invalid request: Incorrect Service Networking config for instance: p:i:NETWORK_NOT_PEERED.",
                    "invalid",
                ),
                "",
            ),
            ["gcp_service_networking_connection", "gcp_compute_global_address", "role cloudsql"],
            id="peering missing",
        ),
        pytest.param(
            from_operation(
                {
                    "errors": [
                        {
                            "code": "INTERNAL_ERROR",
                            "message": "Failed to create subnetwork. Please create Service Networking connection with "
                            "service 'servicenetworking.googleapis.com' from consumer project '1' network 'vpc' again.",
                        }
                    ]
                }
            ),
            ["gcp_service_networking_connection"],
            id="peering missing, told by an operation",
        ),
        pytest.param(
            from_answer(412, legacy(412, NO_EXTERNAL_ADDRESS, "conditionNotMet"), ""),
            ["compute.vmExternalIpAccess", "without access_configs", "administrator"],
            id="organization policy: external address",
        ),
        pytest.param(
            from_answer(400, FOREIGN, ""),
            ["iam.allowedPolicyMemberDomains", "allowed domain"],
            id="organization policy: domain restricted sharing",
        ),
        pytest.param(from_answer(403, FENCED, ""), ["VPC Service Controls", "perimeter"], id="VPC Service Controls"),
        pytest.param(
            from_answer(
                400, young(400, "Service account a@p.iam.gserviceaccount.com does not exist.", "INVALID_ARGUMENT"), ""
            ),
            ["gcp_iam_service_account", "some minutes"],
            id="an account that stays unknown",
        ),
        pytest.param(
            from_answer(401, young(401, "Request had invalid authentication credentials", "UNAUTHENTICATED"), ""),
            ["not valid", "auth_kind"],
            id="credential expired",
        ),
        pytest.param(
            from_answer(
                409,
                legacy(
                    409,
                    "The requested bucket name is not available. The bucket namespace is shared by all users of the "
                    "system. Please select a different name and try again.",
                    "conflict",
                ),
                "",
            ),
            ["another name", "gcp_infra_bucket_name"],
            id="bucket name taken",
        ),
        pytest.param(
            from_answer(
                400,
                legacy(
                    400,
                    "The address resource 'a' is already being used by 'projects/p/global/networks/n'",
                    "resourceInUseByAnotherResource",
                ),
                "",
            ),
            ["Delete what uses it first"],
            id="in use",
        ),
    ],
)
def test_an_error_says_what_to_do(error: GcpError, sentences: list[str]) -> None:
    error.during("GET", SQL)
    told = advice(error, "a key")
    assert [sentence for sentence in sentences if sentence not in told[0]] == []


def test_what_forbids_it_is_told_where_the_message_does_not() -> None:
    told = from_answer(400, FOREIGN, "")
    assert "User jane@example.com is not in permitted organization." in str(told)
    assert "The credential was" not in " ".join(advice(told, "a key"))


REQUEST_INFO = {"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": "13a-42"}


def test_the_request_id_of_an_answer_is_told() -> None:
    told = from_answer(500, {"error": {"message": "Internal error.", "details": [REQUEST_INFO]}}, "")
    assert told.request_id == "13a-42"
    assert "Internal error (request 13a-42)." in str(told)


@pytest.mark.parametrize(
    ("status", "body", "named"),
    [
        (401, legacy(401, "no"), True),
        (403, legacy(403, "no"), True),
        (404, legacy(404, "no"), False),
        (400, legacy(400, "no"), False),
        (403, legacy(403, "Quota 'CPUS' exceeded. Limit: 24.0 in region europe-west1.", "quotaExceeded"), False),
        (403, legacy(403, "Slow down.", "rateLimitExceeded"), False),
    ],
)
def test_a_refused_credential_is_named(status: int, body: t.Any, named: bool) -> None:
    error = from_answer(status, body, "")
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
