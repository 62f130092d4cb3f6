# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""IAM: one member's grant of one role in somebody's policy."""

from __future__ import annotations

import copy
import re
import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError, Json
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Plan, Resource
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.rules import matching

POLICY_VERSION = 3  # the only one in which conditions are told
ROLE = matching(
    r"roles/[\w.]+|(projects|organizations)/[^/\s]+/roles/[\w.]+",
    "a role, such as roles/viewer or projects/my-project/roles/myRole",
)
MEMBER = matching(
    r"allUsers|allAuthenticatedUsers|(user|serviceAccount|group|domain|projectOwner|projectEditor|projectViewer):\S+"
    r"|deleted:\S+|principal(Set)?://\S+",
    "allUsers, allAuthenticatedUsers, or a type and a name, such as user:jane@example.com, group:team@example.com or "
    "serviceAccount:mlflow@my-project.iam.gserviceaccount.com",
)


def canonical_member(member: str) -> str:
    """A member in one form: the case of addresses does not matter, and IAM answers with the account's own spelling."""
    kind, colon, name = member.partition(":")
    if kind == "deleted":
        return f"{kind}:{canonical_member(name)}"
    return f"{kind}:{name.lower()}" if colon and not kind.startswith("principal") else member


def is_for(binding: Json, grant: Json) -> bool:
    """Whether a binding of a policy is the one of the grant's role and condition."""
    mine, other = grant.get("condition") or {}, binding.get("condition") or {}
    words = ("title", "expression", "description")
    return binding.get("role") == grant["role"] and all((mine.get(w) or "") == (other.get(w) or "") for w in words)


def is_same_member(one: str, other: str) -> bool:
    """Whether two members are the same. A deleted account is another one than its successor of the same name."""
    return canonical_member(one) == canonical_member(other)


def granted(policy: Json, grant: Json) -> Json | None:
    """The grant as the policy has it, or None."""
    for binding in policy.get("bindings", []):
        for member in binding.get("members", []):
            if is_for(binding, grant) and is_same_member(member, grant["member"]):
                return one_grant(binding, member)
    return None


def one_grant(binding: Json, member: str) -> Json:
    """One member's part of a binding."""
    condition = {key: value for key, value in (binding.get("condition") or {}).items() if value}
    return {"role": binding["role"], "member": member} | ({"condition": condition} if condition else {})


def with_grant(policy: Json, grant: Json) -> Json:
    """The policy with the grant, and otherwise as it was."""
    policy = copy.deepcopy(policy)
    bindings = policy.setdefault("bindings", [])
    binding = next((binding for binding in bindings if is_for(binding, grant)), None)
    if binding is None:
        binding = {key: grant[key] for key in ("role", "condition") if grant.get(key)}
        bindings.append(binding)
    binding["members"] = [*binding.get("members", []), grant["member"]]
    return in_version(policy)


def without_grant(policy: Json, grant: Json) -> Json:
    """The policy without the grant, and otherwise as it was; a binding of nobody goes."""
    policy = copy.deepcopy(policy)
    for binding in policy.get("bindings", []):
        if is_for(binding, grant):
            binding["members"] = [m for m in binding.get("members", []) if not is_same_member(m, grant["member"])]
    policy["bindings"] = [binding for binding in policy.get("bindings", []) if binding.get("members")]
    return in_version(policy)


def in_version(policy: Json) -> Json:
    """The policy with the version that a condition needs; the one that a condition was read with stays."""
    if any("condition" in binding for binding in policy["bindings"]):
        policy["version"] = POLICY_VERSION
    return policy


class PolicyMember(Resource):
    """A grant: it is a part of a policy, which is read, changed and written as a whole, protected by its etag.

    A kind says where the policy lives; ``read_policy`` and ``write_policy`` are those of most APIs.
    """

    fields = {
        "role": Field(required=True, must=ROLE),
        "member": Field(required=True, must=MEMBER, canonical=canonical_member),
        "condition": Field(
            type="dict",
            options={"title": Field(required=True), "expression": Field(required=True), "description": Field()},
        ),
    }
    holder: t.ClassVar[str] = "project"  # the option that names what has the policy
    patience: t.ClassVar[float] = 5  # seconds; how long something that was just made may be unknown to its own API
    policy: Json  # as it was read last; it carries the etag

    def read_policy(self) -> Json | None:
        """The policy, in the version that tells conditions; None if there is nobody to have one."""
        return self.session.get(f"{self.url}:getIamPolicy", {"options.requestedPolicyVersion": POLICY_VERSION})

    def write_policy(self, policy: Json) -> Json:
        """Replace the policy, if its etag is still the current one; so it does no harm to send it twice."""
        return self.request("POST", f"{self.url}:setIamPolicy", {"policy": policy}, repeatable=True)

    @property
    def grant(self) -> Json:
        """What the task is about, in the words of a policy."""
        return one_grant(self.params, self.params["member"])

    @property
    def title(self) -> str:
        """What errors call it."""
        return f"{self.params['role']} for {self.params['member']} on the {self.holder} {self.params[self.holder]}"

    def read(self) -> Json | None:
        """The grant, or None."""
        self.policy = self.read_policy() or {}
        return granted(self.policy, self.grant)

    def create(self, _plan: Plan) -> Json:
        """Add the member.

        :raises GcpError: if there is nothing to grant a role on.
        """
        if "etag" not in self.policy:
            raise GcpError(
                f"{self.title} cannot be granted: there is no such {self.holder}. Check the option {self.holder}.",
                patience=self.patience,
            )
        return self.write_policy(with_grant(self.policy, self.grant))

    def delete(self, _plan: Plan) -> Json:
        """Take the member out."""
        return self.write_policy(without_grant(self.policy, self.grant))

    def explain(self, error: GcpError) -> GcpError:
        """Name the option that a policy was refused for."""
        if error.status == 400 and error.method != "GET" and not error.url.endswith(":getIamPolicy"):
            words = (word for word in ("condition", "role") if re.search(rf"\b{word}", error.message, re.IGNORECASE))
            option = next(words, "member")
            error.note(f"Check the option {option}, which is {self.grant.get(option)}.")
        return super().explain(error)
