# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lists of objects: folders that are only prefixes, pages, and globs."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from gcp_emulator.errors import Json
from gcp_emulator.services.storage.common import bad_request


@dataclass(frozen=True)
class Listing:
    """What a list request asks for; the names are the API's."""

    prefix: str = ""
    delimiter: str = ""
    start: str = ""
    end: str = ""
    limit: int = 1000
    token: str = ""
    versions: bool = False
    soft_deleted: bool = False
    trailing_delimiter: bool = False
    glob: str = ""


@dataclass(frozen=True)
class Page:
    """One page of a list, whose documents are as they are stored."""

    items: list[Json]
    prefixes: list[str]
    next_token: str | None


def page(documents: Iterable[Json], asked: Listing) -> Page:
    """One page of objects, which come in the order of their names' bytes and begin with the prefix.

    :raises ApiError: 400 for a token or glob that is none.
    """
    after = _Token.parse(asked.token) if asked.token else None
    matches = _glob(asked.glob).fullmatch if asked.glob else lambda _name: True
    items: list[Json] = []
    prefixes: list[str] = []
    last: _Token | None = None
    for document in documents:
        name = document["name"]
        if name < asked.start or (asked.end and name >= asked.end) or not matches(name):
            continue
        head, delimiter, tail = (
            name[len(asked.prefix) :].partition(asked.delimiter) if asked.delimiter else (name, "", "")
        )
        rolled_up = asked.prefix + head + delimiter if delimiter else ""
        itself = not rolled_up or (asked.trailing_delimiter and not tail)
        entries = [_Token(rolled_up, 0, True)] if rolled_up and rolled_up not in prefixes[-1:] else []
        entries += [_Token(name, int(document["generation"]), False)] if itself else []
        for entry in entries:
            if after and after.covers(entry):
                continue
            if len(items) + len(prefixes) >= asked.limit:
                return Page(items, prefixes, last.text() if last else None)
            last = entry
            if entry.prefix:
                prefixes.append(entry.name)
            else:
                items.append(document)
    return Page(items, prefixes, None)


@dataclass(frozen=True)
class _Token:
    """Where a page ended: at a generation of a name, or at a prefix."""

    name: str
    generation: int
    prefix: bool

    def text(self) -> str:
        """As a page token."""
        return base64.urlsafe_b64encode(json.dumps([self.name, self.generation, self.prefix]).encode()).decode()

    @classmethod
    def parse(cls, text: str) -> _Token:
        """What ``text`` made.

        :raises ApiError: 400 for anything else.
        """
        try:
            name, generation, prefix = json.loads(base64.urlsafe_b64decode(text.encode()))
        except (TypeError, ValueError):
            raise bad_request() from None
        return cls(str(name), int(generation), bool(prefix))

    def covers(self, entry: _Token) -> bool:
        """Whether a page that ended here had the entry already."""
        if self.prefix and (entry.prefix or not entry.name.startswith(self.name)):
            return entry.name <= self.name
        if self.prefix:  # an object below the prefix, shown beside it: its name ends with the delimiter
            return entry.name < self.name
        return entry.name < self.name or (entry.name == self.name and entry.generation <= self.generation)


def _glob(pattern: str) -> re.Pattern[str]:
    """``*`` stays within a folder, ``**`` does not; ``?``, ``[...]`` and ``{a,b}`` as in a shell."""
    parts, depth = [], 0
    for piece in re.findall(r"\*\*/?|\*|\?|\[[^\]]*\]|[{},]|[^*?\[{},]+|\[", pattern):
        if piece == "{":
            depth += 1
            parts.append("(?:")
        elif piece == "}" and depth:
            depth -= 1
            parts.append(")")
        elif piece == "," and depth:
            parts.append("|")
        elif piece.startswith("[") and len(piece) > 2:
            parts.append("[" + piece[1:-1].replace("!", "^", 1) + "]" if piece[1] == "!" else piece)
        else:
            parts.append({"**": ".*", "**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}.get(piece, re.escape(piece)))
    try:
        return re.compile("".join(parts) + ")" * depth, re.DOTALL)
    except re.error:
        raise bad_request(f"Invalid glob: {pattern}") from None
