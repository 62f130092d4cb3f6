# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is true of every plan, whatever the table of fields, the task and the resource are."""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field, dig, leaves, nest, path_of
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Plan, plan, put
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.rules import text
from hypothesis import given, settings
from hypothesis import strategies as st

Json = dict[str, t.Any]

REPRODUCIBLE = settings(derandomize=True, database=None, deadline=None, max_examples=40)
TEXTS = ["", "a", "b", "A", "0", "1", "true"]
WORDS = st.sampled_from(TEXTS)
NUMBERS = st.sampled_from([0, 1, 7, 1000, 2**40])
NAMES = st.sampled_from(["one", "two_words", "three", "four_more_words", "five"])


def tables(depth: int = 2) -> st.SearchStrategy[dict[str, Field]]:
    """Tables of fields, with groups and lists of dicts."""
    flags = {"write_only": st.booleans(), "local": st.booleans(), "url_only": st.booleans()}
    rare = st.fixed_dictionaries({name: st.sampled_from([False, False, False, True]) for name in flags})
    scalar = st.one_of(
        st.builds(lambda flags: Field(**flags), rare),
        st.builds(
            lambda flags, default: Field(type="int", api_default=default, **flags), rare, st.sampled_from([None, 7])
        ),
        st.builds(lambda flags: Field(type="bool", **flags), rare),
        st.just(Field(type="dict")),
        st.builds(lambda ordered: Field(type="list", elements="str", ordered=ordered), st.booleans()),
        st.just(Field(canonical=str.lower)),
        st.just(Field(refers="https://host/v1/projects/{project}/things/{value}")),
    )
    if not depth:
        return st.dictionaries(NAMES, scalar, min_size=1, max_size=4)
    element = st.builds(lambda computed: Field(type="int", computed=computed), st.booleans())
    inner = st.dictionaries(NAMES, st.one_of(st.just(Field()), element), min_size=1, max_size=3)
    group = st.builds(lambda options: Field(type="dict", options=options), tables(depth - 1))
    several = st.builds(lambda options: Field(type="list", elements="dict", options=options), inner)
    return st.dictionaries(NAMES, st.one_of(scalar, scalar, group, several), min_size=1, max_size=4)


def tasks(fields: dict[str, Field]) -> st.SearchStrategy[Json]:
    """Options of a task; some of them are not given."""
    return st.fixed_dictionaries({name: st.one_of(st.none(), option(field)) for name, field in fields.items()})


def option(field: Field) -> st.SearchStrategy[t.Any]:
    """A value that Ansible lets pass."""
    if field.options and field.type == "dict":
        return tasks(field.options)
    if field.options:
        return st.lists(tasks(field.options), max_size=3)
    values: dict[str, st.SearchStrategy[t.Any]] = {
        "int": NUMBERS,
        "bool": st.booleans(),
        "dict": st.dictionaries(WORDS, st.one_of(WORDS, NUMBERS, st.booleans()), max_size=3),
        "list": st.lists(WORDS, max_size=3),
    }
    return values.get(field.type, WORDS)


def written(fields: dict[str, Field], params: Json, draw: t.Callable[..., t.Any]) -> Json:
    """A resource as Google tells it that was made with these options: some things are spelt in another way."""
    known = [leaf for leaf in leaves(fields, {**params, "project": "p"}) if not leaf.field.write_only]
    told = nest({leaf.path: leaf.value for leaf in known})
    return t.cast(Json, spelt(told, draw)) | {
        "selfLink": "https://host/v1/projects/p/things/x",
        "unknown": {"to": "us"},
    }


def spelt(value: t.Any, draw: t.Callable[..., t.Any]) -> t.Any:
    """The same in Google's words: int64 as text, and what is empty or false left out, but for the keys of a map."""
    if isinstance(value, dict):
        full = {key for key, item in value.items() if key in TEXTS or (item is not False and item not in ("", [], {}))}
        kept = {key: item for key, item in value.items() if key in full or draw(st.booleans())}
        return {key: spelt(item, draw) for key, item in kept.items()}
    if isinstance(value, list):
        return [spelt(item, draw) for item in value]
    return (
        text(value)
        if isinstance(value, int) and not isinstance(value, bool) and value and draw(st.booleans())
        else value
    )


