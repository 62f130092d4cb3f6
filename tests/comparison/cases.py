# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is asked of both collections, how one sees what came of it, and what is right.

The tasks stand in ``tasks/``: those with the tag ``given`` make the beginning, those with ``asked`` are looked at.
"""

from __future__ import annotations

import base64
import json
import os
import stat
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from .sandbox import TOKENS, Json, Sandbox
from .sides import HERE, OURS, Answer, Player, Run, Side, tasks_for

REGION, ZONE = "europe-west1", "europe-west1-b"
CANARY = "canary-3f9c1e"  # as in tasks/secret_value.yml
COMPUTE = "https://compute.googleapis.com/compute/v1/projects"


class World:
    """One case in one collection's hands: what its tasks work on, and what became of it."""

    def __init__(self, sandbox: Sandbox, side: Side, case: Case, directory: Path) -> None:
        self.sandbox, self.side, self.directory = sandbox, side, directory
        self.subject = f"{case.name.replace('_', '-')}-{side.word}"
        self.run = Run()
        self.former = ""

    @property
    def variables(self) -> Json:
        """What the tasks know."""
        return {"subject": self.subject, "project": self.sandbox.project, "region": REGION, "zone": ZONE}

    @property
    def answer(self) -> Answer:
        """What the last task answered."""
        return self.run.answers[-1]

    def compute(self, path: str) -> Json:
        """A resource of Compute Engine."""
        return self.sandbox.ask("GET", f"{COMPUTE}/{self.sandbox.project}/{path}/{self.subject}")

    def account(self, name: str) -> Path:
        """A new service account without a role; the file of its key."""
        url = f"https://iam.googleapis.com/v1/projects/{self.sandbox.project}/serviceAccounts"
        name = f"{name}-{self.side.word}"
        made = self.sandbox.ask("POST", url, {"accountId": name})
        key = self.sandbox.ask("POST", f"{url}/{made['email']}/keys", {})
        path = self.directory / f"{name}.json"
        path.touch(mode=0o600)
        path.write_bytes(base64.b64decode(key["privateKeyData"]))
        return path


@dataclass(frozen=True)
class Case:
    """
    ``asked``: in words, for the report. ``truth``: what really is there afterwards; ``told`` is a sentence about it.
    ``right``: whether answer and truth are what the task asked for. ``tasks``: the file, if it is not named as the
    case. ``between``: something that happens after the beginning; variables of the tasks that come of it. ``ours``:
    variables for ours alone, where it takes an option that google.cloud does not have; ``note`` says which.
    """

    name: str
    asked: str
    truth: t.Callable[[World], t.Any]
    told: str
    right: t.Callable[[World, t.Any], bool]
    tasks: str = ""
    flags: tuple[str, ...] = ()
    between: t.Callable[[World], Json] = lambda _world: {}
    ours: Json = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Outcome:
    """What a collection made of a case; ``begun``: whether it could make the beginning."""

    answers: list[Answer]
    truth: t.Any = None
    right: bool = False
    begun: bool = True


def perform(case: Case, side: Side, sandbox: Sandbox, player: Player) -> Outcome:
    """Run a case with one collection."""
    world = World(sandbox, side, case, player.directory)
    text = tasks_for(side, (HERE / f"tasks/{case.tasks or case.name}.yml").read_text())
    tasks: list[Json] = yaml.safe_load(text)
    given, asked = ([task for task in tasks if tag in task["tags"]] for tag in ("given", "asked"))
    name = f"{case.name}-{side.word}"
    if given:
        world.run = player.play(f"{name}-given", given, world.variables)
        if [answer.status for answer in world.run.answers] != ["changed"] * len(given):
            return Outcome(world.run.answers, begun=False)
    variables = world.variables | case.between(world) | (case.ours if side is OURS else {})
    world.run = player.play(name, asked, variables, case.flags)
    sandbox.disarm()
    truth = case.truth(world)
    return Outcome(world.run.answers, truth, case.right(world, truth))


# -- what really is there ------------------------------------------------------------------------------------------


def source_ranges(world: World) -> list[str]:
    """The source ranges of a firewall rule."""
    return sorted(world.compute("global/firewalls")["sourceRanges"])


