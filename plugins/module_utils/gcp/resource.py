# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a resource is, and the one algorithm that brings every resource to the state that a task asks for."""

from __future__ import annotations

import copy
import re
import typing as t
from dataclasses import dataclass, field, replace
from urllib.parse import quote, unquote

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp import operations
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import PROPAGATION, GcpError, Json
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import (
    Field,
    Leaf,
    check,
    dig,
    leaves,
    nest,
    path_of,
)
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.session import Session, backoff

Action = t.Literal["none", "create", "update", "delete"]
LOOKS = 4  # how often a resource is looked for that exists by the answer to a create, and does not by that to a read
REPLANS = 8  # how often somebody else may come between reading and writing


@dataclass(frozen=True)
class Plan:
    """What to do.

    ``before`` and ``after`` are the managed values in the API's words, without secrets: the diff. ``changes`` is what
    to send, by dotted path. ``current`` is the resource as it was read ({} if it is not there).
    """

    action: Action
    before: Json = field(default_factory=dict)
    after: Json = field(default_factory=dict)
    changes: Json = field(default_factory=dict)
    current: Json = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """Whether there is anything to do."""
        return self.action != "none"

    @property
    def body(self) -> Json:
        """What to send, as a tree."""
        return nest(self.changes)

    @property
    def mask(self) -> list[str]:
        """The paths that change."""
        return list(self.changes)

    def without(self, *paths: str) -> Plan:
        """The plan without the changes that a verb of their own makes."""
        return replace(self, changes={path: value for path, value in self.changes.items() if path not in paths})


def plan(
    fields: dict[str, Field],
    params: Json,
    current: Json | None,
    *,
    resend: t.Collection[str] = (),
    merge_patch: bool = False,
) -> Plan:
    """Compare what a task asks for with what is there. Pure: it asks nobody and changes nothing.

    :param current: the resource, or None if it is not there.
    :param resend: names of write-only options to send although nobody can tell whether they differ.
    :param merge_patch: the update is a JSON merge patch, in which a key of a map goes only if it is sent as null.
    :raises GcpError: if it would take another value of an immutable field.
    """
    wanted = leaves(fields, params)
    known = [leaf for leaf in wanted if not leaf.field.write_only]
    present = nest({leaf.path: leaf.field.shown(dig(current, leaf.path), leaf.value) for leaf in known})
    if params.get("state") == "absent":
        return Plan("none") if current is None else Plan("delete", present, current=current)
    after = nest({leaf.path: leaf.value for leaf in known})
    if current is None:
        return Plan("create", {}, after, {leaf.path: leaf.value for leaf in wanted if not leaf.removed})
    different = [leaf for leaf in known if not leaf.field.same(leaf.value, dig(current, leaf.path))]
    refuse_immutable(different, current)
    kept = [leaf for leaf in different if not leaf.removed]
    changes = {leaf.path: removing(leaf, current) if merge_patch else leaf.value for leaf in kept}
    changes |= {leaf.removed: None for leaf in different if leaf.removed}
    changes |= {leaf.path: leaf.value for leaf in wanted if leaf.field.write_only and leaf.option in resend}
    # What is the same is shown in the task's words on both sides, so that the diff holds nothing but differences.
    before = copy.deepcopy(after)
    for leaf in different:
        put(before, leaf.path, leaf.field.shown(dig(current, leaf.path), leaf.value))
    return Plan("update" if changes else "none", before, after, changes, current)


def refuse_immutable(different: list[Leaf], current: Json) -> None:
    """Say what cannot be, and the way out.

    :raises GcpError: that names each option that cannot change, and both of its values.
    """
    words = []
    for leaf in different:
        there = dig(current, leaf.path)
        if leaf.field.refuses(leaf.value, there):
            old = leaf.field.api_default if there is None else leaf.field.shown(there, leaf.value)
            words.append(f"{leaf.option} cannot be changed from {old!r} to {leaf.value!r}")
    if words:
        raise GcpError(
            f"{'; '.join(words)}: Google Cloud cannot change it in place. Leave the option as it is, or delete the "
            "resource first (state: absent) and create it anew."
        )


def removing(leaf: Leaf, current: Json) -> t.Any:
    """A value for a JSON merge patch: keys of a map that are to go are null."""
    there = dig(current, leaf.path)
    if leaf.field.is_map and isinstance(there, dict):
        return dict.fromkeys(there.keys() - leaf.value.keys()) | leaf.value
    return leaf.value


def put(tree: Json, path: str, value: t.Any) -> None:
    """Set the value at a dotted path."""
    *parents, leaf = path.split(".")
    for key in parents:
        tree = tree.setdefault(key, {})
    tree[leaf] = value


