# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.modules.gcp_iam_service_account import IamServiceAccount

from . import Case, Values

CASE = Case(
    kind=IamServiceAccount,
    base={"name": "server"},
    values={
        "display_name": Values("MLflow", "Tracking server", empty=""),
        "description": Values("Runs MLflow", "Serves MLflow", empty=""),
        "disabled": Values(True, False),
    },
    untabled={"name": "it names the resource"},
)
