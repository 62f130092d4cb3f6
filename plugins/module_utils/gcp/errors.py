# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What goes wrong with Google Cloud: what was answered, and whether asking again can help."""

from __future__ import annotations

import math
import re
import typing as t

Json = dict[str, t.Any]

FOREVER = math.inf  # seconds; the deadline of the module ends it
PROPAGATION = 60.0  # seconds; how long a new account may be unknown to the rest of Google Cloud
ENABLING = 300.0  # seconds; how long an API may say that it is off after it was switched on
UNREACHABLE = 30.0  # seconds; an endpoint that refuses connections for longer is not coming back

NO_TOKEN = "No access token could be had"  # noqa: S105 (what an error begins with)

RATE_REASONS = frozenset(
    {
        "RATE_LIMIT_EXCEEDED",
        "rateLimitExceeded",
        "userRateLimitExceeded",
        "RESOURCE_OPERATION_RATE_EXCEEDED",
        "CONCURRENT_OPERATIONS_QUOTA_EXCEEDED",
        "concurrentOperationsQuotaExceeded",
    }
)
BUSY_REASONS = frozenset({"operationInProgress", "resourceNotReady", "OPERATION_IN_PROGRESS", "RESOURCE_NOT_READY"})
CONFLICT_REASONS = frozenset({"conditionNotMet", "ABORTED", "CONDITION_NOT_MET", "staleData"})

TRANSIENT = frozenset({500, 502, 503, 504})

PER_TIME = re.compile(r"quota.*\bper (minute|second|\d+ seconds)", re.IGNORECASE | re.DOTALL)
LIMIT_REACHED = re.compile(
    r"maximum number|limit (of \S+ )?(is |has been )?(reached|exceeded)|quota has been reached", re.IGNORECASE
)
BUSY = re.compile(
    r"another (activation|operation)\b.*in progress|operation (is |was )?(already )?in progress|is not ready"
    r"|internal error.*\b160009\b.*failed services",  # of two activations that need the same third one
    re.IGNORECASE | re.DOTALL,
)
UNKNOWN_ACCOUNT = re.compile(
    r"service account \S+ does not exist|unknown service account|/serviceAccounts/[^' ]+' was not found"
    r"|(member|principal) \S+ (does not exist|is not found)|gaia id not found",
    re.IGNORECASE,
)
STALE = re.compile(
    r"(fingerprint|etag|settingsVersion|settings version).*(match|stale|out of date|invalid)|invalid fingerprint",
    re.IGNORECASE | re.DOTALL,
)
STALE_POLICY = re.compile(r"concurrent policy changes", re.IGNORECASE)
CONSTRAINT = re.compile(r"\bconstraints?/([\w.]+\w)")
RULE_OF_ORGANIZATION = re.compile(
    rf"{CONSTRAINT.pattern}|public access prevention|permitted customer|in permitted organization", re.IGNORECASE
)
RULE_OF_BUCKET = re.compile(r"enable uniform bucket-level access", re.IGNORECASE)
NO_PROJECT = re.compile(
    r"resource 'projects/[^/']+' was not found|project .*(not found|does not exist|was deleted|has been deleted)"
    r"|unknown project|failed to find project|invalid project",
    re.IGNORECASE,
)


