# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The bridge between Ansible and the resources: the only file that knows AnsibleModule."""

from __future__ import annotations

import json
import threading
import traceback
import typing as t
from concurrent.futures import Future, wait
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
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.transport import CHECK_NETWORK

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
GRACE = 5.0  # seconds after the timeout, for what ends by itself then, and tells more
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
    does not name the option and shows the task with its secrets; and every text in a key that is a dict is a secret,
    such as the name of the project."""

    def __init__(self, argument_spec: Json, **more: t.Any) -> None:  # Ansible's own has no types
        AnsibleModule.__init__(self, argument_spec, **more)

    def _load_params(self) -> None:
        AnsibleModule._load_params(self)
        mark_misplaced(self.argument_spec, self.params)
        if isinstance(contents := self.params.get("service_account_contents"), dict):
            self.params["service_account_contents"] = json.dumps(contents)


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
        return {"(a list instead of suboptions)" if isinstance(value, list) else str(value): None}
    try:
        return t.cast(Json, check_type_dict(value))
    except (TypeError, ValueError):
        return {"(a text instead of suboptions)": None}  # which may be a secret, as may be what is in a list


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


def private_keys(params: Json) -> set[str]:
    """What is secret in a key that is given as a whole."""
    try:
        key = json.loads(params["service_account_contents"])["private_key"]
    except (ValueError, TypeError, KeyError):
        return set()
    return {key} if key and isinstance(key, str) else set()


def disguises(secrets: t.Collection[str]) -> set[str]:
    """The ways in which an API may repeat a secret that it was sent: in base64, within JSON, or in a URL."""
    import base64

    encoded = {base64.b64encode(secret.encode(errors="replace")).decode() for secret in secrets}
    in_urls = {quote(secret, errors="replace") for secret in secrets}
    return encoded | in_urls | {json.dumps(secret)[1:-1] for secret in secrets}


class Work:
    """What a module does, bounded by its timeout as a whole: that of a single wait does not bound a server that sends a
    byte now and then, nor the search for a name or a credential."""

    def __init__(self, kind: type[Resource], params: Json, check_mode: bool) -> None:
        self._kind, self._params, self._check_mode = kind, params, check_mode
        self._session: Session | None = None

    def result(self) -> tuple[Resource, Json]:
        """The resource, and what came of it.

        :raises GcpError: that names what went on, if the time is over.
        """
        future: Future[tuple[Resource, Json]] = Future()

        def work() -> None:
            try:
                future.set_result(self._do())
            except BaseException as error:  # whatever it is, result() raises it
                future.set_exception(error)

        # No signal, which a search for a name does not heed. A thread like this does not keep the process from its end.
        threading.Thread(target=work, daemon=True).start()
        wait([future], min(self._params["timeout"] + GRACE, threading.TIMEOUT_MAX))
        if not future.done():
            raise self._overdue()
        return future.result()

    def _do(self) -> tuple[Resource, Json]:
        self._session = Session.from_params(self._params)
        resource = self._kind(self._session, self._params)
        return resource, reconcile(resource, self._check_mode)

    def _overdue(self) -> GcpError:
        within = f"within the {self._params['timeout']} s of the option timeout"
        if self._session is None:
            return GcpError(f"The credential was not found {within}.")
        method, url = self._session.asked
        error = GcpError(f"It did not come to an end {within}.").during(method, url).note(CHECK_NETWORK)
        return error if method == "GET" else error.note("Run again to see whether it took effect.")


def run(kind: type[Resource]) -> None:
    """Be the whole ``main()`` of a module."""
    module = Module(argument_spec(kind), supports_check_mode=True, **rules(kind))
    module.no_log_values |= private_keys(module.params)
    module.no_log_values |= disguises(module.no_log_values)
    try:
        check(kind, module.params)
        resource, outcome = Work(kind, module.params, module.check_mode).result()
    except ImportError:
        module.fail_json(msg=missing_required_lib("google-auth and requests"), exception=traceback.format_exc())
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
