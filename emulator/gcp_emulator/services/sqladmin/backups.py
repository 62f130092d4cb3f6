# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Backups that outlive their instance. The sandbox keeps their documents, not the data: it restores nothing (501)."""

from __future__ import annotations

import re
import time
import uuid
from datetime import datetime

from gcp_emulator.errors import ApiError, Json
from gcp_emulator.services.base import Call, handles, page
from gcp_emulator.services.sqladmin.base import Part, timestamp
from gcp_emulator.services.sqladmin.catalogue import wrong

BACKUPS = "sql.backups"
DAY = 24 * 3600
MOST_DAYS, USUAL_DAYS = 365, 30  # for which a final backup is kept (documentation: gcloud's)


def final(call: Call, instance: Json) -> Json | None:
    """The backup that a deletion asks for, or the settings of what it deletes do."""
    settings = instance["settings"].get("finalBackupConfig") or {}
    asked = call.first("enableFinalBackup") == "true"
    days, expiry = call.first("finalBackupTtlDays"), call.first("finalBackupExpiryTime")
    if not asked and (days or expiry or call.first("finalBackupDescription")):
        raise wrong("A final backup is described, but not enabled.")  # unverified
    if days and expiry:
        raise wrong("At most one of the TTL days and the expiry time of a final backup can be given.")  # documentation
    if not asked and not settings.get("enabled"):
        return None
    now = time.time()
    last = now + int(days or settings.get("retentionDays") or USUAL_DAYS) * DAY
    if expiry:
        last = datetime.fromisoformat(expiry).timestamp()
    if not now < last <= now + MOST_DAYS * DAY:
        raise wrong("A final backup is kept for 1 to 365 days.")  # documentation; unverified wording
    path = f"projects/{instance['project']}/backups/{uuid.uuid4()}"
    document: Json = {
        "kind": "sql#backup",
        "name": path,
        "selfLink": path,
        "type": "FINAL",
        "state": "SUCCESSFUL",
        "instance": instance["name"],
        "location": instance["settings"]["backupConfiguration"].get("location") or instance["region"],
        "databaseVersion": instance["databaseVersion"],
        "backupInterval": {"startTime": timestamp(now), "endTime": timestamp(now)},
        "instanceDeletionTime": timestamp(now),
        "expiryTime": timestamp(last),
    }
    return document | ({"description": words} if (words := call.first("finalBackupDescription")) else {})


class Backups(Part):
    """The ``Backups`` collection, which v1beta4 calls ``backups``."""

    @handles("sql.Backups.GetBackup", "sql.backups.getBackup")
    def get(self, call: Call) -> Json:
        return self.answer(call, self._load(call))

    @handles("sql.Backups.ListBackups", "sql.backups.listBackups")
    def list_all(self, call: Call) -> Json:
        wanted = dict(re.findall(r"\b(type|instance):\"?([\w-]+)", call.first("filter")))
        found = [
            self.answer(call, document)
            for _path, document in self.store.items(BACKUPS, f"{call.resource}/")
            if all(document[field] == value for field, value in wanted.items())
        ]
        items, token = page(found, call, 500, 2000)  # 500 on a page, 2000 at most (discovery)
        return {"backups": items} | ({"nextPageToken": token} if token else {})

    @handles("sql.Backups.DeleteBackup", "sql.backups.deleteBackup")
    def delete(self, call: Call) -> Json:
        document = self._load(call)
        self.store.delete(BACKUPS, document["name"])
        project = document["name"].split("/")[1]
        return self.operate(call, "DELETE_BACKUP", f"projects/{project}/instances/{document['instance']}")

    def _load(self, call: Call) -> Json:
        document = self.store.get(BACKUPS, call.resource)
        if document is None:
            raise ApiError(404, "The backup does not exist.", "backupDoesNotExist")  # unverified
        return document