def ports(world: World) -> list[str]:
    """The ports that a firewall rule opens."""
    return sorted(world.compute("global/firewalls")["allowed"][0]["ports"])


def differences(world: World) -> list[str]:
    """What the diff of the last task names."""
    shown = world.answer.result.get("diff") or {}
    before, after = shown.get("before") or {}, shown.get("after") or {}
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


def settings(world: World) -> Json:
    """The settings of a database instance."""
    url = f"https://sqladmin.googleapis.com/v1/projects/{world.sandbox.project}/instances/{world.subject}"
    return t.cast(Json, world.sandbox.ask("GET", url)["settings"])


def networks(world: World) -> list[str]:
    """The networks from which a database instance can be reached."""
    return [network["value"] for network in settings(world)["ipConfiguration"].get("authorizedNetworks", [])]


def passwords_set(world: World) -> int:
    """How often a password was sent and taken."""
    requests = [request for answer in world.run.answers for request in answer.traffic.requests]
    return sum(r.verb == "PUT" and r.path.endswith("/users") and r.status == 200 for r in requests)


def writes(world: World) -> int:
    """How often the last task asked an API for a change."""
    return sum(request.verb != "GET" and request.host != TOKENS for request in world.answer.traffic.requests)


def bucket(world: World) -> Json:
    """The managed fields of a bucket."""
    name = f"{world.sandbox.project}-{world.subject}"
    found = world.sandbox.ask("GET", f"https://storage.googleapis.com/storage/v1/b/{name}")
    return {
        "class": found["storageClass"],
        "labels": found.get("labels", {}),
        "versioning": found.get("versioning", {}).get("enabled", False),
        "lifecycle rules": len(found.get("lifecycle", {}).get("rule", [])),
    }


def machine(world: World) -> Json:
    """A VM."""
    return world.compute(f"zones/{ZONE}/instances")


def machine_type(world: World) -> str:
    """The machine type of a VM."""
    return str(machine(world)["machineType"]).rpartition("/")[2]


def labels_and_tags(world: World) -> Json:
    """What somebody has put on a VM."""
    found = machine(world)
    return {"labels": found.get("labels", {}), "tags": found["tags"].get("items", [])}


def startup_script(world: World) -> str:
    """What a VM runs when it starts."""
    items = machine(world)["metadata"]["items"]
    return next(str(item["value"]) for item in items if item["key"] == "startup-script")


def mode(world: World) -> str:
    """Who may read the key file."""
    return f"{stat.S_IMODE(key_path(world).stat().st_mode):04o}"


def same_address(world: World) -> bool:
    """Whether a static address is the one that the task found, and was not given back meanwhile."""
    return bool(world.compute(f"regions/{REGION}/addresses")["id"] == world.former)


def economy(world: World) -> Json:
    """What a task took to speak with the APIs."""
    traffic = world.answer.traffic
    return {"API calls": traffic.calls, "connections": traffic.connections, "access tokens": traffic.tokens}


def display_name(world: World) -> str:
    """What a service account is called."""
    name = f"{world.subject}@{world.sandbox.project}.iam.gserviceaccount.com"
    url = f"https://iam.googleapis.com/v1/projects/{world.sandbox.project}/serviceAccounts/{name}"
    return str(world.sandbox.ask("GET", url)["displayName"])


def rule_exists(world: World) -> bool:
    """Whether there is the firewall rule."""
    url = f"{COMPUTE}/{world.sandbox.project}/global/firewalls"
    return world.subject in [rule["name"] for rule in world.sandbox.ask("GET", url).get("items", [])]


# -- what happens in between ---------------------------------------------------------------------------------------


def somebody_labels(world: World) -> Json:
    """Another team labels the VM, for its bills."""
    return put_on(
        world, "setLabels", {"labels": {"cost-centre": "42"}, "labelFingerprint": machine(world)["labelFingerprint"]}
    )


def somebody_tags(world: World) -> Json:
    """Another team tags the VM, for its firewall rule."""
    return put_on(world, "setTags", {"items": ["web"], "fingerprint": machine(world)["tags"]["fingerprint"]})


