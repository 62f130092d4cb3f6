# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp import service_accounts
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError


@pytest.mark.parametrize(
    ("reference", "project", "email"),
    [
        ("mlflow", "p", "mlflow@p.iam.gserviceaccount.com"),
        ("mlflow", "example.com:p", "mlflow@p.example.com.iam.gserviceaccount.com"),
        ("a@other.iam.gserviceaccount.com", "p", "a@other.iam.gserviceaccount.com"),
        ("projects/p/serviceAccounts/a@p.iam.gserviceaccount.com", "p", "a@p.iam.gserviceaccount.com"),
        ({"name": "projects/p/serviceAccounts/a@p.iam.gserviceaccount.com"}, "p", "a@p.iam.gserviceaccount.com"),
    ],
)
def test_an_account_is_known_by_any_of_its_names(reference: t.Any, project: str, email: str) -> None:
    assert service_accounts.account_email(reference, project) == email


def test_an_account_of_another_project_is_not_created() -> None:
    with pytest.raises(GcpError, match=r"cannot be created in the project p.*options name and project"):
        service_accounts.refuse_foreign("a@other.iam.gserviceaccount.com", "p")
