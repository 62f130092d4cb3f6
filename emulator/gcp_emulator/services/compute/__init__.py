# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compute Engine: one file per collection, put together here."""

from __future__ import annotations

import typing as t
import uuid

from gcp_emulator.cloud import Cloud
from gcp_emulator.errors import Json
from gcp_emulator.services.base import Call, Service
from gcp_emulator.services.compute import permits
from gcp_emulator.services.compute.addresses import Addresses
from gcp_emulator.services.compute.base import Collection, bad_value, render_operation
from gcp_emulator.services.compute.disks import Disks
from gcp_emulator.services.compute.firewalls import Firewalls
from gcp_emulator.services.compute.images import Images
from gcp_emulator.services.compute.instances import Instances
from gcp_emulator.services.compute.networks import Networks, seed
from gcp_emulator.services.compute.operations import Operations
from gcp_emulator.services.compute.places import DiskTypes, MachineTypes, Regions, Zones
from gcp_emulator.services.compute.projects import Projects
from gcp_emulator.services.compute.routers import Routers
from gcp_emulator.services.compute.subnetworks import Subnetworks

COLLECTIONS: tuple[type[Collection], ...] = (
    Addresses,
    Disks,
    DiskTypes,
    Firewalls,
    Images,
    Instances,
    MachineTypes,
    Networks,
    Operations,
    Projects,
    Regions,
    Routers,
    Subnetworks,
    Zones,
)
# These may take long, and change nothing.
WITHOUT_LOCK = frozenset({"wait", "getSerialPortOutput"})
REQUESTS = "compute.requests"

Answer = t.Callable[[Call], Json | None]


class Compute(Service):
    """The API ``compute``: the handlers and actions of all collections.

    Around each call: the project has its default network, nobody else decides meanwhile, and a request that comes
    twice under one ``requestId`` is answered by the operation of the first (discovery).
    """

    api = "compute"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.collections = [collection(cloud) for collection in COLLECTIONS]
        for collection in self.collections:
            self.handlers |= {method: self._around(answer) for method, answer in collection.handlers.items()}
            self.actions |= collection.actions

    def wake(self) -> None:
        """Start what ran."""
        for collection in self.collections:
            collection.wake()

    def permit(self, call: Call, project: str) -> None:
        """Refuse a caller who lacks what the body asks for, such as to use a subnetwork."""
        permits.check(self.store, call, project)

    def _around(self, answer: Answer) -> Answer:
        def handle(call: Call) -> Json | None:
            seed(self.store, call.path["project"])
            if call.method.rsplit(".", 1)[1] in WITHOUT_LOCK:
                return answer(call)
            with self.store.lock:
                return self._once(call, answer)

        return handle

    def _once(self, call: Call, answer: Answer) -> Json | None:
        request = call.first("requestId")
        if not request:
            return answer(call)
        try:
            if uuid.UUID(request).int == 0:
                raise ValueError
        except ValueError:
            # discovery: a UUID, but not the zero one; unverified wording
            raise bad_value("requestId", request, "Must be a valid, non-zero UUID.") from None
        key = "/".join([call.method, *call.path.values(), request])
        known = self.store.get(REQUESTS, key)
        record = self.cloud.operations.get(known["operation"]) if known else None
        if record is not None:
            return render_operation(record)
        result = answer(call)
        if result and result["kind"] == "compute#operation":
            operation = "compute/" + result["selfLink"].split("/compute/v1/", 1)[1]
            self.store.put(REQUESTS, key, {"operation": operation})
        return result
