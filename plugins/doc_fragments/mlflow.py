# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options, requirements and attributes that every module for MLflow's own things has."""

from __future__ import annotations


class ModuleDocFragment:
    """Which server, and who the module is to it."""

    DOCUMENTATION = r"""
options:
  tracking_uri:
    description:
      - URL of the MLflow server, with its static prefix if it has one.
      - With O(unix_socket) its host is only the name that the server is called by, which must be one of its allowed
        hosts.
      - A server that sends the caller on to another URL is an error, because a login would go to the wrong one first.
      - If it is not given, the environment variable E(MLFLOW_TRACKING_URI) is used.
    type: str
    default: http://localhost
  tracking_username:
    description:
      - Who the module logs in as. Users and permissions need an administrator.
      - Required together with O(tracking_password).
      - If it is not given, the environment variable E(MLFLOW_TRACKING_USERNAME) is used.
    type: str
  tracking_password:
    description:
      - Password of O(tracking_username).
      - If it is not given, the environment variable E(MLFLOW_TRACKING_PASSWORD) is used.
    type: str
  workspace:
    description:
      - Workspace of the server in which experiments and permissions are meant. Users are those of the whole server.
      - If it is not given, the environment variable E(MLFLOW_WORKSPACE) is used, and otherwise it is the server's
        default workspace.
      - A server without workspaces answers with an error if one is given.
    type: str
  ca_path:
    description:
      - File, in PEM, with the authorities to trust instead of those of the system, or with a self-signed certificate.
      - If it is not given, the environment variable E(MLFLOW_TRACKING_SERVER_CERT_PATH) is used.
    type: path
  validate_certs:
    description: Whether the server's certificate must be good. V(false) shows the password to whoever is in between.
    type: bool
    default: true
  unix_socket:
    description:
      - Path of a unix socket on which the server listens, on the host that the module runs on.
      - Proxies of the environment are not used then.
    type: path
  timeout:
    description:
      - Seconds that the module may take with all repetitions, at least V(1).
      - What only reads is repeated while the server answers that it cannot now, or not at all. A change whose answer is
        lost is looked at, and repeated only if it was not made.
      - A server that refuses connections is asked for 10 seconds.
    type: int
    default: 60
requirements:
  - An MLflow server of version 3.13 or newer.
attributes:
  check_mode:
    description: Can predict what would change, without changing it.
    support: full
  diff_mode:
    description: Shows what differs. Passwords are never part of it.
    support: full
  idempotent:
    description: A second run with the same options changes nothing.
    support: full
  action_group:
    description: Use C(group/mlops.mlflow.mlflow) in C(module_defaults) to state the server and the login once.
    support: full
    membership:
      - mlops.mlflow.mlflow
notes:
  - An option that is not given is not managed, and keeps the value that it has in MLflow.
    A list or a map that is given is the whole list or map, and V([]) or V({}) empties it.
  - A task that fails answers C(msg), and if the server answered C(status) (of HTTP) and C(error_code) (MLflow's own,
    such as V(RESOURCE_DOES_NOT_EXIST)).
  - Two runs at once on the same thing end in the state of one of them.
"""
