# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a service of the emulator is: a class whose methods answer the methods of a discovery document."""

from __future__ import annotations

import base64
import typing as t
from dataclasses import dataclass, field

from gcp_emulator.errors import ApiError, Json

if t.TYPE_CHECKING:
    from gcp_emulator.cloud import Cloud


@dataclass(frozen=True)
class Call:
    """One request that has passed the front: it is routed, authenticated, permitted, and valid by its schema.

    ``path`` and ``query`` are unquoted; path parameters bear the names of the discovery document's ``flatPath``
    or ``path``, whichever matched. ``resource`` is the path below the version, without a custom verb
    (``projects/p/secrets/s``). ``principal`` is the caller's e-mail address.
    """

    method: str
    version: str
    resource: str
    path: dict[str, str]
    query: dict[str, list[str]]
    body: Json
    principal: str
    headers: dict[str, str] = field(default_factory=dict)

    def first(self, name: str, default: str = "") -> str:
        """The first value of a query parameter."""
        return self.query.get(name, [default])[0]


Item = t.TypeVar("Item")
Handler = t.Callable[[t.Any, Call], Json | None]


def handles(*methods: str) -> t.Callable[[Handler], Handler]:
    """Mark the answer to API methods, such as ``compute.firewalls.insert``. None as an answer is 204."""

    def mark(handler: Handler) -> Handler:
        handler.__dict__["handled_methods"] = methods
        return handler

    return mark


def applies(action: str) -> t.Callable[[t.Callable[..., None]], t.Callable[..., None]]:
    """Mark what an operation does when it is due; it is called by name, so that it survives a restart.

    It gets the operation's arguments as keywords, runs in a thread of its own without the store's lock, and may
    be repeated after a restart: it must be idempotent. An ApiError becomes the operation's error.
    """

    def mark(function: t.Callable[..., None]) -> t.Callable[..., None]:
        function.__dict__["applied_action"] = action
        return function

    return mark


def page(items: list[Item], call: Call, size: int, most: int | None = None) -> tuple[list[Item], str]:
    """The page of a list that the query asks for, and the token of the next one, or "".

    :param size: how many are on a page if the query does not say.
    :param most: how many there are at most, whatever it says; as many as ``size`` by default.
    :raises ApiError: 400 for a size or token that cannot be (unverified wording).
    """
    asked = int(call.first("pageSize") or call.first("maxResults") or 0)
    if asked < 0:
        raise ApiError(400, "The page size must not be negative.", "badRequest")
    try:
        return cut(items, call.first("pageToken"), min(asked or size, most or size))
    except ValueError as error:
        raise ApiError(400, "The page token is invalid.", "badRequest") from error


def cut(items: list[Item], token: str, size: int) -> tuple[list[Item], str]:
    """The page that begins where a token says, or at the beginning without one, and the token of the next, or "".

    :raises ValueError: it is no token of ours.
    """
    text = base64.b64decode(token, altchars=b"-_", validate=True).decode() if token else "0"
    if not text.isdecimal():
        raise ValueError(token)
    start = int(text)
    end = start + size
    return items[start:end], base64.urlsafe_b64encode(str(end).encode()).decode() if end < len(items) else ""


class Service:
    """The base of all services; ``api`` is the name in the discovery document, such as ``compute``."""

    api: str

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.store = cloud.store
        members = [getattr(self, name) for name in dir(type(self)) if not name.startswith("__")]
        self.handlers: dict[str, t.Callable[[Call], Json | None]] = {
            method: member for member in members for method in getattr(member, "handled_methods", ())
        }
        self.actions: dict[str, t.Callable[..., None]] = {
            member.applied_action: member for member in members if hasattr(member, "applied_action")
        }

    def wake(self) -> None:
        """Bring what stands behind the service in line with the stored state, once, when the sandbox starts."""

    # What the front asks before it lets a call through

    def project(self, call: Call) -> str | None:
        """The project that a call concerns, by id or number; None for one that has none."""
        return call.resource.split("/")[1] if call.resource.startswith("projects/") else None

    def subject(self, call: Call, project: str) -> str:
        """The resource on which the caller needs the method's permission; one that is to be made is named by its body.

        :param project: that the call concerns.
        """
        name = call.body.get("name", "") if call.method.endswith(".insert") else ""
        return f"{call.resource}/{name}" if name else call.resource

    def permit(self, call: Call, project: str) -> None:
        """Refuse a caller who lacks what a call needs besides the method's permission.

        :raises ApiError: 403, or what the API says instead.
        """
