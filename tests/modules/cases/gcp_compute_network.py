# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.modules.gcp_compute_network import Network

from . import Case, Values

CASE = Case(
    kind=Network,
    base={"name": "one", "auto_create_subnetworks": False},
    values={
        "auto_create_subnetworks": Values(True, False),
        "routing_config.routing_mode": Values("REGIONAL", "GLOBAL"),
        "mtu": Values(1460, 8896),
        "network_firewall_policy_enforcement_order": Values("AFTER_CLASSIC_FIREWALL", "BEFORE_CLASSIC_FIREWALL"),
    },
    fixed={"description": ("first", "second"), "auto_create_subnetworks": (False, True)},
    untabled={"name": "it names the resource"},
)
