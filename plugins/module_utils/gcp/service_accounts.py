# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Service accounts: what they are called, and whether a key of one can still be used."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError, Json
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.references import name_of


def account_email(reference: t.Any, project: str) -> str:
    """The e-mail address of a service account that is given by its ID, address, path, or a former result."""
    name = name_of(reference)
    return name if "@" in name else f"{name}@{account_domain(project)}"


def account_domain(project: str) -> str:
    """The domain of the service accounts that a project makes; ``example.com:p`` is a project of an organization."""
    organization, _colon, name = project.rpartition(":")
    return f"{name}.{organization}.iam.gserviceaccount.com" if organization else f"{name}.iam.gserviceaccount.com"


def refuse_foreign(email: str, project: str) -> None:
    """Say that a project cannot make an account with another project's address.

    :raises GcpError: if the address is not in the project's domain.
    """
    domain = account_domain(project)
    if not email.endswith(f"@{domain}"):
        raise GcpError(
            f"{email} cannot be created in the project {project}, whose service accounts end in @{domain}: check the "
            "options name and project."
        )


def is_usable(key: Json) -> bool:
    """Whether what is signed with a service account's key is accepted."""
    end = key.get("validBeforeTime")
    return not key.get("disabled") and (end is None or moment(end) > now())


def age_in_days(key: Json) -> int:
    """How many whole days ago a key was made; one that is not made yet has no time, and clocks differ a little."""
    begin = key.get("validAfterTime")
    return max(0, (now() - moment(begin)).days) if begin else 0


def moment(text: str) -> datetime.datetime:
    """A time as the API writes it."""
    return datetime.datetime.fromisoformat(text)


def now() -> datetime.datetime:
    """The time, as the API's are."""
    return datetime.datetime.now(datetime.UTC)
