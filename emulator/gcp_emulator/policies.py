# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""IAM policies: how they are read, checked and replaced."""

from __future__ import annotations

import hashlib
import json
import re
import typing as t

from gcp_emulator import accounts, conditions, permissions, roles
from gcp_emulator.errors import ApiError, Json
from gcp_emulator.store import Store
from gcp_emulator.values import same_bytes

# The most members of a policy (discovery: Policy.bindings).
MEMBERS = 1500
# What is replaced if a request does not say (discovery: SetIamPolicyRequest.updateMask).
DEFAULT_MASK = "bindings,etag"
_MASKS = frozenset({"bindings", "etag", "version", "auditConfigs"})
_EVERYBODY = frozenset({"allUsers", "allAuthenticatedUsers"})
_KIND = r"(user|serviceAccount|group|domain|projectOwner|projectEditor|projectViewer)"
_MEMBER = re.compile(rf"allUsers|allAuthenticatedUsers|{_KIND}:.+|deleted:{_KIND}:.+\?uid=\d+|principal(Set)?://.+")
_ROLE = re.compile(r"roles/[A-Za-z0-9]+([._][A-Za-z0-9._]+)?|(?P<own>(projects|organizations)/[^/]+/roles/[\w.]+)")
# An account that Google made, such as service-123@gcp-sa-sql.iam.gserviceaccount.com (documentation: service agents).
_AGENT = re.compile(r"service-\d+@.+|.+@gcp-sa-.+")


def requested_version(value: t.Any) -> int:
    """The version of a policy that a client asks for.

    :raises ApiError: 400 for one that there is not.
    """
    version = int(value or 0)
    if version not in (0, 1, 3):  # discovery: GetPolicyOptions; unverified wording
        raise ApiError(400, f"Invalid policy version: {version}. Valid values are 0, 1, and 3.", "badRequest")
    return version


def read(store: Store, resource: str, version: t.Any = None) -> Json:
    """The policy as a client that knows this version may see it: below 3, conditions show in the role's name alone."""
    policy = permissions.policy(store, resource)
    if requested_version(version) >= 3 or not _is_conditional(policy):
        return policy
    bindings = [
        {"role": f"{binding['role']}_withcond_{_digest(binding['condition'])}", "members": binding["members"]}
        if "condition" in binding
        else binding
        for binding in policy["bindings"]
    ]
    return policy | {"version": 1, "bindings": bindings}


def replace(store: Store, resource: str, request: Json, public: bool = False) -> Json:
    """Do what a SetIamPolicyRequest asks; the new policy. Only what its mask names is changed.

    :param public: whether everybody may be a member.
    :raises ApiError: as ``write`` does; 400 for a mask of something else.
    """
    mask = {name.strip().removeprefix("policy.") for name in (request.get("updateMask") or DEFAULT_MASK).split(",")}
    names = {"audit_configs": "auditConfigs"}
    mask = {names.get(name, name) for name in mask}
    if mask - _MASKS:  # unverified wording
        raise ApiError(400, f"Invalid update mask: {', '.join(sorted(mask - _MASKS))}.", "badRequest")
    with store.lock:
        current, wanted = permissions.policy(store, resource), request.get("policy") or {}
        kept = {name: current[name] for name in ("bindings", "auditConfigs") if name not in mask and name in current}
        given = {name: wanted[name] for name in _MASKS if name in wanted and (name in mask or name == "version")}
        if "bindings" not in mask:
            given["version"] = current["version"]
        return write(store, resource, given | kept, public)


def write(store: Store, resource: str, policy: Json, public: bool = True) -> Json:
    """Replace a policy; the new one.

    :param public: whether everybody may be a member.
    :raises ApiError: 409 if the etag is not the present one's; 400 for what cannot be in a policy.
    """
    with store.lock:
        current = permissions.policy(store, resource)
        if policy.get("etag") and not same_bytes(policy["etag"], current["etag"]):
            # issue: django-cloud-deploy#277, the beginning of the wording
            raise ApiError(
                409,
                "There were concurrent policy changes. Please retry the whole read-modify-write with exponential "
                f"backoff. The request's ETag '{policy['etag']}' did not match the current policy's ETag "
                f"'{current['etag']}'.",
                "aborted",
                "ABORTED",
            )
        _check_version(policy, current)
        if resource.count("/") == 1 and resource.startswith("projects/"):
            _check_owners(policy.get("bindings", []), current["bindings"])
        known = {member for binding in current["bindings"] for member in binding["members"]}
        bindings = _merged(policy.get("bindings", []), known)
        for binding in bindings:
            _check_role(binding.get("role", ""), resource)
            _check_members(store, binding, known, public)
            if "condition" in binding:
                conditions.check(binding["condition"], binding["role"], binding["members"])
        _check_size(bindings)
        version = 3 if _is_conditional({"bindings": bindings}) else 1
        new: Json = {"version": version, "etag": accounts.new_etag(), "bindings": bindings}
        new |= {"auditConfigs": policy["auditConfigs"]} if policy.get("auditConfigs") else {}
        store.put("policies", resource, new)
    return new


def grant(store: Store, resource: str, role: str, member: str) -> None:
    """Add one member to a role, as the owner of the sandbox may."""
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


def _is_conditional(policy: Json) -> bool:
    return any(binding.get("condition") for binding in policy.get("bindings", []))


