# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is done beside the servers: where backups are put, what is refused, and the units."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible.template import trust_as_template
from test_templates import ROLE, Role, unit

BUCKET = {"mlflow_service_artifact_bucket": "example"}


def chore(role: Role, name: str) -> dict[str, list[str]]:
    """The directives of a unit, each with its values."""
    (found,) = (item for item in role.value("__mlflow_service_chore_units") if item["unit"] == name)
    role.variables |= {key: found.get(key, "") for key in ("description", "command", "schedule")}
    role.templar.available_variables = role.variables
    return directives(role.render(f"mlflow-chore.{name.rpartition('.')[2]}.j2"))


def directives(text: str) -> dict[str, list[str]]:
    """The directives of a unit's text, each with its values."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize(
    ("variables", "location"),
    [
        pytest.param({}, "", id="no bucket"),
        pytest.param(BUCKET, "gs://example/backups/mlruns", id="beside the artifacts"),
        pytest.param(BUCKET | {"mlflow_service_artifact_folder": "a/b"}, "gs://example/backups/a/b", id="a folder"),
        pytest.param(BUCKET | {"mlflow_service_artifact_folder": ""}, "", id="artifacts everywhere in the bucket"),
        pytest.param({"mlflow_service_backup_location": "gs://other/x"}, "gs://other/x", id="said"),
    ],
)
def test_backups_have_a_place_where_there_is_one(variables: dict[str, Any], location: str) -> None:
    role = Role(**variables)
    assert role.value("mlflow_service_backup_location") == location
    assert role.value("__mlflow_service_makes_backups") is bool(location)


@pytest.mark.parametrize(
    ("variables", "refused"),
    [
        pytest.param(BUCKET, False, id="the default"),
        pytest.param(BUCKET | {"mlflow_service_backup_location": "gs://other/x"}, False, id="another bucket"),
        pytest.param(BUCKET | {"mlflow_service_backup_location": "gs://example/mlruns-2"}, False, id="a similar name"),
        pytest.param(BUCKET | {"mlflow_service_backup_location": "gs://example/mlruns"}, True, id="the artifacts"),
        pytest.param(BUCKET | {"mlflow_service_backup_location": "gs://example/mlruns/b"}, True, id="inside of them"),
        pytest.param(BUCKET | {"mlflow_service_backup_location": "gs://other"}, True, id="no folder"),
        pytest.param(BUCKET | {"mlflow_service_backup_location": "gs://other/x/"}, True, id="a slash at the end"),
        pytest.param(BUCKET | {"mlflow_service_backup_location": "gs://other/a b"}, True, id="a space"),
        pytest.param(BUCKET | {"mlflow_service_backup_location": "/backups"}, True, id="a path"),
        pytest.param({"mlflow_service_backup_location": "gs://other/x"}, True, id="artifacts in no bucket"),
    ],
)
def test_a_place_where_backups_cannot_be_is_refused(variables: dict[str, Any], refused: bool) -> None:
    tasks = yaml.safe_load((ROLE / "tasks" / "preflight.yml").read_text())
    task = next(task for task in tasks if task["name"] == "preflight | Refuse a place where backups cannot be")
    role, check = Role(**variables), task["ansible.builtin.assert"]
    answers = [role.templar.template(trust_as_template("{{ " + that + " }}")) for that in check["that"]]
    assert all(answers) is not refused
    message = role.templar.template(trust_as_template(check["fail_msg"]))
    assert role.value("mlflow_service_backup_location") in message


def test_a_backup_is_made_where_it_is_said_and_a_restore_is_of_its_instance() -> None:
    role = Role(**BUCKET, mlflow_service_backup_keep=3)
    (made,) = chore(role, "mlflow-backup.service")["ExecStart"]
    assert made.endswith(
        "/mlflow_backup.py make --keep 3 gs://example/backups/mlruns --artifacts gs://example/mlruns "
        "--answer %S/mlflow/%p.json"
    )
    (restored,) = chore(role, "mlflow-restore@.service")["ExecStart"]
    assert restored.endswith("/mlflow_backup.py restore %I --artifacts gs://example/mlruns --answer %S/mlflow/%p.json")


def test_chores_may_do_as_little_as_migrations() -> None:
    role = Role(**BUCKET)
    migration = directives(unit(role, "mlflow-migrate.service"))
    own = {"Description", "ExecStart", "Nice", "IOSchedulingClass"}
    for name in ("mlflow-backup.service", "mlflow-restore@.service", "mlflow-gc@.service"):
        found = chore(role, name)
        assert {key: values for key, values in found.items() if key not in own} == {
            key: values for key, values in migration.items() if key not in own
        }


def test_backups_are_made_when_it_is_said_and_when_that_was_slept_through() -> None:
    found = chore(Role(**BUCKET, mlflow_service_backup_schedule="hourly"), "mlflow-backup.timer")
    assert (found["OnCalendar"], found["Persistent"], found["WantedBy"]) == (["hourly"], ["true"], ["timers.target"])
    assert found["Unit"] == ["mlflow-backup.service"]


def test_garbage_is_collected_when_it_is_said_and_else_never() -> None:
    role = Role(mlflow_service_gc_schedule="weekly", mlflow_service_gc_older_than="12h")
    assert chore(role, "mlflow-gc.timer")["Unit"] == ["mlflow-gc@delete-12h.service"]
    assert "/mlflow_gc.py %i --artifacts " in chore(role, "mlflow-gc@.service")["ExecStart"][0]
    wanted = {item["unit"]: item["wanted"] for item in Role().value("__mlflow_service_chore_units")}
    assert (wanted["mlflow-gc.timer"], wanted["mlflow-gc@.service"]) == (False, True)


@pytest.mark.parametrize(
    ("age", "refused"),
    [("30d", False), ("2d12h", False), ("0s", False), ("30", True), ("", True), ("1w", True), ("1d; true", True)],
)
def test_an_age_that_mlflow_does_not_understand_is_refused(age: str, refused: bool) -> None:
    tasks = yaml.safe_load((ROLE / "tasks" / "preflight_gc.yml").read_text())
    (task,) = tasks
    check = Role(mlflow_service_gc_older_than=age).templar.template(
        trust_as_template("{{ " + task["ansible.builtin.assert"]["that"] + " }}")
    )
    assert check is not refused
