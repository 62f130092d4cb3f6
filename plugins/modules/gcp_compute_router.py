#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_compute_router
short_description: Manage a Cloud Router and its Cloud NAT
version_added: 0.2.0
description:
  - Creates, changes and deletes a router of a VPC network in a region, with its NAT gateways, by which machines without
    an external address reach the Internet (Cloud NAT).
  - Interfaces and BGP peers of the router, which VPN and Interconnect bring, are left alone.
author:
  - The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.gcp
  - mlops.mlflow.resource
options:
  name:
    description: Name of the router. Lower-case letters, digits and hyphens, beginning with a letter.
    type: str
    required: true
  region:
    description: Region of the router, such as V(europe-west1).
    type: str
    required: true
  network:
    description:
      - The network that it belongs to, as name, partial path, URL, or a dictionary that has C(selfLink) or C(name).
      - A new router needs this option. It cannot be changed later.
    type: raw
  description:
    description: What the router is for.
    type: str
  bgp:
    description: How it speaks BGP. A router for NAT alone does not need it.
    type: dict
    suboptions:
      asn:
        description: Its own autonomous system number, a private one of RFC 6996, such as V(64512).
        type: int
      advertise_mode:
        description: Whether it tells its peers of the subnetworks (V(DEFAULT)), or of what is listed here (V(CUSTOM)).
        type: str
        choices: [DEFAULT, CUSTOM]
      advertised_groups:
        description: Groups that it tells of, if O(bgp.advertise_mode=CUSTOM); V(ALL_SUBNETS) is the one that there is.
        type: list
        elements: str
        choices: [ALL_SUBNETS]
      advertised_ip_ranges:
        description: Ranges that it tells of, if O(bgp.advertise_mode=CUSTOM), all of them.
        type: list
        elements: dict
        suboptions:
          range:
            description: The range.
            type: str
            required: true
          description:
            description: What it is.
            type: str
      keepalive_interval:
        description: Seconds between messages that keep a session alive, from V(20) to V(60). V(20) if it is not given.
        type: int
  nats:
    description:
      - The NAT gateways of the router, all of them. One that is not in the list goes, and an empty list removes all.
      - What a gateway of the list does not name has Google's default.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the gateway.
        type: str
        required: true
      type:
        description: Whether it leads to the Internet, or to other networks. V(PUBLIC) if it is not given.
        type: str
        choices: [PUBLIC, PRIVATE]
      nat_ip_allocate_option:
        description:
          - Whether Google Cloud chooses the external addresses (V(AUTO_ONLY)), or O(nats[].nat_ips) lists them
            (V(MANUAL_ONLY)), which is needed where others let in known addresses only.
          - A gateway of the type V(PUBLIC) needs this option.
        type: str
        choices: [AUTO_ONLY, MANUAL_ONLY]
      nat_ips:
        description:
          - Reserved external addresses of the region, each as name, partial path, URL, or a dictionary that has
            C(selfLink) or C(name), such as a result of M(mlops.mlflow.gcp_compute_address).
        type: list
        elements: raw
      drain_nat_ips:
        description: Addresses that serve the connections that there are, and no new ones.
        type: list
        elements: raw
      source_subnetwork_ip_ranges_to_nat:
        description:
          - Which machines of the network and region it is for. Only one gateway may serve a range, so the first two
            leave no room for a second one.
        type: str
        required: true
        choices: [ALL_SUBNETWORKS_ALL_IP_RANGES, ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES, LIST_OF_SUBNETWORKS]
      subnetworks:
        description: The subnetworks that it is for, with V(LIST_OF_SUBNETWORKS).
        type: list
        elements: dict
        suboptions:
          name:
            description: The subnetwork, as name, partial path, URL, or a dictionary that has C(selfLink) or C(name).
            type: raw
            required: true
          source_ip_ranges_to_nat:
            description: Which of its ranges. V(ALL_IP_RANGES) if it is not given.
            type: list
            elements: str
            choices: [ALL_IP_RANGES, PRIMARY_IP_RANGE, LIST_OF_SECONDARY_IP_RANGES]
          secondary_ip_range_names:
            description: Names of the secondary ranges, with V(LIST_OF_SECONDARY_IP_RANGES).
            type: list
            elements: str
      enable_dynamic_port_allocation:
        description: Whether a machine gets more ports when it needs them.
        type: bool
      min_ports_per_vm:
        description:
          - Ports that a machine has at least. Google Cloud chooses if it is not given (V(64), or V(32) if they are
            allocated dynamically), and a number that was set before stays.
        type: int
      max_ports_per_vm:
        description: Ports that a machine has at most, if they are allocated dynamically.
        type: int
      enable_endpoint_independent_mapping:
        description: Whether a machine's port is the same one for all whom it talks to. Not with dynamic ports.
        type: bool
      udp_idle_timeout_sec:
        description: Seconds that an idle UDP connection is remembered. V(30) if it is not given.
        type: int
      icmp_idle_timeout_sec:
        description: Seconds that an idle ICMP connection is remembered. V(30) if it is not given.
        type: int
      tcp_established_idle_timeout_sec:
        description: Seconds that an idle TCP connection is remembered. V(1200) if it is not given.
        type: int
      tcp_transitory_idle_timeout_sec:
        description: Seconds that a half-open TCP connection is remembered. V(30) if it is not given.
        type: int
      tcp_time_wait_timeout_sec:
        description: Seconds that a closed TCP connection is remembered. V(120) if it is not given.
        type: int
      log_config:
        description: What is logged. Nothing, if it is not given.
        type: dict
        suboptions:
          enable:
            description: Whether anything is.
            type: bool
            required: true
          filter:
            description: Whether connections are logged that fail, that do not, or V(ALL), which is the default.
            type: str
            choices: [ERRORS_ONLY, TRANSLATIONS_ONLY, ALL]
      endpoint_types:
        description: Whom it is for. Machines, V(ENDPOINT_TYPE_VM), if it is not given.
        type: list
        elements: str
        choices: [ENDPOINT_TYPE_VM, ENDPOINT_TYPE_SWG, ENDPOINT_TYPE_MANAGED_PROXY_LB]
      auto_network_tier:
        description: Network tier of addresses that Google Cloud chooses. The project's own, if it is not given.
        type: str
        choices: [PREMIUM, STANDARD]
