# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.modules.gcp_serviceusage_service import ServiceusageService

from . import Case

CASE = Case(
    kind=ServiceusageService,
    base={"name": "run.googleapis.com"},
    untabled={
        "name": "it names what is enabled",
        "names": "they name what is enabled: test_gcp_serviceusage_service.py",
        "disable_dependent_services": "only disabling looks at it: test_gcp_serviceusage_service.py",
    },
)
