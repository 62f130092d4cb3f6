# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.modules.gcp_sql_instance import SqlInstance
from ansible_collections.mlops.mlflow.plugins.modules.gcp_sql_user import SqlUser

from . import Case, Task, Values

WITH_IAM = {"database_flags": [{"name": "cloudsql.iam_authentication", "value": "on"}]}
LOCKING = {"password_policy": {"enable_failed_attempts_check": True}}

CASE = Case(
    kind=SqlUser,
    base={"instance": "one", "name": "jane"},
    needs=(
        Task(
            SqlInstance,
            {
                "name": "one",
                "region": "europe-west1",
                "database_version": "POSTGRES_16",
                "settings": {"tier": "db-custom-1-3840", "edition": "ENTERPRISE", **WITH_IAM},
            },
        ),
    ),
    values={
        "database_roles": Values(["cloudsqlsuperuser", "pg_monitor"], ["pg_monitor", "pg_read_all_data"], empty=[]),
        "password_policy.password_expiration_duration": Values("86400s", "7776000s", empty="0s"),
        "password_policy.enable_failed_attempts_check": Values(True, False),
        "password_policy.allowed_failed_attempts": Values(3, 5, empty=0, along=LOCKING),
    },
    fixed={"type": ("CLOUD_IAM_GROUP", "CLOUD_IAM_USER")},
    untabled={
        "instance": "it is a part of the resource's name",
        "name": "it is the resource",
        "host": "it is a part of the resource's name, and MySQL's alone",
        "password": "never told, see test_gcp_sql_user.py",
        "update_password": "decides about the password, see test_gcp_sql_user.py",
        "password_version": "kept in the instance, see test_gcp_sql_user.py",
    },
)
