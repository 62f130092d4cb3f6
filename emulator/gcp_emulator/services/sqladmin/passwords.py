# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which passwords an instance takes, and when those of its users expire."""

from __future__ import annotations

import time

from gcp_emulator.errors import Json
from gcp_emulator.services.sqladmin.base import timestamp
from gcp_emulator.services.sqladmin.catalogue import wrong


def check_root(settings: Json, password: str) -> None:
    """Refuse a new instance whose first user's password does not follow its policy.

    :raises ApiError: 400.
    """
    if found := _complaint(settings, "postgres", password):
        # issue: terraform-google-sql-db#521
        raise wrong(f"Root user's password is not policy compliant: {found} .")


def check(settings: Json, name: str, password: str) -> None:
    """Refuse a user's password that does not follow the policy of the instance.

    :raises ApiError: 400.
    """
    if found := _complaint(settings, name, password):
        raise wrong(f"INVALID_PASSWORD: {found}")  # issue: terraform-google-sql-db#431


def _complaint(settings: Json, name: str, password: str) -> str:
    """What a policy has against a password. Reuse and the time between changes are not looked at."""
    policy = settings.get("passwordValidationPolicy") or {}
    if not policy.get("enablePasswordPolicy"):
        return ""
    if len(password) < (shortest := int(policy.get("minLength") or 0)):
        return f"Length of password cannot be less than {shortest}."  # issue: terraform-google-sql-db#521
    kinds = (str.islower, str.isupper, str.isdigit, lambda sign: not sign.isalnum())
    if policy.get("complexity") == "COMPLEXITY_DEFAULT" and not all(any(map(kind, password)) for kind in kinds):
        wanted = "one lowercase, one uppercase, one number and one non-alphanumeric characters"
        return f"password should contain at least {wanted}."  # issue: terraform-google-sql-db#431
    if policy.get("disallowUsernameSubstring") and name.lower() in password.lower():
        return "password should not contain the username."  # unverified wording
    return ""


def user_policy(old: Json | None, new: Json | None) -> Json | None:
    """The policy of a user after its password was set, or its policy changed."""
    policy = {key: value for key, value in ((old or {}) if new is None else new).items() if key != "status"}
    if not policy:
        return None
    status: Json = {"locked": False}
    if seconds := float(str(policy.get("passwordExpirationDuration") or "0s").removesuffix("s")):
        status["passwordExpirationTime"] = timestamp(time.time() + seconds)
    return policy | {"status": status}
