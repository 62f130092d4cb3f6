# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Faults at will: what goes wrong between a client and Google Cloud, set per API method and number of the call.

They act in ``Front.answer``, and those of operations where an operation begins. They are not stored: a sandbox that
starts has none.
"""

from __future__ import annotations

import threading
import typing as t
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass

from gcp_emulator.errors import LEGACY_APIS, ApiError, Json

if t.TYPE_CHECKING:
    from gcp_emulator.discovery import Apis, Method

# Longer than clients wait: 60 s is usual.
SLOW_SECONDS = 90.0


class FaultError(ValueError):
    """A fault that cannot be; the message says what can."""


@dataclass(frozen=True)
class Fault:
    """
    ``method``: id of an API method, such as ``compute.firewalls.insert``. ``kind``: one of ``KINDS``. ``call``: the
    number of the call that meets it, from 1, counted from when the fault is set; None is every call. ``seconds``: how
    long a slow answer takes. ``retry_after``: the Retry-After of an HTTP error, which Google seldom sends; 0 for none.
    """

    method: str
    kind: str
    call: int | None = None
    seconds: float = SLOW_SECONDS
    retry_after: int = 0


@dataclass(frozen=True)
class Kind:
    """
    ``summary``: what the client meets. ``status``: of an HTTP error. ``loses``: whether the client gets no answer, or
    not in time. ``only``: in words, which methods can have it, if not all; ``fits`` tells whether one can.
    """

    summary: str
    status: int = 0
    loses: bool = False
    only: str = ""
    fits: t.Callable[[Method], bool] = lambda _method: True


def begins_operation(method: Method) -> bool:
    """Whether a method answers with an operation of its own making."""
    answers = method.document.get("response", {}).get("$ref") == "Operation"
    return answers and method.verb != "GET" and "perations." not in method.id


def reads(method: Method) -> bool:
    """Whether a method tells the state of resources. Operations are not among them."""
    return (method.verb == "GET" or method.id.endswith(".getIamPolicy")) and "perations." not in method.id


_OPERATIONS = "methods that begin an operation"

KINDS = {
    "429": Kind("HTTP 429: a rate limit", 429),
    "quota-per-minute": Kind("HTTP 403: a quota of requests per minute, as some APIs word it", 403),
    "500": Kind("HTTP 500; nothing was done", 500),
    "503": Kind("HTTP 503; nothing was done", 503),
    "reset-before": Kind("the connection is reset; nothing was done", loses=True),
    "reset-after": Kind("the connection is reset, after all was done: the answer is lost", loses=True),
    "slow": Kind("all is done at once, and the answer comes late", loses=True),
    "operation-error": Kind(
        "the operation ends in an error, and what it began is taken back", only=_OPERATIONS, fits=begins_operation
    ),
    "operation-hangs": Kind(
        "the operation does not end as long as the fault is set", only=_OPERATIONS, fits=begins_operation
    ),
    "stale": Kind("what was there before the last change is answered", only="methods that read resources", fits=reads),
}

# Message and reason of what fails at Google's side.
_WORDS = {
    # issue: zebra#6451
    (500, "compute"): (
        "Internal error. Please try again or contact Google Support. (Code: '5F864782189D7.6B5868C.50A111B')",
        "internalError",
    ),
    # unverified
    (500, "sqladmin"): ("An internal error has occurred (8c0f4f5e-6b7c-4f9e-9d6c-5d3b1f0a7e21)", "internalError"),
    # issue: java-storage#2148
    (500, "storage"): ("We encountered an internal error. Please try again.", "backendError"),
    (503, "storage"): ("We encountered an internal error. Please try again.", "backendError"),
    # issue: terraform-provider-google#417
    (503, "sqladmin"): ("Service temporarily unavailable.", "serverException"),
    # issue: google-api-php-client#1879
    (503, "compute"): ("The service is currently unavailable.", "backendError"),
    # issue: google-ads-php#321
    (500, ""): ("Internal error encountered.", None),
    (503, ""): ("The service is currently unavailable.", None),
}


class LostAnswerError(Exception):
    """The client gets no answer to a request, or not in time.

    :param result: what it is not told: status and body, or an error; None if nothing was done.
    """

    def __init__(self, fault: Fault, result: tuple[int, Json | None] | ApiError | None = None) -> None:
        super().__init__(f"{fault.method}: {KINDS[fault.kind].summary}")
        self.fault, self.result = fault, result


def refusal(fault: Fault, api: str, number: str) -> ApiError | None:
    """The HTTP error of a fault, as this API words it; None if it is none.

    :param number: of the project that the request concerns.
    """
    status = KINDS[fault.kind].status
    if not status:
        return None
    error = _over_quota(status, api, number) if status < 500 else _broken(status, api)
    if fault.retry_after:
        error.headers = {"Retry-After": str(fault.retry_after)}
    return error


def _broken(status: int, api: str) -> ApiError:
    message, reason = _WORDS.get((status, api)) or _WORDS[status, ""]
    return ApiError(status, message, reason)


def _over_quota(status: int, api: str, number: str) -> ApiError:
    if api == "storage":  # unverified wording
        message = "The project exceeded the rate limit for creating and deleting buckets."
        return ApiError(status, message, "rateLimitExceeded")
    service = f"{api}.googleapis.com"
    # issue: marketing-analytics-jumpstart#163
    message = (
        "Quota exceeded for quota metric 'Read requests' and limit 'Read requests per minute' of service "
        f"'{service}' for consumer 'project_number:{number}'."
    )
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "RATE_LIMIT_EXCEEDED",
        "domain": "googleapis.com",
        "metadata": {
            "consumer": f"projects/{number}",
            "quota_limit": "ReadRequestsPerMinutePerProject",
            "quota_limit_value": "2400",
            "quota_location": "global",
            "quota_metric": f"{service}/read_requests",
            "service": service,
        },
    }
    url = "https://cloud.google.com/docs/quotas/help/request_increase"
    links = {
        "@type": "type.googleapis.com/google.rpc.Help",
        "links": [{"description": "Request a higher quota limit.", "url": url}],
    }
    # Compute and Cloud SQL word a 403 of the older kind, without details (issue: terraform-provider-google#8360).
    details: list[Json] | None = None if status == 403 and api in LEGACY_APIS else [info, links]
    return ApiError(status, message, "rateLimitExceeded", details=details)


# What an operation says that ends so (issue: packer-plugin-googlecompute#104).
OPERATION_ERROR = {
    "code": 503,
    "message": "Internal error. Please try again or contact Google Support. (Code: '-2486866303847494777')",
    "reason": "INTERNAL_ERROR",
}


class Armed:
    """A fault that is set, until it is ``lifted``. ``calls``: how many came since; ``met``: how many of them met it."""

    def __init__(self, number: int, fault: Fault) -> None:
        self.number, self.fault, self.calls, self.met, self.lifted = number, fault, 0, 0, False

    def view(self) -> Json:
        """What the admin API tells of it."""
        return {"number": self.number, **asdict(self.fault), "calls": self.calls, "met": self.met}


_CURRENT: ContextVar[Armed | None] = ContextVar("fault", default=None)


@contextmanager
def during(armed: Armed) -> t.Iterator[None]:
    """Whatever is done within is done under this fault."""
    token = _CURRENT.set(armed)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def of_operation() -> Armed | None:
    """The fault that an operation meets which begins now."""
    armed = _CURRENT.get()
    if armed is None or not armed.fault.kind.startswith("operation-"):
        return None
    armed.met += 1
    return armed


class Faults:
    """The faults that are set.

    :param apis: they tell which method can have which kind.
    :param handled: ids of the methods that the sandbox has.
    :param lifted: is called with each fault that is no longer set.
    """

    def __init__(self, apis: Apis, handled: t.Collection[str], lifted: t.Callable[[Armed], None]) -> None:
        self._apis, self._handled, self._lifted = apis, handled, lifted
        self._lock = threading.Lock()
        self._armed: dict[int, Armed] = {}
        self._last = 0

    def add(self, fault: Fault) -> Armed:
        """Set a fault.

        :raises FaultError: it cannot be.
        """
        self._check(fault)
        with self._lock:
            self._last += 1
            armed = self._armed[self._last] = Armed(self._last, fault)
        return armed

    def remove(self, number: int) -> None:
        """Lift one fault.

        :raises FaultError: there is none with this number.
        """
        with self._lock:
            armed = self._armed.pop(number, None)
        if armed is None:
            raise FaultError(f"No fault has the number {number}.")
        armed.lifted = True
        self._lifted(armed)

    def clear(self) -> None:
        """Lift all faults."""
        for armed in self:
            self.remove(armed.number)

    def __iter__(self) -> t.Iterator[Armed]:
        with self._lock:
            return iter(list(self._armed.values()))

    def kinds(self, method: str) -> list[str]:
        """The kinds that a method can have.

        :raises FaultError: the sandbox does not have the method.
        """
        found = next((one for one in self._apis.versions_of(method) if method in self._handled), None)
        if found is None:
            raise FaultError(f"The sandbox does not have the method {method}; an id is such as compute.firewalls.list.")
        return [name for name, kind in KINDS.items() if kind.fits(found)]

    def can_meet(self, method: str, kind: str) -> bool:
        """Whether a method can have a kind; False for what the sandbox does not have."""
        try:
            return kind in self.kinds(method)
        except FaultError:
            return False

    @property
    def met(self) -> int:
        """How many calls met a fault of those that are set."""
        return sum(armed.met for armed in self)

    def _check(self, fault: Fault) -> None:
        if fault.kind not in KINDS:
            raise FaultError(f"There is no kind {fault.kind}: it is one of {', '.join(KINDS)}.")
        allowed = self.kinds(fault.method)
        if fault.kind not in allowed:
            raise FaultError(
                f"{fault.kind} is for {KINDS[fault.kind].only}; {fault.method} can have {', '.join(allowed)}."
            )
        if fault.call is not None and fault.call < 1:
            raise FaultError(f"Calls are counted from 1; there is no call {fault.call}.")
        if fault.seconds <= 0 or (fault.seconds != SLOW_SECONDS and fault.kind != "slow"):
            raise FaultError("Seconds are for slow, and more than 0.")
        if fault.retry_after < 0 or (fault.retry_after and not KINDS[fault.kind].status):
            raise FaultError("Retry-After is for HTTP errors, and not negative.")

    def meet(self, method: str) -> Armed | None:
        """Count a call; the fault that it meets."""
        found = None
        with self._lock:
            for armed in self._armed.values():
                if armed.fault.method != method:
                    continue
                armed.calls += 1
                if found is None and armed.fault.call in (None, armed.calls):
                    found = armed
            if found and not found.fault.kind.startswith("operation-"):  # those are met when one begins
                found.met += 1
        return found
