# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What makes a worker of either server fast, once it has imported MLflow."""

import gc
import os


def make_fast() -> None:
    """Let this process remember what was allowed, and never look at again what was imported."""
    # The role sets it with MLflow's own authentication alone.
    if "MLFLOW_AUTH_CONFIG_PATH" in os.environ:
        import mlflow_remembering
        from mlflow.environment_variables import MLFLOW_ENABLE_WORKSPACES
        from mlflow.server import auth

        mlflow_remembering.remember(auth, workspaces=MLFLOW_ENABLE_WORKSPACES.get())
    # What was imported is a million objects that live as long as the worker. Each full collection of garbage walked
    # them again, which made long answers half as slow again. A request leaves little behind; looking for it more
    # rarely saves a tenth of the processor time of a short one.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)