@st.composite
def situations(draw: t.Callable[..., t.Any]) -> tuple[dict[str, Field], Json, Json | None]:
    """A table of fields, a task, and what there is: nothing, or what another task has made."""
    fields = draw(tables())
    params = {**draw(tasks(fields)), "project": "p", "state": "present"}
    current = written(fields, draw(tasks(fields)), draw) if draw(st.booleans()) else None
    return fields, params, current


def applied(todo: Plan, merge_patch: bool) -> Json:
    """The resource after the plan: as a JSON merge patch (RFC 7396), or field by field as an update mask says."""
    if merge_patch:
        return t.cast(Json, patched(todo.current, todo.body))
    result = copy.deepcopy(todo.current)
    for path in todo.mask:
        put_anywhere(result, path, dig(todo.body, path))
    return result


def put_anywhere(tree: Json, path: str, value: t.Any) -> None:
    """Set a value below a path of which a part may be there already as something empty."""
    parents = path.split(".")[:-1]
    for depth in range(1, len(parents) + 1):
        if not isinstance(dig(tree, ".".join(parents[:depth])), dict):
            put(tree, ".".join(parents[:depth]), {})
    put(tree, path, value)


def patched(target: t.Any, patch: t.Any) -> t.Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = patched(result.get(key), value)
    return result


@REPRODUCIBLE
@given(situations(), st.booleans(), st.data())
def test_what_is_applied_is_what_was_asked_for(
    situation: tuple[dict[str, Field], Json, Json | None], merge_patch: bool, data: st.DataObject
) -> None:
    fields, params, current = situation
    todo = plan(fields, params, current, merge_patch=merge_patch)
    told = spelt(applied(todo, merge_patch), data.draw)
    for leaf in leaves(fields, params):
        assert leaf.field.write_only or leaf.field.same(leaf.value, dig(told, leaf.path)), leaf
    again = plan(fields, params, told, merge_patch=merge_patch)
    assert again.action == "none", "planning twice is none"
    assert again.before == again.after


@REPRODUCIBLE
@given(situations(), st.booleans())
def test_a_body_holds_nothing_that_the_task_does_not_name(
    situation: tuple[dict[str, Field], Json, Json | None], merge_patch: bool
) -> None:
    fields, params, current = situation
    todo = plan(fields, params, current, merge_patch=merge_patch)
    asked = {leaf.path for leaf in leaves(fields, params)}
    assert set(todo.mask) <= asked
    for name, field in fields.items():
        if params[name] is None or not field.managed:
            assert path_of(name, field) not in todo.body, name


@REPRODUCIBLE
@given(situations(), st.booleans())
def test_a_plan_changes_nothing_and_tells_exactly_what_it_will(
    situation: tuple[dict[str, Field], Json, Json | None], merge_patch: bool
) -> None:
    fields, params, current = situation
    before = copy.deepcopy((params, current))
    todo = plan(fields, params, current, merge_patch=merge_patch)
    assert (params, current) == before
    assert (todo.action == "none") == (todo.before == todo.after and current is not None)
    assert todo.action != "none" or not todo.changes
    if todo.action == "update":
        paths = [leaf for leaf in leaves(fields, params) if not leaf.field.write_only]
        differ = {leaf.path for leaf in paths if dig(todo.before, leaf.path) != dig(todo.after, leaf.path)}
        assert differ == set(todo.mask), "the diff shows what is sent, and nothing else"


@REPRODUCIBLE
@given(situations())
def test_absence_is_planned_once(situation: tuple[dict[str, Field], Json, Json | None]) -> None:
    fields, params, current = situation
    todo = plan(fields, params | {"state": "absent"}, current)
    assert todo.action == ("none" if current is None else "delete")
    assert todo.after == {}
    assert todo.changes == {}
