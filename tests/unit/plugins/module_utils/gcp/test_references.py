# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.references import name_of


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
def test_a_reference_may_be_written_in_any_way(reference: t.Any) -> None:
    assert name_of(reference) == "mlflow"
