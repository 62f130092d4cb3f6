#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pages of a list of Cloud SQL."""

from __future__ import annotations

import base64

from gcp_emulator.errors import Json
from gcp_emulator.services.base import Call
from gcp_emulator.services.sqladmin.catalogue import wrong


def page(call: Call, items: list[Json], kind: str) -> Json:
    """One page; ``items`` is absent when there are none (recording)."""
    token, size = call.first("pageToken"), int(call.first("maxResults", "0"))
    try:
        start = int(base64.urlsafe_b64decode(token)) if token else 0
    except ValueError:
        raise wrong(f"Invalid page token ({token}).") from None
    end = start + size if size > 0 else len(items)
    answer: Json = {"kind": kind}
    if items[start:end]:
        answer["items"] = items[start:end]
    if items[end:]:
        answer["nextPageToken"] = base64.urlsafe_b64encode(str(end).encode()).decode()
    return answer
