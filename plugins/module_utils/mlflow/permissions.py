# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a user may do: MLflow's rows about types and IDs, and the words of a task about them."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils.mlflow.client import V2, V3, Call, Client, Json

EVERY = "*"
LEVELS = ["READ", "USE", "EDIT", "MANAGE", "DENY"]
# What MLflow gives rights on. Those after mcp_server take EVERY alone; skill came with MLflow 3.18.
TYPES = [
    "experiment",
    "registered_model",
    "prompt",
    "scorer",
    "gateway_secret",
    "gateway_endpoint",
    "gateway_model_definition",
    "mcp_server",
    "skill",
    "run",
    "trace",
    "assessment",
    "logged_model",
    "review_queue",
    "registered_model_version",
    "prompt_version",
    "scorer_version",
    "mcp_server_version",
]
OPTIONS: Json = {
    "type": "list",
    "elements": "dict",
    "mutually_exclusive": [TYPES],
    "required_one_of": [TYPES],
    "options": {
        **{name: {"type": "str", "no_log": False} for name in TYPES},
        "permission": {"type": "str", "required": True, "choices": LEVELS},
    },
}
# What a right on these gives, a right on what is within them overrides, such as one on runs: also downward.
CONTAINERS = ("experiment", "registered_model", "prompt", "mcp_server")
STRENGTH = {"DENY": -1, "READ": 1, "USE": 2, "EDIT": 3, "MANAGE": 4}
# MLflow keeps what is granted to a user in a role of the user's own.
OWN_ROLE = re.compile(r"__user_\d+__")


class Grant(t.NamedTuple):
    """A right on something; ``row`` is MLflow's number of it, if it is there."""

    kind: str
    pattern: str
    permission: str
    row: int = 0

    @property
    def on(self) -> tuple[str, str]:
        """What it is about; a user has one right on it at most."""
        return self.kind, self.pattern

    @property
    def resource(self) -> Json:
        """In MLflow's words."""
        return {"resource_type": self.kind, "resource_pattern": self.pattern, "permission": self.permission}


def named(option: Json) -> tuple[str, str]:
    """What an element of the option is about, by its type and its name."""
    return next((kind, option[kind]) for kind in TYPES if option.get(kind) is not None)


def complaints(wanted: list[Json]) -> t.Iterator[str]:
    """What is wrong with the option, a sentence each."""
    seen = set()
    for kind, name in map(named, wanted):
        if not name:
            yield f"permissions has an empty {kind}. Give its name, or {EVERY!r} for every one."
        if (kind, name) in seen:
            yield f"permissions names the {kind} {name!r} twice. A user has one permission on it: keep one of them."
        seen.add((kind, name))


class Experiments:
    """Names of experiments and MLflow's IDs of them, which its rights are about."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._ids: dict[str, str | None] = {EVERY: EVERY}
        self._names: dict[str, str] = {EVERY: EVERY}

    def id_of(self, name: str) -> str | None:
        """Its ID, or None if there is no such experiment, or only a deleted one."""
        if name not in self._ids:
            answer = self._client.get(f"{V2}/experiments/get-by-name", experiment_name=name)
            self._ids[name] = None
            if answer and answer["experiment"]["lifecycle_stage"] == "active":
                self._ids[name] = number = str(answer["experiment"]["experiment_id"])
                self._names[number] = name
        return self._ids[name]

    def foretell(self, name: str) -> str:
        """Stand for the ID of an experiment that a task before this one would have made, had it not been a check."""
        self._names[f"(new: {name})"] = name
        return f"(new: {name})"

    def name_of(self, number: str) -> str:
        """Its name; of one that has gone for good, the ID."""
        if number not in self._names:
            found = (self._client.get(f"{V2}/experiments/get", experiment_id=number) or {}).get("experiment")
            self._names[number] = found["name"] if found else f"(gone: {number})"
        return self._names[number]


def granted(roles: list[Json], workspace: str) -> list[Grant]:
    """What was granted to a user, out of the roles that the user has: those that others have too are not looked at."""
    return [
        Grant(row["resource_type"], row["resource_pattern"], row["permission"], row["id"])
        for role in roles
        if OWN_ROLE.fullmatch(role["name"]) and role["workspace"] == workspace
        for row in role["permissions"]
    ]


def shown(grants: t.Iterable[Grant], name_of: t.Callable[[str], str]) -> list[Json]:
    """In a task's words, in one order."""
    words = [
        (grant.kind, name_of(grant.pattern) if grant.kind == "experiment" else grant.pattern, grant.permission)
        for grant in grants
    ]
    return [{kind: name, "permission": permission} for kind, name, permission in sorted(words)]


def less(before: list[Json], after: list[Json]) -> bool:
    """Whether who gets from one to the other, both as shown, may do less of anything; in doubt, yes.

    What the default and roles that others have too give besides is not known here.
    """

    def levels(rights: list[Json]) -> dict[tuple[str, str], int]:
        return {
            next((kind, name) for kind, name in right.items() if kind != "permission"): STRENGTH.get(
                right["permission"], 0
            )
            for right in rights
        }

    old, new = levels(before), levels(after)
    return any(level > new.get(on, 0) for on, level in old.items()) or any(
        level < 0 or (on[0] not in CONTAINERS and level < STRENGTH["MANAGE"])
        for on, level in new.items()
        if on not in old
    )


def calls(username: str, wanted: list[Grant], present: list[Grant]) -> list[Call]:
    """From what there is to what is wanted: what is taken away, then what is changed in place, then what is new."""
    keep = {grant.on: grant for grant in wanted}
    there = {grant.on: grant for grant in present}

    def about(grant: Grant) -> Json:
        return {"username": username, "resource_type": grant.kind, "resource_id": grant.pattern}

    return (
        [Call("POST", f"{V3}/users/permissions/revoke", about(old)) for on, old in there.items() if on not in keep]
        + [
            Call(
                "PATCH",
                f"{V3}/roles/permissions/update",
                {"role_permission_id": there[on].row, "permission": new.permission},
            )
            for on, new in keep.items()
            if on in there and there[on].permission != new.permission
        ]
        + [
            Call("POST", f"{V3}/users/permissions/grant", {**about(new), "permission": new.permission})
            for on, new in keep.items()
            if on not in there
        ]
    )
