# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a value must be, beyond its type: declared in the table of fields, checked before anything is asked."""

from __future__ import annotations

import re
import typing as t


class Rule(t.NamedTuple):
    """A condition on a value, and the words that end the sentence "it must be ..."."""

    holds: t.Callable[[t.Any], bool]
    words: str


def between(low: int, high: int) -> Rule:
    """A number in a range, both ends included."""
    return Rule(lambda value: low <= value <= high, f"a number from {low} to {high}")


def zero_or_between(low: int, high: int) -> Rule:
    """A number in a range, or 0, by which something is switched off."""
    return Rule(lambda value: value == 0 or low <= value <= high, f"0, or a number from {low} to {high}")


def at_least(low: int) -> Rule:
    """A number that is not smaller."""
    return Rule(lambda value: low <= value <= LARGEST, f"a number of at least {low}")


def matching(pattern: str, words: str) -> Rule:
    """A text that matches a regular expression as a whole; ``words`` say it to a person."""
    return Rule(lambda value: re.fullmatch(pattern, str(value)) is not None, words)


def up_to_bytes(size: int) -> Rule:
    """A text of limited length, as UTF-8."""
    return Rule(lambda value: len(str(value).encode()) <= size, f"a text of at most {size} bytes")


def is_network(value: t.Any) -> bool:
    """Whether it is an address or an address range."""
    import ipaddress

    try:
        ipaddress.ip_network(str(value).strip(), strict=False)
    except ValueError:
        return False
    return True


def is_address(value: t.Any) -> bool:
    """Whether it is one address."""
    return "/" not in str(value) and is_network(value)


def is_reference(value: t.Any) -> bool:
    """Whether it can name another resource."""
    if isinstance(value, dict):
        value = value.get("selfLink") or value.get("name") or value.get("address")
    return isinstance(value, str | int) and re.fullmatch(r"[^\s?#\\\0\ud800-\udfff]*", str(value)) is not None


def is_scalar_map(value: t.Any) -> bool:
    """Whether each value of a map can be told as a text."""
    return isinstance(value, dict) and all(isinstance(item, str | int | float) for item in value.values())


def text(value: t.Any) -> str:
    """A scalar as the API writes it in maps and for int64."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def are_labels(value: t.Any) -> bool:
    """Whether a map can be the labels of a resource."""
    return (
        len(value) <= 64
        and all(is_label(str(key)) and str(key)[:1].isalpha() for key in value)
        and all(item is None or is_label(text(item)) for item in value.values())
    )


def is_label(value: str) -> bool:
    """Whether a text can be a part of a label: lower-case letters of any script, digits, ``_`` and ``-``."""
    return len(value) <= 63 and value == value.lower() and all(sign.isalnum() or sign in "_-" for sign in value)


def is_text(value: t.Any) -> bool:
    """Whether it can be written as UTF-8 at all, and holds no NUL, which no API takes."""
    return not isinstance(value, str) or ("\0" not in value and not re.search("[\ud800-\udfff]", value))


LARGEST = 2**63 - 1
INTEGER = Rule(lambda value: -LARGEST - 1 <= value <= LARGEST, "a number of 64 bits")
FINITE = Rule(lambda value: -LARGEST <= value <= LARGEST, "a number")
TEXT = Rule(is_text, "a text without NUL and without halves of characters")
SCALARS = Rule(is_scalar_map, "a map whose values are texts, numbers or truth values")
REFERENCE = Rule(is_reference, "a name, a path, a URL, or the result of a module with selfLink or name")
LABELS = Rule(
    are_labels,
    "at most 64 labels, whose names begin with a letter, and whose names and values are at most 63 lower-case letters, "
    "digits, _ and -",
)
RESOURCE_NAME = matching(
    r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?",
    "1 to 63 lower-case letters, digits and hyphens, beginning with a letter and not ending with a hyphen",
)
PROJECT = matching(r"([a-z0-9.-]+:)?[a-z0-9-]+", "the ID of a project: lower-case letters, digits and hyphens")
NETWORK_RANGE = Rule(is_network, "an address or an address range, such as 10.0.0.0/8")
ADDRESS = Rule(is_address, "an address, such as 10.0.0.5")
DURATION = matching(r"\d+(\.\d+)?s", "a number of seconds, such as 3600s")
KMS_KEY = matching(
    r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+",
    "the full name of a key, such as projects/p/locations/l/keyRings/r/cryptoKeys/k",
)
EMAIL = matching(r"[^@\s]+@[^@\s]+\.[^@\s]+", "an e-mail address")
