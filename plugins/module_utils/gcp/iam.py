# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""IAM: one member's grant of one role in somebody's policy, and the e-mail addresses of service accounts."""

from __future__ import annotations

import copy
import re
import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError, Json
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.references import name_of
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Plan, Resource

POLICY_VERSION = 3  # the only one in which conditions are told


def is_for(binding: Json, grant: Json) -> bool:
    """Whether a binding of a policy is the one of the grant's role and condition."""
    mine, other = grant.get("condition") or {}, binding.get("condition") or {}
    words = ("title", "expression", "description")
    return binding.get("role") == grant["role"] and all((mine.get(w) or "") == (other.get(w) or "") for w in words)


def is_same_member(one: str, other: str) -> bool:
    """Whether two members are the same; IAM keeps e-mail addresses and domains in lower case."""
    kind = one.partition(":")[0]
    if kind in {"user", "serviceAccount", "group", "domain"}:
        return one.lower() == other.lower()
    return one == other


def holds(policy: Json, grant: Json) -> bool:
    """Whether a policy has the grant."""
    return any(
        is_for(binding, grant) and any(is_same_member(member, grant["member"]) for member in binding.get("members", []))
        for binding in policy.get("bindings", [])
    )


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
    """The policy with the version that a condition needs."""
    if any("condition" in binding for binding in policy["bindings"]):
        policy["version"] = POLICY_VERSION
    return policy


class PolicyMember(Resource):
    """A grant: it is a part of a policy, which is read, changed and written as a whole, protected by its etag."""

    fields = {
        "role": Field(required=True),
        "member": Field(required=True),
        "condition": Field(
            type="dict",
            options={"title": Field(required=True), "expression": Field(required=True), "description": Field()},
        ),
    }
    holder: t.ClassVar[str] = "project"  # the option that names what has the policy
    policy: Json  # as it was read last; it carries the etag

    def read_policy(self) -> Json | None:
        """The policy, in the version that tells conditions; None if there is nobody to have one."""
        raise NotImplementedError

    def write_policy(self, policy: Json) -> Json:
        """Replace the policy, if its etag is still the current one."""
        raise NotImplementedError

    @property
    def grant(self) -> Json:
        """What the task is about, in the words of a policy."""
        condition = {key: value for key, value in (self.params["condition"] or {}).items() if value is not None}
        grant = {"role": self.params["role"], "member": self.params["member"]}
        return grant | ({"condition": condition} if condition else {})

    @property
    def title(self) -> str:
        """What errors call it."""
        return f"{self.params['role']} for {self.params['member']} on the {self.holder} {self.params[self.holder]}"

    def read(self) -> Json | None:
        """The grant, or None."""
        self.policy = self.read_policy() or {}
        return self.grant if holds(self.policy, self.grant) else None

    def create(self, _plan: Plan) -> Json:
        """Add the member.

        :raises GcpError: if there is nothing to grant a role on.
        """
        if "etag" not in self.policy:
            raise GcpError(
                f"{self.title} cannot be granted: there is no such {self.holder}. Check the option {self.holder}."
            )
        return self.write_policy(with_grant(self.policy, self.grant))

    def delete(self, _plan: Plan) -> Json:
        """Take the member out."""
        return self.write_policy(without_grant(self.policy, self.grant))

    def explain(self, error: GcpError) -> GcpError:
        """Name the option that a policy was refused for."""
        if error.status == 400:
            option = "role" if re.search(r"\brole\b", error.message, re.IGNORECASE) else "member"
            error.note(f"Check the option {option}, which is {self.params[option]}.")
        return super().explain(error)


def account_email(reference: t.Any, project: str) -> str:
    """The e-mail address of a service account that is given by its ID, address, path, or a former result."""
    name = name_of(reference)
    return name if "@" in name else f"{name}@{account_domain(project)}"


def account_domain(project: str) -> str:
    """The domain of the service accounts that a project makes; ``example.com:p`` is a project of an organization."""
    organization, _colon, name = project.rpartition(":")
    return f"{name}.{organization}.iam.gserviceaccount.com" if organization else f"{name}.iam.gserviceaccount.com"


def refuse_foreign(email: str, project: str) -> None:
    """Say that a project cannot make an account with another project's address.

    :raises GcpError: if the address is not in the project's domain.
    """
    domain = account_domain(project)
    if not email.endswith(f"@{domain}"):
        raise GcpError(
            f"{email} cannot be created in the project {project}, whose service accounts end in @{domain}: check the "
            "options name and project."
        )