def put_on(world: World, verb: str, body: Json) -> Json:
    """Change a VM, and wait until it is changed."""
    zone = f"{COMPUTE}/{world.sandbox.project}/zones/{ZONE}"
    operation = world.sandbox.ask("POST", f"{zone}/instances/{world.subject}/{verb}", body)
    world.sandbox.ask("POST", f"{zone}/operations/{operation['name']}/wait")
    return {}


def remember_address(world: World) -> Json:
    """Which one it is, for a new one may bear the same name and even the same number."""
    world.former = world.compute(f"regions/{REGION}/addresses")["id"]
    return {}


def fault(method: str, kind: str) -> t.Callable[[World], Json]:
    """The next call of a method meets a fault."""

    def arm(world: World) -> Json:
        world.sandbox.arm(method, kind)
        return {}

    return arm


def key_path(world: World) -> Path:
    """Where the task writes the key."""
    return world.directory / f"{world.subject}.json"


def no_key_yet(world: World) -> Json:
    """The file of an earlier comparison goes."""
    key_path(world).unlink(missing_ok=True)
    return {"key_file": str(key_path(world))}


def two_keys(world: World) -> Json:
    """The key of the project's owner, and that of somebody who may do nothing."""
    other = json.loads(world.account("other").read_text())
    return {"owner_key_file": os.environ["GOOGLE_APPLICATION_CREDENTIALS"], "other_key": other}


