# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""List filters of Compute: ``name = "x"``, ``name eq regex``, ``labels.k:v*``, AND and OR, parentheses."""

from __future__ import annotations

import fnmatch
import json
import re
import typing as t

from gcp_emulator.errors import ApiError, Json

Test = t.Callable[[Json], bool]
TOKEN = re.compile(r'\s*(\(|\)|!=|>=|<=|=|<|>|:|"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|[^\s()=!<>:"\']+)')
COMPARISONS = ("=", "!=", ":", "eq", "ne")


def parse(text: str) -> Test:
    """A predicate for resources.

    :raises ApiError: 400 when the text is no filter (wording: unverified).
    """
    tokens, position = [], 0
    while position < len(text.rstrip()):
        match = TOKEN.match(text, position)
        if match is None:
            raise _wrong(text)
        tokens.append(match[1])
        position = match.end()
    try:
        test, rest = _either(tokens)
    except IndexError:
        raise _wrong(text) from None
    if rest:
        raise _wrong(text)
    return test


def _wrong(text: str) -> ApiError:
    return ApiError(400, f"Invalid value for field 'filter': '{text}'. Invalid list filter expression.", "invalid")


def _either(tokens: list[str]) -> tuple[Test, list[str]]:
    tests = []
    while True:
        test, tokens = _all(tokens)
        tests.append(test)
        if not tokens or tokens[0].upper() != "OR":
            return (lambda item: any(test(item) for test in tests)), tokens
        tokens = tokens[1:]


def _all(tokens: list[str]) -> tuple[Test, list[str]]:
    """Terms joined by AND, or by nothing, which means the same (documentation)."""
    tests = []
    while True:
        test, tokens = _term(tokens)
        tests.append(test)
        if tokens and tokens[0].upper() == "AND":
            tokens = tokens[1:]
        elif not tokens or tokens[0] == ")" or tokens[0].upper() == "OR":
            return (lambda item: all(test(item) for test in tests)), tokens


def _term(tokens: list[str]) -> tuple[Test, list[str]]:
    if tokens[0].upper() == "NOT":
        test, rest = _term(tokens[1:])
        return (lambda item: not test(item)), rest
    if tokens[0] == "(":
        test, rest = _either(tokens[1:])
        if rest[0] != ")":
            raise IndexError
        return test, rest[1:]
    field, comparison, wanted = tokens[0], tokens[1].lower(), tokens[2]
    if comparison not in COMPARISONS:
        raise IndexError
    rest = tokens[3:]
    if wanted == "(":  # name = (x): a group around one value
        wanted, rest = tokens[3], tokens[5:]
    wanted = wanted[1:-1] if wanted[0] in "\"'" else wanted
    return (lambda item: _matches(_lookup(item, field), comparison, wanted)), rest


def _lookup(item: t.Any, field: str) -> t.Any:
    for part in field.split("."):
        if not isinstance(item, dict):
            return None
        item = item.get(part)
    return item


def _matches(value: t.Any, comparison: str, wanted: str) -> bool:
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value)
    if comparison in ("eq", "ne"):
        # A regular expression of the whole value in the older form of the language (documentation).
        try:
            found = re.fullmatch(wanted, text) is not None
        except re.error:
            raise _wrong(wanted) from None
        return found == (comparison == "eq")
    if comparison == ":":
        # ``:*`` asks whether the field is there at all (documentation).
        return value is not None and (wanted == "*" or fnmatch.fnmatchcase(text, wanted) or wanted in text)
    # A resource given by its last part matches a link, as gcloud relies on; "*" is a wildcard (documentation).
    found = fnmatch.fnmatchcase(text, wanted) or text.endswith("/" + wanted)
    return found == (comparison == "=")
