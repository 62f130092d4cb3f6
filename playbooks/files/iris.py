# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Train a classifier on the iris flowers, log it, load it back from the artifact store, and let it predict.

The server is the one in ``MLFLOW_TRACKING_URI``.
"""

from __future__ import annotations

import os
import sys

try:
    import mlflow
    import sklearn
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score
except ImportError as error:
    sys.exit(
        f"{sys.executable} has no {error.name}. Install mlflow and scikit-learn for it, "
        "or set mlflow_smoke_python to a Python that has them."
    )

EXPERIMENT = "iris"
PARAMS = {"C": 0.1, "random_state": 42}


def main() -> None:
    """Log one run; exits with a sentence if what comes back is not what was logged."""
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        sys.exit("MLFLOW_TRACKING_URI is not set: source the deployment's mlflow-client.env first.")
    features, species = load_iris(return_X_y=True)
    mlflow.set_experiment(EXPERIMENT)
    with mlflow.start_run() as run:
        mlflow.log_params(PARAMS)
        model = LogisticRegression(**PARAMS).fit(features, species)  # type: ignore[no-untyped-call]
        accuracy = accuracy_score(species, model.predict(features))
        mlflow.log_metric("accuracy", accuracy)
        # Named requirements spare MLflow a second process that finds them out.
        requirements = [f"mlflow=={mlflow.__version__}", f"scikit-learn=={sklearn.__version__}"]
        logged = mlflow.sklearn.log_model(model, name="model", pip_requirements=requirements)
    loaded = mlflow.sklearn.load_model(logged.model_uri)
    if (loaded.predict(features) != model.predict(features)).any():
        sys.exit(f"The model of run {run.info.run_id} predicts otherwise after it was loaded back.")
    print(f"run       {run.info.run_id} in experiment {EXPERIMENT}")
    print(f"accuracy  {accuracy:.3f}")
    print(f"model     {logged.model_uri}, kept in {run.info.artifact_uri}")
    print(f"loaded    predicts {loaded.predict(features[[0, 60, 120]]).tolist()} for three flowers")


if __name__ == "__main__":
    main()
