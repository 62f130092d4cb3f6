#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_compute_subnetwork
short_description: Manage a subnetwork of a VPC network
version_added: 0.2.0
description:
  - Creates, changes and deletes a subnetwork, which is the range of a VPC network from which the machines of one region
    have their internal addresses.
  - Everything that can change is changed in place. The range can grow, and never shrink.
author:
  - The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.gcp
  - mlops.mlflow.resource
options:
  name:
    description: Name of the subnetwork. Lower-case letters, digits and hyphens, beginning with a letter.
    type: str
    required: true
  region:
    description: Region of the subnetwork, such as V(europe-west1).
    type: str
    required: true
  network:
    description:
      - The network that it belongs to, as name, partial path, URL, or a dictionary that has C(selfLink) or C(name).
      - A new subnetwork needs this option. It cannot be changed later.
    type: raw
  ip_cidr_range:
    description:
      - Range of its addresses, such as V(10.80.0.0/24), which overlaps no other range of the network.
      - A new subnetwork needs this option. Another range has to contain the present one, which grows to it; any other
        is an error.
    type: str
  secondary_ip_ranges:
    description:
      - Further ranges, for alias addresses of machines, all of them. A range that a machine uses cannot go.
    type: list
    elements: dict
    suboptions:
      range_name:
        description: Name of the range.
        type: str
        required: true
      ip_cidr_range:
        description: The range itself.
        type: str
        required: true
  private_ip_google_access:
    description:
      - Whether machines without an external address reach the APIs of Google (Private Google Access).
      - A new subnetwork has V(false) if this is not given.
    type: bool
  private_ipv6_google_access:
    description: Whether machines reach the APIs of Google by IPv6.
    type: str
    choices: [DISABLE_GOOGLE_ACCESS, ENABLE_OUTBOUND_VM_ACCESS_TO_GOOGLE, ENABLE_BIDIRECTIONAL_ACCESS_TO_GOOGLE]
  log_config:
    description: What is logged about the connections of its machines (VPC flow logs), which costs.
    type: dict
    suboptions:
      enable:
        description: Whether anything is.
        type: bool
      aggregation_interval:
        description: How long packets of a connection are counted for one entry.
        type: str
        choices:
          - INTERVAL_5_SEC
          - INTERVAL_30_SEC
          - INTERVAL_1_MIN
          - INTERVAL_5_MIN
          - INTERVAL_10_MIN
          - INTERVAL_15_MIN
      flow_sampling:
        description: Which part of the connections is logged, from V(0) to V(1).
        type: float
      metadata:
        description: Whether an entry tells of machines, networks and places beside the addresses.
        type: str
        choices: [INCLUDE_ALL_METADATA, EXCLUDE_ALL_METADATA, CUSTOM_METADATA]
      metadata_fields:
        description: What an entry tells, if O(log_config.metadata=CUSTOM_METADATA).
        type: list
        elements: str
      filter_expr:
        description: An expression that chooses the connections that are logged.
        type: str
  purpose:
    description:
      - What the subnetwork is for. V(PRIVATE), for machines, if it is not given; the others are for load balancers and
        gateways that Google runs.
      - It cannot be changed later.
    type: str
    choices: [PRIVATE, REGIONAL_MANAGED_PROXY, GLOBAL_MANAGED_PROXY, PRIVATE_SERVICE_CONNECT, PRIVATE_NAT]
  role:
    description: Whether a subnetwork for proxies is the one in use or the one in reserve.
    type: str
    choices: [ACTIVE, BACKUP]
  stack_type:
    description:
      - Whether machines have addresses of IPv4, or of IPv6 too. V(IPV4_ONLY) if it is not given.
      - V(IPV4_IPV6) needs O(ipv6_access_type).
    type: str
    choices: [IPV4_ONLY, IPV4_IPV6]
  ipv6_access_type:
    description:
      - Whether addresses of IPv6 are of the Internet or of the network alone. It cannot be changed once it is set.
    type: str
    choices: [EXTERNAL, INTERNAL]
  description:
    description: What the subnetwork is for. It cannot be changed later.
    type: str
seealso:
  - module: mlops.mlflow.gcp_compute_network
  - module: mlops.mlflow.gcp_compute_router
  - name: Private Google Access
    description: How machines without an external address reach Google's APIs.
    link: https://cloud.google.com/vpc/docs/private-google-access
"""

EXAMPLES = r"""
- name: Have a subnetwork whose machines reach Google's APIs without an external address
  mlops.mlflow.gcp_compute_subnetwork:
    project: my-project
    region: europe-west1
    name: mlflow
    network: mlflow
    ip_cidr_range: 10.80.0.0/24
    private_ip_google_access: true

- name: Let it grow
  mlops.mlflow.gcp_compute_subnetwork:
    project: my-project
    region: europe-west1
    name: mlflow
    ip_cidr_range: 10.80.0.0/22

- name: Log a tenth of the connections
  mlops.mlflow.gcp_compute_subnetwork:
    project: my-project
    region: europe-west1
    name: mlflow
    log_config:
      enable: true
      aggregation_interval: INTERVAL_10_MIN
      flow_sampling: 0.1

- name: Have a range for alias addresses
  mlops.mlflow.gcp_compute_subnetwork:
    project: my-project
    region: europe-west1
    name: mlflow
    secondary_ip_ranges:
      - range_name: pods
        ip_cidr_range: 10.81.0.0/20

- name: Delete a subnetwork
  mlops.mlflow.gcp_compute_subnetwork:
    project: my-project
    region: europe-west1
    name: mlflow
    state: absent
