# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is left of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from cloud import PROJECT, Cloud


@pytest.mark.parametrize("beginning", ["infra-", f"{PROJECT}-infra-"])
def test_the_project_holds_nothing_of_it(cloud: Cloud, beginning: str) -> None:
    assert cloud.names(beginning) == {}


@pytest.mark.parametrize("release", ["11", "13"])
def test_the_key_pair_alone_is_left_on_this_machine(clients: Path, release: str) -> None:
    left = sorted(file.name for file in (clients / f"infra-{release}").iterdir())
    assert left == ["id_ed25519", "id_ed25519.pub"]
