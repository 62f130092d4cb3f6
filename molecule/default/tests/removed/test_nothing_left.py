# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is left of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from cloud import Cloud


@pytest.mark.parametrize("word", ["default-", "mlflow-", "google-managed-services-mlflow"])
def test_the_project_holds_nothing_of_it(cloud: Cloud, word: str) -> None:
    left = cloud.names(word)
    # The project itself bears such a name, and so do the buckets of other scenarios.
    left["buckets"] = [name for name in left.get("buckets", []) if name.endswith("-mlflow")]
    assert {kind: names for kind, names in left.items() if names} == {}


def test_the_key_pair_alone_is_left_on_this_machine(clients: Path) -> None:
    assert sorted(file.name for file in (clients / "mlflow").iterdir()) == ["id_ed25519", "id_ed25519.pub"]
