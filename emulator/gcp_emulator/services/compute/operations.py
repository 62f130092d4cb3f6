# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Operations, which are global, of a region, or of a zone."""

from __future__ import annotations

from gcp_emulator.errors import Json, not_found
from gcp_emulator.operations import KIND
from gcp_emulator.services.base import Call, handles
from gcp_emulator.services.compute.base import Collection, render_operation

WAIT = 120  # the most seconds for which wait waits (documentation)


class Operations(Collection):
    """The ``globalOperations``, ``regionOperations`` and ``zoneOperations`` collections."""

    collection, item = "operations", "operation"

    @handles("compute.globalOperations.get", "compute.regionOperations.get", "compute.zoneOperations.get")
    def get(self, call: Call) -> Json:
        return render_operation(self._record(call))

    @handles("compute.globalOperations.wait", "compute.regionOperations.wait", "compute.zoneOperations.wait")
    def wait(self, call: Call) -> Json:
        record = self._record(call)
        return render_operation(self.cloud.operations.wait(record["key"], WAIT) or record)

    @handles("compute.globalOperations.list", "compute.regionOperations.list", "compute.zoneOperations.list")
    def list_all(self, call: Call) -> Json:
        prefix = f"compute/{self.parent(call)}/operations/"
        return self.answer_list(call, [render_operation(record) for _key, record in self.store.items(KIND, prefix)])

    @handles("compute.globalOperations.aggregatedList")
    def aggregated_list(self, call: Call) -> Json:
        prefix = f"compute/projects/{call.path['project']}/"
        return self.answer_aggregated(
            call, [render_operation(record) for _key, record in self.store.items(KIND, prefix)]
        )

    @handles("compute.globalOperations.delete", "compute.regionOperations.delete", "compute.zoneOperations.delete")
    def delete(self, call: Call) -> None:
        self.store.delete(KIND, self._record(call)["key"])

    def _record(self, call: Call) -> Json:
        path = self.path(call)
        record = self.cloud.operations.get("compute/" + path)
        if record is None:
            raise not_found(path)
        return record