class Resource:
    """Where a kind of resource lives. A regular API needs the attributes only; an odd one overrides a verb.

    Verbs get the Plan and answer what the API answered; if that is a long-running operation, it is followed to its end.
    """

    service: t.ClassVar[str]  # first label of the host, and name of the discovery document: "sqladmin"
    version: t.ClassVar[str] = "v1"  # of the discovery document
    collection: t.ClassVar[str]  # path below the host, with parameters: "v1/projects/{project}/instances"
    item: t.ClassVar[str] = "{name}"  # path of the resource below its collection
    fields: t.ClassVar[dict[str, Field]]
    rules: t.ClassVar[Json] = {}  # between options, as AnsibleModule takes them: {"required_if": [...]}
    create_query: t.ClassVar[dict[str, str]] = {}  # {"secretId": "{name}"}
    needed: t.ClassVar[tuple[str, ...]] = ()  # dotted options that only a creation needs
    update_method: t.ClassVar[str] = "PATCH"
    update_mask: t.ClassVar[bool] = False  # the update takes ?updateMask=; without it, it is a JSON merge patch
    answers_itself: t.ClassVar[bool] = False  # create and update answer the resource: it need not be read again
    guard_body: t.ClassVar[str] = ""  # path of the value that protects writes: "settings.settingsVersion"
    guard_query: t.ClassVar[dict[str, str]] = {}  # the same in the query: {"ifMetagenerationMatch": "metageneration"}
    state_path: t.ClassVar[str] = ""  # where the resource tells of its life: "status"
    pending: t.ClassVar[frozenset[str]] = frozenset()  # states in which it is being made or changed
    leaving: t.ClassVar[frozenset[str]] = frozenset()  # states in which it is being deleted or stopped

    def __init__(self, session: Session, params: Json) -> None:
        named = {name: known.encode for name, known in self.fields.items() if known.url_only and known.encode}
        self.session = session
        self.params = params | {name: encode(params[name]) for name, encode in named.items()}
        self.warnings: list[str] = []

    @classmethod
    def check(cls, params: Json) -> None:
        """Refuse a task that cannot be, before anything is asked; what ``must`` and ``rules`` cannot say goes here.

        :raises GcpError: that names option, value and what is allowed.
        """
        check(cls.fields, params)

    @property
    def host(self) -> str:
        """The base of all URLs of the service."""
        return f"https://{self.service}.googleapis.com"

    @property
    def parent(self) -> str:
        """URL of the collection."""
        return f"{self.host}/{self.fill(self.collection)}"

    @property
    def url(self) -> str:
        """URL of the resource."""
        return f"{self.parent}/{self.fill(self.item)}"

    def fill(self, template: str) -> str:
        """A path with the options in it.

        :raises GcpError: if one of them is empty, which would make it the path of something else.
        """
        named = {key: self.params[key] for key in re.findall(r"{(\w+)}", template)}
        if empty := [key for key, value in named.items() if value == "" and key in {*self.fields, "project"}]:
            raise GcpError(f"The option {empty[0]} is empty. Give it a value.")
        return template.format(**{key: quote(str(value), safe="@:") for key, value in named.items()})

    @property
    def title(self) -> str:
        """What errors call it: its path without host and version."""
        return unquote(re.sub(r"^https://[^/]+/(compute/|storage/)?v\w+/", "", self.url))

    def read(self) -> Json | None:
        """The resource, or None if it is not there."""
        return self.session.get(self.url)

    def plan(self, current: Json | None) -> Plan:
        """What is to be done about the resource as it was read.

        :raises GcpError: if that cannot be, such as a creation without what it needs.
        """
        merge_patch = self.update_method == "PATCH" and not self.update_mask
        todo = plan(self.fields, self.wanted(current), current, resend=self.resend(), merge_patch=merge_patch)
        missing = [option for option in self.needed if dig(self.params, option) in (None, "", [])]
        if todo.action == "create" and missing:
            raise GcpError(f"{self.title} is not there, and cannot be created without {' and '.join(missing)}.")
        return todo

    def wanted(self, current: Json | None) -> Json:  # noqa: ARG002 (kinds that change by themselves use it)
        """The options of the task, in view of what there is."""
        return self.params

    def resend(self) -> t.Collection[str]:
        """Names of the write-only options that an update sends again although nobody can tell whether they differ."""
        return ()

    def create(self, plan: Plan) -> Json:
        """Ask for the resource."""
        query = {key: value.format(**self.params) for key, value in self.create_query.items()}
        return self.request("POST", self.parent, plan.body, query)

    def update(self, plan: Plan) -> Json:
        """Send what differs, protected by the guard."""
        query = {"updateMask": ",".join(plan.mask)} if self.update_mask else {}
        query |= {key: str(dig(plan.current, path)) for key, path in self.guard_query.items()}
        body = plan.body
        if self.guard_body and (guard := dig(plan.current, self.guard_body)) is not None:
            put(body, self.guard_body, guard)
        return self.request(self.update_method, self.url, body, query)

    def delete(self, _plan: Plan) -> Json:
        """Ask for its end."""
        return self.remove(self.url)

    def remove(self, url: str, query: Json | None = None) -> Json:
        """Ask for the end of something. That it has gone meanwhile is success."""
        try:
            return self.request("DELETE", url, query=query)
        except GcpError as error:
            if error.missing:
                return {}
            raise

    def request(
        self, method: str, url: str, body: t.Any = None, query: Json | None = None, *, repeatable: bool | None = None
    ) -> Json:
        """One write, not waited for. Services that want something in every write override this."""
        return self.session.request(method, url, body, query, repeatable=repeatable)

    def finish(self, answer: Json, what: str = "update") -> Json:
        """Follow the operation that a write answered to its end; for verbs that take several steps."""
        return operations.wait(self.session, answer, self.url, f"{what} {self.title}")

    def results(self, current: Json | None) -> Json:  # noqa: ARG002 (modules that have some use it)
        """Values of the result beyond resource, changed and diff."""
        return {}

    def foretold(self) -> Json:
        """What a new resource will be called, by which later tasks of the same check refer to it as to a result."""
        return {"name": self.params["name"]} if self.params.get("name") else {}

    def state(self, current: Json | None) -> str:
        """What the resource tells of its life."""
        return str(dig(current, self.state_path) or "") if self.state_path else ""

    def explain(self, error: GcpError) -> GcpError:
        """Name the option that an answer is about, where Google names the field or what it refers to."""
        if error.status not in {400, 404, None}:
            return error
        for name in re.findall(r"[Ff]ield '([^']+)'", error.message) + re.findall(r"\(([\w.\[\]]+): ", error.message):
            path = re.sub(r"\[\d*\]", "", name).removeprefix("resource.").removeprefix("instance.")
            if option := option_of(self.fields, path) or self._own_name(path):
                value = self.params.get(option.split(".", 1)[0])
                shown = f", which is {value!r}" if isinstance(value, str | int) and not self._secret(option) else ""
                return error.note(f"Check the option {option}{shown}.")
        for missing in re.findall(r"resource '(projects/[^']+)' was not found", error.message):
            for leaf in leaves(self.fields, self.params):
                if missing in str(leaf.value):
                    return error.note(f"Check the option {leaf.option}, which refers to it.")
        return error

    def _own_name(self, path: str) -> str:
        """The option ``name``, which the parameters of a URL call ``firewall`` or ``address``."""
        plural = self.collection.rpartition("/")[2]
        is_own = path in {plural.removesuffix("s"), plural.removesuffix("es")}
        return "name" if is_own and "name" in self.fields else ""

    def _secret(self, option: str) -> bool:
        known = self.fields.get(option)
        return known is None or bool(known.argument.get("no_log")) or known.write_only


