# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.modules.gcp_sql_database import SqlDatabase

DATABASES = "v1/projects/p/instances/one/databases"
OPERATION = {"kind": "sql#operation", "name": "op", "targetProject": "p", "status": "DONE"}
CURRENT = {"name": "mlflow", "instance": "one", "charset": "UTF8", "collation": "en_US.UTF8"}


def test_a_database_is_created(http: t.Any, run: t.Any) -> None:
    http.will_answer(404).will_answer(200, OPERATION).will_answer(200, CURRENT)
    result = run(SqlDatabase, instance="one", name="mlflow", charset="UTF8")
    assert result == {
        "changed": True,
        "diff": {"before": {}, "after": {"name": "mlflow", "charset": "UTF8"}},
        "resource": CURRENT,
    }
    assert [(r.path, r.body) for r in http.writes] == [(DATABASES, {"name": "mlflow", "charset": "UTF8"})]


@pytest.mark.parametrize(
    "options", [{}, {"charset": "utf8"}, {"collation": "en_US.UTF8"}, {"instance": {"name": "one", "region": "r"}}]
)
def test_the_same_database_stays(http: t.Any, run: t.Any, options: t.Any) -> None:
    http.when("GET", f"{DATABASES}/mlflow", CURRENT)
    assert not run(SqlDatabase, **{"instance": "one", "name": "mlflow", **options})["changed"]
    assert http.writes == []


@pytest.mark.parametrize("options", [{"charset": "SQL_ASCII"}, {"collation": "C"}])
def test_what_cannot_be_changed_is_an_error(http: t.Any, run: t.Any, options: t.Any) -> None:
    http.when("GET", f"{DATABASES}/mlflow", CURRENT)
    with pytest.raises(GcpError, match=f"{next(iter(options))} cannot be changed from"):
        run(SqlDatabase, instance="one", name="mlflow", **options)


def test_a_database_is_deleted(http: t.Any, run: t.Any) -> None:
    http.will_answer(200, CURRENT).will_answer(200, OPERATION).will_answer(404)
    assert run(SqlDatabase, instance="one", name="mlflow", state="absent")["changed"]
    assert [(r.method, r.path) for r in http.writes] == [("DELETE", f"{DATABASES}/mlflow")]


def test_a_database_of_an_instance_that_is_gone_is_absent(http: t.Any, run: t.Any) -> None:
    assert not run(SqlDatabase, instance="one", name="mlflow", state="absent")["changed"]


def test_check_mode_creates_nothing(http: t.Any, run: t.Any) -> None:
    assert run(SqlDatabase, True, instance="one", name="mlflow")["changed"]
    assert http.writes == []


def test_an_instance_that_is_not_there_is_named(http: t.Any, run: t.Any) -> None:
    path = "v1/projects/p/instances/one/databases"
    missing = {"error": {"code": 404, "message": "not found", "errors": [{"reason": "instanceDoesNotExist"}]}}
    http.when("POST", path, missing, status_code=404)
    with pytest.raises(GcpError, match="Check the option instance, which is one"):
        run(SqlDatabase, instance="one", name="mlflow")
