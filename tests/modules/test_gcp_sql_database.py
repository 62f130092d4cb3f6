# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the rows of the database's table cannot say: what PostgreSQL refuses."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.modules.gcp_sql_database import SqlDatabase
from gcp_emulator.backends import RefusedError

from .cases.gcp_sql_database import CASE
from .cloud import Cloud

DATABASES = "https://sqladmin.googleapis.com/v1/projects/test-project/instances/one/databases"


@pytest.fixture(autouse=True)
def prepared(cloud: Cloud) -> None:
    """An instance."""
    for needed in CASE.needs:
        cloud.run(needed.kind, needed.options)


@pytest.mark.parametrize(
    ("words", "way_out"),
    [
        ('database "mlflow" is being accessed by other users', "Stop what is connected to the database"),
        ("must be owner of database mlflow", "Give it to cloudsqlsuperuser"),
    ],
)
def test_a_database_that_cannot_be_dropped_is_an_error_with_the_way_out(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, words: str, way_out: str
) -> None:
    cloud.run(CASE.kind, CASE.base)

    def refuse(_path: str, _name: str) -> None:
        raise RefusedError(words)

    monkeypatch.setattr(cloud.emulator.databases, "drop_database", refuse)
    with pytest.raises(GcpError, match=f"{words}.*{way_out}"):
        cloud.run(CASE.kind, CASE.base | {"state": "absent"})
    assert not cloud.run(CASE.kind, CASE.base)["changed"], "it is still there"


def test_a_database_that_somebody_else_makes_at_the_same_time_is_the_one(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = SqlDatabase.request

    def slower(self: SqlDatabase, method: str, url: str, *arguments: object, **others: object) -> object:
        cloud.emulator.ok("POST", DATABASES, {"name": "mlflow"})
        cloud.emulator.finish()
        return request(self, method, url, *arguments, **others)  # type: ignore[arg-type] # as they came

    monkeypatch.setattr(SqlDatabase, "request", slower)
    result = cloud.run(CASE.kind, CASE.base)
    assert result["resource"]["name"] == "mlflow"
