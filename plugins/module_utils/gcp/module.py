# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The bridge between Ansible and the resources: the only file that knows AnsibleModule."""

from __future__ import annotations

import traceback
import typing as t

from ansible.module_utils.basic import AnsibleModule, env_fallback, missing_required_lib
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.credentials import CLOUD_PLATFORM
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError, Json
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Resource, reconcile
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


def argument_spec(kind: type[Resource]) -> dict[str, Json]:
    """Every option of a module."""
    return {**AUTH, **STATE, **{name: field.argument for name, field in kind.fields.items()}}


def run(kind: type[Resource], **rules: t.Any) -> None:
    """Be the whole ``main()`` of a module; ``rules`` are those of AnsibleModule, such as ``required_if``."""
    exclusive = [("service_account_file", "service_account_contents"), *rules.pop("mutually_exclusive", ())]
    module = AnsibleModule(argument_spec(kind), supports_check_mode=True, mutually_exclusive=exclusive, **rules)
    try:
        session = Session.from_params(module.params)
    except ImportError:
        module.fail_json(msg=missing_required_lib("google-auth and requests"), exception=traceback.format_exc())
    except GcpError as error:
        module.fail_json(msg=str(error))
    try:
        resource = kind(session, module.params)
        outcome = reconcile(resource, module.check_mode)
    except GcpError as error:
        answered: Json = {"status": error.status, "reason": error.reason or error.canonical} if error.status else {}
        module.fail_json(msg=str(error), **answered)
    for warning in resource.warnings:
        module.warn(warning)
    module.exit_json(**outcome)
