# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.modules.gcp_secret_manager import SecretManager
from ansible_collections.mlops.mlflow.plugins.modules.gcp_secret_manager_iam_member import SecretManagerIamMember

from . import GRANT, Case, Task

CASE = Case(
    kind=SecretManagerIamMember,
    base={"secret": "one", "role": "roles/secretmanager.secretAccessor", "member": "user:jane@example.com"},
    needs=(Task(SecretManager, {"name": "one"}),),
    untabled={"secret": "it names what has the policy", **GRANT},
)