CASES = (
    Case(
        "check_mode",
        "`--check` of a task that closes a rule to the world",
        source_ranges,
        "the rule is open to {}",
        lambda world, truth: world.answer.status == "changed" and truth == ["0.0.0.0/0", "10.0.0.0/8"],
        tasks="firewall_range",
        flags=("--check",),
    ),
    Case(
        "diff",
        "`--diff` of the same, run",
        differences,
        "the diff names {}",
        lambda _world, truth: truth == ["sourceRanges"],
        tasks="firewall_range",
        flags=("--diff",),
    ),
    Case(
        "firewall_range",
        "a firewall rule without `0.0.0.0/0`, which it had",
        source_ranges,
        "open to {}",
        lambda world, truth: world.answer.status == "changed" and truth == ["10.0.0.0/8"],
    ),
    Case(
        "firewall_port",
        "a firewall rule without port 3306, which it had",
        ports,
        "open are the ports {}",
        lambda world, truth: world.answer.status == "changed" and truth == ["22"],
    ),
    Case(
        "sql_network",
        "a Cloud SQL instance without the authorized network `0.0.0.0/0`, which it had",
        networks,
        "reachable from {}",
        lambda world, truth: world.answer.status == "changed" and truth == ["192.0.2.0/24"],
    ),
    Case(
        "sql_tier",
        "another tier of a Cloud SQL instance",
        lambda world: settings(world)["tier"],
        "the tier is {}",
        lambda world, truth: world.answer.status == "changed" and truth == "db-custom-2-7680",
    ),
    Case(
        "sql_password",
        "another password of an SQL user, twice",
        passwords_set,
        "passwords sent to Google: {}",
        lambda world, truth: [a.status for a in world.run.answers] == ["changed", "ok"] and truth == 1,
        ours={"password_version": "2"},
        note="ours with `password_version`, an option of its own, because nobody can see whether a password differs",
    ),
    Case(
        "sql_absent",
        "`state: absent` of a Cloud SQL instance, by an account that may not even look (403)",
        lambda world: settings(world)["tier"],
        "the instance is there, with the tier {}",
        lambda world, _truth: world.answer.status == "failed",
        between=lambda world: {"powerless_key_file": str(world.account("powerless"))},
    ),
    Case(
        "bucket_versioning",
        "versioning of a bucket, which was off",
        lambda world: bucket(world)["versioning"],
        "versioning: {}",
        lambda world, truth: world.answer.status == "changed" and truth is True,
    ),
    Case(
        "bucket_labels",
        "labels of a bucket, which had none",
        lambda world: bucket(world)["labels"],
        "labels: {}",
        lambda world, truth: world.answer.status == "changed" and truth == {"team": "ml"},
    ),
    Case(
        "bucket_lifecycle",
        "a lifecycle rule of a bucket, which had none",
        lambda world: bucket(world)["lifecycle rules"],
        "lifecycle rules: {}",
        lambda world, truth: world.answer.status == "changed" and truth == 1,
    ),
    Case(
        "bucket_again",
        "the same bucket again, its region in small letters",
        writes,
        "requests that change something: {}",
        lambda world, truth: world.answer.status == "ok" and truth == 0,
    ),
    Case(
        "bucket_class",
        "another storage class of a bucket that has a label, versioning and a lifecycle rule",
        bucket,
        "{}",
        lambda world, truth: (
            world.answer.status == "changed"
            and truth == {"class": "NEARLINE", "labels": {"team": "ml"}, "versioning": True, "lifecycle rules": 1}
        ),
    ),
    Case(
        "vm_resize",
        "another machine type of a running VM, which Google refuses (400)",
        machine_type,
        "the machine type is {}",
        lambda world, truth: world.answer.status == "failed" and truth == "e2-small",
    ),
    Case(
        "vm_labels",
        "another network tag of a VM, which another team has given a label meanwhile",
        labels_and_tags,
        "{}",
        lambda world, truth: (
            world.answer.status == "changed" and truth == {"labels": {"cost-centre": "42"}, "tags": ["latter"]}
        ),
        between=somebody_labels,
    ),
    Case(
        "vm_tags",
        "another value of a label of a VM, which another team has given a network tag meanwhile",
        labels_and_tags,
        "{}",
        lambda world, truth: (
            world.answer.status == "changed" and truth == {"labels": {"stage": "production"}, "tags": ["web"]}
        ),
        between=somebody_tags,
    ),
    Case(
        "vm_startup_script",
        "another startup script of a VM, twice",
        startup_script,
        "the script is `{}`",
        lambda world, truth: [a.status for a in world.run.answers] == ["changed", "ok"] and truth == "echo two",
    ),
    Case(
        "secret_value",
        "the same secret again, with `-v`",
        lambda world: CANARY in world.run.output,
        "its value is in the output: {}",
        lambda world, truth: world.answer.status == "ok" and truth is False,
        flags=("-v",),
    ),
    Case(
        "key_file",
        "a service account's key in a file",
        mode,
        "its mode is {}",
        lambda world, truth: world.answer.status == "changed" and truth == "0600",
        between=no_key_yet,
    ),
    Case(
        "account_name",
        "another display name of a service account",
        display_name,
        "the display name is {}",
        lambda world, truth: world.answer.status == "changed" and truth == "Two",
    ),
    Case(
        "two_credentials",
        "a rule, with the keys of two accounts at once",
        rule_exists,
        "the rule was made, by one of them: {}",
        lambda world, truth: world.answer.status == "failed" and truth is False,
        between=two_keys,
    ),
    Case(
        "address_description",
        "another description of a static address, which Google cannot change",
        same_address,
        "the address was kept: {}",
        lambda world, truth: world.answer.status == "failed" and truth is True,
        between=remember_address,
    ),
    Case(
        "rate_limit",
        "a rule that is there, while Google answers 429 once",
        rule_exists,
        "the rule is there: {}",
        lambda world, _truth: world.answer.status == "ok",
        tasks="firewall_unchanged",
        between=fault("compute.firewalls.get", "429"),
    ),
    Case(
        "connection_lost",
        "the same, while the connection is lost once",
        rule_exists,
        "the rule is there: {}",
        lambda world, _truth: world.answer.status == "ok",
        tasks="firewall_unchanged",
        between=fault("compute.firewalls.get", "reset-before"),
    ),
    Case(
        "answer_lost",
        "a new rule; Google makes it, and the answer is lost",
        rule_exists,
        "the rule is there: {}",
        lambda world, truth: world.answer.status == "changed" and truth is True,
        tasks="firewall_create",
        between=fault("compute.firewalls.insert", "reset-after"),
    ),
    Case(
        "economy",
        "a new rule, and what it takes to speak with Google",
        economy,
        "{}",
        lambda world, truth: (
            world.answer.status == "changed" and truth["access tokens"] == 1 and truth["connections"] == 2
        ),
        tasks="firewall_create",
    ),
)