seealso:
  - module: mlops.mlflow.gcp_compute_network
  - module: mlops.mlflow.gcp_compute_subnetwork
  - module: mlops.mlflow.gcp_compute_address
  - name: Cloud NAT
    description: Google Cloud's documentation of NAT gateways.
    link: https://cloud.google.com/nat/docs/overview
"""

EXAMPLES = r"""
- name: Let machines of one subnetwork reach the Internet without an external address
  mlops.mlflow.gcp_compute_router:
    project: my-project
    region: europe-west1
    name: mlflow
    network: mlflow
    nats:
      - name: mlflow
        nat_ip_allocate_option: AUTO_ONLY
        source_subnetwork_ip_ranges_to_nat: LIST_OF_SUBNETWORKS
        subnetworks:
          - name: mlflow
        log_config:
          enable: true
          filter: ERRORS_ONLY

- name: Let all machines of the region go out by a reserved address that others know
  mlops.mlflow.gcp_compute_router:
    project: my-project
    region: europe-west1
    name: mlflow
    network: mlflow
    nats:
      - name: mlflow
        nat_ip_allocate_option: MANUAL_ONLY
        nat_ips: ["{{ address.resource }}"]
        source_subnetwork_ip_ranges_to_nat: ALL_SUBNETWORKS_ALL_IP_RANGES

- name: Remove the NAT gateways, and leave the router
  mlops.mlflow.gcp_compute_router:
    project: my-project
    region: europe-west1
    name: mlflow
    nats: []

- name: Have a router for a VPN
  mlops.mlflow.gcp_compute_router:
    project: my-project
    region: europe-west1
    name: office
    network: mlflow
    bgp:
      asn: 64512

- name: Delete a router with its NAT gateways
  mlops.mlflow.gcp_compute_router:
    project: my-project
    region: europe-west1
    name: mlflow
    state: absent
"""

RETURN = r"""
resource:
  description: The router as Google Cloud answers it.
  returned: success
  type: dict
  sample:
    name: mlflow
    network: https://www.googleapis.com/compute/v1/projects/my-project/global/networks/mlflow
    region: https://www.googleapis.com/compute/v1/projects/my-project/regions/europe-west1
    nats:
      - name: mlflow
        type: PUBLIC
        natIpAllocateOption: AUTO_ONLY
        sourceSubnetworkIpRangesToNat: LIST_OF_SUBNETWORKS
