# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secret Manager: secrets, and versions of what they hold. No error and no log line ever has a payload in it."""

from __future__ import annotations

import base64
import datetime
import re
import secrets
import typing as t

import google_crc32c

from gcp_emulator import policies
from gcp_emulator.accounts import timestamp
from gcp_emulator.errors import ApiError, Json
from gcp_emulator.services.base import Call, Service, handles, page
from gcp_emulator.values import KMS_KEY, LABELS, decode, is_label, is_label_key

SECRETS, VERSIONS = "secrets", "secretVersions"
MUTABLE = ("annotations", "labels", "replication", "versionAliases", "versionDestroyTtl")
# What the API has and the sandbox does not: to take it and do nothing would be a lie.
UNSUPPORTED = ("customerManagedEncryption", "expireTime", "rotation", "secretType", "tags", "topics", "ttl")
DAY = 86400
ANNOTATION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
ANNOTATIONS_LIMIT = 16 * 1024
PAGE_LIMIT = 25000
PAYLOAD_LIMIT = 64 * 1024
API = "secretmanager.projects.secrets"


class SecretManager(Service):
    """The methods of ``projects.secrets``, the global ones."""

    api = "secretmanager"

    @handles(f"{API}.create")
    def create(self, call: Call) -> Json:
        """Make a secret, still without a version."""
        project, name = call.resource.split("/")[1], call.first("secretId")
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,255}", name):
            raise _invalid(f"The provided Secret ID [{name}] does not match the expected format [[a-zA-Z_0-9]+].")
        replication = _replication(call.body.get("replication") or {})
        key = f"projects/{project}/secrets/{name}"
        with self.store.lock:
            if self.store.get(SECRETS, key):
                raise ApiError(409, f"Secret [{self._full(key)}] already exists.", "alreadyExists")
            _refuse_unsupported(field for field in call.body if call.body[field])
            secret: Json = {field: call.body[field] for field in MUTABLE if call.body.get(field)}
            _check(secret)
            if secret.get("versionAliases"):
                raise _invalid("Version aliases must refer to existing versions.")  # unverified: the words
            secret |= {
                "name": self._full(key),
                "replication": replication,
                "createTime": timestamp(),
                "etag": _new_etag(),
            }
            self.store.put(SECRETS, key, secret)
        return secret

    @handles(f"{API}.get")
    def get(self, call: Call) -> Json:
        """The secret, without what it holds."""
        return self._secret(call.resource)

    @handles(f"{API}.list")
    def list_secrets(self, call: Call) -> Json:
        """The secrets of a project, the newest first."""
        found = [
            secret for _key, secret in self.store.items(SECRETS, f"{call.resource.removesuffix('/secrets')}/secrets/")
        ]
        found.sort(key=lambda secret: str(secret["createTime"]), reverse=True)
        return _page(call, "secrets", [secret for secret in found if _passes(call.first("filter"), secret)])

    @handles(f"{API}.patch")
    def patch(self, call: Call) -> Json:
        """Change the fields that the mask names; maps are replaced as a whole."""
        mask = [_camel(field) for field in call.first("updateMask").split(",") if field]
        _refuse_unsupported(mask)
        wrong = [field for field in mask if field.split(".")[0] not in MUTABLE]
        if not mask or wrong:
            raise _invalid(
                "Field [updateMask] is required." if not mask else f"Field [secret.{wrong[0]}] is immutable."
            )
        with self.store.lock:
            secret = self._secret(call.resource)
            _check_etag(secret, call.body.get("etag", ""))
            before = secret["replication"]
            for field in mask:
                parent, _dot, child = field.partition(".")
                value = call.body.get(parent)
                if child:
                    merged = dict(secret.get(parent, {})) | {child: (value or {}).get(child)}
                    value = {name: one for name, one in merged.items() if one is not None}
                secret[parent] = value
            secret = {field: value for field, value in secret.items() if value not in (None, {}, [])}
            secret["replication"] = _replication(secret.get("replication", {}))
            if _places(secret["replication"]) != _places(before):
                # documentation: nothing of a replication can be changed but its keys; unverified: the words
                raise _invalid("Field [secret.replication] is immutable, except for customer-managed encryption.")
            _check(secret)
            self._check_aliases(call.resource, secret)
            secret["etag"] = _new_etag()
            self.store.put(SECRETS, call.resource, secret)
        return secret

    @handles(f"{API}.delete")
    def delete(self, call: Call) -> Json:
        """Delete a secret with all its versions."""
        with self.store.lock:
            _check_etag(self._secret(call.resource), call.first("etag"))
            for key, _version in list(self.store.items(VERSIONS, f"{call.resource}/versions/")):
                self.store.delete(VERSIONS, key)
            self.store.delete(SECRETS, call.resource)
            self.store.delete("policies", call.resource)
        return {}

    @handles(f"{API}.getIamPolicy")
    def get_policy(self, call: Call) -> Json:
        """Who may do what with the secret."""
        self._secret(call.resource)
        return policies.read(self.store, call.resource, call.first("options.requestedPolicyVersion"))

    @handles(f"{API}.setIamPolicy")
    def set_policy(self, call: Call) -> Json:
        """Replace the policy; ``write`` compares the etag."""
        self._secret(call.resource)
        return policies.replace(self.store, call.resource, call.body)

    @handles(f"{API}.testIamPermissions")
    def test_permissions(self, call: Call) -> Json:
        """Which of these permissions the caller has."""
        held = policies.held(self.store, call.principal, call.resource, call.body.get("permissions", []))
        return {"permissions": held} if held else {}

    @handles(f"{API}.addVersion")
    def add_version(self, call: Call) -> Json:
        """Store a payload under the next number."""
        payload = call.body.get("payload") or {}
        data = _decode(payload.get("data", ""))
        if not data:
            raise _invalid("Secret Payload cannot be empty.")  # issue
        checksum = payload.get("dataCrc32c")
        if checksum is not None and int(checksum) != google_crc32c.value(data):
            raise _invalid("The provided data_crc32c does not match the payload's checksum.")
        if len(data) > PAYLOAD_LIMIT:
            raise _invalid(f"The payload of {len(data)} bytes is larger than the maximum of {PAYLOAD_LIMIT} bytes.")
        with self.store.lock:
            secret = self._secret(call.resource)
            number = 1 + max(self._numbers(call.resource), default=0)
            version: Json = {
                "name": f"{secret['name']}/versions/{number}",
                "createTime": timestamp(),
                "state": "ENABLED",
                "replicationStatus": _replication_status(secret["replication"]),
                "etag": _new_etag(),
                "_data": base64.b64encode(data).decode(),
            }
            if checksum is not None:
                version["clientSpecifiedPayloadChecksum"] = True
            self.store.put(VERSIONS, f"{call.resource}/versions/{number}", version)
        return _public(version)

    @handles(f"{API}.versions.get")
    def get_version(self, call: Call) -> Json:
        """A version, without its payload."""
        return _public(self._version(call.resource)[1])

    @handles(f"{API}.versions.list")
    def list_versions(self, call: Call) -> Json:
        """The versions of a secret, the newest first."""
        secret = call.resource.removesuffix("/versions")
        self._secret(secret)
        numbers = sorted(self._numbers(secret), reverse=True)
        found = [_public(self._version(f"{secret}/versions/{number}")[1]) for number in numbers]
        return _page(call, "versions", [version for version in found if _passes(call.first("filter"), version)])

    @handles(f"{API}.versions.access")
    def access(self, call: Call) -> Json:
        """The payload of an enabled version."""
        _key, version = self._version(call.resource)
        if version["state"] != "ENABLED":
            raise _precondition(f"Secret Version [{version['name']}] is in {version['state']} state.")
        checksum = google_crc32c.value(base64.b64decode(version["_data"]))
        return {"name": version["name"], "payload": {"data": version["_data"], "dataCrc32c": str(checksum)}}

    @handles(f"{API}.versions.enable")
    def enable(self, call: Call) -> Json:
        """Let a version be read again."""
        return self._move(call, "ENABLED")

    @handles(f"{API}.versions.disable")
    def disable(self, call: Call) -> Json:
        """Keep a version from being read."""
        return self._move(call, "DISABLED")

    @handles(f"{API}.versions.destroy")
    def destroy(self, call: Call) -> Json:
        """Remove the payload of a version for good."""
        return self._move(call, "DESTROYED")

    def _full(self, key: str) -> str:
        """The name that the API gives: with the project's number."""
        _projects, project, rest = key.split("/", 2)
        found = self.store.get("projects", project)
        return f"projects/{found['projectNumber'] if found else project}/{rest}"

    def _secret(self, key: str) -> Json:
        secret = self.store.get(SECRETS, key)
        if secret is None:
            raise ApiError(404, f"Secret [{self._full(key)}] not found.", "notFound")
        return secret

    def _numbers(self, secret: str) -> list[int]:
        return [int(key.rpartition("/")[2]) for key, _version in self.store.items(VERSIONS, f"{secret}/versions/")]

    def _version(self, resource: str) -> tuple[str, Json]:
        """Key and document of a version, by its number, an alias, or ``latest``."""
        secret, _slash, name = resource.rpartition("/versions/")
        owner = self._secret(secret)
        if name == "latest":
            number = str(max(self._numbers(secret), default=0))
        else:
            number = str(owner.get("versionAliases", {}).get(name, name))
        key = f"{secret}/versions/{number}"
        version = self.store.get(VERSIONS, key)
        if version is None:
            what = f"{self._full(secret)}/versions/{name}"
            raise ApiError(404, f"Secret Version [{what}] not found.", "notFound")
        return key, _aged(version)

    def _move(self, call: Call, state: str) -> Json:
        with self.store.lock:
            key, version = self._version(call.resource)
            _check_etag(version, call.body.get("etag", ""))
            if version["state"] == "DESTROYED":
                raise _precondition(f"Secret Version [{version['name']}] is already DESTROYED.")
            owner = self._secret(call.resource.rpartition("/versions/")[0])
            if state == "DESTROYED" and "versionDestroyTtl" in owner:
                # A version with a delay is disabled until its time comes (discovery).
                seconds = float(owner["versionDestroyTtl"].removesuffix("s"))
                version |= {"state": "DISABLED", "etag": _new_etag()}
                version.setdefault("scheduledDestroyTime", timestamp(_now() + datetime.timedelta(seconds=seconds)))
            elif version["state"] != state:
                version |= {"state": state, "etag": _new_etag()}
            if state == "ENABLED":
                version.pop("scheduledDestroyTime", None)  # to enable it takes that back (documentation)
            if version["state"] == "DESTROYED":
                version |= {"destroyTime": timestamp(), "_data": ""}
                version.pop("scheduledDestroyTime", None)
            self.store.put(VERSIONS, key, version)
        return _public(version)

    def _check_aliases(self, key: str, secret: Json) -> None:
        for alias, number in secret.get("versionAliases", {}).items():
            if self.store.get(VERSIONS, f"{key}/versions/{number}") is None:
                raise _invalid(f"Version [{number}] of alias [{alias}] does not exist.")

    def wake(self) -> None:
        """Destroy what was due while the sandbox was not there."""
        for key, version in list(self.store.items(VERSIONS)):
            self.store.put(VERSIONS, key, _aged(version))


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _aged(version: Json) -> Json:
    """The version as time has left it: destroyed, if that was put off until now."""
    due = version.get("scheduledDestroyTime")
    if due is None or datetime.datetime.fromisoformat(due) > _now():
        return version
    kept = {field: value for field, value in version.items() if field != "scheduledDestroyTime"}
    return kept | {"state": "DESTROYED", "destroyTime": due, "_data": "", "etag": f'"{due}"'}


