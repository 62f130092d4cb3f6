# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.modules.gcp_compute_global_address import GlobalAddress

from . import Case, Values

CASE = Case(
    kind=GlobalAddress,
    base={
        "name": "one",
        "purpose": "VPC_PEERING",
        "address_type": "INTERNAL",
        "prefix_length": 20,
        "network": "default",
    },
    values={"labels": Values({"app": "mlflow", "team": "one"}, {"app": "other"}, empty={})},
    fixed={
        "address": ("10.64.16.0", "10.64.32.0"),
        "prefix_length": (20, 24),
        "address_type": ("INTERNAL", "EXTERNAL"),
        "purpose": ("VPC_PEERING", "PRIVATE_SERVICE_CONNECT"),
        "network": ("default", "other"),
        "description": ("for Cloud SQL", "for machines"),
        "ip_version": ("IPV4", "IPV6"),
    },
    untabled={"name": "it names the resource"},
)
