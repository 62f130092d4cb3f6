# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The metadata server, which VMs reach at 169.254.169.254; it knows them by the address they come from."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
import typing as t

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from gcp_emulator import tokens
from gcp_emulator.errors import Json
from gcp_emulator.store import Store

ROOT = "/computeMetadata/v1"
FLAVOR = {"Metadata-Flavor": "Google", "Server": "Metadata Server for VM"}
# How often somebody who waits for a change is looked after, and how long at most.
POLL_SECONDS = 0.5
WAIT_SECONDS = 3600
# A token is given again until it has this long to live.
RENEW_SECONDS = 300

_ACCOUNT = re.compile(rf"{ROOT}/instance/service-accounts/(?P<account>[^/]+)/(?P<leaf>token|identity)")


class _NoSuchEntryError(Exception):
    """Nothing is at this path."""


class MetadataServer:
    """The ASGI application."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._tokens: dict[tuple[str, str], tuple[str, float]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        request = Request(scope, receive)
        response = await self._respond(request)
        response.headers.update(FLAVOR)
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        path = request.url.path
        if path == "/":
            return Response("computeMetadata/\n", media_type="application/text")
        if request.headers.get("metadata-flavor") != "Google":
            return Response("Missing Metadata-Flavor:Google header.\n", 403, media_type="text/html")
        if "x-forwarded-for" in request.headers:
            return Response("Request with an X-Forwarded-For header is not permitted.\n", 403, media_type="text/html")
        address = request.client.host if request.client else ""
        if self._instance(address) is None:
            return Response(f"No VM of this sandbox has the address {address}.\n", 403, media_type="text/html")
        try:
            if account := _ACCOUNT.fullmatch(path):
                return self._account(address, account["account"], account["leaf"], request)
            return await self._entry(address, path, request)
        except _NoSuchEntryError:
            return Response("Not Found\n", 404, media_type="text/html")

    # -- the tree ------------------------------------------------------------------------------------------------

    async def _entry(self, address: str, path: str, request: Request) -> Response:
        if path.rstrip("/") == ROOT.rpartition("/")[0]:
            return Response("v1/\n", media_type="application/text")
        if not path.startswith(ROOT):
            raise _NoSuchEntryError
        query = request.query_params
        value = await self._awaited(address, path, query)
        recursive = query.get("recursive", "").lower() == "true"
        if isinstance(value, (dict, list)) and not path.endswith("/") and not recursive and not _is_leaf(value):
            return RedirectResponse(f"{path}/", 301)
        form = query.get("alt") or ("json" if recursive else "text")
        if form == "json":
            content = json.dumps(_jsonable(value) if recursive else _shallow(value))
        elif recursive:
            content = "".join(f"{name} {leaf}\n" for name, leaf in _flat(value))
        else:
            content = _listing(value)
        kind = "application/json" if form == "json" else "application/text"
        return Response(content, headers={"ETag": _etag(value)}, media_type=kind)

    async def _awaited(self, address: str, path: str, query: t.Mapping[str, str]) -> t.Any:
        """The value at a path; once it has changed, if the caller waits for that."""
        value = self._value(address, path)
        if query.get("wait_for_change", "").lower() != "true":
            return value
        last = query.get("last_etag") or _etag(value)
        deadline = time.monotonic() + min(float(query.get("timeout_sec") or WAIT_SECONDS), WAIT_SECONDS)
        while _etag(value) == last and time.monotonic() < deadline:
            await asyncio.sleep(POLL_SECONDS)
            value = self._value(address, path)
        return value

    def _value(self, address: str, path: str) -> t.Any:
        instance = self._instance(address)
        if instance is None:
            raise _NoSuchEntryError
        value: t.Any = tree(self.store, *instance)
        for part in path[len(ROOT) :].strip("/").split("/"):
            if part == "":
                continue
            if isinstance(value, list) and part.isdigit() and int(part) < len(value):
                value = value[int(part)]
            elif isinstance(value, dict) and part in value:
                value = value[part]
            else:
                raise _NoSuchEntryError
        return value

    def _instance(self, address: str) -> tuple[str, Json] | None:
        """Path and document of the VM that has this address."""
        known = self.store.get("vm_addresses", address)
        if known:
            instance = self.store.get("compute.instances", known["instance"])
            return (known["instance"], instance) if instance else None
        for path, instance in self.store.items("compute.instances"):
            configs = [config for nic in instance["networkInterfaces"] for config in nic.get("accessConfigs", [])]
            if any(config.get("natIP") == address for config in configs):
                return path, instance
        return None

    # -- tokens --------------------------------------------------------------------------------------------------

    def _account(self, address: str, name: str, leaf: str, request: Request) -> Response:
        path, instance = self._instance(address) or ("", {})
        account = next((one for one in instance.get("serviceAccounts", []) if name in ("default", one["email"])), None)
        if account is None or (self.store.get("serviceAccounts", account["email"]) or {"disabled": True}).get(
            "disabled"
        ):
            raise _NoSuchEntryError
        if leaf == "identity":
            audience = request.query_params.get("audience")
            if not audience:
                return Response("non-empty audience parameter required\n", 400, media_type="text/html")
            further = _claims(self.store, path, instance) if request.query_params.get("format") == "full" else None
            token = tokens.identity_token(self.store, account["email"], audience, further)
            return Response(token, media_type="text/html")
        scopes = request.query_params.get("scopes", "").split(",") if request.query_params.get("scopes") else None
        token, expires = self._token(account["email"], scopes or account.get("scopes", []))
        body = {"access_token": token, "expires_in": int(expires - time.time()), "token_type": "Bearer"}
        return Response(json.dumps(body), media_type="application/json")

    def _token(self, email: str, scopes: list[str]) -> tuple[str, float]:
        key = (email, " ".join(sorted(scopes)))
        token, expires = self._tokens.get(key, ("", 0.0))
        if expires - time.time() < RENEW_SECONDS:
            token, expires = tokens.issue(self.store, email, scopes), time.time() + tokens.LIFETIME
            self._tokens[key] = (token, expires)
        return token, expires


def tree(store: Store, path: str, instance: Json) -> Json:
    """All that a VM is told; dicts and lists are folders."""
    _projects, project, _zones, zone, _instances, name = path.split("/")
    number = (store.get("projects", project) or {})["projectNumber"]
    own = {item["key"]: item.get("value", "") for item in instance.get("metadata", {}).get("items", [])}
    common = (store.get("compute.projects", f"projects/{project}") or {}).get("commonInstanceMetadata", {})
    scheduling = instance.get("scheduling", {})
    return {
        "instance": {
            "attributes": _Verbatim(own),
            "cpu-platform": instance.get("cpuPlatform", ""),
            "description": instance.get("description", ""),
            "disks": [_disk(index, disk) for index, disk in enumerate(instance.get("disks", []))],
            "hostname": instance.get("hostname") or f"{name}.{zone}.c.{project}.internal",
            "id": int(instance["id"]),
            "image": "",
            "machine-type": f"projects/{number}/machineTypes/{instance['machineType'].rpartition('/')[2]}",
            "maintenance-event": "NONE",
            "name": name,
            "network-interfaces": [_interface(nic, number) for nic in instance["networkInterfaces"]],
            "preempted": "FALSE",
            "scheduling": {
                "automatic-restart": str(scheduling.get("automaticRestart", True)).upper(),
                "on-host-maintenance": scheduling.get("onHostMaintenance", "MIGRATE"),
                "preemptible": str(scheduling.get("preemptible", False)).upper(),
            },
            "service-accounts": _service_accounts(instance),
            "tags": _Leaf(instance.get("tags", {}).get("items", [])),
            "zone": f"projects/{number}/zones/{zone}",
        },
        "project": {
            "attributes": _Verbatim({item["key"]: item.get("value", "") for item in common.get("items", [])}),
            "numeric-project-id": int(number),
            "project-id": project,
        },
        "universe": {"universe-domain": "googleapis.com"},
    }


class _Leaf(list[str]):
    """A list that is a value, not a folder."""


class _Verbatim(dict[str, t.Any]):
    """A folder whose names are somebody's own words, which stay what they are in JSON."""