def _refuse_unsupported(fields: t.Iterable[str]) -> None:
    for field in fields:
        if field.split(".")[0] in UNSUPPORTED:
            raise ApiError(501, f"The sandbox's secrets have no {field}.", "notImplemented", "UNIMPLEMENTED")


def _public(version: Json) -> Json:
    return {field: value for field, value in version.items() if not field.startswith("_")}


def _decode(data: str) -> bytes:
    try:
        return decode(data)
    except ValueError:
        raise _invalid("Invalid value at 'payload.data' (TYPE_BYTES), Base64 decoding failed.") from None


def _new_etag() -> str:
    return f'"{secrets.token_hex(7)}"'


def _check_etag(document: Json, given: str) -> None:
    if given and given.strip('"') != document["etag"].strip('"'):
        raise _precondition(
            f"The etag provided '{given}' does not match the etag of the current version '{document['etag']}'."
        )


def _check(secret: Json) -> None:
    """documentation: the limits; unverified: the words."""
    if len(secret.get("labels", {})) > LABELS:
        raise _invalid(f"A secret can have at most {LABELS} labels.")
    for key, value in secret.get("labels", {}).items():
        if not (is_label_key(key) and is_label(value)):
            raise _invalid(f"The provided label [{key}: {value}] is not valid.")
    annotations = secret.get("annotations", {})
    if wrong := [key for key in annotations if not ANNOTATION.fullmatch(key)]:
        raise _invalid(f"The provided annotation key [{wrong[0]}] is not valid.")
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) >= ANNOTATIONS_LIMIT:
        raise _invalid("The annotations of a secret must be smaller than 16 KiB.")
    delay = secret.get("versionDestroyTtl")
    if delay and not DAY <= float(delay.removesuffix("s")) <= 1000 * DAY:
        raise _invalid("Field [secret.version_destroy_ttl] must be between 1 day and 1000 days.")


