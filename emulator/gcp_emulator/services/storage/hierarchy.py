# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where folders are kept, and which of them a name lies in."""

from __future__ import annotations

from urllib.parse import quote

from gcp_emulator.errors import Json
from gcp_emulator.services.storage.common import stamp
from gcp_emulator.store import Store

FOLDERS = "folders"


def parents_of(name: str) -> list[str]:
    """The folders that an object, or a folder without its last slash, lies in; the outermost first."""
    parts = name.split("/")[:-1]
    return ["/".join(parts[: depth + 1]) + "/" for depth in range(len(parts))]


def make(store: Store, bucket: str, name: str) -> Json:
    """Put a folder into the store."""
    folder = {
        "kind": "storage#folder",
        "id": f"{bucket}/{name}",
        "selfLink": f"https://www.googleapis.com/storage/v1/b/{bucket}/folders/{quote(name, safe='')}",
        "name": name,
        "bucket": bucket,
        "metageneration": "1",
        "createTime": (moment := stamp()),
        "updateTime": moment,
    }
    store.put(FOLDERS, f"{bucket}/{name}", folder)
    return folder
