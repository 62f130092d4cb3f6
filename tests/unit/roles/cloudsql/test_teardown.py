# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a teardown says is left of a database."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

VARIABLES = Path(__file__).parents[4] / "roles/cloudsql/vars/main.yml"
BACKUP, NAME = "A last backup of Cloud SQL instance db", "The name db, which Cloud SQL keeps for a week"
THERE = {"diff": {"before": {"name": "db"}}}


@pytest.mark.parametrize(
    ("found", "days", "begins"),
    [
        pytest.param(THERE, 30, [BACKUP, NAME], id="deleted"),
        pytest.param(THERE, 0, [NAME], id="deleted without a backup"),
        pytest.param({"msg": "It is protected against deletion."}, 30, [BACKUP, NAME], id="deleted though protected"),
        pytest.param({"diff": {"before": {}}}, 30, [], id="not there"),
    ],
)
def test_a_teardown_tells_what_is_left_of_a_database(found: dict[str, t.Any], days: int, begins: list[str]) -> None:
    role = {name: trust_as_template(value) for name, value in yaml.safe_load(VARIABLES.read_text()).items()}
    given = {"cloudsql_instance": "db", "cloudsql_final_backup_days": days, "__cloudsql_found": found}
    remains = Templar(loader=DataLoader(), variables=role | given).template(role["__cloudsql_remains"])
    assert [sentence[: len(begin)] for sentence, begin in zip(remains, begins, strict=True)] == begins