def _replication(replication: Json) -> Json:
    """Where a secret is kept. documentation: the rules; unverified: the words of all but the first."""
    kinds = [kind for kind in ("automatic", "userManaged") if replication.get(kind) is not None]
    if len(kinds) != 1:
        raise _invalid("Field [secret.replication] is required.")
    if kinds == ["automatic"]:
        _check_key(replication["automatic"], "global")
        return {"automatic": replication["automatic"]}
    replicas = replication["userManaged"].get("replicas") or []
    locations = [replica.get("location", "") for replica in replicas]
    if not locations or len(set(locations)) < len(locations):
        raise _invalid("Field [secret.replication.user_managed.replicas] must name different locations.")
    for replica in replicas:
        if not re.fullmatch(r"[a-z]+-[a-z]+\d+", replica.get("location", "")):
            raise _invalid(f"Invalid location: [{replica.get('location', '')}].")
        _check_key(replica, replica["location"])
    return {"userManaged": {"replicas": replicas}}


def _check_key(place: Json, location: str) -> None:
    """Check a key's name. The sandbox has no Cloud KMS: each key that is well-formed is there, and may be used."""
    if "customerManagedEncryption" not in place:
        return
    key = place["customerManagedEncryption"].get("kmsKeyName", "")
    match = KMS_KEY.fullmatch(key)
    if match is None or match["location"] != location:
        raise _invalid(f"The Cloud KMS key [{key}] must be a key in the location [{location}].")


