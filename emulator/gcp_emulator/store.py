# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All state of the sandbox, in one SQLite file that survives a restart."""

from __future__ import annotations

import json
import sqlite3
import threading
import typing as t
from pathlib import Path

from gcp_emulator.errors import Json


class Store:
    """JSON documents by kind and key, such as ``("compute.instances", "projects/p/zones/z/instances/i")``.

    Documents are copied on the way in and out: a change counts once it is ``put``. Whoever reads, decides and
    writes holds ``lock`` meanwhile.
    """

    def __init__(self, path: Path) -> None:
        self.lock = threading.RLock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS documents (kind TEXT, key TEXT, value TEXT, PRIMARY KEY (kind, key))"
        )

    def get(self, kind: str, key: str) -> Json | None:
        """The document, or None."""
        with self.lock:
            row = self._database.execute(
                "SELECT value FROM documents WHERE kind = ? AND key = ?", (kind, key)
            ).fetchone()
        return json.loads(row[0]) if row else None

    def put(self, kind: str, key: str, value: Json) -> None:
        """Write the whole document."""
        with self.lock:
            self._database.execute("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", (kind, key, json.dumps(value)))

    def delete(self, kind: str, key: str) -> None:
        """Remove the document; one that is not there is no error."""
        with self.lock:
            self._database.execute("DELETE FROM documents WHERE kind = ? AND key = ?", (kind, key))

    def items(self, kind: str, prefix: str = "") -> t.Iterator[tuple[str, Json]]:
        """Keys and documents of a kind whose key starts so, in the order of the keys."""
        with self.lock:
            rows = self._database.execute(
                "SELECT key, value FROM documents WHERE kind = ? AND substr(key, 1, ?) = ? ORDER BY key",
                (kind, len(prefix), prefix),
            ).fetchall()
        for key, value in rows:
            yield key, json.loads(value)

    def close(self) -> None:
        """Let go of the file, once nobody is in the middle of a statement: SQLite would crash the process."""
        with self.lock:
            self._database.close()
