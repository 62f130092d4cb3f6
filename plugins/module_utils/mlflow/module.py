# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The bridge between Ansible and MLflow: the only file that knows AnsibleModule."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, env_fallback
from ansible_collections.mlops.mlflow.plugins.module_utils.mlflow.client import Client, Json, MlflowError
from ansible_collections.mlops.mlflow.plugins.module_utils.mlflow.resource import Resource, reconcile

SERVER: dict[str, Json] = {
    "tracking_uri": {"type": "str", "default": "http://localhost", "fallback": (env_fallback, ["MLFLOW_TRACKING_URI"])},
    "tracking_username": {"type": "str", "fallback": (env_fallback, ["MLFLOW_TRACKING_USERNAME"])},
    "tracking_password": {"type": "str", "no_log": True, "fallback": (env_fallback, ["MLFLOW_TRACKING_PASSWORD"])},
    "workspace": {"type": "str", "fallback": (env_fallback, ["MLFLOW_WORKSPACE"])},
    "ca_path": {"type": "path", "fallback": (env_fallback, ["MLFLOW_TRACKING_SERVER_CERT_PATH"])},
    "validate_certs": {"type": "bool", "default": True},
    "unix_socket": {"type": "path"},
    "timeout": {"type": "int", "default": 60},
}
STATE: dict[str, Json] = {"state": {"type": "str", "choices": ["present", "absent"], "default": "present"}}
TOGETHER = [("tracking_username", "tracking_password")]


def run(kind: type[Resource]) -> None:
    """Be the whole ``main()`` of a module that makes and removes something."""
    module = AnsibleModule(
        {**SERVER, **STATE, **kind.options}, supports_check_mode=True, required_together=TOGETHER, **kind.rules
    )

    def work(client: Client) -> Json:
        resource = kind(client, module.params, module.check_mode)
        outcome = reconcile(resource)
        for warning in dict.fromkeys(resource.warnings):
            module.warn(warning)
        return outcome

    finish(module, work)


def ask(options: dict[str, Json], question: t.Callable[[Client, Json], Json]) -> None:
    """Be the whole ``main()`` of a module that only looks."""
    module = AnsibleModule({**SERVER, **options}, supports_check_mode=True, required_together=TOGETHER)
    finish(module, lambda client: {"changed": False, **question(client, module.params)})


def finish(module: AnsibleModule, work: t.Callable[[Client], Json]) -> None:
    """Do the work and tell Ansible what came of it."""
    try:
        refuse(module.params)
        outcome = work(Client(module.params))
    except MlflowError as error:
        told: dict[str, t.Any] = {"status": error.status, "error_code": error.code}
        module.fail_json(msg=str(error), **{key: value for key, value in told.items() if value})
    module.exit_json(**outcome)


def refuse(params: Json) -> None:
    """Refuse what cannot be a server.

    :raises MlflowError: that names the option, its value and what is allowed.
    """
    if not params["tracking_uri"].startswith(("http://", "https://")):
        raise MlflowError(
            f"tracking_uri is {params['tracking_uri']!r}, but must be the URL of a server, such as "
            "https://mlflow.example.com."
        )
    if params["ca_path"] and not Path(params["ca_path"]).is_file():
        raise MlflowError(f"ca_path is {params['ca_path']!r}, which is not a file there.")
    if params["timeout"] < 1:
        raise MlflowError(f"timeout is {params['timeout']}, but must be a number of seconds of at least 1.")
