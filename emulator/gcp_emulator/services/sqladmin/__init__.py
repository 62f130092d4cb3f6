# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cloud SQL for PostgreSQL, in the versions v1 and v1beta4, which differ in their links alone."""

from __future__ import annotations

from gcp_emulator.cloud import Cloud
from gcp_emulator.errors import ApiError, Json
from gcp_emulator.operations import KIND
from gcp_emulator.services.base import Call, Service, handles
from gcp_emulator.services.compute.catalogue import REGIONS
from gcp_emulator.services.sqladmin import catalogue
from gcp_emulator.services.sqladmin.backups import Backups
from gcp_emulator.services.sqladmin.base import Part
from gcp_emulator.services.sqladmin.contents import Databases, Users
from gcp_emulator.services.sqladmin.instances import Instances
from gcp_emulator.services.sqladmin.paging import page


class Operations(Part):
    """The ``operations`` collection."""

    @handles("sql.operations.get")
    def get(self, call: Call) -> Json:
        key = f"sqladmin/projects/{call.path['project']}/operations/{call.path['operation']}"
        record = self.cloud.operations.get(key)
        if record is None:
            # recording
            raise ApiError(404, "The Cloud SQL instance operation does not exist.", "operationDoesNotExist")
        return self.answer_operation(call, record)

    @handles("sql.operations.list")
    def list_all(self, call: Call) -> Json:
        wanted = call.first("instance")
        records = [record for _, record in self.store.items(KIND, f"sqladmin/projects/{call.path['project']}/")]
        found = [record for record in records if wanted in ("", record["view"]["targetId"])]
        found.sort(key=lambda record: record["created"], reverse=True)
        return page(call, [self.answer_operation(call, record) for record in found], "sql#operationsList")


class Offers(Part):
    """The ``tiers`` and ``flags`` collections."""

    @handles("sql.tiers.list")
    def list_tiers(self, call: Call) -> Json:
        tiers = [
            {
                "kind": "sql#tier",
                "tier": tier.name,
                "RAM": str(tier.memory_mb * 2**20),
                "DiskQuota": str(3062 * 2**30),
                "region": list(REGIONS),
            }
            for tier in catalogue.TIERS
        ]
        return {"kind": "sql#tiersList", "items": tiers}

    @handles("sql.flags.list")
    def list_flags(self, call: Call) -> Json:
        version = call.first("databaseVersion")
        versions = [f"POSTGRES_{name}" for name in catalogue.VERSIONS]
        flags = [
            {"kind": "sql#flag", "name": name, "type": kind, "requiresRestart": restart, "appliesTo": versions}
            for name, (kind, restart) in catalogue.FLAGS.items()
        ]
        return {"kind": "sql#flagsList"} | ({"items": flags} if version in ("", *versions) else {})


class SqlAdmin(Service):
    """The API ``sqladmin``: the handlers and actions of all its parts."""

    api = "sqladmin"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.parts = [part(cloud) for part in (Backups, Databases, Instances, Offers, Operations, Users)]
        for part in self.parts:
            self.handlers |= part.handlers
            self.actions |= part.actions

    def wake(self) -> None:
        """Start what ran."""
        for part in self.parts:
            part.wake()
