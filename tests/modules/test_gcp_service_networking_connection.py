# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Private services access: the ranges are exact, and what holds a connection is told."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.modules.gcp_compute_global_address import GlobalAddress
from ansible_collections.mlops.mlflow.plugins.modules.gcp_service_networking_connection import (
    ServiceNetworkingConnection,
)
from ansible_collections.mlops.mlflow.plugins.modules.gcp_sql_instance import SqlInstance

from .cases import Json
from .cases.gcp_service_networking_connection import CASE, RANGE
from .cloud import Cloud


@pytest.fixture(autouse=True)
def ranges(cloud: Cloud) -> None:
    """Two ranges of the network."""
    for task in CASE.needs:
        cloud.run(task.kind, task.options)


def have(cloud: Cloud, ranges: t.Any = None, **options: t.Any) -> Json:
    """Run the module as a check and in earnest; the result."""
    task = {"network": "default", **({} if ranges is None else {"reserved_peering_ranges": ranges}), **options}
    promise = cloud.run(ServiceNetworkingConnection, task, check_mode=True)
    result = cloud.run(ServiceNetworkingConnection, task)
    assert (promise["changed"], promise["diff"]) == (result["changed"], result["diff"])
    return result


def test_the_ranges_are_exact_and_their_order_is_no_difference(cloud: Cloud) -> None:
    assert have(cloud, ["one"])["changed"]
    assert not have(cloud, ["one"])["changed"]
    added = have(cloud, ["two", "one"])
    assert added["diff"] == {
        "before": {"reservedPeeringRanges": ["one"]},
        "after": {"reservedPeeringRanges": ["two", "one"]},
    }
    assert not have(cloud, ["one", "two"])["changed"]
    assert have(cloud, ["two"])["resource"]["reservedPeeringRanges"] == ["two"]
    assert have(cloud, [])["changed"]
    assert not have(cloud, [])["changed"]
    assert not have(cloud)["changed"], "unset is left alone"
    assert have(cloud, ["one"])["changed"]


def test_a_range_may_be_a_former_result(cloud: Cloud) -> None:
    result = cloud.run(GlobalAddress, {"name": "one", **RANGE})
    assert have(cloud, [result["resource"]])["resource"]["reservedPeeringRanges"] == ["one"]
    assert not have(cloud, ["one"])["changed"]


@pytest.mark.parametrize("ranges", [None, []], ids=["unset", "empty"])
@pytest.mark.parametrize("check_mode", [True, False], ids=["check", "run"])
def test_no_connection_is_made_without_ranges(cloud: Cloud, ranges: t.Any, check_mode: bool) -> None:
    options = {"network": "default", **({} if ranges is None else {"reserved_peering_ranges": ranges})}
    with pytest.raises(GcpError, match="cannot be created without reserved_peering_ranges"):
        cloud.run(ServiceNetworkingConnection, options, check_mode)


def test_a_range_that_is_none_names_the_option(cloud: Cloud) -> None:
    with pytest.raises(GcpError, match=r"'nowhere' not found.*Check the option reserved_peering_ranges"):
        cloud.run(ServiceNetworkingConnection, {"network": "default", "reserved_peering_ranges": ["nowhere"]})


def test_a_connection_that_a_database_uses_is_kept_and_told(cloud: Cloud) -> None:
    have(cloud, ["one"])
    address = {"ipv4_enabled": False, "private_network": "default"}
    settings = {"tier": "db-f1-micro", "edition": "ENTERPRISE", "ip_configuration": address}
    database = {"name": "db", "database_version": "POSTGRES_16", "region": "europe-west1", "settings": settings}
    cloud.run(SqlInstance, database)
    absent = {"network": "default", "state": "absent"}
    with pytest.raises(GcpError, match=r"still using this connection.*Delete what uses it first"):
        cloud.run(ServiceNetworkingConnection, absent)
    cloud.run(SqlInstance, {**database, "state": "absent"})
    assert cloud.run(ServiceNetworkingConnection, absent)["changed"]


def test_a_network_that_is_not_there_has_no_connection(cloud: Cloud) -> None:
    assert not have(cloud, network="none", state="absent")["changed"]
    planned = {"network": "none", "reserved_peering_ranges": ["one"]}
    assert cloud.run(ServiceNetworkingConnection, planned, check_mode=True)["changed"], "it may be made meanwhile"
