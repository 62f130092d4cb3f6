#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_compute_address
short_description: Reserve an IP address in a region
version_added: 0.1.0
description:
  - Reserves an IP address, external or internal, which a virtual machine or a load balancer of the region can have, and
    which stays when they go.
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
  region:
    description: Region of the address, such as V(europe-west1).
    type: str
    required: true
  address:
    description: The address itself. Google Cloud chooses one if it is not given.
    type: str
  address_type:
    description: Whether it is an address of the Internet or of a subnetwork. V(EXTERNAL) if it is not given.
    type: str
    choices: [INTERNAL, EXTERNAL]
  network_tier:
    description: Which network of Google's an external address is reached through. V(PREMIUM) if it is not given.
    type: str
    choices: [PREMIUM, STANDARD]
  purpose:
    description:
      - What an internal address is for. V(GCE_ENDPOINT), for machines and load balancers, if it is not given.
      - V(VPC_PEERING) and V(PRIVATE_SERVICE_CONNECT) are for addresses of no region
        (M(mlops.mlflow.gcp_compute_global_address)); Google Cloud refuses them in a region.
    type: str
    choices: [GCE_ENDPOINT, SHARED_LOADBALANCER_VIP, VPC_PEERING, IPSEC_INTERCONNECT, PRIVATE_SERVICE_CONNECT]
  subnetwork:
    description:
      - The subnetwork of an internal address, as name, partial path, URL, or a dictionary that has C(selfLink) or
        C(name).
    type: raw
  network:
    description:
      - The network of a range for V(IPSEC_INTERCONNECT), as name, partial path, URL, or a dictionary that has
        C(selfLink) or C(name).
    type: raw
    version_added: 0.2.0
  prefix_length:
    description: Length of the prefix of such a range, such as V(29).
    type: int
    version_added: 0.2.0
  ip_version:
    description: Version of the Internet Protocol. V(IPV4) if it is not given.
    type: str
    choices: [IPV4, IPV6]
    version_added: 0.2.0
  description:
    description: What the address is for.
    type: str
  labels:
    description: Labels, all of them.
    type: dict
seealso:
  - module: mlops.mlflow.gcp_compute_global_address
  - module: mlops.mlflow.gcp_compute_instance
  - module: mlops.mlflow.gcp_compute_router
  - name: Static addresses
    description: Google Cloud's documentation of reserved addresses.
    link: https://cloud.google.com/vpc/docs/ip-addresses
"""

EXAMPLES = r"""
- name: Reserve an address of the Internet
  mlops.mlflow.gcp_compute_address:
    project: my-project
    region: europe-west1
    name: mlflow
    labels:
      service: mlflow
  register: address

- name: Show it
  ansible.builtin.debug:
    msg: "{{ address.resource.address }}"

- name: Reserve a certain address of a subnetwork
  mlops.mlflow.gcp_compute_address:
    project: my-project
    region: europe-west1
    name: mlflow-internal
    address_type: INTERNAL
    subnetwork: mlflow
    address: 10.80.0.10

- name: Give an address back
  mlops.mlflow.gcp_compute_address:
    project: my-project
    region: europe-west1
    name: mlflow
    state: absent
"""

RETURN = r"""
resource:
  description: The address as Google Cloud answers it.
  returned: success
  type: dict
  sample:
    name: mlflow
    address: 203.0.113.7
    addressType: EXTERNAL
    networkTier: PREMIUM
    status: RESERVED
    region: https://www.googleapis.com/compute/v1/projects/my-project/regions/europe-west1
    labels: {service: mlflow}
"""

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.compute import NETWORK, SUBNETWORK, AddressResource
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.module import run
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.rules import ADDRESS, LABELS, RESOURCE_NAME, between

PURPOSES = ["GCE_ENDPOINT", "SHARED_LOADBALANCER_VIP", "VPC_PEERING", "IPSEC_INTERCONNECT", "PRIVATE_SERVICE_CONNECT"]


class Address(AddressResource):
    """An address of a region."""

    collection = "compute/v1/projects/{project}/regions/{region}/addresses"
    rules = {"required_if": [("purpose", "IPSEC_INTERCONNECT", ("prefix_length", "network"))]}
    fields = {
        "name": Field(required=True, must=RESOURCE_NAME),
        "region": Field(url_only=True, required=True),
        "address": Field(must=ADDRESS, immutable=True),
        "address_type": Field(choices=["INTERNAL", "EXTERNAL"], immutable=True, api_default="EXTERNAL"),
        "network_tier": Field(choices=["PREMIUM", "STANDARD"], immutable=True, api_default="PREMIUM"),
        "purpose": Field(choices=PURPOSES, immutable=True),
        "subnetwork": Field(refers=SUBNETWORK, immutable=True),
        "network": Field(refers=NETWORK, immutable=True),
        "prefix_length": Field(type="int", must=between(1, 128), immutable=True),
        "ip_version": Field(choices=["IPV4", "IPV6"], immutable=True, api_default="IPV4"),
        "description": Field(immutable=True),
        "labels": Field(type="dict", must=LABELS),
    }


def main() -> None:
    run(Address)


if __name__ == "__main__":
    main()
