# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Configuration of gunicorn under systemd, which owns the socket."""

import os
import typing

worker_class = "gthread"
control_socket_disable = True
# Workers show here that they are alive; on a disk, a slow one would look like a dead worker.
worker_tmp_dir = os.environ.get("RUNTIME_DIRECTORY")


class Arbiter(typing.Protocol):
    """What is used of gunicorn's own class."""

    systemd: bool


def on_starting(server: Arbiter) -> None:
    """Leave the socket's file to systemd: gunicorn removes the file of any other unix socket when it ends."""
    server.systemd = True


def post_worker_init(_worker: object) -> None:
    """Make a worker, which has imported MLflow by now, as fast as it can be."""
    # gunicorn finds it only when it has read this file.
    import mlflow_worker

    mlflow_worker.make_fast()
