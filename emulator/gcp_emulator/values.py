# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Values that have one form in several APIs: bytes in base64, labels, names of keys, and patches."""

from __future__ import annotations

import base64
import re
import typing as t

KMS_KEY = re.compile(r"projects/[^/]+/locations/(?P<location>[^/]+)/keyRings/[^/]+/cryptoKeys/[^/]+")
LABELS = 64  # the most that one resource has (documentation)


def _plain(text: str | None) -> str:
    return (text or "").replace("-", "+").replace("_", "/").rstrip("=")


def same_bytes(one: str | None, other: str | None) -> bool:
    """Whether two base64 texts mean the same: clients write both alphabets, with or without padding (recording)."""
    return _plain(one) == _plain(other)


def decode(text: str) -> bytes:
    """The bytes of a base64 text in either alphabet, with or without padding.

    :raises ValueError: it is none.
    """
    plain = _plain(text)
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)


def is_label(text: str) -> bool:
    """Whether it may be a label's value: letters of any script but no capitals, digits, dashes and underscores.

    A key begins with a letter besides (documentation).
    """
    return len(text) <= 63 and text == text.lower() and all(sign.isalnum() or sign in "-_" for sign in text)


def is_label_key(text: str) -> bool:
    """Whether it may be a label's key."""
    return text[:1].isalpha() and is_label(text)


def merged(current: t.Any, patch: t.Any) -> t.Any:
    """A JSON merge patch: objects are merged, null removes, everything else replaces (discovery)."""
    if not isinstance(patch, dict):
        return patch
    result = dict(current) if isinstance(current, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result
