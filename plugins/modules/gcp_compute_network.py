#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_compute_network
short_description: Manage a VPC network
version_added: 0.2.0
description:
  - Creates, changes and deletes a VPC network, in which virtual machines, databases and load balancers have their
    internal addresses.
  - A network that anything is in is not deleted; Google Cloud names what it is.
author:
  - The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.gcp
  - mlops.mlflow.resource
options:
  name:
    description: Name of the network. Lower-case letters, digits and hyphens, beginning with a letter.
    type: str
    required: true
  description:
    description: What the network is for. It cannot be changed later.
    type: str
  auto_create_subnetworks:
    description:
      - Whether Google Cloud makes a subnetwork in each region (auto mode), or only those are there that somebody makes,
        such as M(mlops.mlflow.gcp_compute_subnetwork) (custom mode).
      - A new network needs this option. A network in auto mode is switched to custom mode by V(false), and keeps its
        subnetworks; there is no way back.
    type: bool
  routing_config:
    description: How the network's routers learn from each other.
    type: dict
    suboptions:
      routing_mode:
        description:
          - Whether a router tells its peers of the subnetworks of its own region (V(REGIONAL)) or of all regions
            (V(GLOBAL)).
          - A new network has V(REGIONAL) if this is not given.
        type: str
        choices: [REGIONAL, GLOBAL]
  mtu:
    description:
      - Size of the largest packet, in bytes, from V(1300) to V(8896). A new network has V(1460) if this is not given.
      - Machines of the network take another value at their next start. Stop them before it changes, for until then they
        lose packets that the others send.
    type: int
  network_firewall_policy_enforcement_order:
    description:
      - Whether firewall policies of the network count before or after its firewall rules. A new network has
        V(AFTER_CLASSIC_FIREWALL) if this is not given.
    type: str
    choices: [AFTER_CLASSIC_FIREWALL, BEFORE_CLASSIC_FIREWALL]
seealso:
  - module: mlops.mlflow.gcp_compute_subnetwork
  - module: mlops.mlflow.gcp_compute_router
  - module: mlops.mlflow.gcp_compute_firewall
  - name: VPC networks
    description: Google Cloud's documentation of networks and subnetworks.
    link: https://cloud.google.com/vpc/docs/vpc
"""

EXAMPLES = r"""
- name: Have a network that holds only the subnetworks that we make
  mlops.mlflow.gcp_compute_network:
    project: my-project
    name: mlflow
    description: MLflow and what belongs to it
    auto_create_subnetworks: false

- name: Let routers tell of the subnetworks of all regions
  mlops.mlflow.gcp_compute_network:
    project: my-project
    name: mlflow
    routing_config:
      routing_mode: GLOBAL

- name: Switch a network from auto mode to custom mode, for good
  mlops.mlflow.gcp_compute_network:
    project: my-project
    name: default
    auto_create_subnetworks: false

- name: Delete a network in which nothing is left
  mlops.mlflow.gcp_compute_network:
    project: my-project
    name: mlflow
    state: absent
"""

RETURN = r"""
resource:
  description: The network as Google Cloud answers it.
  returned: success
  type: dict
  sample:
    name: mlflow
    autoCreateSubnetworks: false
    routingConfig: {routingMode: REGIONAL}
    mtu: 1460
    networkFirewallPolicyEnforcementOrder: AFTER_CLASSIC_FIREWALL
    subnetworks: [https://www.googleapis.com/compute/v1/projects/my-project/regions/europe-west1/subnetworks/mlflow]
    selfLink: https://www.googleapis.com/compute/v1/projects/my-project/global/networks/mlflow
"""

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.compute import ComputeResource
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import Json
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.module import run
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Plan
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.rules import RESOURCE_NAME, between

ORDERS = ["AFTER_CLASSIC_FIREWALL", "BEFORE_CLASSIC_FIREWALL"]
MODE = "autoCreateSubnetworks"


class Network(ComputeResource):
    """A network, whose mode changes by a verb of its own, and in one direction."""

    collection = "compute/v1/projects/{project}/global/networks"
    needed = ("auto_create_subnetworks",)
    fields = {
        "name": Field(required=True, must=RESOURCE_NAME),
        "description": Field(immutable=True),
        "auto_create_subnetworks": Field(type="bool", immutable=lambda _old, new: bool(new)),
        "routing_config": Field(
            type="dict", options={"routing_mode": Field(choices=["REGIONAL", "GLOBAL"], api_default="REGIONAL")}
        ),
        "mtu": Field(type="int", api_default=1460, must=between(1300, 8896)),
        "network_firewall_policy_enforcement_order": Field(choices=ORDERS, api_default=ORDERS[0]),
    }

    def update(self, plan: Plan) -> Json:
        """Patch what can be patched, and then give up auto mode."""
        rest = plan.without(MODE)
        answer = super().update(rest) if rest.changes else {}
        if MODE in plan.changes:
            self.finish(answer)
            answer = self.request("POST", f"{self.url}/switchToCustomMode")
        return answer


def main() -> None:
    run(Network)


if __name__ == "__main__":
    main()
