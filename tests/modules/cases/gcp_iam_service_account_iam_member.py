# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.modules.gcp_iam_service_account import IamServiceAccount
from ansible_collections.mlops.mlflow.plugins.modules.gcp_iam_service_account_iam_member import (
    IamServiceAccountIamMember,
)

from . import GRANT, Case, Task

CASE = Case(
    kind=IamServiceAccountIamMember,
    base={"service_account": "server", "role": "roles/iam.serviceAccountUser", "member": "user:jane@example.com"},
    needs=(Task(IamServiceAccount, {"name": "server"}),),
    untabled={"service_account": "it names what has the policy", **GRANT},
)
