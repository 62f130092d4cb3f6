# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the secrets of the users are called, and which of them a run deletes."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

VARIABLES = Path(__file__).parents[4] / "roles/gcp_infra/vars/main.yml"
SECRET_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")  # Secret Manager's rule


def value(name: str, **given: t.Any) -> t.Any:
    """A variable of the role."""
    loader = DataLoader()
    role = loader.load_from_file(str(VARIABLES), trusted_as_template=True)
    return Templar(loader=loader, variables=role | {"gcp_infra_name": "mlflow"} | given).template(role[name])


@pytest.mark.parametrize(
    ("user", "secret"),
    [
        pytest.param("ada", "mlflow-user-ada", id="a plain name"),
        pytest.param("Ada_L-1", "mlflow-user-Ada_L-1", id="whatever a secret can be called"),
        pytest.param("ada@example.com", "mlflow-user-ada-example-com-b5fc85e5", id="an address"),
        pytest.param("ada-example.com", "mlflow-user-ada-example-com-f954e170", id="another that looks the same"),
    ],
)
def test_a_secret_is_called_after_its_user(user: str, secret: str) -> None:
    assert value("__gcp_infra_user_secrets", gcp_infra_users=[user]) == {user: secret}


def test_every_user_has_a_secret_of_a_name_that_can_be() -> None:
    users = ["a b", "a-b", "a.b", "ä", "x" * 250, "x" * 251]
    names = value("__gcp_infra_user_secrets", gcp_infra_users=users)
    assert list(names) == users
    assert len(set(names.values())) == len(users)
    assert [name for name in names.values() if not SECRET_ID.fullmatch(name)] == []


@pytest.mark.parametrize("users", [None, []])
def test_no_users_have_no_secrets(users: list[str] | None) -> None:
    assert value("__gcp_infra_user_secrets", gcp_infra_users=users) == {}


@pytest.mark.parametrize(
    ("annotations", "noted"),
    [
        pytest.param(
            {"mlflow-users": "mlflow-user-ada mlflow-user-bob"}, ["mlflow-user-ada", "mlflow-user-bob"], id="two"
        ),
        pytest.param({"mlflow-users": ""}, [], id="nobody any more"),
        pytest.param(None, [], id="nobody yet"),
    ],
)
def test_who_has_a_secret_is_read_from_the_administrators(annotations: dict[str, str] | None, noted: list[str]) -> None:
    resource = {"name": "mlflow-admin-password"} | ({"annotations": annotations} if annotations else {})
    found = {"results": [{"resource": resource, "value": "x"}, {"resource": {}, "value": None}]}
    assert value("__gcp_infra_noted_secrets", __gcp_infra_secrets_found=found) == noted