def option_of(fields: dict[str, Field], path: str) -> str:
    """The option behind a path that an error of the API names; an outer one if the inner is unknown; or nothing."""
    for name, known in fields.items():
        api = path_of(name, known)
        if path in {api, name}:
            return name
        if path.startswith(f"{api}."):
            inner = option_of(known.options, path.removeprefix(f"{api}."))
            return f"{name}.{inner}" if inner else name
    return ""


def settle(resource: Resource, *, patient: bool) -> Json | None:
    """The resource once it is neither being made nor being deleted by an earlier run.

    :param patient: wait for one that is being made; one that is being deleted is always waited for.
    :raises GcpError: if the deadline comes first.
    """
    deadline = resource.session.deadline
    begin, attempt = deadline.elapsed, 0
    while True:
        current = resource.read()
        state = resource.state(current)
        if not (state in resource.leaving or (patient and state in resource.pending)):
            return current
        if not deadline.pause(backoff(attempt, longest=operations.SLOWEST_POLL)):
            raise GcpError(
                f"{resource.title} is still {state} after {deadline.elapsed - begin:.0f} s, because of what was begun "
                f"earlier. Run again to wait for it, or raise the option timeout, which is {deadline.seconds:.0f} s."
            )
        attempt += 1


def reconcile(resource: Resource, check_mode: bool = False) -> Json:
    """Bring a resource to the state that the task asks for; the result as Ansible wants it.

    :raises GcpError: if that cannot be done.
    """
    try:
        return predict(resource) if check_mode else apply(resource)
    except GcpError as error:
        raise resource.explain(error) from error.__cause__


