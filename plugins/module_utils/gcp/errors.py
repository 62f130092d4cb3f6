# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What goes wrong with Google Cloud: what was answered, whether asking again can help, and what a person can do."""

from __future__ import annotations

import math
import re
import typing as t
from urllib.parse import urlsplit

Json = dict[str, t.Any]

FOREVER = math.inf  # seconds; the deadline of the module ends it
PROPAGATION = 60.0  # seconds; how long a new account may be unknown to the rest of Google Cloud
ENABLING = 300.0  # seconds; how long an API may say that it is off after it was switched on
UNREACHABLE = 30.0  # seconds; an endpoint that refuses connections for longer is not coming back

RATE_REASONS = frozenset(
    {
        "RATE_LIMIT_EXCEEDED",
        "rateLimitExceeded",
        "userRateLimitExceeded",
        "CONCURRENT_OPERATIONS_QUOTA_EXCEEDED",
        "concurrentOperationsQuotaExceeded",
    }
)
BUSY_REASONS = frozenset({"operationInProgress", "resourceNotReady", "OPERATION_IN_PROGRESS", "RESOURCE_NOT_READY"})
CONFLICT_REASONS = frozenset({"conditionNotMet", "ABORTED", "CONDITION_NOT_MET", "staleData"})

PER_TIME = re.compile(r"quota exceeded.*\bper (minute|second|\d+ seconds)", re.IGNORECASE | re.DOTALL)
LIMIT_REACHED = re.compile(r"maximum number|limit (of \S+ )?(is |has been )?(reached|exceeded)", re.IGNORECASE)
BUSY = re.compile(
    r"another (activation|operation)\b.*in progress|operation (is |was )?(already )?in progress|is not ready",
    re.IGNORECASE | re.DOTALL,
)
UNKNOWN_ACCOUNT = re.compile(
    r"service account \S+ does not exist|unknown service account|/serviceAccounts/[^' ]+' was not found"
    r"|(member|principal) \S+ (does not exist|is not found)",
    re.IGNORECASE,
)
STALE = re.compile(
    r"(fingerprint|etag|settingsVersion|settings version).*(match|stale|out of date|invalid)", re.IGNORECASE | re.DOTALL
)
STALE_POLICY = re.compile(r"concurrent policy changes", re.IGNORECASE)
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
    ) -> None:
        super().__init__(message)
        self.message, self.status, self.reason, self.canonical = message, status, reason, canonical
        self.patience, self.ambiguous, self.retry_after = patience, ambiguous, retry_after
        self.method, self.url = "", ""
        self.switch = ""  # path of the API that is off: "projects/123/services/compute.googleapis.com"
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
        return self.status == 412 or (
            self.status in {400, 409}
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
    def refused(self) -> bool:
        """Whether the credential is the matter."""
        return self.status in {401, 403} and not self.service_disabled

    def __str__(self) -> str:
        words = [str(self.status or ""), self.canonical, self.reason if self.reason != self.canonical else ""]
        label = " ".join(filter(None, words))
        where = f"{self.method} {self.url}" if self.url else ""
        head = ": ".join(filter(None, [" answered ".join(filter(None, [where, label])), self.message.strip()]))
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
    details = [item for item in error.get("details") or [] if isinstance(item, dict)]
    listed = [item for item in error.get("errors") or [] if isinstance(item, dict)]
    reasons = [item["reason"] for item in [*details, *listed] if item.get("reason")]
    violations = [violation for item in details for violation in item.get("fieldViolations") or []]
    message = str(error.get("message", ""))
    for violation in violations:
        if (description := violation.get("description", "")) and description not in message:
            message += f" ({violation.get('field', '')}: {description})"
    result = GcpError(
        message,
        status=status,
        reason=reasons[0] if reasons else "",
        canonical=str(error.get("status", "")),
        ambiguous=status >= 500,
        retry_after=retry_after,
    )
    result.patience = patience_for(result)
    for metadata in [item["metadata"] for item in details if isinstance(item.get("metadata"), dict)]:
        if metadata.keys() >= {"consumer", "service"}:
            result.switch = f"{metadata['consumer']}/services/{metadata['service']}"
    return result


def from_operation(error: Json, status: int | None = None, http_message: str = "") -> GcpError:
    """The error of a long-running operation: ``errors[]`` of Compute and Cloud SQL, or a ``google.rpc.Status``."""
    listed = [item for item in error.get("errors") or [] if isinstance(item, dict)]
    texts = [str(item.get("message") or item.get("code") or "") for item in listed]
    code = error.get("code")
    details = [item for item in error.get("details") or [] if isinstance(item, dict)]
    reasons = [str(item["code"]) for item in listed if item.get("code")]
    reasons += [str(item["reason"]) for item in details if item.get("reason")]
    result = GcpError(
        "; ".join(filter(None, texts)) or str(error.get("message") or http_message or error),
        reason=reasons[0] if reasons else "",
        canonical=RPC_CODES.get(code, "") if isinstance(code, int) else "",
    )
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
    if error.status in {500, 502, 503, 504}:
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


def advice(error: GcpError, credential: str) -> list[str]:
    """What a person can do about it: a sentence, and for a refused credential which one it was."""
    text = error.message
    host = urlsplit(error.url).hostname or "the service"
    sentences = []
    if error.service_disabled:
        return [f"Enable the API first, with mlops.mlflow.gcp_project_service and name={host}, and wait a minute."]
    if re.search(r"\bbilling\b", text, re.IGNORECASE) and error.status in {400, 403}:
        sentences.append("Link a billing account to the project (option project).")
    elif "POOL_EXHAUSTED" in error.reason:
        sentences.append(
            "Google has no room for it there now: choose another zone or machine type, or try again later."
        )
    elif NO_PROJECT.search(text):
        sentences.append("Check the option project (or GCP_PROJECT): it takes the ID of an existing project.")
    elif error.reason.startswith("SERVICE_CONFIG_NOT_FOUND"):
        sentences.append("Check the names of the APIs, which look like compute.googleapis.com.")
    elif error.status == 401:
        sentences.append("The credential is not valid (any more): get a new one, or choose another by auth_kind.")
    elif re.search(r"quota|limit", text + error.reason, re.IGNORECASE) and error.status in {None, 403, 429}:
        sentences.append("Ask for more quota in the Cloud console (IAM & Admin, Quotas), or delete what is not needed.")
    elif error.status == 403:
        permission = re.search(r"\b[a-z]+\.(?!googleapis\b)[A-Za-z]+\.[A-Za-z]+\b", text)
        needed = f"a role with {permission[0]}" if permission else "the role that this needs"
        sentences.append(f"Give the account {needed}, or choose another credential by auth_kind.")
    if error.refused and credential:
        sentences.append(f"The credential was: {credential}.")
    return sentences