"""

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.compute import (
    IN_REGION,
    NETWORK,
    SUBNETWORK,
    ComputeResource,
)
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field, network_range
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.module import run
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.rules import NETWORK_RANGE, RESOURCE_NAME, between

ADDRESS = f"{IN_REGION}/addresses/{{value}}"
ALL = ["ALL_SUBNETWORKS_ALL_IP_RANGES", "ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES"]
ENDPOINTS = ["ENDPOINT_TYPE_VM", "ENDPOINT_TYPE_SWG", "ENDPOINT_TYPE_MANAGED_PROXY_LB"]
RANGES = ["ALL_IP_RANGES", "PRIMARY_IP_RANGE", "LIST_OF_SECONDARY_IP_RANGES"]
LOGGED = ["ERRORS_ONLY", "TRANSLATIONS_ONLY", "ALL"]

BGP = {
    "asn": Field(type="int"),
    "advertise_mode": Field(choices=["DEFAULT", "CUSTOM"], api_default="DEFAULT"),
    "advertised_groups": Field(type="list", elements="str", choices=["ALL_SUBNETS"]),
    "advertised_ip_ranges": Field(
        type="list",
        elements="dict",
        options={
            "range": Field(required=True, canonical=network_range, must=NETWORK_RANGE),
            "description": Field(),
        },
    ),
    "keepalive_interval": Field(type="int", api_default=20, must=between(20, 60)),
}
SERVED = {
    "name": Field(required=True, refers=SUBNETWORK),
    "source_ip_ranges_to_nat": Field(type="list", elements="str", choices=RANGES, api_default=RANGES[:1]),
    "secondary_ip_range_names": Field(type="list", elements="str"),
}
NAT = {
    "name": Field(required=True, must=RESOURCE_NAME),
    "type": Field(choices=["PUBLIC", "PRIVATE"], api_default="PUBLIC"),
    "nat_ip_allocate_option": Field(choices=["AUTO_ONLY", "MANUAL_ONLY"]),
    "nat_ips": Field(type="list", refers=ADDRESS),
    "drain_nat_ips": Field(type="list", refers=ADDRESS),
    "source_subnetwork_ip_ranges_to_nat": Field(required=True, choices=[*ALL, "LIST_OF_SUBNETWORKS"]),
    "subnetworks": Field(type="list", elements="dict", options=SERVED),
    "enable_dynamic_port_allocation": Field(type="bool"),
    "min_ports_per_vm": Field(type="int", computed=True, must=between(2, 65536)),
    "max_ports_per_vm": Field(type="int", computed=True, must=between(64, 65536)),
    "enable_endpoint_independent_mapping": Field(type="bool"),
    "udp_idle_timeout_sec": Field(type="int", api_default=30),
    "icmp_idle_timeout_sec": Field(type="int", api_default=30),
    "tcp_established_idle_timeout_sec": Field(type="int", api_default=1200),
    "tcp_transitory_idle_timeout_sec": Field(type="int", api_default=30),
    "tcp_time_wait_timeout_sec": Field(type="int", api_default=120),
    "log_config": Field(
        type="dict",
        api_default={},
        options={"enable": Field(type="bool", required=True), "filter": Field(choices=LOGGED, api_default="ALL")},
    ),
    "endpoint_types": Field(type="list", elements="str", choices=ENDPOINTS, api_default=ENDPOINTS[:1]),
    "auto_network_tier": Field(choices=["PREMIUM", "STANDARD"], computed=True),
}


class Router(ComputeResource):
    """A router, which Google patches list by list: what the task does not name keeps its interfaces and peers."""

    collection = "compute/v1/projects/{project}/regions/{region}/routers"
    needed = ("network",)
    fields = {
        "name": Field(required=True, must=RESOURCE_NAME),
        "region": Field(url_only=True, required=True),
        "network": Field(refers=NETWORK, immutable=True),
        "description": Field(),
        "bgp": Field(type="dict", options=BGP),
        "nats": Field(
            type="list",
            elements="dict",
            options=NAT,
            required_if=[
                ("nat_ip_allocate_option", "MANUAL_ONLY", ("nat_ips",)),
                ("source_subnetwork_ip_ranges_to_nat", "LIST_OF_SUBNETWORKS", ("subnetworks",)),
            ],
        ),
    }


def main() -> None:
    run(Router)


if __name__ == "__main__":
    main()