def predict(resource: Resource) -> Json:
    """The result that a run would have."""
    try:
        current = settle(resource, patient=False)
    except GcpError as error:
        if not error.service_disabled:
            raise
        current = None
        resource.warnings.append(
            f"{resource.service}.googleapis.com is not enabled yet: {resource.title} is taken as absent."
        )
    todo = resource.plan(current)
    if todo.action == "delete":
        current = None
    elif current is None:
        current = {**(resource.foretold() if todo.changed else {}), **todo.after}
    else:
        current = copy.deepcopy(current)
        for path in todo.changes:
            if (value := dig(todo.after, path)) is not None:
                put(current, path, value)
    return result(resource, todo, current)


def apply(resource: Resource) -> Json:
    """Read, plan, write, wait, read again. What comes between reading and writing leads to another plan."""
    present, patient = resource.params["state"] == "present", resource.params.get("wait", True)
    first: Plan | None = None
    tries = Tries(resource)
    while True:
        current = settle(resource, patient=patient or not present)
        if resource.state(current) in resource.pending and present and not patient:
            return result(resource, first or Plan("none"), current)
        todo = resource.plan(current)
        first = first or todo
        if not todo.changed:
            return result(resource, first, current)
        try:
            answer = getattr(resource, todo.action)(todo)
            if patient:
                resource.finish(answer, todo.action)
            told = resource.answers_itself and todo.action != "delete"
            return result(resource, first, answer if told else reread(resource, todo, patient))
        except GcpError as error:
            if not tries.another(todo, error):
                raise


class Tries:
    """How often a run has tried to write, and whether it may once more."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._looks = self._replans = 0
        self._trouble: float | None = None  # when it began

    def another(self, todo: Plan, error: GcpError) -> bool:
        """Whether reading and planning again can help after what a write has answered; it pauses if so."""
        deadline = self._resource.session.deadline
        self._trouble = deadline.elapsed if self._trouble is None else self._trouble
        other = in_the_way(self._resource, error)
        if other:
            error.note(f"{other} is in the way: delete it, or use another name.")
        if todo.action == "create" and error.already_exists and not other:
            self._looks += 1  # an earlier attempt, an earlier run or somebody else was faster, or the name is reserved
            again = self._looks <= LOOKS
        else:
            self._replans += 1
            by_others = error.conflict or has_gone(self._resource, todo, error)
            again = not error.exhausted and (
                (self._replans <= REPLANS and (by_others or error.ambiguous))
                or deadline.elapsed - self._trouble < error.patience
            )
            if by_others and not again:
                error.note(
                    f"Somebody else changed {self._resource.title} each of the {self._replans} times that this was "
                    "tried: run again when they are done."
                )
        return again and deadline.pause(backoff(self._looks + self._replans))


def has_gone(resource: Resource, todo: Plan, error: GcpError) -> bool:
    """Whether a write found nothing because somebody else deleted the resource after it was read."""
    answered = error.missing or (todo.action == "delete" and error.status in {None, 400, 404, 409})
    try:
        return answered and todo.action in {"update", "delete"} and resource.read() is None
    except GcpError:
        return False  # the answer to the write says more


def in_the_way(resource: Resource, error: GcpError) -> str:
    """What exists already by an answer to a create, if that is something else than the resource, such as its disk."""
    found = re.search(r"resource '(projects/[^']+)' already exists", error.message) if error.already_exists else None
    return found[1] if found and found[1] != resource.title else ""


def reread(resource: Resource, todo: Plan, patient: bool) -> Json | None:
    """The resource after a write; what was made may take some seconds to be seen everywhere."""
    if todo.action == "delete" and patient:
        return None
    deadline = resource.session.deadline
    begin, attempt = deadline.elapsed, 0
    while True:
        current = seen(resource, todo)
        if current is not None or todo.action != "create" or not patient:
            return current
        pause = backoff(attempt, longest=operations.SLOWEST_POLL)
        if deadline.elapsed - begin > PROPAGATION or not deadline.pause(pause):
            raise GcpError(
                f"{resource.title} was created, but could not be read for {deadline.elapsed - begin:.0f} s: it was not "
                "found. Run again; if it is not there then, somebody else deleted it."
            )
        attempt += 1


def seen(resource: Resource, todo: Plan) -> Json | None:
    """The resource; IAM refuses to tell of a new account, which it does not know yet, instead of not finding it."""
    try:
        return resource.read()
    except GcpError as error:
        if todo.action == "create" and error.status == 403 and "or it may not exist" in error.message:
            return None
        raise


def result(resource: Resource, todo: Plan, current: Json | None) -> Json:
    """What a module answers."""
    return {
        "changed": todo.changed,
        "diff": {"before": todo.before, "after": todo.after},
        "resource": current or {},
        **resource.results(current),
    }
