# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The calls that came: no bodies, no queries, no credentials."""

from __future__ import annotations

import threading
import time
import typing as t
from collections import deque

# How many are remembered.
LOG_SIZE = 100_000


class CallRecord(t.NamedTuple):
    """A call: ``method`` is "" for what is no JSON method, ``status`` None if no answer was given, or not in time."""

    method: str
    path: str
    status: int | None
    number: int
    time: float


class CallLog:
    """The calls since the start, or since it was cleared."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: deque[CallRecord] = deque(maxlen=LOG_SIZE)
        self._last = 0

    def add(self, method: str, path: str, status: int | None) -> None:
        """Note a call that is over."""
        with self._lock:
            self._last += 1
            self._records.append(CallRecord(method, path, status, self._last, time.time()))

    def __iter__(self) -> t.Iterator[CallRecord]:
        with self._lock:
            return iter(list(self._records))

    def __len__(self) -> int:
        return len(self._records)

    def clear(self) -> None:
        """Forget all; numbers begin anew."""
        with self._lock:
            self._records.clear()
            self._last = 0
