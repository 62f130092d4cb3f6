# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.modules.gcp_project_iam_member import ProjectIamMember

from . import GRANT, Case

CASE = Case(
    kind=ProjectIamMember,
    base={"role": "roles/logging.logWriter", "member": "user:jane@example.com"},
    untabled=GRANT,
)
