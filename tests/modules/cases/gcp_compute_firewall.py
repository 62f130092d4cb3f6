# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.modules.gcp_compute_firewall import Firewall
from ansible_collections.mlops.mlflow.plugins.modules.gcp_compute_network import Network

from . import Case, Task, Values

SSH = {"ip_protocol": "tcp", "ports": ["22"]}
WEB = {"ip_protocol": "tcp", "ports": ["80", "8000-8080"]}
PING = {"ip_protocol": "icmp"}
ONE, OTHER = "one@test-project.iam.gserviceaccount.com", "other@test-project.iam.gserviceaccount.com"

CASE = Case(
    kind=Firewall,
    base={"name": "one", "allowed": [SSH], "source_ranges": ["10.0.0.0/8"]},
    needs=(Task(Network, {"name": "other", "auto_create_subnetworks": False}),),
    values={
        "description": Values("for people", "for machines", empty=""),
        "priority": Values(900, 0),
        "allowed": Values([SSH, PING], [WEB]),
        "denied": Values([SSH], [WEB, PING], along={"allowed": None}),
        "source_ranges": Values(["10.0.0.0/8", "192.0.2.7"], ["203.0.113.0/24"]),
        "source_tags": Values(["web", "batch"], ["batch"], empty=[]),
        "source_service_accounts": Values([ONE], [ONE, OTHER], empty=[]),
        "target_tags": Values(["web", "batch"], ["batch"], empty=[]),
        "target_service_accounts": Values([ONE], [OTHER], empty=[]),
        "destination_ranges": Values(["10.1.0.0/16", "10.2.0.0/16"], ["10.2.0.0/16"], empty=[]),
        "disabled": Values(True, False),
        "log_config.enable": Values(True, False),
        "log_config.metadata": Values(
            "EXCLUDE_ALL_METADATA", "INCLUDE_ALL_METADATA", along={"log_config": {"enable": True}}
        ),
    },
    fixed={"network": ("default", "other"), "direction": ("INGRESS", "EGRESS")},
    untabled={"name": "it names the resource"},
)
