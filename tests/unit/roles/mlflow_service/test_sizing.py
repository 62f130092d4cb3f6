# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How many processes and connections there are on which machine and for which database."""

from __future__ import annotations

import json
from typing import Any

import pytest
from test_templates import Role


def sized(
    *,
    cpus: int = 2,
    memory: int = 3900,
    connections: int = 100,
    reserved: int = 3,
    limit: int | None = None,
    **variables: Any,
) -> Role:
    """The role on a machine, with a database."""
    told = {"connections": {"max": connections, "reserved": reserved, "limit": limit, "others": 0}}
    return Role(
        ansible_facts={"processor_vcpus": cpus, "memtotal_mb": memory},
        __mlflow_service_database={"stdout": json.dumps(told)},
        __mlflow_service_database_seen=True,
        **variables,
    )


def numbers(role: Role) -> dict[str, int]:
    """What follows."""
    names = ("workers", "processes", "engines", "pool_size", "connections_at_most", "connections_admitted")
    return {name: int(role.value(f"__mlflow_service_{name}")) for name in names}


@pytest.mark.parametrize(
    ("machine", "workers", "pool_size"),
    [
        pytest.param({}, 2, 4, id="e2-medium with the connections of a custom tier"),
        pytest.param({"cpus": 4, "memory": 1950}, 1, 4, id="little memory bounds the workers"),
        pytest.param({"cpus": 8, "memory": 32000, "connections": 400}, 8, 4, id="eight CPUs"),
        pytest.param({"cpus": 16, "memory": 64000}, 7, 1, id="few connections bound the workers, and pools are small"),
        pytest.param({"connections": 50}, 2, 2, id="db-g1-small: smaller pools"),
        pytest.param({"connections": 25}, 1, 1, id="db-f1-micro: one worker"),
        pytest.param({"limit": 30}, 1, 2, id="the user's own limit"),
        pytest.param({"mlflow_service_auth": False, "connections": 25}, 1, 2, id="without the engine of the users"),
        pytest.param({"mlflow_service_workers": 4}, 4, 2, id="workers as given"),
        pytest.param({"mlflow_service_threads": 6}, 2, 6, id="a pool for each thread"),
        pytest.param({"mlflow_service_pool_size": 2}, 2, 2, id="a pool as given"),
    ],
)
def test_workers_and_pools_follow_from_machine_and_database(
    machine: dict[str, Any], workers: int, pool_size: int
) -> None:
    found = numbers(sized(**machine))
    assert (found["workers"], found["pool_size"]) == (workers, pool_size)
    assert found["connections_at_most"] <= found["connections_admitted"]


@pytest.mark.parametrize("cpus", [1, 2, 4, 16, 64])
@pytest.mark.parametrize("memory", [1000, 4000, 64000])
@pytest.mark.parametrize("connections", [25, 50, 100, 500])
@pytest.mark.parametrize("workspaces", [False, True])
def test_what_is_computed_fits_wherever_one_worker_does(
    cpus: int, memory: int, connections: int, workspaces: bool
) -> None:
    found = numbers(
        sized(cpus=cpus, memory=memory, connections=connections, mlflow_service_enable_workspaces=workspaces)
    )
    smallest = found["engines"] * (2 * 2 + 2)
    fits = found["connections_at_most"] <= found["connections_admitted"]
    assert fits or smallest > found["connections_admitted"]
    assert found["workers"] >= 1


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param({"mlflow_service_workers": 30}, id="too many workers"),
        pytest.param({"mlflow_service_pool_size": 20}, id="too large a pool"),
        pytest.param({"connections": 15}, id="too small a database"),
    ],
)
def test_what_does_not_fit_is_told_with_its_terms(asked: dict[str, Any]) -> None:
    role = sized(**asked)
    found = numbers(role)
    assert found["connections_at_most"] > found["connections_admitted"]
    terms = str(role.value("__mlflow_service_connection_terms"))
    assert f"2 servers x {found['workers']} processes x 3 engines x" in terms
    assert f"= {found['connections_at_most']} connections; the database admits {found['connections_admitted']}" in terms


def test_the_limits_of_tasks_leave_room_for_every_thread() -> None:
    role = sized(mlflow_service_threads=32)
    processes = numbers(role)["processes"]
    assert int(role.value("__mlflow_service_tasks_max")) > processes * 32 * 2
    assert int(sized(mlflow_service_tasks_max=99).value("__mlflow_service_tasks_max")) == 99
