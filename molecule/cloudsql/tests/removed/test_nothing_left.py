# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is left of it."""

from __future__ import annotations

from cloud import COMPUTE, Cloud


def test_the_project_holds_nothing_of_it(cloud: Cloud) -> None:
    assert cloud.names("molecule-cloudsql-") == {}


def test_the_network_is_peered_with_nobody_and_its_range_released(cloud: Cloud) -> None:
    assert cloud.get(f"{COMPUTE}/global/networks/sql-client").get("peerings", []) == []
    assert cloud.names("google-managed-services-sql-client") == {}
