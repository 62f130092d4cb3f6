# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The errors that Google answers, each in the shape of the API that answers it."""

from __future__ import annotations

import typing as t

Json = dict[str, t.Any]

# Compute, Cloud SQL and Storage answer ``errors[]`` with a reason; the younger APIs a canonical ``status``.
LEGACY_APIS = frozenset({"compute", "sqladmin", "storage"})

CANONICAL_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
}


class ApiError(Exception):
    """An answer other than success.

    :param code: HTTP status.
    :param message: what Google's message says.
    :param reason: the ``errors[].reason`` of the older APIs, such as ``alreadyExists``.
    :param status: the canonical status, where it is not the usual one of the HTTP status.
    :param details: ``google.rpc`` details.

    ``headers``: what comes with the answer besides.
    """

    headers: t.Mapping[str, str] = {}

    def __init__(
        self,
        code: int,
        message: str,
        reason: str | None = None,
        status: str | None = None,
        details: list[Json] | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.reason, self.status, self.details = code, message, reason, status, details

    def body(self, api: str) -> Json:
        """The JSON body, as the API of this name words it."""
        error: Json = {"code": self.code, "message": self.message}
        if self.reason and (api in LEGACY_APIS or api == "iam"):
            error["errors"] = [{"message": self.message, "domain": "global", "reason": self.reason}]
        if api not in LEGACY_APIS or self.status:
            error["status"] = self.status or CANONICAL_STATUS.get(self.code, "UNKNOWN")
        if self.details:
            error["details"] = self.details
        return {"error": error}


def not_found(path: str) -> ApiError:
    """What Compute says of a resource that is not there."""
    return ApiError(404, f"The resource '{path}' was not found", "notFound")


def invalid(message: str) -> ApiError:
    """A request whose values cannot be."""
    return ApiError(400, message, "invalid")
