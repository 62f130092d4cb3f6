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
    description: Name of the rule. Lower-case letters, digits and hyphens, beginning with a letter.
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
      - A rule has either O(allowed) or O(denied), and one cannot become the other.
    type: list
    elements: dict
    suboptions: &traffic
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
      - A rule has either O(allowed) or O(denied), and one cannot become the other.
    type: list
    elements: dict
    suboptions: *traffic
  source_ranges:
    description:
      - Address ranges that the traffic comes from, of IPv4 or of IPv6.
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
    description:
      - Address ranges that the traffic goes to, of IPv4 or of IPv6.
      - Google Cloud takes V(0.0.0.0/0) for a new egress rule if this is not given. Emptying the list of one is an error
        for that reason.
    type: list
    elements: str
  disabled:
    description: Whether the rule is there without effect.
    type: bool
  log_config:
    description: What is logged about the rule.
    type: dict
    suboptions:
      enable:
        description: Whether its connections are logged.
        type: bool
        aliases: [enable_logging]
      metadata:
        description:
          - Whether an entry of the log has more than the bare connection, such as the machines and the rule.
          - Only a rule that is logged has it. V(INCLUDE_ALL_METADATA) if it is not given.
        type: str
        choices: [INCLUDE_ALL_METADATA, EXCLUDE_ALL_METADATA]
        version_added: 0.2.0
seealso:
  - module: mlops.mlflow.gcp_compute_network
  - module: mlops.mlflow.gcp_compute_instance
  - name: Firewall rules
    description: Google Cloud's documentation of firewall rules.
    link: https://cloud.google.com/firewall/docs/firewalls
"""

EXAMPLES = r"""
- name: Let SSH in from the office, to the machines with one tag
  mlops.mlflow.gcp_compute_firewall:
    project: my-project
    name: mlflow-ssh
    network: mlflow
    allowed:
      - ip_protocol: tcp
        ports: [22]
    source_ranges: [203.0.113.0/24]
    target_tags: [mlflow]

- name: Let machines with one tag reach those with another
  mlops.mlflow.gcp_compute_firewall:
    project: my-project
    name: training-to-mlflow
    network: mlflow
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
    network: mlflow
    direction: EGRESS
    priority: 900
    denied:
      - ip_protocol: all
    destination_ranges: [192.0.2.0/24]
    log_config:
      enable: true
      metadata: EXCLUDE_ALL_METADATA

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
    network: https://www.googleapis.com/compute/v1/projects/my-project/global/networks/mlflow
    direction: INGRESS
    priority: 1000
    allowed: [{IPProtocol: tcp, ports: ["22"]}]
    sourceRanges: [203.0.113.0/24]
    targetTags: [mlflow]
    disabled: false
"""

import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.compute import NETWORK, ComputeResource
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError, Json
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field, network_range
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.module import run
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Plan
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.rules import (
    EMAIL,
    NETWORK_RANGE,
    RESOURCE_NAME,
    between,
    matching,
)

PROTOCOL = matching(
    r"(?i:tcp|udp|icmp|esp|ah|sctp|ipip|all)|1?\d?\d|2[0-4]\d|25[0-5]",
    "tcp, udp, icmp, esp, ah, sctp, ipip, all, or a number from 0 to 255",
)
PORTS = matching(r"\d{1,5}(-\d{1,5})?", "a port, or two with a hyphen between them")
# What says whom a rule is about, as the API and as the options have it.
SIDES = {
    "INGRESS": (
        ("sourceRanges", "sourceTags", "sourceServiceAccounts"),
        "source_ranges, source_tags and source_service_accounts",
    ),
    "EGRESS": (("destinationRanges",), "destination_ranges"),
}
LOG_CONFIG = {
    "enable": Field(type="bool", aliases=["enable_logging"]),
    "metadata": Field(choices=["INCLUDE_ALL_METADATA", "EXCLUDE_ALL_METADATA"]),
}


def texts(**properties: t.Any) -> Field:
    """A list of texts."""
    return Field(type="list", elements="str", **properties)


def permissions() -> Field:
    """A list of protocols and ports."""
    protocol = Field("IPProtocol", required=True, must=PROTOCOL, canonical=str.lower)
    return Field(type="list", elements="dict", options={"ip_protocol": protocol, "ports": texts(must=PORTS)})


class Firewall(ComputeResource):
    """A rule, which Google patches field by field."""

    collection = "compute/v1/projects/{project}/global/firewalls"
    rules = {
        "mutually_exclusive": [
            ("allowed", "denied"),
            ("source_tags", "source_service_accounts"),
            ("source_tags", "target_service_accounts"),
            ("target_tags", "source_service_accounts"),
            ("target_tags", "target_service_accounts"),
        ],
    }
    fields = {
        "name": Field(required=True, must=RESOURCE_NAME),
        "network": Field(refers=NETWORK, immutable=True),
        "description": Field(),
        "direction": Field(choices=["INGRESS", "EGRESS"], immutable=True, api_default="INGRESS"),
        "priority": Field(type="int", must=between(0, 65535), api_default=1000),
        "allowed": permissions(),
        "denied": permissions(),
        "source_ranges": texts(must=NETWORK_RANGE, canonical=network_range),
        "source_tags": texts(must=RESOURCE_NAME),
        "source_service_accounts": texts(must=EMAIL),
        "target_tags": texts(must=RESOURCE_NAME),
        "target_service_accounts": texts(must=EMAIL),
        "destination_ranges": texts(must=NETWORK_RANGE, canonical=network_range),
        "disabled": Field(type="bool"),
        "log_config": Field(type="dict", options=LOG_CONFIG),
    }

    @classmethod
    def check(cls, params: Json) -> None:
        """Refuse the details of a log that is switched off."""
        super().check(params)
        log = params["log_config"] or {}
        if log.get("enable") is False and log.get("metadata"):
            raise GcpError("log_config.metadata is for a rule that is logged: leave it out, or say enable: true.")

    def plan(self, current: Json | None) -> Plan:
        """Refuse what would turn a rule around, or open it to everybody because its last source has gone."""
        plan = super().plan(current)
        for action, other in (("allowed", "denied"), ("denied", "allowed")):
            if plan.changes.get(action) and plan.current.get(other):
                raise GcpError(
                    f"{action} cannot be set, because {self.title} has {other}: Google Cloud cannot change in place "
                    "what a rule does. Delete it first (state: absent) and create it anew."
                )
        result = {**plan.current, **plan.changes}
        side, options = SIDES[result.get("direction") or "INGRESS"]
        if any(name in plan.changes for name in side) and not any(result.get(name) for name in side):
            raise GcpError(
                f"{options} would be empty, which Google Cloud takes for 0.0.0.0/0. Say whom the rule is about, or "
                "0.0.0.0/0 if everybody is meant."
            )
        return plan


def main() -> None:
    run(Firewall)


if __name__ == "__main__":
    main()