def _merged(bindings: list[Json], known: set[str]) -> list[Json]:
    """One binding for each role and condition, without repeated members; empty ones go.

    :param known: members that the policy had, in their own spelling.
    """
    spelling = {_caseless(member): member for member in known}
    merged: dict[str, Json] = {}
    for binding in bindings:
        key = json.dumps([binding.get("role"), binding.get("condition")], sort_keys=True)
        into = merged.setdefault(key, {name: value for name, value in binding.items() if value} | {"members": []})
        members = (spelling.setdefault(_caseless(member), member) for member in binding.get("members", []))
        into["members"] += [member for member in dict.fromkeys(members) if member not in into["members"]]
    return [binding for binding in merged.values() if binding["members"]]


def _caseless(member: str) -> str:
    """A member in one spelling. However an address is written, IAM answers with the account's own spelling.

    Source: issue, terraform-provider-google#5107.
    """
    return member if member.startswith(("principal", "deleted:principal")) else member.lower()


def _check_version(policy: Json, current: Json) -> None:
    version = requested_version(policy.get("version"))
    conditional = _is_conditional(policy)
    if any("_withcond_" in binding.get("role", "") for binding in policy.get("bindings", [])) and conditional:
        # issue: k8s-config-connector#766
        raise ApiError(
            400,
            "Policy cannot contain both conditions and condition hashes. Please update your client to request version "
            "3 policy. For more information, please refer to https://cloud.google.com/iam/help/allow-policies/versions.",
            "badRequest",
        )
    # discovery: without an etag, a policy with conditions may be overwritten, and loses them; unverified wording
    if version < 3 and (conditional or (policy.get("etag") and _is_conditional(current))):
        raise ApiError(400, "Policies with conditional bindings must specify version 3.", "badRequest")


def _check_size(bindings: list[Json]) -> None:
    members = sum(len(binding["members"]) for binding in bindings)
    if members > MEMBERS:  # issue: kubeflow/pipelines#1146
        raise ApiError(
            400,
            f"The number of members in the policy ({members:,}) is larger than the maximum allowed size {MEMBERS:,}.",
            "badRequest",
        )


def _check_owners(bindings: list[Json], before: list[Json]) -> None:
    """Refuse to make a person an owner, and to take the last owner away: the project is in no organization.

    Source: discovery, setIamPolicy of projects; issue, terraform-provider-google#4276: an owner whose address comes
    back in another case counts as another one.
    """
    old, new = _owners(before), _owners(bindings)
    if invited := [member for member in new if member not in old and member.startswith(("user:", "group:"))]:
        raise _owner_error("SOLO_MUST_INVITE_OWNERS", invited[0])
    if old and not new:  # the type of the refusal to take the last owner away is unverified
        raise _owner_error("SOLO_REQUIRE_TOS_ACCEPTOR", old[0])


def _owners(bindings: list[Json]) -> list[str]:
    owners = [binding.get("members", []) for binding in bindings if binding.get("role") == "roles/owner"]
    return [member for members in owners for member in members if not member.startswith("deleted:")]


def _owner_error(kind: str, member: str) -> ApiError:
    detail = {
        "@type": "type.googleapis.com/google.cloudresourcemanager.v1.ProjectIamPolicyError",
        "type": kind,
        "member": member,
        "role": "roles/owner",
    }
    return ApiError(400, "Request contains an invalid argument.", "badRequest", details=[detail])


def _check_role(role: str, resource: str) -> None:
    match = _ROLE.fullmatch(role)
    if match and match["own"]:  # the sandbox has no custom roles, so that none exists; unverified wording
        raise ApiError(400, f"Role ({role}) does not exist in the resource's hierarchy.", "badRequest")
    if match is None or "_withcond_" in role or not roles.is_grantable(role, resource):
        # issue: terraform-provider-google#5107
        raise ApiError(400, f"Role {role} is not supported for this resource.", "badRequest")


def _check_members(store: Store, binding: Json, known: set[str], public: bool) -> None:
    for member in binding["members"]:
        kind, colon, name = member.partition(":")
        if not colon and member not in _EVERYBODY:  # issue: google-api-python-client#819
            raise ApiError(400, 'Policy members must be of the form "<type>:<value>".', "badRequest")
        if not _MEMBER.fullmatch(member):  # recording (Cloud Storage's wording)
            raise ApiError(
                400,
                f"The member {member} is of an unknown type. Please set a valid type prefix for the member.",
                "badRequest",
            )
        if not public and member in _EVERYBODY:  # issue: terraform-provider-google#13592
            raise ApiError(
                400, f"Member {member} is invalid due to membership type restrictions on the resource.", "badRequest"
            )
        if kind == "deleted" and member not in known:
            # issue: terraform-provider-google#16505
            email, _mark, number = name.partition(":")[2].partition("?uid=")
            raise ApiError(
                400,
                f"Email '{email}' is not the primary email address for unique ID '{number}' of deleted member "
                f"'{name.partition(':')[2]}'.",
                "badRequest",
            )
        # An account that is gone stays in a policy that is written back as it was read.
        ours = kind == "serviceAccount" and not _AGENT.fullmatch(name) and _is_made_by_projects(name)
        if ours and store.get("serviceAccounts", name) is None and member not in known:
            # issue: terraform-provider-google#2939
            raise ApiError(400, f"Service account {name} does not exist.", "badRequest")


def _is_made_by_projects(email: str) -> bool:
    return email.endswith((".iam.gserviceaccount.com", "-compute@developer.gserviceaccount.com"))


def _digest(condition: Json) -> str:
    return hashlib.sha256(json.dumps(condition, sort_keys=True).encode()).hexdigest()[:20]
