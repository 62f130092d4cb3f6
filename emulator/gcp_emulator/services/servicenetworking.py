# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Service networking: the connection of a network to the services of Google, among them Cloud SQL."""

from __future__ import annotations

import re
import typing as t
import uuid

from gcp_emulator.accounts import project_id
from gcp_emulator.errors import ApiError, Json
from gcp_emulator.services.base import Call, Service, applies, handles
from gcp_emulator.services.compute import fabric
from gcp_emulator.services.compute.base import link, relative
from gcp_emulator.services.compute.networks import seed
from gcp_emulator.services.sqladmin import servers
from gcp_emulator.services.sqladmin.base import INSTANCES

CONNECTIONS = "connections"
SERVICE = "services/servicenetworking.googleapis.com"
PEERING = "servicenetworking-googleapis-com"
NETWORK = re.compile(r"projects/([^/]+)/global/networks/([^/]+)")
EMPTY = "type.googleapis.com/google.protobuf.Empty"
CONNECTION = "type.googleapis.com/google.cloud.servicenetworking.v1.Connection"
FAILED_PRECONDITION, INTERNAL = 9, 13  # of google.rpc.Code, which operations end with


def failed(message: str) -> ApiError:
    """How an operation ends that the state of things does not allow."""
    return ApiError(FAILED_PRECONDITION, message)


