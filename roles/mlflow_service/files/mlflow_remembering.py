# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one worker remembers of MLflow's permission checks.

To decide whether a user may write a metric, MLflow reads the whole run, the user twice and his permissions: 22
statements, where writing the metric takes eight. None of its settings spares them. What is remembered here is as old at
most as a password that MLflow's own cache still takes for right (auth_cache_ttl_seconds):

- that a user may do something. That he may not is looked up each time, so what was granted holds at once;
- whether he is an administrator;
- for good, to which experiment a run belongs, which never changes.

What is taken away holds at the end of that time, or when the server is restarted.
"""

from __future__ import annotations

import functools
import inspect
import logging
import threading
import typing

import cachetools

_logger = logging.getLogger(__name__)

# What is remembered of MLflow 3.17; where one of them is called in another way, nothing is.
NAMES = {
    "sender_is_admin": (),
    "authorize": ("username", "anchor", "requirements"),
    "_run_requirement": ("run_id", "action"),
}
ENTRIES = 100_000

Call = typing.Callable[..., typing.Any]


def remember(auth: typing.Any, workspaces: bool) -> bool:
    """Let a worker's copy of mlflow.server.auth remember; whether it does.

    With workspaces an answer depends on more than the question, so each is asked.
    """
    ttl = auth.auth_config.auth_cache_ttl_seconds
    if workspaces or ttl <= 0:
        return False
    if unknown := [name for name, parameters in NAMES.items() if _parameters(auth, name) != parameters]:
        _logger.warning("Permissions are not remembered: this MLflow has another %s.", ", ".join(unknown))
        return False
    is_administrator, authorize, requirement = (getattr(auth, name) for name in NAMES)
    administrators = _Memory(cachetools.TTLCache(ENTRIES, ttl))
    allowed = _Memory(cachetools.TTLCache(ENTRIES, ttl))
    runs = _Memory(cachetools.LRUCache(ENTRIES))

    @functools.wraps(is_administrator)
    def sender_is_admin() -> typing.Any:
        return administrators.get(auth.authenticate_request().username, is_administrator, lambda _answer: True)

    @functools.wraps(authorize)
    def remembered_authorize(
        username: str, anchor: tuple[str, str], requirements: typing.Sequence[typing.Any]
    ) -> typing.Any:
        key = (username, anchor, tuple(requirements))
        return allowed.get(key, lambda: authorize(username, anchor, requirements), bool)

    @functools.wraps(requirement)
    def run_requirement(run_id: str, action: str) -> typing.Any:
        answer = runs.get((run_id, action), lambda: requirement(run_id, action), lambda answer: answer is not None)
        # Whoever asks may add to the list.
        return answer and (answer[0], list(answer[1]))

    auth.sender_is_admin, auth.authorize, auth._run_requirement = sender_is_admin, remembered_authorize, run_requirement
    return True


def _parameters(auth: typing.Any, name: str) -> tuple[str, ...] | None:
    function = getattr(auth, name, None)
    return tuple(inspect.signature(function).parameters) if function else None


class _Memory:
    """A cache that threads share. Two of them may ask the same at once; nobody waits for another's question."""

    def __init__(self, cache: cachetools.Cache[typing.Any, typing.Any]) -> None:
        self._cache = cache
        self._lock = threading.Lock()

    def get(self, key: typing.Hashable, ask: Call, keep: Call) -> typing.Any:
        """The answer that is remembered, or a new one, which is kept if it is worth it."""
        with self._lock:
            if key in self._cache:
                return self._cache[key]
        answer = ask()
        if keep(answer):
            with self._lock:
                self._cache[key] = answer
        return answer
