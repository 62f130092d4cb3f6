# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.mlflow.client import MlflowError
from ansible_collections.mlops.mlflow.plugins.modules.mlflow_user_info import users

USERS = [{"id": 1, "username": "admin", "is_admin": True, "roles": []}]


def test_the_users_are_those_that_mlflow_tells(script: t.Any) -> None:
    assert users(script.will({"users": USERS}).client(), {}) == {"users": USERS}
    assert script.requests == [("GET", "2.0/mlflow/users/list", None)]


def test_a_server_without_users_is_an_error(script: t.Any) -> None:
    with pytest.raises(MlflowError, match="authentication is not on"):
        users(script.will((404, "<!doctype html>")).client(), {})