class ServiceNetworking(Service):
    """The API ``servicenetworking``."""

    api = "servicenetworking"

    def project(self, call: Call) -> str | None:
        """The project of the network, which has another name in each method."""
        network = call.body.get("network") or call.body.get("consumerNetwork") or call.first("network")
        return network.split("/")[1] if network.startswith("projects/") else None

    def subject(self, call: Call, project: str) -> str:
        """The project, because a connection is no resource of one."""
        return f"projects/{project}"

    @handles("servicenetworking.services.connections.list")
    def list_all(self, call: Call) -> Json:
        self._check_service(call)
        network = self._network(call.first("network"))
        connection = self.store.get(CONNECTIONS, network)
        return {"connections": [connection]} if connection else {}

    @handles("servicenetworking.services.connections.create")
    def create(self, call: Call) -> Json:
        self._check_service(call)
        network = self._network(call.body.get("network", ""))
        return self._operate(call, network, "servicenetworking.connect", force=False, new=True)

    @handles("servicenetworking.services.connections.patch")
    def patch(self, call: Call) -> Json:
        # Any name means the one connection; clients send "-". One that is not there is made (issue:
        # terraform-provider-google-beta#1240), so that "patch with force" is what some clients create with.
        self._check_service(call)
        network = self._network(call.body.get("network", ""))
        if call.first("updateMask", "*") not in ("*", "reservedPeeringRanges", "reserved_peering_ranges"):
            # discovery; unverified wording
            raise ApiError(400, "Request contains an invalid argument: only the listed peering ranges can be updated.")
        force = call.first("force").lower() == "true"
        return self._operate(call, network, "servicenetworking.connect", force=force, new=False)

    @applies("servicenetworking.connect")
    def apply_connect(self, network: str, ranges: list[str], force: bool, new: bool) -> None:
        """Make the connection, or give it other ranges."""
        with self.store.lock:
            current = self.store.get(CONNECTIONS, network)
            existing = current["reservedPeeringRanges"] if current else []
            for name in ranges:
                self._check_range(network, name)
            if new and current and sorted(existing) != sorted(ranges):
                # issue: terraform-provider-google#3294
                raise failed(
                    "Cannot modify allocated ranges in CreateConnection. Please use UpdateConnection.\n"
                    f"Existing allocated IP ranges: [{', '.join(existing)}]."
                )
            if not new and not force and set(existing) - set(ranges):
                # discovery: force is needed to take a range away; unverified wording
                raise failed(f"Cannot remove allocated IP ranges [{', '.join(existing)}] without force.")
            _, project, rest = network.split("/", 2)
            number = (self.store.get("projects", project) or {}).get("projectNumber")
            connection = {
                "network": f"projects/{number}/{rest}",
                "reservedPeeringRanges": ranges,
                "peering": PEERING,
                "service": SERVICE,
            }
            self.store.put(CONNECTIONS, network, connection)
            self._show_peering(network, True)
        self._reconfigure(network)

    @handles("servicenetworking.services.connections.deleteConnection")
    def delete(self, call: Call) -> Json:
        self._check_service(call)
        network = self._network(call.body.get("consumerNetwork", ""))
        if self.store.get(CONNECTIONS, network) is None:
            # issue: terraform-provider-google#9105
            message = f"There is no peering ({PEERING}) for the network."
            raise ApiError(400, message, status="FAILED_PRECONDITION")
        return self._operate(call, network, "servicenetworking.disconnect")

    @applies("servicenetworking.disconnect")
    def apply_disconnect(self, network: str) -> None:
        """Remove the connection, unless a database is behind it."""
        with self.store.lock:
            for _key, instance in self.store.items(INSTANCES):
                if servers.private_network(self.store, instance["settings"]) == network:
                    # issue: terraform-provider-google#16275
                    raise failed(
                        "Failed to delete connection; Producer services (e.g. CloudSQL, Cloud Memstore, etc.) are "
                        "still using this connection."
                    )
            self.store.delete(CONNECTIONS, network)
            self._show_peering(network, False)
        self._reconfigure(network)

    # Operations

    @handles("servicenetworking.operations.get")
    def get_operation(self, call: Call) -> Json:
        record = self.cloud.operations.get(f"servicenetworking/{call.resource}")
        if record is None:
            raise ApiError(404, f"Operation {call.resource} not found.")
        return self._view(record)

    def _operate(self, call: Call, network: str, action: str, **arguments: t.Any) -> Json:
        if action == "servicenetworking.connect":
            arguments["ranges"] = call.body.get("reservedPeeringRanges") or []
        name = f"operations/pssn.{uuid.uuid4()}"
        record = self.cloud.operations.start(
            f"servicenetworking/{name}",
            action,
            {"network": network} | arguments,
            target=f"connections/{network}",
            view={"name": name, "network": network},
        )
        return self._view(record)

    def _view(self, record: Json) -> Json:
        answer: Json = {"name": record["view"]["name"], "metadata": {"@type": EMPTY}}
        if record["state"] != "DONE":
            return answer
        answer["done"] = True
        if error := record["error"]:
            code = error["code"] if error["code"] < 100 else INTERNAL
            return answer | {"error": {"code": code, "message": error["message"]}}
        if record["action"] == "servicenetworking.disconnect":
            return answer | {"response": {"@type": EMPTY}}
        connection = self.store.get(CONNECTIONS, record["view"]["network"]) or {}
        return answer | {"response": {"@type": CONNECTION} | connection}

    # Helpers

    def _check_service(self, call: Call) -> None:
        listing = call.method.endswith(".list") and call.resource.startswith("services/-/")  # of all (discovery)
        if not listing and not call.resource.startswith(SERVICE + "/"):
            # Other producers of services are not in the sandbox; unverified wording.
            raise ApiError(403, f"Permission denied for '{call.resource}'.", status="PERMISSION_DENIED")

    def _network(self, name: str) -> str:
        """The path of a network that is named by its project's number or id."""
        match = NETWORK.fullmatch(name)
        if match is None:
            # discovery: the form of network; the text is that of all APIs of this kind
            raise ApiError(400, "Request contains an invalid argument.")
        project = project_id(self.store, match[1])
        seed(self.store, project)
        path = f"projects/{project}/global/networks/{match[2]}"
        if self.store.get("compute.networks", path) is None:
            raise ApiError(404, f"The resource '{path}' was not found")  # unverified wording
        return path

    def _check_range(self, network: str, name: str) -> None:
        address = self.store.get("compute.addresses", f"projects/{network.split('/')[1]}/global/addresses/{name}")
        wanted = ("VPC_PEERING", network)
        if address is None or (address.get("purpose"), relative(address.get("network", ""))) != wanted:
            # issue: terraform-provider-google#11100
            raise failed(f"Allocated IP range '{name}' not found in network.")

    def _show_peering(self, network: str, connected: bool) -> None:
        """A connection shows up in its network (recording)."""
        document = self.store.get("compute.networks", network)
        if document is None:
            return
        document.pop("peerings", None)
        if connected:
            tenant = link("projects/servicenetworking-sandbox/global/networks/servicenetworking")
            peering = {
                "name": PEERING,
                "network": tenant,
                "state": "ACTIVE",
                "stateDetails": "Connected.",
                "autoCreateRoutes": True,
                "exchangeSubnetRoutes": True,
            }
            document["peerings"] = [peering]
        self.store.put("compute.networks", network, document)

    def _reconfigure(self, network: str) -> None:
        fabric.configure_network(self.cloud, network)
        servers.configure_network(self.cloud, network)
