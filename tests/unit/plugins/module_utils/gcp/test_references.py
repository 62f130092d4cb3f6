# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.references import full_reference, name_of, resource_path

TEMPLATE = "https://www.googleapis.com/compute/v1/projects/{project}/regions/{region}/subnetworks/{value}"
FULL = "https://www.googleapis.com/compute/v1/projects/p/regions/r/subnetworks/s"


@pytest.mark.parametrize(
    "reference",
    [
        "mlflow",
        "projects/p/instances/mlflow",
        "https://sqladmin.googleapis.com/v1/projects/p/instances/mlflow",
        {"name": "mlflow", "settings": {}},
        {"selfLink": "https://sqladmin.googleapis.com/v1/projects/p/instances/mlflow"},
    ],
)
def test_the_name_of_a_reference_may_be_written_in_any_way(reference: t.Any) -> None:
    assert name_of(reference) == "mlflow"


@pytest.mark.parametrize(
    "value",
    [
        "s",
        "regions/r/subnetworks/s",
        "projects/p/regions/r/subnetworks/s",
        FULL,
        "https://compute.googleapis.com/compute/v1/projects/p/regions/r/subnetworks/s",
        "https://www.googleapis.com/compute/beta/projects/p/regions/r/subnetworks/s",
        {"selfLink": FULL, "name": "other"},
        {"name": "s"},
    ],
)
def test_a_reference_may_be_written_in_any_way(value: t.Any) -> None:
    assert full_reference(value, TEMPLATE, {"project": "p", "region": "r"}) == FULL


def test_a_reference_of_a_zone_is_in_its_region() -> None:
    assert full_reference("s", TEMPLATE, {"project": "p", "zone": "r-b"}) == FULL


def test_an_empty_reference_stays_empty() -> None:
    assert full_reference({}, TEMPLATE, {"project": "p", "region": "r"}) == ""


@pytest.mark.parametrize("value", ["projects/p/x/y", "v1/projects/p/x/y", "https://host/v1beta4/projects/p/x/y"])
def test_a_resource_path_has_neither_host_nor_version(value: str) -> None:
    assert resource_path(value) == "projects/p/x/y"
