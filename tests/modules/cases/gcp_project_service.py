# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.modules.gcp_project_service import ProjectService

from . import Case

CASE = Case(
    kind=ProjectService,
    base={"name": "run.googleapis.com"},
    untabled={
        "name": "it names what is enabled",
        "names": "they name what is enabled: test_services.py",
        "disable_dependent_services": "only disabling looks at it: test_services.py",
    },
)
