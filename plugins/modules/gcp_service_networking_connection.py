#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_service_networking_connection
short_description: Connect a network with Google's services (private services access)
version_added: 0.1.0
description:
  - Peers a VPC network with the network of a service producer, so that, for instance, Cloud SQL instances get private
    addresses in it.
  - The addresses come from ranges that M(mlops.mlflow.gcp_compute_global_address) reserves.
  - A connection is known by its network and its service. Of another network it would be another connection.
author:
  - The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.gcp
  - mlops.mlflow.resource
options:
  network:
    description: The network, as name, partial path, URL, or a dictionary that has C(selfLink) or C(name).
    type: raw
    required: true
  service:
    description: The service that is connected.
    type: str
    default: servicenetworking.googleapis.com
  reserved_peering_ranges:
    description:
      - The reserved ranges that the service takes addresses from, all of them, each by its name or by the
        RV(mlops.mlflow.gcp_compute_global_address#module:resource) of a former task.
      - A range must exist in the network, with the purpose V(VPC_PEERING).
      - A range that is left out is taken away from the service. What got an address from it keeps that.
      - At least one is required when the connection is made.
    type: list
    elements: raw
notes:
  - The credential needs C(resourcemanager.projects.get), because the API knows networks by the project's number.
  - Cloud SQL keeps using the connection for a while after its last instance is deleted. Deleting the connection is
    refused meanwhile.
seealso:
  - module: mlops.mlflow.gcp_compute_global_address
  - module: mlops.mlflow.gcp_compute_network
  - module: mlops.mlflow.gcp_sql_instance
  - name: Private services access
    description: Google Cloud's documentation of these connections.
    link: https://cloud.google.com/vpc/docs/private-services-access
"""

EXAMPLES = r"""
- name: Let Cloud SQL have private addresses in a network
  mlops.mlflow.gcp_service_networking_connection:
    project: my-project
    network: mlflow
    reserved_peering_ranges: [google-managed-services-mlflow]

- name: Give the services a further range
  mlops.mlflow.gcp_service_networking_connection:
    project: my-project
    network: mlflow
    reserved_peering_ranges: [google-managed-services-mlflow, google-managed-services-more]

- name: End the connection
  mlops.mlflow.gcp_service_networking_connection:
    project: my-project
    network: mlflow
    state: absent
"""

RETURN = r"""
resource:
  description: The connection as Google Cloud answers it.
  returned: success
  type: dict
  sample:
    network: projects/415104041262/global/networks/mlflow
    peering: servicenetworking-googleapis-com
    reservedPeeringRanges: [google-managed-services-mlflow]
    service: services/servicenetworking.googleapis.com
"""

from functools import cached_property

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError, Json
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.module import run
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.references import full_reference, name_of
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Plan, Resource


class ServiceNetworkingConnection(Resource):
    """A connection has no name of its own: it is the one between a network and a service."""

    service = "servicenetworking"
    collection = "v1/services/{service}/connections"
    item = "-"
    needed = ("reserved_peering_ranges",)
    fields = {
        "network": Field(url_only=True, type="raw", required=True),
        "service": Field(url_only=True, default="servicenetworking.googleapis.com"),
        "reserved_peering_ranges": Field(type="list", elements="raw", encode=name_of),
    }

    @property
    def title(self) -> str:
        """What errors call it."""
        return f"the connection of {self.network} with {self.params['service']}"

    @property
    def network(self) -> str:
        """Path of the network, as people write it."""
        return full_reference(self.params["network"], "projects/{project}/global/networks/{value}", self.params)

    @cached_property
    def numbered_network(self) -> str:
        """Path of the network, with the number of its project."""
        _projects, project, rest = self.network.split("/", 2)
        if project.isdigit():
            return self.network
        url = f"https://cloudresourcemanager.googleapis.com/v1/projects/{project}"
        return f"projects/{self.session.request('GET', url)['projectNumber']}/{rest}"

    def read(self) -> Json | None:
        """The connection. A network that is not there has none."""
        service = f"services/{self.params['service']}"
        found = self.session.listed(self.parent, "connections", {"network": self.numbered_network})
        return next((connection for connection in found if connection.get("service", service) == service), None)

    def create(self, plan: Plan) -> Json:
        """Make the connection; one whose peering was removed from the network alone still has its ranges at Google."""
        body = {"network": self.numbered_network, **plan.changes}
        try:
            return self.finish(self.request("POST", self.parent, body), "create")
        except GcpError as error:
            if "UpdateConnection" not in error.message:
                raise
            return self.update(plan)

    def update(self, plan: Plan) -> Json:
        """Give it other ranges; without ``force`` none can be taken away."""
        body = {"network": self.numbered_network, **plan.changes}
        query = {"updateMask": "reservedPeeringRanges", "force": "true"}
        return self.request("PATCH", self.url, body, query)

    def delete(self, plan: Plan) -> Json:
        """End the connection."""
        url = f"{self.parent}/{plan.current.get('peering', '-')}"
        return self.finish(self.request("POST", url, {"consumerNetwork": self.numbered_network}), "delete")

    def explain(self, error: GcpError) -> GcpError:
        """Say what holds a connection, and which option names a range that is none."""
        if "still using this connection" in error.message:
            error.note("Delete what uses it first; Cloud SQL holds it for some time after its last instance has gone.")
        elif "IP range" in error.message:
            error.note(
                f"Check the option reserved_peering_ranges: a range must exist in {self.network}, with the purpose "
                "VPC_PEERING."
            )
        return super().explain(error)


def main() -> None:
    run(ServiceNetworkingConnection)


if __name__ == "__main__":
    main()
