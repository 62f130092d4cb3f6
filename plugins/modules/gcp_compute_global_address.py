#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_compute_global_address
short_description: Reserve a global IP address or a range for peered services
version_added: 0.1.0
description:
  - Reserves an IP address that belongs to no region, or an internal range of a network, from which Google's services,
    such as Cloud SQL, get private addresses (M(mlops.mlflow.gcp_service_networking_connection)).
  - Of a reserved address only the labels can be changed.
author:
  - The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.gcp
  - mlops.mlflow.resource
options:
  name:
    description: Name of the reservation. Lower-case letters, digits and hyphens, beginning with a letter.
    type: str
    required: true
  address:
    description: The address, or the first of the range. Google Cloud chooses if it is not given.
    type: str
  prefix_length:
    description: Length of the prefix of a range, such as V(16) or V(20).
    type: int
  address_type:
    description: Whether it is an address of the Internet or of a network. V(EXTERNAL) if it is not given.
    type: str
    choices: [EXTERNAL, INTERNAL]
  purpose:
    description:
      - What an internal address or range is for. V(VPC_PEERING) is a range for Google's services, and
        V(PRIVATE_SERVICE_CONNECT) one address by which the machines of a network reach Google's APIs.
    type: str
    choices: [VPC_PEERING, PRIVATE_SERVICE_CONNECT]
  network:
    description:
      - The network of an internal range, as name, partial path, URL, or a dictionary that has C(selfLink) or C(name).
    type: raw
  ip_version:
    description: Version of the Internet Protocol. V(IPV4) if it is not given.
    type: str
    choices: [IPV4, IPV6]
  description:
    description: What the address is for.
    type: str
  labels:
    description: Labels, all of them.
    type: dict
seealso:
  - module: mlops.mlflow.gcp_compute_address
  - module: mlops.mlflow.gcp_service_networking_connection
  - name: Allocated ranges
    description: How Google's services get private addresses in a network.
    link: https://cloud.google.com/vpc/docs/configure-private-services-access
"""

EXAMPLES = r"""
- name: Reserve a range for the private addresses of Cloud SQL
  mlops.mlflow.gcp_compute_global_address:
    project: my-project
    name: google-managed-services-mlflow
    purpose: VPC_PEERING
    address_type: INTERNAL
    prefix_length: 20
    network: mlflow

- name: Reserve an address for a global load balancer
  mlops.mlflow.gcp_compute_global_address:
    project: my-project
    name: mlflow-front
    ip_version: IPV4

- name: Give a range back
  mlops.mlflow.gcp_compute_global_address:
    project: my-project
    name: google-managed-services-mlflow
    state: absent
"""

RETURN = r"""
resource:
  description: The address or range as Google Cloud answers it.
  returned: success
  type: dict
  sample:
    name: google-managed-services-mlflow
    address: 10.17.0.0
    prefixLength: 20
    addressType: INTERNAL
    purpose: VPC_PEERING
    status: RESERVED
    network: https://www.googleapis.com/compute/v1/projects/my-project/global/networks/mlflow
"""

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.compute import NETWORK, AddressResource
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.module import run
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.rules import ADDRESS, LABELS, RESOURCE_NAME, between


class GlobalAddress(AddressResource):
    """An address or a range that belongs to no region."""

    collection = "compute/v1/projects/{project}/global/addresses"
    rules = {
        "required_if": [
            ("purpose", "VPC_PEERING", ("prefix_length", "network")),
            ("purpose", "PRIVATE_SERVICE_CONNECT", ("network",)),
        ]
    }
    fields = {
        "name": Field(required=True, must=RESOURCE_NAME),
        "address": Field(must=ADDRESS, immutable=True),
        "prefix_length": Field(type="int", must=between(1, 128), immutable=True),
        "address_type": Field(choices=["EXTERNAL", "INTERNAL"], immutable=True, api_default="EXTERNAL"),
        "purpose": Field(choices=["VPC_PEERING", "PRIVATE_SERVICE_CONNECT"], immutable=True),
        "network": Field(refers=NETWORK, immutable=True),
        "ip_version": Field(choices=["IPV4", "IPV6"], immutable=True, api_default="IPV4"),
        "description": Field(immutable=True),
        "labels": Field(type="dict", must=LABELS),
    }


def main() -> None:
    run(GlobalAddress)


if __name__ == "__main__":
    main()
