# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A sample of the sweep: `make chaos` takes all of it."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from gcp_emulator.discovery import Apis
from gcp_emulator.faults import KINDS

from .scenarios import Scenario, of_modules, of_site
from .sweep import Reference, deployed, difference, summary

EACH = 3  # faults of each kind


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """What site.yml asks for."""
    return of_site(tmp_path_factory.mktemp("recording"))


@pytest.fixture(scope="module")
def apis() -> Apis:
    """Google's documents, read once."""
    return Apis()


@pytest.fixture(scope="module")
def reference(site: Scenario, apis: Apis) -> Reference:
    """Where site.yml ends when nothing goes wrong."""
    return Reference(apis, site)


def test_each_kind_of_fault_in_site_yml_is_mended(reference: Reference) -> None:
    faults = reference.faults()
    chosen = random.Random(20)  # noqa: S311 (the same sample each time)
    sample = [fault for kind in KINDS for fault in chosen.sample([f for f in faults if f.kind == kind], EACH)]
    outcomes = [reference.meet(fault) for fault in sample]
    assert [str(outcome) for outcome in outcomes if outcome.end == "failed"] == []
    assert summary(outcomes).startswith(f"faults injected: {len(KINDS) * EACH}, ")


def test_one_fault_of_each_module_is_mended(apis: Apis) -> None:
    chosen = random.Random(20)  # noqa: S311 (the same sample each time)
    of_module: dict[str, list[Scenario]] = {}
    for scenario in of_modules():
        of_module.setdefault(scenario.title.partition(":")[0], []).append(scenario)
    references = [Reference(apis, chosen.choice(scenarios)) for scenarios in of_module.values()]
    outcomes = [reference.meet(chosen.choice(reference.faults())) for reference in references]
    assert [str(outcome) for outcome in outcomes if outcome.end == "failed"] == []


def test_the_faults_of_site_yml_cover_every_call(reference: Reference, site: Scenario) -> None:
    methods = set(reference.calls)
    assert {fault.method for fault in reference.faults()} == methods
    assert len(site.steps) > 15
    assert {"compute.instances.insert", "sql.instances.insert", "storage.buckets.insert"} <= methods


def test_a_resource_that_is_missing_is_noticed(reference: Reference, site: Scenario) -> None:
    with deployed(reference.apis, replace(site, steps=site.steps[:-4])) as deployment:
        assert deployment.run() is None
        assert reference.essential(deployment.state()) != reference.state


def test_a_difference_between_two_states_is_told_by_place_and_values() -> None:
    place = ("buckets", "one", ".labels.app")
    assert difference({place: '"mlflow"'}, {}) == 'buckets one .labels.app: "mlflow" became None'
