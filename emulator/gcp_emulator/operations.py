# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Long-running operations: applied when they are due, on a clock, whether or not somebody polls."""

from __future__ import annotations

import contextvars
import logging
import threading
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

from gcp_emulator import faults
from gcp_emulator.errors import ApiError, Json
from gcp_emulator.faults import Armed
from gcp_emulator.store import Store

LOG = logging.getLogger(__name__)
KIND = "operations"
# Documents that tell of requests, and so stay when what a request did is taken back.
TRACES = (KIND, "compute.requests")
# How many times the usual seconds somebody waits for an operation that does not end.
HELD = 100


class Operations:
    """Stores operations, runs their actions in threads, and resumes after a restart those that were not done.

    A record is ``{key, action, arguments, due, created, state, error, undo, view}``. ``state`` goes PENDING, RUNNING,
    DONE. ``undo``: the error is a fault's, before which the request that began it is taken back.
    ``view`` belongs to the service that made it: what its dialect of operations says beyond the state. Actions with
    the same ``target`` run one after another, in the order in which they came.
    """

    def __init__(self, store: Store, seconds: float, workers: int = 8) -> None:
        self.store, self.seconds = store, seconds
        self.actions: dict[str, t.Callable[..., None]] = {}
        self._changed = threading.Condition(store.lock)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="operation")
        self._targets: dict[str, threading.Lock] = {}
        self._stopped = False
        # What does not end as long as a fault is set, and the context in which it goes on then.
        self._held: dict[str, tuple[Armed, contextvars.Context]] = {}

    def start(
        self,
        key: str,
        action: str | None = None,
        arguments: Json | None = None,
        *,
        target: str = "",
        view: Json | None = None,
        error: Json | None = None,
        factor: float = 1,
    ) -> Json:
        """Begin an operation; the record as it is stored.

        :param key: unique, such as ``compute/projects/p/zones/z/operations/operation-1``.
        :param action: name of an action marked by ``applies``; None does nothing.
        :param target: what it works on.
        :param error: an error that it ends with, without an action.
        :param factor: how many times the usual seconds it takes at least.
        """
        now = time.time()
        fault = faults.of_operation()
        hangs = fault is not None and fault.fault.kind == "operation-hangs"
        fails = fault is not None and not hangs
        record = {
            "key": key,
            "action": action,
            "arguments": arguments or {},
            "target": target,
            "created": now,
            "due": now + self.seconds * factor,
            "state": "RUNNING" if hangs else "PENDING",
            "error": faults.OPERATION_ERROR if fails else error,
            "undo": fails,
            "view": view or {},
        }
        self.store.put(KIND, key, record)
        context = contextvars.copy_context()  # it is part of what the request does
        if fault and hangs:
            self._held[key] = (fault, context)
            if fault.lifted:  # meanwhile
                self.release(fault)
        else:
            self._pool.submit(context.run, self._run, key)
        return record

    def release(self, fault: Armed) -> None:
        """Go on with what a fault held, now that it is lifted."""
        with self.store.lock:
            for key, (armed, context) in list(self._held.items()):
                if armed is fault:
                    del self._held[key]
                    self._pool.submit(context.run, self._run, key)

    def get(self, key: str) -> Json | None:
        """The record, or None."""
        return self.store.get(KIND, key)

    def pending(self, target: str) -> list[Json]:
        """Operations on a target that are not done, oldest first."""
        found = [record for _key, record in self.store.items(KIND) if record["target"] == target]
        return sorted((r for r in found if r["state"] != "DONE"), key=lambda record: record["created"])

    def wait(self, key: str, seconds: float) -> Json | None:
        """The record once it is done, or after so many seconds.

        For what does not end, the wait is as short as operations are here: nobody learns more by waiting longer.
        """
        if key in self._held:
            seconds = min(seconds, HELD * self.seconds)
        deadline = time.monotonic() + seconds
        with self._changed:
            while (record := self.get(key)) and record["state"] != "DONE":
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    break
            return self.get(key)

    def resume(self) -> None:
        """After a restart: run again whatever was not done."""
        unfinished = [record for _key, record in self.store.items(KIND) if record["state"] != "DONE"]
        for record in sorted(unfinished, key=lambda record: record["created"]):
            self._pool.submit(self._run, record["key"])

    def stop(self) -> None:
        """Take no more; what has not begun is resumed at the next start."""
        self._stopped = True
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self, key: str) -> None:
        record = self.get(key)
        if record is None:
            return
        with self.store.lock:
            lock = self._targets.setdefault(record["target"] or key, threading.Lock())
        with lock:
            self._update(key, state="RUNNING")
            error = record["error"] or self._apply(record)
            time.sleep(max(0.0, record["due"] - time.time()))
            if record.get("undo"):
                self.store.undo(TRACES)
            if not self._stopped:
                self._update(key, state="DONE", error=error, ended=time.time())

    def _apply(self, record: Json) -> Json | None:
        if record["action"] is None:
            return None
        try:
            self.actions[record["action"]](**record["arguments"])
        except ApiError as error:
            return {"code": error.code, "message": error.message, "reason": error.reason or "internalError"}
        except Exception:
            LOG.exception("operation %s: %s failed", record["key"], record["action"])
            return {"code": 500, "message": "Internal error. Please try again.", "reason": "internalError"}
        return None

    def _update(self, key: str, **values: t.Any) -> None:
        with self._changed:
            record = self.get(key)
            if record is not None:
                self.store.put(KIND, key, record | values)
            self._changed.notify_all()
