# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All state of the sandbox, in one SQLite file that survives a restart."""

from __future__ import annotations

import json
import sqlite3
import threading
import typing as t
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from gcp_emulator.errors import Json

# What the request that is under way has in common with the operations that it begins.
_CAUSE: ContextVar[object] = ContextVar("cause", default=None)
_STALE: ContextVar[bool] = ContextVar("stale", default=False)


def new_cause() -> None:
    """From here on, in this context, whatever is written is one change."""
    _CAUSE.set(object())


class Store:
    """JSON documents by kind and key, such as ``("compute.instances", "projects/p/zones/z/instances/i")``.

    Documents are copied on the way in and out: a change counts once it is ``put``. Whoever reads, decides and
    writes holds ``lock`` meanwhile.
    """

    def __init__(self, path: Path) -> None:
        self.lock = threading.RLock()
        # By kind and key: who changed the document last, and what it was before. Not kept over a restart.
        self._before: dict[tuple[str, str], tuple[object, str | None]] = {}
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        # Nothing is waited for: a power failure may cost a sandbox its state, a crash of the process never does.
        self._database.execute("PRAGMA synchronous=OFF")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS documents (kind TEXT, key TEXT, value TEXT, PRIMARY KEY (kind, key))"
        )

    def get(self, kind: str, key: str) -> Json | None:
        """The document, or None."""
        with self.lock:
            text = self._text(kind, key)
            if _STALE.get() and (kind, key) in self._before:
                text = self._before[kind, key][1]
        return json.loads(text) if text else None

    def _text(self, kind: str, key: str) -> str | None:
        row = self._database.execute("SELECT value FROM documents WHERE kind = ? AND key = ?", (kind, key)).fetchone()
        return row[0] if row else None

    def put(self, kind: str, key: str, value: Json) -> None:
        """Write the whole document."""
        with self.lock:
            if self._note(kind, key):
                self._write(kind, key, json.dumps(value))

    def _write(self, kind: str, key: str, text: str) -> None:
        self._database.execute("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", (kind, key, text))

    def delete(self, kind: str, key: str) -> None:
        """Remove the document; one that is not there is no error."""
        with self.lock:
            if self._note(kind, key):
                self._remove(kind, key)

    def _remove(self, kind: str, key: str) -> None:
        self._database.execute("DELETE FROM documents WHERE kind = ? AND key = ?", (kind, key))

    def items(self, kind: str, prefix: str = "") -> t.Iterator[tuple[str, Json]]:
        """Keys and documents of a kind whose key starts so, in the order of the keys."""
        with self.lock:
            rows = self._database.execute(
                "SELECT key, value FROM documents WHERE kind = ? AND substr(key, 1, ?) = ? ORDER BY key",
                (kind, len(prefix), prefix),
            ).fetchall()
            if _STALE.get():
                rows = self._stale(kind, prefix, dict(rows))
        for key, value in rows:
            yield key, json.loads(value)

    # -- what was before -------------------------------------------------------------------------------------------

    def _note(self, kind: str, key: str) -> bool:
        """Remember what a document is before it changes; whether it may: who reads what was before changes nothing."""
        if _STALE.get():
            return False
        cause = _CAUSE.get()
        known = self._before.get((kind, key))
        if known is None or known[0] is None or known[0] is not cause:
            self._before[kind, key] = (cause, self._text(kind, key))
        return True

    def _stale(self, kind: str, prefix: str, found: dict[str, str]) -> list[tuple[str, str]]:
        for (other, key), (_cause, text) in self._before.items():
            if other == kind and key.startswith(prefix):
                found.pop(key, None)
                if text is not None:
                    found[key] = text
        return sorted(found.items())

    @contextmanager
    def as_before(self) -> t.Iterator[None]:
        """Within, each document is what it was before it was changed last, and nothing can be written."""
        token = _STALE.set(True)
        try:
            yield
        finally:
            _STALE.reset(token)

    def undo(self, keep: t.Collection[str]) -> None:
        """Take back what the request did that is under way, but for documents of these kinds, and others' changes."""
        cause = _CAUSE.get()
        with self.lock:
            for (kind, key), (author, text) in list(self._before.items()):
                if cause is None or author is not cause or kind in keep:
                    continue
                del self._before[kind, key]
                if text is None:
                    self._remove(kind, key)
                else:
                    self._write(kind, key, text)

    # ----------------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Let go of the file, once nobody is in the middle of a statement: SQLite would crash the process."""
        with self.lock:
            self._database.close()
