# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Molecule skips without a word what it does not find: each scenario has what the sequence names."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())
SCENARIOS = ["default", *ROLES]
SEQUENCE = yaml.safe_load((ROOT / "molecule/config.yml").read_text())["scenario"]["test_sequence"]


def test_each_role_has_a_scenario() -> None:
    assert sorted(path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml")) == sorted(SCENARIOS)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_scenario_goes_through_the_whole_sequence(scenario: str) -> None:
    assert "scenario" not in (yaml.safe_load((ROOT / f"molecule/{scenario}/molecule.yml").read_text()) or {})


@pytest.mark.parametrize("step", ["converge", "side_effect", "cleanup", "destroy"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_scenario_has_a_playbook_for_each_step(scenario: str, step: str) -> None:
    assert step in SEQUENCE
    assert (ROOT / f"molecule/{scenario}/{step}.yml").is_file()


@pytest.mark.parametrize("directory", [step.split()[1] for step in SEQUENCE if step.startswith("verify ")])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_scenario_has_tests_after_each_change(scenario: str, directory: str) -> None:
    assert list((ROOT / f"molecule/{scenario}/{directory}").glob("test_*.py"))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_scenario_has_hosts_made_if_it_has_none_of_its_own(scenario: str) -> None:
    playbooks = (ROOT / f"molecule/{scenario}").glob("*.yml")
    works_on_hosts = any("hosts: debian\n" in playbook.read_text() for playbook in playbooks)
    configuration = yaml.safe_load((ROOT / f"molecule/{scenario}/molecule.yml").read_text()) or {}
    created = configuration.get("ansible", {}).get("playbooks", {}).get("create")
    assert created == ("../shared/create.yml" if works_on_hosts else None)