"""

RETURN = r"""
resource:
  description: The subnetwork as Google Cloud answers it.
  returned: success
  type: dict
  sample:
    name: mlflow
    network: https://www.googleapis.com/compute/v1/projects/my-project/global/networks/mlflow
    ipCidrRange: 10.80.0.0/24
    gatewayAddress: 10.80.0.1
    privateIpGoogleAccess: true
    purpose: PRIVATE
    stackType: IPV4_ONLY
    fingerprint: 0tDIkCYxfIs=
    selfLink: https://www.googleapis.com/compute/v1/projects/my-project/regions/europe-west1/subnetworks/mlflow
"""

import dataclasses

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.compute import NETWORK, ComputeResource
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import Json
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field, network_range
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.module import run
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Plan
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.rules import NETWORK_RANGE, RESOURCE_NAME, between

IPV6_ACCESS = ["DISABLE_GOOGLE_ACCESS", "ENABLE_OUTBOUND_VM_ACCESS_TO_GOOGLE", "ENABLE_BIDIRECTIONAL_ACCESS_TO_GOOGLE"]
INTERVALS = [f"INTERVAL_{length}" for length in ("5_SEC", "30_SEC", "1_MIN", "5_MIN", "10_MIN", "15_MIN")]
METADATA = ["INCLUDE_ALL_METADATA", "EXCLUDE_ALL_METADATA", "CUSTOM_METADATA"]
PURPOSES = ["PRIVATE", "REGIONAL_MANAGED_PROXY", "GLOBAL_MANAGED_PROXY", "PRIVATE_SERVICE_CONNECT", "PRIVATE_NAT"]
RANGES = "secondaryIpRanges"
# What changes by a verb of its own; all else is patched.
VERBS = {"ipCidrRange": "expandIpCidrRange", "privateIpGoogleAccess": "setPrivateIpGoogleAccess"}


def purpose(value: str) -> str:
    """A purpose by its present name."""
    return "PRIVATE" if value == "PRIVATE_RFC_1918" else value


def not_within(present: str, wanted: str) -> bool:
    """Whether a range does not lie within another one, so that it cannot grow to it."""
    import ipaddress

    one, other = (ipaddress.ip_network(value.strip(), strict=False) for value in (present, wanted))
    return not (one.network_address in other and one.broadcast_address in other)


class Subnetwork(ComputeResource):
    """A subnetwork; a patch of it is protected by its fingerprint."""

    collection = "compute/v1/projects/{project}/regions/{region}/subnetworks"
    needed = ("network", "ip_cidr_range")
    guard_body = "fingerprint"
    fields = {
        "name": Field(required=True, must=RESOURCE_NAME),
        "region": Field(url_only=True, required=True),
        "network": Field(refers=NETWORK, immutable=True),
        "ip_cidr_range": Field(canonical=network_range, must=NETWORK_RANGE, immutable=not_within),
        "secondary_ip_ranges": Field(
            type="list",
            elements="dict",
            options={
                "range_name": Field(required=True, must=RESOURCE_NAME),
                "ip_cidr_range": Field(required=True, canonical=network_range, must=NETWORK_RANGE),
            },
        ),
        "private_ip_google_access": Field(type="bool"),
        "private_ipv6_google_access": Field(choices=IPV6_ACCESS, api_default=IPV6_ACCESS[0]),
        "log_config": Field(
            type="dict",
            options={
                "enable": Field(type="bool"),
                "aggregation_interval": Field(choices=INTERVALS, api_default="INTERVAL_5_SEC"),
                "flow_sampling": Field(type="float", api_default=0.5, must=between(0, 1)),
                "metadata": Field(choices=METADATA, api_default="EXCLUDE_ALL_METADATA"),
                "metadata_fields": Field(type="list", elements="str"),
                "filter_expr": Field(),
            },
        ),
        "purpose": Field(choices=PURPOSES, immutable=True, api_default="PRIVATE", canonical=purpose),
        "role": Field(choices=["ACTIVE", "BACKUP"]),
        "stack_type": Field(choices=["IPV4_ONLY", "IPV4_IPV6"], api_default="IPV4_ONLY"),
        "ipv6_access_type": Field(choices=["EXTERNAL", "INTERNAL"], immutable=lambda old, _new: bool(old)),
        "description": Field(immutable=True),
    }

    def update(self, plan: Plan) -> Json:
        """Patch what can be patched; each verb has an operation and a fingerprint of its own."""
        patch = plan.without(*VERBS)
        if RANGES in patch.changes:
            patch = dataclasses.replace(patch, current=self._without_what_goes(plan))
        answer = super().update(patch) if patch.changes else {}
        for path, verb in VERBS.items():
            if path in plan.changes:
                self.finish(answer)
                answer = self.request("POST", f"{self.url}/{verb}", {path: plan.changes[path]})
        return answer

    def _without_what_goes(self, plan: Plan) -> Json:
        """The subnetwork once ranges are gone whose addresses others of the task may take: Google counts both."""
        present, wanted = plan.current.get(RANGES) or [], plan.changes[RANGES]
        stays = set(map(identity, wanted))
        kept = [entry for entry in present if identity(entry) in stays]
        if len(kept) in {len(present), len(wanted)}:
            return plan.current
        self.finish(super().update(dataclasses.replace(plan, changes={RANGES: kept})))
        return self.read() or {}


def identity(entry: Json) -> tuple[str, str]:
    """What makes a secondary range the same one, whatever else Google tells of it."""
    return entry["rangeName"], network_range(entry.get("ipCidrRange"))


def main() -> None:
    run(Subnetwork)


if __name__ == "__main__":
    main()
