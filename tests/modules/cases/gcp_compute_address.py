# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.modules.gcp_compute_address import Address

from . import Case, Values

CASE = Case(
    kind=Address,
    base={"name": "one", "region": "europe-west1", "address_type": "INTERNAL"},
    values={"labels": Values({"app": "mlflow", "team": "one"}, {"app": "other"}, empty={})},
    fixed={
        "address": ("10.132.0.10", "10.132.0.11"),
        "address_type": ("INTERNAL", "EXTERNAL"),
        "network_tier": ("PREMIUM", "STANDARD"),
        "purpose": ("GCE_ENDPOINT", "SHARED_LOADBALANCER_VIP"),
        "subnetwork": ("default", "other"),
        "ip_version": ("IPV4", "IPV6"),
        "description": ("for people", "for machines"),
    },
    untabled={
        "name": "it names the resource",
        "region": "it names the resource",
        "network": "only a range for IPSEC_INTERCONNECT has it, which the unit tests reserve",
        "prefix_length": "only a range for IPSEC_INTERCONNECT has it, which the unit tests reserve",
    },
)
