# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who the modules are to Google Cloud: the credential that the options choose, and how to name it to a person."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError, Json

CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"

# Which options each auth_kind uses; one that is given but would not be used is a mistake that is told.
USES = {
    "application": set[str](),
    "serviceaccount": {"service_account_file", "service_account_contents"},
    "accesstoken": {"access_token"},
    "machineaccount": {"service_account_email"},
}


class Credential(t.NamedTuple):
    """``value`` is google-auth's object, ``name`` tells a person which one it is; it holds no secret."""

    value: t.Any
    name: str


def check(params: Json) -> None:
    """Refuse a combination of options in which one would be ignored.

    :raises GcpError: that names the options and the way out.
    """
    kind = params["auth_kind"]
    for owner, options in USES.items():
        for option in sorted(options - USES[kind]):
            if params.get(option):
                raise GcpError(
                    f"{option} is given, but auth_kind is {kind}, which would ignore it: "
                    f"set auth_kind={owner}, or leave {option} (and its environment variable) out."
                )


def find(params: Json) -> Credential:
    """The credential that ``auth_kind`` and its options choose, impersonating the other account if that is asked.

    :raises GcpError: if it is not there or not readable.
    :raises ImportError: if google-auth is not installed.
    """
    check(params)
    scopes = params["scopes"] or [CLOUD_PLATFORM]
    target = params.get("impersonate_service_account")
    found = FINDERS[params["auth_kind"]](params, [CLOUD_PLATFORM] if target else scopes)
    if not target:
        return found
    from google.auth import impersonated_credentials

    value = impersonated_credentials.Credentials(
        source_credentials=found.value, target_principal=target, target_scopes=scopes
    )
    return Credential(value, f"{target}, impersonated by {found.name}")


def application(_params: Json, scopes: list[str]) -> Credential:
    """What google-auth finds by itself: the environment, gcloud's file, or the metadata server."""
    import google.auth
    from google.auth.exceptions import GoogleAuthError

    path = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    source = f"GOOGLE_APPLICATION_CREDENTIALS={path}" if path else "found by google-auth"
    try:
        value, _project = google.auth.default(scopes=scopes)
    except (GoogleAuthError, ValueError, OSError) as error:
        raise GcpError(
            f"There are no usable application default credentials ({source}): {error} "
            "Set GOOGLE_APPLICATION_CREDENTIALS, run `gcloud auth application-default login`, or choose another "
            "auth_kind."
        ) from error
    return Credential(value, f"application default credentials ({', '.join(filter(None, [source, account(value)]))})")


def service_account(params: Json, scopes: list[str]) -> Credential:
    """The key of a service account, from a file or from its contents."""
    from google.oauth2 import service_account as google_service_account

    path, contents = params.get("service_account_file"), params.get("service_account_contents")
    if bool(path) == bool(contents):
        raise GcpError("auth_kind=serviceaccount takes one of service_account_file and service_account_contents.")
    source = f"service_account_file={path}" if path else "service_account_contents"
    try:
        info = json.loads(Path(path).expanduser().read_text(encoding="utf-8") if path else str(contents))
        value = google_service_account.Credentials.from_service_account_info(info, scopes=scopes)
    except OSError as error:
        raise GcpError(f"{source} cannot be read: {error.strerror}.") from error
    except (ValueError, AttributeError, TypeError) as error:  # never with the text, which may hold the key
        raise GcpError(f"{source} is not the JSON key of a service account.") from error
    return Credential(value, f"service account {account(value)} ({source})")


def access_token(params: Json, _scopes: list[str]) -> Credential:
    """A token that somebody else got; it is not refreshed."""
    from google.oauth2.credentials import Credentials

    if not params.get("access_token"):
        raise GcpError("auth_kind=accesstoken takes access_token (or GCP_ACCESS_TOKEN).")
    return Credential(Credentials(token=params["access_token"]), "access_token (tokens expire after an hour or so)")


def machine_account(params: Json, scopes: list[str]) -> Credential:
    """The service account of the machine that the module runs on, from its metadata server."""
    from google.auth import compute_engine

    email = params.get("service_account_email") or "default"
    value = compute_engine.Credentials(service_account_email=email, scopes=scopes)
    return Credential(value, f"the machine's service account {email} (metadata server)")


def account(value: t.Any) -> str:
    """The e-mail address of a credential, if it knows it without asking anybody."""
    email = getattr(value, "service_account_email", None) or getattr(value, "account", None)
    return email if isinstance(email, str) else ""


FINDERS: dict[str, t.Callable[[Json, list[str]], Credential]] = {
    "application": application,
    "serviceaccount": service_account,
    "accesstoken": access_token,
    "machineaccount": machine_account,
}