class GcpError(Exception):
    """Something that the caller cannot work with.

    :param message: what happened, in Google's words where it is Google's answer.
    :param status: HTTP status; None where there was no answer.
    :param reason: the most precise reason in the answer, such as ``SERVICE_DISABLED`` or ``alreadyExists``.
    :param canonical: ``google.rpc`` status of the answer, such as ``PERMISSION_DENIED``.
    :param patience: seconds for which it is worth to ask again; 0 is never.
    :param ambiguous: whether the request may have taken effect all the same.
    :param retry_after: seconds that the server asks to wait.
    :param request_id: under which Google's support finds the request or the operation.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        reason: str = "",
        canonical: str = "",
        patience: float = 0,
        ambiguous: bool = False,
        retry_after: float = 0,
        request_id: str = "",
    ) -> None:
        super().__init__(message)
        self.message, self.status, self.reason, self.canonical = message, status, reason, canonical
        self.patience, self.ambiguous, self.retry_after = patience, ambiguous, retry_after
        self.request_id = request_id
        self.method, self.url = "", ""
        self.metadata: Json = {}  # what the answer tells beside its reason
        self.exhausted = False  # it was asked again for as long as that could help
        self.notes: list[str] = []

    def during(self, method: str, url: str) -> GcpError:
        """Name the request that it was the end of."""
        self.method, self.url = method, url
        return self

    def note(self, sentence: str) -> GcpError:
        """Add a sentence that helps, once."""
        if sentence and sentence not in self.notes:
            self.notes.append(sentence)
        return self

    @property
    def conflict(self) -> bool:
        """Whether somebody else changed the resource since it was read: reading and planning again can help."""
        if self.by_policy or RULE_OF_BUCKET.search(self.message):
            return False
        return self.status == 412 or (
            self.status in {None, 400, 409}
            and (
                bool(CONFLICT_REASONS & {self.reason, self.canonical})
                or bool(STALE.search(self.message) or STALE_POLICY.search(self.message))
            )
        )

    @property
    def already_exists(self) -> bool:
        """Whether a create came second."""
        known = {"alreadyExists", "ALREADY_EXISTS", "instanceAlreadyExists", "databaseAlreadyExists", "conflict"}
        return self.status == 409 and bool(known & {self.reason, self.canonical} or "already exists" in self.message)

    @property
    def missing(self) -> bool:
        """Whether the resource is not there. That its project is not there is something else."""
        return self.status == 404 and not NO_PROJECT.search(self.message)

    @property
    def service_disabled(self) -> bool:
        """Whether the API is switched off in the project."""
        return self.status == 403 and (
            self.reason in {"SERVICE_DISABLED", "accessNotConfigured"} or "has not been used in project" in self.message
        )

    @property
    def switch(self) -> str:
        """Path of the API that is off, such as ``projects/123/services/compute.googleapis.com``, if it is told."""
        told = {"consumer", "service"} <= self.metadata.keys()
        return f"{self.metadata['consumer']}/services/{self.metadata['service']}" if told else ""

    @property
    def fenced(self) -> bool:
        """Whether VPC Service Controls are in the way."""
        return self.reason == "SECURITY_POLICY_VIOLATED" or "vpcServiceControlsUniqueIdentifier" in self.message

    @property
    def by_policy(self) -> bool:
        """Whether an organization forbids it, which Compute and Storage tell by the status of a conflict (412)."""
        return self.fenced or bool(RULE_OF_ORGANIZATION.search(self.message))

    @property
    def refused(self) -> bool:
        """Whether the credential is the matter."""
        return self.status in {401, 403} and not self.service_disabled

    def __str__(self) -> str:
        words = [str(self.status or ""), self.canonical, self.reason if self.reason != self.canonical else ""]
        label = " ".join(filter(None, words))
        where = f"{self.method} {self.url}" if self.url else ""
        if where and self.message.startswith(NO_TOKEN):  # which has its reason in the message
            where, label = f"{where} was not sent", ""
        head = ": ".join(filter(None, [" answered ".join(filter(None, [where, label])), self.message.strip()]))
        if self.request_id:
            head = f"{head.removesuffix('.')} (request {self.request_id})."
        if self.notes and not head.endswith((".", "!", "?")):
            head += "."
        return " ".join([head, *self.notes])


def from_answer(status: int, body: t.Any, text: str, retry_after: float = 0) -> GcpError:
    """The error that an HTTP answer tells; ``body`` is its JSON, or None where it is none."""
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, str):  # the shape of OAuth
        error = {
            "message": f"{error}: {body.get('error_description', '')}".rstrip(": "),
            "details": [{"reason": error}],
        }
    if not isinstance(error, dict):
        error = {"message": " ".join(re.sub(r"<[^>]*>", " ", text).split())[:300] or "no explanation"}
    details, listed = dicts(error, "details"), dicts(error, "errors")
    reasons = [str(item["reason"]) for item in [*details, *listed] if item.get("reason")]
    message = str(error.get("message") or "")
    for violation in [found for item in details for found in dicts(item, "fieldViolations")]:
        if (description := str(violation.get("description") or "")) and description not in message:
            message += f" ({violation.get('field', '')}: {description})"
    for violation in [found for item in details for found in dicts(item, "violations")]:
        about = [str(violation[key]) for key in ("type", "subject", "description") if violation.get(key)]
        if told := [words for words in about if words not in message]:
            message += f" ({': '.join(told)})"
    result = GcpError(
        message,
        status=status,
        reason=reasons[0] if reasons else "",
        canonical=str(error.get("status") or ""),
        ambiguous=status in TRANSIENT or status < 400,
        retry_after=retry_after,
        request_id=next((str(item["requestId"]) for item in details if item.get("requestId")), ""),
    )
    result.patience = UNREACHABLE if status < 400 else patience_for(result)
    result.metadata = metadata_of(details)
    return result


def dicts(holder: Json, name: str) -> list[Json]:
    """The dicts in a list of an answer; nobody checks what answers hold."""
    found = holder.get(name)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def metadata_of(details: list[Json]) -> Json:
    """What the details of an error tell beside its reason."""
    found = [item.get(key) for item in details for key in ("metadata", "metadatas")]
    return {key: value for metadata in found if isinstance(metadata, dict) for key, value in metadata.items()}


def from_operation(error: Json, status: int | None = None, http_message: str = "") -> GcpError:
    """The error of a long-running operation: ``errors[]`` of Compute and Cloud SQL, or a ``google.rpc.Status``."""
    listed = dicts(error, "errors")
    texts = [str(item.get("message") or item.get("code") or "") for item in listed]
    code = error.get("code")
    details = [*dicts(error, "details"), *(item for outer in listed for item in dicts(outer, "errorDetails"))]
    reasons = [str(item["code"]) for item in listed if item.get("code")]
    reasons += [str(item["reason"]) for item in details if item.get("reason")]
    result = GcpError(
        "; ".join(filter(None, texts)) or str(error.get("message") or http_message or error),
        reason=reasons[0] if reasons else "",
        canonical=RPC_CODES.get(code, "") if isinstance(code, int) else "",
    )
    result.metadata = metadata_of(details)
    # A failed operation is not repeated for its HTTP status alone: a zone without room for a machine is a 503 too.
    result.patience = patience_for(result)
    result.status = status
    return result


RPC_CODES = {
    1: "CANCELLED",
    3: "INVALID_ARGUMENT",
    4: "DEADLINE_EXCEEDED",
    5: "NOT_FOUND",
    6: "ALREADY_EXISTS",
    7: "PERMISSION_DENIED",
    8: "RESOURCE_EXHAUSTED",
    9: "FAILED_PRECONDITION",
    10: "ABORTED",
    13: "INTERNAL",
    14: "UNAVAILABLE",
}


def patience_for(error: GcpError) -> float:
    """For how many seconds it is worth to ask again.

    The list is that of the Terraform provider: what passes by itself is asked again until the deadline, an account
    that is not known yet for a minute, and everything else is an answer.
    """
    if error.by_policy:
        return 0
    if error.status in TRANSIENT:
        return FOREVER
    if error.status == 429:
        limit = bool(LIMIT_REACHED.search(error.message)) and not PER_TIME.search(error.message)
        return FOREVER if error.reason in RATE_REASONS or not (error.reason or limit) else 0
    if error.status == 403:
        return FOREVER if error.reason in RATE_REASONS or PER_TIME.search(error.message) else 0
    if error.status in {None, 400, 409} and (error.reason in BUSY_REASONS or BUSY.search(error.message)):
        return 0 if error.already_exists else FOREVER
    if error.status in {None, 400, 404} and UNKNOWN_ACCOUNT.search(error.message):
        return PROPAGATION
    return 0
