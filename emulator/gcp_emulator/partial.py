# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Partial responses: of an answer, only what ``fields`` names, such as ``nextPageToken,items(name,owner/entity)``.

documentation: https://developers.google.com/drive/api/guides/performance#partial
"""

from __future__ import annotations

import re
import typing as t

from gcp_emulator.errors import ApiError, Json

# The names of a level, each with what is selected below it; nothing below means everything below.
Selection = dict[str, "Selection"]

_TOKEN = re.compile(r"[^,()/\s]+|[,()/]")
EVERYTHING = "*"


def parse(text: str) -> Selection:
    """What a ``fields`` parameter selects.

    :raises ApiError: 400 if it is malformed.
    """
    tokens = _TOKEN.findall(text)
    found, position = _level(text, tokens, 0)
    if position < len(tokens):
        raise invalid(text)
    return found


def check(selection: Selection, schema: Json, schemas: Json) -> None:
    """Refuse a name that the answer's schema does not have; issue: letters count as they are written.

    :param schema: of the answer, in a discovery document.
    :param schemas: all those of the document.
    :raises ApiError: 400.
    """
    while "$ref" in schema or "items" in schema:
        schema = schemas[schema["$ref"]] if "$ref" in schema else schema["items"]
    properties, others = schema.get("properties", {}), schema.get("additionalProperties")
    for name, below in selection.items():
        inner = properties.get(name, others)
        if name != EVERYTHING and inner is None:
            raise invalid(name)
        if inner is not None:
            check(below, inner, schemas)


def select(answer: t.Any, selection: Selection) -> t.Any:
    """The selected part of an answer; of a list, that of each element."""
    if not selection:
        return answer
    if isinstance(answer, list):
        return [select(element, selection) for element in answer if isinstance(element, dict | list)]
    chosen = ((name, selection.get(name, selection.get(EVERYTHING))) for name in answer)
    return {
        name: select(answer[name], below)
        for name, below in chosen
        if below is not None and (not below or isinstance(answer[name], dict | list))
    }


def invalid(name: str) -> ApiError:
    """A selection that cannot be. issue: the words."""
    return ApiError(400, f"Invalid field selection {name}", "invalidParameter")


def _level(text: str, tokens: list[str], position: int) -> tuple[Selection, int]:
    """The names up to the end of a level, and where that is."""
    found: Selection = {}
    while True:
        position = _path(text, tokens, position, found)
        if tokens[position : position + 1] != [","]:
            return found, position
        position += 1


def _path(text: str, tokens: list[str], position: int, into: Selection) -> int:
    """Put one of the names, with what is below it, into its level; where it ends."""
    if position >= len(tokens) or tokens[position] in ",()/":
        raise invalid(text)
    name, position = tokens[position], position + 1
    following = tokens[position : position + 1]
    below: Selection = {}
    if following == ["/"]:
        position = _path(text, tokens, position + 1, below)
    elif following == ["("]:
        below, position = _level(text, tokens, position + 1)
        if tokens[position : position + 1] != [")"]:
            raise invalid(text)
        position += 1
    # Named twice, it is both; and everything, if one of them is.
    into[name] = _both(into[name], below) if name in into else below
    return position


def _both(one: Selection, other: Selection) -> Selection:
    if not one or not other:
        return {}
    names = one.keys() | other.keys()
    return {n: _both(one[n], other[n]) if n in one and n in other else one.get(n, other.get(n, {})) for n in names}