def _places(replication: Json) -> list[str]:
    return sorted(replica["location"] for replica in replication.get("userManaged", {}).get("replicas", []))


def _replication_status(replication: Json) -> Json:
    if "automatic" in replication:
        return {"automatic": _encryption_status(replication["automatic"])}
    replicas = replication["userManaged"]["replicas"]
    statuses = [{"location": replica["location"], **_encryption_status(replica)} for replica in replicas]
    return {"userManaged": {"replicas": statuses}}


def _encryption_status(place: Json) -> Json:
    key = place.get("customerManagedEncryption", {}).get("kmsKeyName")
    return {"customerManagedEncryption": {"kmsKeyVersionName": f"{key}/cryptoKeyVersions/1"}} if key else {}


def _camel(field: str) -> str:
    """Masks may name the fields as the protobuf does."""
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), field)


def _passes(expression: str, document: Json) -> bool:
    """The filters that clients really send: ``name:part``, ``state:ENABLED``, ``labels.key=value``, joined by AND."""
    if re.search(r"\b(OR|NOT)\b|[()<>!*]|(^|\s)-", re.sub(r'"[^"]*"', '""', expression)):
        words = f"The sandbox's secrets have no such list filter: {expression}"
        raise ApiError(501, words, "notImplemented", "UNIMPLEMENTED")
    for term in filter(None, re.split(r"\s+AND\s+", expression.strip())):
        match = re.fullmatch(r"([\w.]+)\s*(:|=)\s*\"?([^\"]*)\"?", term)
        if not match:
            raise _invalid(f"Invalid list filter: {expression}")
        value: t.Any = document
        for field in match[1].split("."):
            value = value.get(_camel(field)) if isinstance(value, dict) else None
        if match[1] == "name":  # its own part of the resource's name
            value = document["name"].rpartition("/secrets/")[2]
        if value is None or (str(value) != match[3] if match[2] == "=" else match[3] not in str(value)):
            return False
    return True


def _page(call: Call, key: str, found: list[Json]) -> Json:
    shown, token = page(found, call, PAGE_LIMIT)
    answer: Json = {key: shown} if shown else {}
    return answer | ({"nextPageToken": token} if token else {}) | ({"totalSize": len(found)} if found else {})


def _invalid(message: str) -> ApiError:
    return ApiError(400, message, "badRequest")


def _precondition(message: str) -> ApiError:
    return ApiError(400, message, "failedPrecondition", "FAILED_PRECONDITION")
