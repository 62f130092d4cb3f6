# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.modules.gcp_compute_address import Address
from ansible_collections.mlops.mlflow.plugins.modules.gcp_compute_network import Network
from ansible_collections.mlops.mlflow.plugins.modules.gcp_compute_router import Router
from ansible_collections.mlops.mlflow.plugins.modules.gcp_compute_subnetwork import Subnetwork

from . import Case, Json, Task, Values

REGION = "europe-west1"
AUTO: Json = {
    "name": "out",
    "nat_ip_allocate_option": "AUTO_ONLY",
    "source_subnetwork_ip_ranges_to_nat": "ALL_SUBNETWORKS_ALL_IP_RANGES",
}
# Every suboption, of which none is a default.
FULL: Json = {
    "name": "out",
    "type": "PUBLIC",
    "nat_ip_allocate_option": "MANUAL_ONLY",
    "nat_ips": ["first"],
    "drain_nat_ips": ["second"],
    "source_subnetwork_ip_ranges_to_nat": "LIST_OF_SUBNETWORKS",
    "subnetworks": [
        {
            "name": "own",
            "source_ip_ranges_to_nat": ["PRIMARY_IP_RANGE", "LIST_OF_SECONDARY_IP_RANGES"],
            "secondary_ip_range_names": ["pods"],
        }
    ],
    "enable_dynamic_port_allocation": True,
    "min_ports_per_vm": 64,
    "max_ports_per_vm": 1024,
    "udp_idle_timeout_sec": 60,
    "icmp_idle_timeout_sec": 60,
    "tcp_established_idle_timeout_sec": 600,
    "tcp_transitory_idle_timeout_sec": 60,
    "tcp_time_wait_timeout_sec": 60,
    "log_config": {"enable": True, "filter": "ERRORS_ONLY"},
    "endpoint_types": ["ENDPOINT_TYPE_VM"],
    "auto_network_tier": "STANDARD",
}
BGP: Json = {"bgp": {"asn": 64512}}
CUSTOM: Json = {"bgp": {"asn": 64512, "advertise_mode": "CUSTOM"}}

CASE = Case(
    kind=Router,
    base={"name": "one", "region": REGION, "network": "own"},
    needs=(
        Task(Network, {"name": "own", "auto_create_subnetworks": False}),
        Task(Network, {"name": "other", "auto_create_subnetworks": False}),
        Task(
            Subnetwork,
            {
                "name": "own",
                "region": REGION,
                "network": "own",
                "ip_cidr_range": "10.80.0.0/24",
                "secondary_ip_ranges": [{"range_name": "pods", "ip_cidr_range": "10.81.0.0/20"}],
            },
        ),
        Task(Address, {"name": "first", "region": REGION}),
        Task(Address, {"name": "second", "region": REGION}),
    ),
    values={
        "description": Values("first", "second", empty=""),
        "bgp.asn": Values(64512, 64513),
        "bgp.advertise_mode": Values("DEFAULT", "CUSTOM", along=BGP),
        "bgp.advertised_groups": Values(["ALL_SUBNETS"], [], along=CUSTOM),
        "bgp.advertised_ip_ranges": Values(
            [{"range": "10.0.0.0/8"}], [{"range": "10.0.0.0/8", "description": "ours"}], empty=[], along=CUSTOM
        ),
        "bgp.keepalive_interval": Values(20, 40, along=BGP),
        "nats": Values([AUTO], [FULL], empty=[]),
    },
    fixed={"network": ("own", "other")},
    untabled={"name": "it names the resource", "region": "it names the resource"},
)
