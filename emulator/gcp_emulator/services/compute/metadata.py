# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Metadata of instances and projects: items under a fingerprint."""

from __future__ import annotations

from gcp_emulator.errors import ApiError, Json
from gcp_emulator.services.compute.base import bad_value, fingerprint
from gcp_emulator.values import same_bytes

LARGEST = 256 * 1024  # bytes of a value


def made(body: Json) -> Json:
    """Metadata of a new resource.

    :raises ApiError: 400 for a key that comes twice (unverified wording).
    """
    items = body.get("items", [])
    keys = [item.get("key", "") for item in items]
    for key in keys:
        if keys.count(key) > 1:
            raise bad_value("resource.metadata.items", "", f"Metadata has duplicate key: {key}.")
    for number, item in enumerate(items):
        if len(item.get("value", "").encode()) > LARGEST:
            # discovery; unverified wording
            message = f"Value for metadata key '{item['key']}' is too large: maximum size {LARGEST} bytes."
            raise bad_value(f"resource.metadata.items[{number}].value", "", message)
    kept = [{"key": item["key"], "value": item.get("value", "")} for item in items]
    return {"kind": "compute#metadata", "fingerprint": fingerprint(kept)} | ({"items": kept} if kept else {})


def changed(current: Json, body: Json) -> Json:
    """Metadata after a set.

    :raises ApiError: 412 when it is not the current fingerprint that the caller has read (recording).
    """
    if not same_bytes(body.get("fingerprint"), current.get("fingerprint")):
        raise ApiError(412, "Supplied fingerprint does not match current metadata fingerprint.", "conditionNotMet")
    return made(body)
