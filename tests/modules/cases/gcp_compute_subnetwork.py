# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.modules.gcp_compute_network import Network
from ansible_collections.mlops.mlflow.plugins.modules.gcp_compute_subnetwork import Subnetwork

from . import Case, Json, Task, Values

PODS = {"range_name": "pods", "ip_cidr_range": "10.81.0.0/20"}
SERVICES = {"range_name": "services", "ip_cidr_range": "10.82.0.0/24"}
RENAMED = {"range_name": "renamed", "ip_cidr_range": "10.81.0.0/20"}
LOGGED: Json = {"log_config": {"enable": True}}
CUSTOM: Json = {"log_config": {"enable": True, "metadata": "CUSTOM_METADATA"}}

CASE = Case(
    kind=Subnetwork,
    base={"name": "one", "region": "europe-west1", "network": "own", "ip_cidr_range": "10.80.0.0/24"},
    needs=(
        Task(Network, {"name": "own", "auto_create_subnetworks": False}),
        Task(Network, {"name": "other", "auto_create_subnetworks": False}),
    ),
    values={
        "secondary_ip_ranges": Values([PODS], [RENAMED, SERVICES], empty=[]),
        "private_ip_google_access": Values(True, False),
        "private_ipv6_google_access": Values("DISABLE_GOOGLE_ACCESS", "ENABLE_OUTBOUND_VM_ACCESS_TO_GOOGLE"),
        "log_config.enable": Values(True, False),
        "log_config.aggregation_interval": Values("INTERVAL_5_SEC", "INTERVAL_10_MIN", along=LOGGED),
        "log_config.flow_sampling": Values(0.5, 0.1, empty=0, along=LOGGED),
        "log_config.metadata": Values("EXCLUDE_ALL_METADATA", "INCLUDE_ALL_METADATA", along=LOGGED),
        "log_config.metadata_fields": Values(["src_instance"], ["dest_instance", "src_vpc"], empty=[], along=CUSTOM),
        "log_config.filter_expr": Values("src_port == 22", "dest_port == 22", along=LOGGED),
        "role": Values("BACKUP", "ACTIVE", along={"purpose": "REGIONAL_MANAGED_PROXY"}),
        "stack_type": Values("IPV4_IPV6", "IPV4_ONLY", along={"ipv6_access_type": "EXTERNAL"}),
    },
    fixed={
        "network": ("own", "other"),
        "ip_cidr_range": ("10.80.0.0/24", "10.80.0.0/25"),
        "purpose": ("PRIVATE", "REGIONAL_MANAGED_PROXY"),
        "description": ("first", "second"),
    },
    untabled={
        "name": "it names the resource",
        "region": "it names the resource",
        "ipv6_access_type": "it goes with stack_type alone; tests/unit/plugins/modules has it",
    },
)
