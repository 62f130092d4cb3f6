# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The bridge between Ansible and the resources: the only file that knows AnsibleModule."""

from __future__ import annotations

import json
import traceback
import typing as t
from urllib.parse import quote

from ansible.module_utils.basic import AnsibleModule, env_fallback, missing_required_lib
from ansible.module_utils.common.validation import check_type_dict
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.credentials import CLOUD_PLATFORM
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError, Json
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import check as check_values
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Resource, reconcile
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.rules import PROJECT, at_least
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.session import Session

AUTH: dict[str, Json] = {
    "project": {"type": "str", "required": True, "fallback": (env_fallback, ["GCP_PROJECT"])},
    "auth_kind": {
        "type": "str",
        "choices": ["application", "machineaccount", "serviceaccount", "accesstoken"],
        "default": "application",
        "fallback": (env_fallback, ["GCP_AUTH_KIND"]),
    },
    "service_account_file": {"type": "path", "fallback": (env_fallback, ["GCP_SERVICE_ACCOUNT_FILE"])},
    "service_account_contents": {
        "type": "jsonarg",
        "no_log": True,
        "fallback": (env_fallback, ["GCP_SERVICE_ACCOUNT_CONTENTS"]),
    },
    "service_account_email": {"type": "str", "fallback": (env_fallback, ["GCP_SERVICE_ACCOUNT_EMAIL"])},
    "access_token": {"type": "str", "no_log": True, "fallback": (env_fallback, ["GCP_ACCESS_TOKEN"])},
    "scopes": {
        "type": "list",
        "elements": "str",
        "default": [CLOUD_PLATFORM],
        "fallback": (env_fallback, ["GCP_SCOPES"]),
    },
    "impersonate_service_account": {"type": "str", "fallback": (env_fallback, ["GCP_IMPERSONATE_SERVICE_ACCOUNT"])},
}
STATE: dict[str, Json] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "timeout": {"type": "int", "default": 1200},
}
# What must be of the options that every module has.
SHARED = {
    "project": Field(required=True, must=PROJECT),
    "timeout": Field(type="int", must=at_least(1)),
}


def argument_spec(kind: type[Resource]) -> dict[str, Json]:
    """Every option of a module."""
    return {**AUTH, **STATE, **{name: field.argument for name, field in kind.fields.items()}}


class Module(AnsibleModule):
    """AnsibleModule, for which something else in the place of a dict with suboptions is a traceback, or an error that
    does not name the option and shows the task with its secrets."""

    def __init__(self, argument_spec: Json, **more: t.Any) -> None:  # Ansible's own has no types
        AnsibleModule.__init__(self, argument_spec, **more)

    def _load_params(self) -> None:
        AnsibleModule._load_params(self)
        mark_misplaced(self.argument_spec, self.params)


def mark_misplaced(spec: Json, params: Json) -> None:
    """Put a dict with an unknown suboption where something else than a dict stands; Ansible refuses that by name."""
    for name, option in spec.items():
        value, inner = params.get(name), option.get("options")
        if not inner or value is None:
            continue
        if option["type"] == "dict":
            params[name] = as_dict(value)
        elif not isinstance(value, dict):
            params[name] = [as_dict(element) for element in (value if isinstance(value, list) else [value])]
        for element in params[name] if isinstance(params[name], list) else [params[name]]:
            mark_misplaced(inner, element)


def as_dict(value: t.Any) -> Json:
    """A dict, also one that is written as text; anything else becomes the name of a suboption that there is not."""
    if isinstance(value, dict):
        return value
    if not isinstance(value, str):
        return {"(a list)" if isinstance(value, list) else str(value): None}
    try:
        return t.cast(Json, check_type_dict(value))
    except (TypeError, ValueError):
        return {"(a text)": None}  # which may be a secret, as may be what is in a list


def rules(kind: type[Resource]) -> Json:
    """Every rule between the options of a module, as AnsibleModule takes them."""
    exclusive = [("service_account_file", "service_account_contents"), *kind.rules.get("mutually_exclusive", ())]
    return {**kind.rules, "mutually_exclusive": exclusive}


def check(kind: type[Resource], params: Json) -> None:
    """Refuse what the types of the options cannot, before anything is asked.

    :raises GcpError: that names option, value and what is allowed.
    """
    check_values(SHARED, params)
    kind.check(params)


def disguises(secrets: t.Collection[str]) -> set[str]:
    """The ways in which an API may repeat a secret that it was sent: in base64, within JSON, or in a URL."""
    import base64

    encoded = {base64.b64encode(secret.encode(errors="replace")).decode() for secret in secrets}
    in_urls = {quote(secret, errors="replace") for secret in secrets}
    return encoded | in_urls | {json.dumps(secret)[1:-1] for secret in secrets}


def run(kind: type[Resource]) -> None:
    """Be the whole ``main()`` of a module."""
    module = Module(argument_spec(kind), supports_check_mode=True, **rules(kind))
    module.no_log_values |= disguises(module.no_log_values)
    try:
        check(kind, module.params)
        session = Session.from_params(module.params)
    except ImportError:
        module.fail_json(msg=missing_required_lib("google-auth and requests"), exception=traceback.format_exc())
    except GcpError as error:
        module.fail_json(msg=str(error))
    try:
        resource = kind(session, module.params)
        outcome = reconcile(resource, module.check_mode)
    except GcpError as error:
        told: dict[str, t.Any] = {
            "status": error.status,
            "reason": error.reason or error.canonical,
            "request_id": error.request_id,
        }
        module.fail_json(msg=str(error), **{key: value for key, value in told.items() if value})
    for warning in resource.warnings:
        module.warn(warning)
    module.exit_json(**outcome)
