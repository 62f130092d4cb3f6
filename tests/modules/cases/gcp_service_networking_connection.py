# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.modules.gcp_compute_global_address import GlobalAddress
from ansible_collections.mlops.mlflow.plugins.modules.gcp_service_networking_connection import (
    ServiceNetworkingConnection,
)

from . import Case, Task, Values

RANGE = {"address_type": "INTERNAL", "purpose": "VPC_PEERING", "prefix_length": 20, "network": "default"}

CASE = Case(
    kind=ServiceNetworkingConnection,
    base={"network": "default", "reserved_peering_ranges": ["one"]},
    needs=tuple(Task(GlobalAddress, {"name": name, **RANGE}) for name in ("one", "two")),
    values={"reserved_peering_ranges": Values(["one"], ["two", "one"], empty=[])},
    untabled={
        "network": "it names the connection",
        "service": "it names the connection, and the sandbox has one such service",
    },
    reads=2,  # the API knows networks by the number of their project, which has to be asked for
)