def _disk(index: int, disk: Json) -> Json:
    return {
        "device-name": disk.get("deviceName", f"persistent-disk-{index}"),
        "index": index,
        "mode": disk.get("mode", "READ_WRITE"),
        "type": "PERSISTENT-BALANCED",
    }


def _interface(nic: Json, number: str) -> Json:
    configs = nic.get("accessConfigs", [])
    return {
        "access-configs": [
            {"external-ip": config.get("natIP", ""), "type": config.get("type", "ONE_TO_ONE_NAT")} for config in configs
        ],
        "ip": nic.get("networkIP", ""),
        "network": f"projects/{number}/networks/{nic['network'].rpartition('/')[2]}",
    }


def _service_accounts(instance: Json) -> Json:
    folders = _Verbatim()
    for account in instance.get("serviceAccounts", []):
        folder = {"aliases": _Leaf(["default"]), "email": account["email"], "scopes": _Leaf(account.get("scopes", []))}
        folders |= {account["email"]: folder, "default": folder}
    return folders


def _claims(store: Store, path: str, instance: Json) -> Json:
    """What a full identity token says of the machine."""
    _projects, project, _zones, zone, _instances, name = path.split("/")
    number = int((store.get("projects", project) or {})["projectNumber"])
    machine = {
        "instance_id": instance["id"],
        "instance_name": name,
        "project_id": project,
        "project_number": number,
        "zone": zone,
    }
    return {"google": {"compute_engine": machine}}


# -- forms -------------------------------------------------------------------------------------------------------


def _is_leaf(value: t.Any) -> bool:
    return isinstance(value, _Leaf) or not isinstance(value, (dict, list))


def _etag(value: t.Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _entries(value: t.Any) -> list[tuple[str, t.Any]]:
    if isinstance(value, dict):
        return sorted(value.items())
    return [(str(index), item) for index, item in enumerate(value)]


def _listing(value: t.Any) -> str:
    """A value, or the names in a folder."""
    if isinstance(value, _Leaf):
        return "\n".join(value)
    if _is_leaf(value):
        return str(value)
    return "".join(f"{name}\n" if _is_leaf(item) else f"{name}/\n" for name, item in _entries(value))


def _shallow(value: t.Any) -> t.Any:
    return value if _is_leaf(value) else [name if _is_leaf(item) else f"{name}/" for name, item in _entries(value)]


def _jsonable(value: t.Any) -> t.Any:
    """A subtree with the names that it has in JSON."""
    if _is_leaf(value):
        return value
    if isinstance(value, list):
        return [_jsonable(item) for item in value]
    return {
        name if isinstance(value, _Verbatim) else re.sub("-(.)", lambda match: match[1].upper(), name): _jsonable(item)
        for name, item in value.items()
    }


def _flat(value: t.Any, prefix: str = "") -> t.Iterator[tuple[str, t.Any]]:
    if _is_leaf(value):
        yield prefix, _listing(value)
        return
    for name, item in _entries(value):
        yield from _flat(item, f"{prefix}/{name}" if prefix else name)
