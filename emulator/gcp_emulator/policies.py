# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""IAM policies: how they are read, checked and replaced."""

from __future__ import annotations

import hashlib
import json
import re
import typing as t

from gcp_emulator import accounts, permissions
from gcp_emulator.errors import ApiError, Json
from gcp_emulator.store import Store

_MEMBER = re.compile(
    r"allUsers|allAuthenticatedUsers|(user|serviceAccount|group|domain|projectOwner|projectEditor|projectViewer):.+"
    r"|deleted:(user|serviceAccount|group):.+\?uid=\d+|principal(Set)?://.+"
)
_ROLE = re.compile(r"roles/(?P<service>[A-Za-z0-9]+)([._][A-Za-z0-9._]+)?|(projects|organizations)/[^/]+/roles/[\w.]+")


def read(store: Store, resource: str, version: int = 1) -> Json:
    """The policy as a client that knows this version may see it: below 3, conditions show in the role's name alone."""
    policy = permissions.policy(store, resource)
    if version >= 3 or not any("condition" in binding for binding in policy["bindings"]):
        return policy
    bindings = [
        {"role": f"{binding['role']}_withcond_{_digest(binding['condition'])}", "members": binding["members"]}
        if "condition" in binding
        else binding
        for binding in policy["bindings"]
    ]
    return policy | {"version": 1, "bindings": bindings}


def write(store: Store, resource: str, policy: Json, public: bool = True) -> Json:
    """Replace a policy; the new one.

    :param public: whether everybody may be a member.
    :raises ApiError: 409 if the etag is not the present one's; 400 for members and roles that cannot be.
    """
    with store.lock:
        current = permissions.policy(store, resource)
        if policy.get("etag") and _plain(policy["etag"]) != _plain(current["etag"]):
            raise ApiError(
                409,
                "There were concurrent policy changes. Please retry the whole read-modify-write with exponential "
                f"backoff. The request's ETag '{policy['etag']}' did not match the current policy's ETag "
                f"'{current['etag']}'.",
                "aborted",
                "ABORTED",
            )
        bindings = _merged(policy.get("bindings", []))
        for binding in bindings:
            _check_role(binding.get("role", ""), resource)
            _check_members(store, binding, int(policy.get("version") or 1), public)
        conditional = any("condition" in binding for binding in bindings)
        new = {"version": 3 if conditional else 1, "etag": accounts.new_etag(), "bindings": bindings}
        store.put("policies", resource, new)
    return new


def grant(store: Store, resource: str, role: str, member: str) -> None:
    """Add one member to a role."""
    with store.lock:
        policy = permissions.policy(store, resource)
        write(store, resource, policy | {"bindings": [*policy["bindings"], {"role": role, "members": [member]}]})


def held(store: Store, principal: str, resource: str, asked: t.Iterable[str]) -> list[str]:
    """Which of these permissions the principal has."""
    return [permission for permission in asked if permissions.allowed(store, principal, permission, resource)]


def bury(store: Store, account: Json) -> None:
    """Mark a deleted account's memberships, so that a new account of the same name does not inherit them."""
    old = f"serviceAccount:{account['email']}"
    new = f"deleted:{old}?uid={account['uniqueId']}"
    with store.lock:
        for resource, policy in list(store.items("policies")):
            if any(old in binding["members"] for binding in policy["bindings"]):
                for binding in policy["bindings"]:
                    binding["members"] = [new if member == old else member for member in binding["members"]]
                store.put("policies", resource, policy | {"etag": accounts.new_etag()})


def _merged(bindings: list[Json]) -> list[Json]:
    """One binding for each role and condition, without repeated members; empty ones go."""
    merged: dict[str, Json] = {}
    for binding in bindings:
        key = json.dumps([binding.get("role"), binding.get("condition")], sort_keys=True)
        into = merged.setdefault(key, {name: value for name, value in binding.items() if value} | {"members": []})
        into["members"] += [member for member in binding.get("members", []) if member not in into["members"]]
    return [binding for binding in merged.values() if binding["members"]]


def _check_role(role: str, resource: str) -> None:
    match = _ROLE.fullmatch(role)
    unknown = match is None or (match["service"] in permissions.COMPLETE_SERVICES and role not in permissions.ROLES)
    # The roles that stand for a bucket's access lists are given on buckets alone.
    if unknown or (role.startswith("roles/storage.legacy") and not resource.startswith("b/")):
        raise ApiError(400, f"Role {role} is not supported for this resource.", "badRequest")


def _check_members(store: Store, binding: Json, version: int, public: bool) -> None:
    if "condition" in binding and version < 3:
        raise ApiError(400, "Policies with conditional bindings must specify version 3.", "badRequest")
    for member in binding["members"]:
        if not _MEMBER.fullmatch(member):
            raise ApiError(
                400,
                f"The member {member} is of an unknown type. Please set a valid type prefix for the member.",
                "badRequest",
            )
        if not public and member in ("allUsers", "allAuthenticatedUsers"):
            raise ApiError(
                400, "Members of type allUsers and allAuthenticatedUsers cannot be set on this resource.", "badRequest"
            )
        email = member.removeprefix("serviceAccount:")
        # Google's own agents are there without anybody making them.
        ours = email != member and email.endswith(".iam.gserviceaccount.com") and "@gcp-sa-" not in email
        if ours and store.get("serviceAccounts", email) is None:
            raise ApiError(400, f"Service account {email} does not exist.", "badRequest")


def _plain(etag: str) -> str:
    """Clients that parse the bytes of an etag send them in either alphabet of base64."""
    return etag.replace("-", "+").replace("_", "/").rstrip("=")


def _digest(condition: Json) -> str:
    return hashlib.sha256(json.dumps(condition, sort_keys=True).encode()).hexdigest()[:20]
