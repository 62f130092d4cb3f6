# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a task names another resource that stands in the URL of its own."""

from __future__ import annotations

import typing as t


def name_of(reference: t.Any) -> str:
    """The bare name in a name, a path, a URL, or a dict that has ``selfLink`` or ``name``, such as a former result."""
    if isinstance(reference, dict):
        reference = reference.get("name") or reference.get("selfLink") or ""
    return str(reference).rstrip("/").rpartition("/")[2]
