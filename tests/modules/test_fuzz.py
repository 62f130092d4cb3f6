# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""No option of any module, whatever is given, makes a traceback; and what is wrong is refused before any call."""

from __future__ import annotations

import contextlib
import copy
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.module import argument_spec, check, mark_misplaced, rules
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import reconcile
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.session import Deadline, Session

from .cases import Case, Json, all_cases
from .cloud import Cloud
from .test_fields import prepare

CASES = [pytest.param(case, id=name) for name, case in all_cases().items()]

HUGE = 10**30
HALF = "\ud800"  # of a character
JUNK: tuple[t.Any, ...] = (
    *("", " ", "\t", "é☃", "a/b?c#d%", "../..", "\0", HALF, "x" * 5000, "[]", "{}", "null", "-1", "1.5", "{{ x }}"),
    *(-1, 0, HUGE, 1.5, True, False),
    *([], [None], [""], [[]], [{}], [{"": ""}], [0], ["é", "é"], [[["deep"]]], [HALF]),
    *({}, {"a": None}, {"a": {"b": []}}, {"": ""}, {"name": []}, {"selfLink": {}}, {"a": HALF}),
)
# By type, what nobody can mean.
WRONG: dict[str, tuple[t.Any, ...]] = {
    "int": ("x", [], {}, HUGE, "1.5"),
    "bool": ("maybe", [], {}, 7),
    "float": ("x", [], {}, "nan", "inf"),
    "dict": ("x", 7, [1]),
    "list": ({"a": 1},),
    "str": ("\0", HALF),
    "path": ("\0",),
    "raw": ([], 1.5, {}, {"name": []}, "a b"),
}
WRONG_ELEMENTS: dict[str, tuple[t.Any, ...]] = {
    "str": (["\0"], [HALF]),
    "dict": (["x"], [7], [[]]),
    "raw": ([[]], [{}], ["a b"]),
    "int": (["x"], [HUGE], [{}]),
}


class Place(t.NamedTuple):
    """An option, at any depth: its path in the task, in which 0 is the first element of a list."""

    path: tuple[str | int, ...]
    field: Field

    @property
    def name(self) -> str:
        """The innermost name, which an error has to tell."""
        return str(next(step for step in reversed(self.path) if isinstance(step, str)))


def places(fields: dict[str, Field], prefix: tuple[str | int, ...] = ()) -> t.Iterator[Place]:
    """All options of a module, those in dicts and lists too."""
    for name, field in fields.items():
        path = (*prefix, name)
        yield Place(path, field)
        yield from places(field.options, (*path, 0) if field.type == "list" else path)


def wrong_values(field: Field) -> t.Iterator[t.Any]:
    """What nobody can mean by an option."""
    if field.type == "list":
        yield from WRONG["list"]
        yield from WRONG_ELEMENTS[str(field.argument.get("elements", "str"))]
    else:
        yield from WRONG[field.type]
    if field.argument.get("choices"):
        yield "no such choice"
    if field.argument.get("required") and field.type in ("str", "raw"):
        yield ""
    if field.type == "dict" and not field.options:
        yield from ({"a": {"b": 1}}, {"a": [1]}, {"a": None})


def with_value(case: Case, place: Place, value: t.Any) -> Json:
    """The smallest task of a case with a value somewhere; what it is in has what else it needs."""
    options: Json = {"project": "p", **copy.deepcopy(case.base)}
    for group in case.kind.rules.get("mutually_exclusive", ()):
        if place.path[0] in group:
            options = {name: given for name, given in options.items() if name not in group or name == place.path[0]}
    fields, here = case.kind.fields, t.cast(t.Any, options)
    for step in place.path[:-1]:
        if isinstance(step, str):
            field = fields[step]
            fields = field.options
            if not here.get(step):
                here[step] = [needed(fields)] if field.type == "list" else needed(fields)
        here = here[step]
    here[place.path[-1]] = value
    return options


def needed(fields: dict[str, Field]) -> Json:
    """The suboptions without which a dict is refused."""
    return {name: sample(field) for name, field in fields.items() if field.argument.get("required")}


