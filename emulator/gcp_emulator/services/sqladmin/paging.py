# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pages of a list of Cloud SQL."""

from __future__ import annotations

from gcp_emulator.errors import Json
from gcp_emulator.services.base import Call, cut
from gcp_emulator.services.sqladmin.catalogue import wrong

PAGE, LARGEST_PAGE = 500, 1000  # on a page (discovery: maxResults of instances.list)


def page(call: Call, items: list[Json], kind: str) -> Json:
    """One page; ``items`` is absent when there are none (recording)."""
    token = call.first("pageToken")
    size = min(int(call.first("maxResults") or 0) or PAGE, LARGEST_PAGE)
    try:
        shown, further = cut(items, token, size)
    except ValueError:
        raise wrong(f"Invalid page token ({token}).") from None
    answer: Json = {"kind": kind}
    return answer | ({"items": shown} if shown else {}) | ({"nextPageToken": further} if further else {})
