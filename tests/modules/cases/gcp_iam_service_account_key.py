# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.modules.gcp_iam_service_account import IamServiceAccount
from ansible_collections.mlops.mlflow.plugins.modules.gcp_iam_service_account_key import IamServiceAccountKey

from . import Case, Task

CASE = Case(
    kind=IamServiceAccountKey,
    base={"service_account": "client", "path": "client.json"},
    needs=(Task(IamServiceAccount, {"name": "client"}),),
    fixed={"key_algorithm": ("KEY_ALG_RSA_2048", "KEY_ALG_RSA_1024")},
    untabled={
        "service_account": "it names whose key it is",
        "path": "it names the file",
        "private_key_type": "there is one format",
        "max_age_days": "it tells when the key is replaced: test_gcp_iam_service_account_key.py",
        "exclusive": "it is about other keys: test_gcp_iam_service_account_key.py",
    },
)
