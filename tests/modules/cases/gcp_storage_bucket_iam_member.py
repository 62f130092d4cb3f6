# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.modules.gcp_storage_bucket import StorageBucket
from ansible_collections.mlops.mlflow.plugins.modules.gcp_storage_bucket_iam_member import StorageBucketIamMember

from . import GRANT, Case, Task

CASE = Case(
    kind=StorageBucketIamMember,
    base={"bucket": "one", "role": "roles/storage.objectViewer", "member": "user:jane@example.com"},
    needs=(Task(StorageBucket, {"name": "one", "location": "europe-west1"}),),
    untabled={"bucket": "it names what has the policy", **GRANT},
)
