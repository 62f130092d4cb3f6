#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_compute_firewall
short_description: Manage a firewall rule of a VPC network
version_added: 0.1.0
description:
  - Creates, changes and deletes a firewall rule, which lets traffic to or from the virtual machines of a network
    through or stops it.
  - Lists are exact. A source range or a port that is no longer in the task is no longer open after it.
author:
  - The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.gcp
  - mlops.mlflow.resource
options:
  name:
    description: Name of the rule. Lower-case letters, digits and dashes, beginning with a letter.
    type: str
    required: true
  network:
    description:
      - The network that the rule belongs to, as name, partial path, URL, or a dictionary that has C(selfLink) or
        C(name).
      - Google Cloud takes the network V(default) for a new rule if this is not given. It cannot be changed later.
    type: raw
  description:
    description: What the rule is for.
    type: str
  direction:
    description: Whether it is about traffic that comes in or goes out. It cannot be changed later.
    type: str
    choices: [INGRESS, EGRESS]
  priority:
    description: From V(0), which is the first that counts, to V(65535). A new rule has V(1000) if this is not given.
    type: int
  allowed:
    description:
      - What is let through.
      - A rule has either O(allowed) or O(denied).
    type: list
    elements: dict
    suboptions:
      ip_protocol:
        description: V(tcp), V(udp), V(icmp), V(esp), V(ah), V(sctp), V(ipip), V(all), or a protocol's number.
        type: str
        required: true
      ports:
        description: Ports or ranges of them, such as V(22) or V(8000-8080). If there are none, all are meant.
        type: list
        elements: str
  denied:
    description:
      - What is stopped.
      - A rule has either O(allowed) or O(denied).
    type: list
    elements: dict
    suboptions:
      ip_protocol:
        description: V(tcp), V(udp), V(icmp), V(esp), V(ah), V(sctp), V(ipip), V(all), or a protocol's number.
        type: str
        required: true
      ports:
        description: Ports or ranges of them, such as V(22) or V(8000-8080). If there are none, all are meant.
        type: list
        elements: str
  source_ranges:
    description:
      - Address ranges that the traffic of an ingress rule comes from.
      - Google Cloud opens a new ingress rule to V(0.0.0.0/0) if no source is given at all. Emptying this list where no
        other source remains is an error for that reason; say V(0.0.0.0/0) where it is meant.
    type: list
    elements: str
  source_tags:
    description:
      - Network tags of the machines that the traffic comes from.
      - Mutually exclusive with O(source_service_accounts) and O(target_service_accounts).
    type: list
    elements: str
  source_service_accounts:
    description:
      - E-mail addresses of the service accounts of the machines that the traffic comes from.
      - Mutually exclusive with O(source_tags) and O(target_tags).
    type: list
    elements: str
  target_tags:
    description:
      - Network tags of the machines that the rule is for. It is for all if there is no target.
      - Mutually exclusive with O(source_service_accounts) and O(target_service_accounts).
    type: list
    elements: str
  target_service_accounts:
    description:
      - E-mail addresses of the service accounts of the machines that the rule is for.
      - Mutually exclusive with O(source_tags) and O(target_tags).
    type: list
    elements: str
  destination_ranges:
    description: Address ranges that the traffic goes to.
    type: list
    elements: str
  disabled:
    description: Whether the rule is there without effect.
    type: bool
  log_config:
    description: What is logged about the rule.
    type: dict
    suboptions:
      enable_logging:
        description: Whether its connections are logged.
        type: bool
"""

EXAMPLES = r"""
- name: Let SSH in from the office, to the machines with one tag
  mlops.mlflow.gcp_compute_firewall:
    project: my-project
    name: mlflow-ssh
    network: default
    allowed:
      - ip_protocol: tcp
        ports: [22]
    source_ranges: [203.0.113.0/24]
    target_tags: [mlflow]

- name: Let machines with one tag reach those with another
  mlops.mlflow.gcp_compute_firewall:
    project: my-project
    name: training-to-mlflow
    allowed:
      - ip_protocol: tcp
        ports: ["5000", 8000-8080]
      - ip_protocol: icmp
    source_tags: [training]
    target_tags: [mlflow]

- name: Keep a rule, but let it do nothing for now
  mlops.mlflow.gcp_compute_firewall:
    project: my-project
    name: mlflow-ssh
    disabled: true

- name: Stop what goes out to a network
  mlops.mlflow.gcp_compute_firewall:
    project: my-project
    name: not-there
    direction: EGRESS
    priority: 900
    denied:
      - ip_protocol: all
    destination_ranges: [192.0.2.0/24]
    log_config:
      enable_logging: true

- name: Delete a rule
  mlops.mlflow.gcp_compute_firewall:
    project: my-project
    name: training-to-mlflow
    state: absent
"""

RETURN = r"""
resource:
  description: The firewall rule as Google Cloud answers it.
  returned: success
  type: dict
  sample:
    name: mlflow-ssh
    network: https://www.googleapis.com/compute/v1/projects/my-project/global/networks/default
    direction: INGRESS
    priority: 1000
    allowed: [{IPProtocol: tcp, ports: ["22"]}]
    sourceRanges: [203.0.113.0/24]
    targetTags: [mlflow]
    disabled: false
"""

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.compute import NETWORK, ComputeResource
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError, Json
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field, network_range
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.module import run
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Plan

SOURCES = ("sourceRanges", "sourceTags", "sourceServiceAccounts")


def texts(**properties: object) -> Field:
    """A list of texts."""
    return Field(type="list", elements="str", **properties)  # type: ignore[arg-type]


def rules() -> Field:
    """A list of protocols and ports."""
    options = {"ip_protocol": Field("IPProtocol", required=True, canonical=str.lower), "ports": texts()}
    return Field(type="list", elements="dict", options=options)


class Firewall(ComputeResource):
    """A rule, which Google patches field by field."""

    collection = "compute/v1/projects/{project}/global/firewalls"
    fields = {
        "name": Field(required=True),
        "network": Field(refers=NETWORK, immutable=True),
        "description": Field(),
        "direction": Field(choices=["INGRESS", "EGRESS"], immutable=True, api_default="INGRESS"),
        "priority": Field(type="int", api_default=1000),
        "allowed": rules(),
        "denied": rules(),
        "source_ranges": texts(canonical=network_range),
        "source_tags": texts(),
        "source_service_accounts": texts(),
        "target_tags": texts(),
        "target_service_accounts": texts(),
        "destination_ranges": texts(canonical=network_range),
        "disabled": Field(type="bool"),
        "log_config": Field(type="dict", options={"enable_logging": Field("enable", type="bool")}),
    }

    def plan(self, current: Json | None) -> Plan:
        plan = super().plan(current)
        result = {**plan.current, **plan.changes}
        asked = [name for name in SOURCES if name in plan.changes]
        ingress = result.get("direction", "INGRESS") == "INGRESS"
        if ingress and asked and not any(result.get(name) for name in SOURCES):
            raise GcpError(
                "source_ranges, source_tags and source_service_accounts would all be empty, which Google Cloud takes "
                "for 0.0.0.0/0. Give a source, or say 0.0.0.0/0 in source_ranges if that is meant."
            )
        return plan


def main() -> None:
    run(
        Firewall,
        mutually_exclusive=[
            ("allowed", "denied"),
            ("source_tags", "source_service_accounts"),
            ("source_tags", "target_service_accounts"),
            ("target_tags", "source_service_accounts"),
            ("target_tags", "target_service_accounts"),
        ],
    )


if __name__ == "__main__":
    main()