def sample(field: Field) -> t.Any:
    """A value that an option takes."""
    inner = needed(field.options)
    simple = {"dict": inner, "list": [inner] if field.options else ["a"], "int": 1, "float": 1, "bool": True}
    return field.argument["choices"][0] if field.argument.get("choices") else simple.get(field.type, "a")


class Replay:
    """Answers reads as Google did once, and nothing else."""

    def __init__(self) -> None:
        self.answers: dict[str, t.Any] = {}
        self.asked = 0

    def request(self, method: str, url: str, **_more: t.Any) -> t.Any:
        """What AuthorizedSession has."""
        self.asked += 1
        return self.answers.get(f"{method} {url}", Missing())


class Missing:
    """404."""

    status_code, text, content = 404, "not found", b"not found"
    headers: t.ClassVar[Json] = {}

    def json(self) -> t.Any:
        """No JSON."""
        raise ValueError


class Tried:
    """A module, as main() is as far as the options go: validated, checked, and foretold against recorded answers."""

    def __init__(self, cloud: Cloud, case: Case) -> None:
        self.case = case
        self.validator = ArgumentSpecValidator(argument_spec(case.kind), **rules(case.kind))
        self.there, self.nothing = Replay(), Replay()
        request = cloud.request

        def remember(method: str, url: str, **more: t.Any) -> t.Any:
            answer = request(method, url, **more)
            self.there.answers[f"{method} {url}"] = answer
            return answer

        prepare(cloud, case)
        cloud.request = remember  # type: ignore[method-assign, assignment]  # to have its answers
        cloud.run(case.kind, case.base)
        cloud.run(case.kind, case.base, check_mode=True)

    def refusal(self, options: Json) -> str:
        """What is said of options before anything is asked, or nothing."""
        mark_misplaced(argument_spec(self.case.kind), options)
        validated = self.validator.validate(options)
        if validated.error_messages:
            return str(validated.error_messages[0])  # the one that Ansible tells
        try:
            check(self.case.kind, validated.validated_parameters)
        except GcpError as error:
            return str(error)
        return ""

    def foretell(self, options: Json, http: Replay) -> None:
        """Predict; that it cannot be is an answer as well."""
        ticks = iter(range(10**6))
        session = Session(http, Deadline(50, lambda: float(next(ticks)), lambda _seconds: None))
        params = self.validator.validate(options).validated_parameters
        for state in ("present", "absent"):
            with contextlib.suppress(GcpError):
                reconcile(self.case.kind(session, {**params, "state": state}), check_mode=True)


@pytest.mark.parametrize("case", CASES)
def test_no_value_of_any_option_makes_a_traceback(cloud: Cloud, case: Case) -> None:
    tried = Tried(cloud, case)
    for place in places(case.kind.fields):
        for value in JUNK:
            options = with_value(case, place, copy.deepcopy(value))
            try:
                if not tried.refusal(copy.deepcopy(options)):
                    tried.foretell(copy.deepcopy(options), tried.nothing)
                    tried.foretell(copy.deepcopy(options), tried.there)
            except Exception as error:
                error.add_note(f"{place.path} = {value!r}")
                raise


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_refused_before_any_call_and_named(cloud: Cloud, case: Case) -> None:
    tried = Tried(cloud, case)
    accepted, unnamed = [], []
    for place in places(case.kind.fields):
        for value in wrong_values(place.field):
            said = tried.refusal(with_value(case, place, copy.deepcopy(value)))
            if not said:
                accepted.append((place.path, value))
            elif place.name not in said:
                unnamed.append((place.path, value, said))
    assert accepted == []
    assert unnamed == []


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("project", ""),
        ("project", "My Project"),
        ("project", "a/b"),
        ("timeout", 0),
        ("timeout", -1),
        ("timeout", HUGE),
    ],
)
def test_the_options_of_all_modules_are_checked_too(option: str, value: t.Any) -> None:
    case = next(iter(all_cases().values()))
    options = {"project": "p", **case.base, option: value}
    validated = ArgumentSpecValidator(argument_spec(case.kind), **rules(case.kind)).validate(options)
    with pytest.raises(GcpError, match=f"The option {option} is"):
        check(case.kind, validated.validated_parameters)
