# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is new is not known everywhere at once: service accounts, and APIs that were just enabled. Off by default."""

from __future__ import annotations

import time
import typing as t

from gcp_emulator.errors import ApiError, Json
from gcp_emulator.settings import Settings
from gcp_emulator.store import Store

KIND = "propagation"


class Propagation:
    """
    ``account_seconds``: how long a new service account is unknown (documentation: "Create service accounts"; issue:
    magic-modules#1408). ``service_seconds``: how long an API answers that it is disabled after it was enabled
    (documentation: the text of SERVICE_DISABLED itself). ``clock``: tells the time in seconds.
    """

    def __init__(self, settings: Settings, store: Store) -> None:
        self.store = store
        self.account_seconds = settings.account_propagation_seconds
        self.service_seconds = settings.service_propagation_seconds
        self.clock: t.Callable[[], float] = time.time

    def account_made(self, email: str) -> None:
        """From now on, for a while, the account is there and unknown."""
        self._begin(f"accounts/{email}", self.account_seconds)

    def services_enabled(self, project: str, services: t.Iterable[str]) -> None:
        """From now on, for a while, the services are enabled and say that they are not."""
        for service in services:
            self._begin(f"projects/{project}/services/{service}", self.service_seconds)

    def knows_account(self, email: str) -> bool:
        """Whether an account, if it is there, is known by now."""
        return self._is_over(f"accounts/{email}")

    def knows_service(self, project: str, service: str) -> bool:
        """Whether it is known by now that a service, if it is enabled, is."""
        return self._is_over(f"projects/{project}/services/{service}")

    def check(self, method: str, resource: str, body: Json) -> None:
        """Refuse what names an account that is not known yet.

        :raises ApiError: 404 where it is the resource, 400 where it is to become a member of a policy.
        """
        parts = resource.split("/")
        if parts[2:3] == ["serviceAccounts"] and len(parts) > 3 and not self.knows_account(parts[3]):
            raise ApiError(404, f"Unknown service account: {parts[3]}", "notFound")  # issue: magic-modules#14447
        if method.endswith(".setIamPolicy"):
            policy = body if "bindings" in body else body.get("policy", {})
            for binding in policy.get("bindings", []):
                for member in binding.get("members", []):
                    kind, _colon, email = member.partition(":")
                    if kind == "serviceAccount" and not self.knows_account(email):
                        # issue: terraform-provider-google#2939
                        raise ApiError(400, f"Service account {email} does not exist.", "badRequest")

    def _begin(self, key: str, seconds: float) -> None:
        if seconds:
            self.store.put(KIND, key, {"until": self.clock() + seconds})

    def _is_over(self, key: str) -> bool:
        found = self.store.get(KIND, key)
        return found is None or self.clock() >= found["until"]
