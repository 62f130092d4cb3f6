# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One option of a module: Ansible's argument, what the API makes of it, and when two values of it are the same."""

from __future__ import annotations

import ipaddress
import typing as t
from collections import Counter

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError, Json
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.references import full_reference, resource_path
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.rules import (
    FINITE,
    INTEGER,
    REFERENCE,
    SCALARS,
    TEXT,
    Rule,
    text,
)

EMPTY: tuple[t.Any, ...] = (None, "", [], {}, False, 0, "0")


class Field:
    """A row of a module's table.

    :param api: dotted path in the API's resource (or in the element of a list), if it is not the option in camelCase.
    :param url_only: it names the resource (``zone``) and is not part of its body.
    :param local: it is for the module alone (``wait``); the API never hears of it.
    :param immutable: a difference is an error, because the API cannot change it; where it can change some values, a
        function that says of the present and the wanted one whether it is.
    :param write_only: the API never tells it (a password): sent on creation, never compared, never in a diff.
    :param computed: inside the elements of a list: if it is unset, whatever Google chose is right. (Elsewhere unset is
        unmanaged anyway; inside a list, which is exact, unset means that it is not there.)
    :param ordered: the order of the list matters; lists compare as sets otherwise.
    :param api_default: what it means that the API leaves the value out.
    :param refers: template of the full reference to another resource, with ``{value}`` for its name and the module's
        own parameters (``{project}``, ``{zone}``); the option takes a name, a partial path, a URL, or a dict that has
        ``selfLink`` or ``name``.
    :param canonical: makes values comparable; applied to both sides, in a list to each element.
    :param encode: makes the API's form of the option's value, where a mapping of names does not. For a dict,
        ``canonical`` is its inverse.
    :param removes: where the API has no empty value for the option: the dotted path in the resource that goes as a
        whole when the option is given an empty one. It is sent as null, and left out of a creation.
    :param must: what the value must be beyond its type, such as ``between(0, 65535)``; in a list, what each element
        must be. Texts, references, maps and numbers have a rule by their type, what is required is not empty, and
        what ``removes`` something may be.
    :param options: the suboptions of a dict, or of the dicts in a list. A dict with suboptions is managed suboption by
        suboption; a dict without is a map, which is exact.
    :param argument: what argument_spec takes (``type``, ``required``, ``choices``, ``elements``, ``no_log``...).
    """

    def __init__(
        self,
        api: str = "",
        *,
        url_only: bool = False,
        local: bool = False,
        immutable: bool | t.Callable[[t.Any, t.Any], bool] = False,
        write_only: bool = False,
        computed: bool = False,
        ordered: bool = False,
        api_default: t.Any = None,
        refers: str = "",
        canonical: t.Callable[[t.Any], t.Any] | None = None,
        encode: t.Callable[[t.Any], t.Any] | None = None,
        removes: str = "",
        must: Rule | None = None,
        options: dict[str, Field] | None = None,
        **argument: t.Any,
    ) -> None:
        self.api, self.url_only, self.local = api, url_only, local
        self.immutable, self.write_only, self.computed = immutable, write_only, computed
        self.ordered, self.api_default, self.refers = ordered, api_default, refers
        self.canonical, self.encode, self.must, self.options = canonical, encode, must, options or {}
        self.removes = removes
        if refers:
            self.canonical = canonical or resource_path
            argument.setdefault("elements" if argument.get("type") == "list" else "type", "raw")
        self._argument = {"type": "str", **argument}

    @property
    def argument(self) -> Json:
        """The argument_spec of this option, suboptions included."""
        if not self.options:
            return self._argument
        return {**self._argument, "options": {name: field.argument for name, field in self.options.items()}}

    @property
    def type(self) -> str:
        """Ansible's type of the option."""
        return str(self._argument["type"])

    @property
    def managed(self) -> bool:
        """Whether it is part of the API's resource."""
        return not (self.url_only or self.local)

    def refuses(self, desired: t.Any, current: t.Any) -> bool:
        """Whether the API cannot change a value, in the API's words, to another one."""
        return self.immutable(current, desired) if callable(self.immutable) else self.immutable

    @property
    def is_group(self) -> bool:
        """Whether it only holds other options, each managed by itself."""
        return self.type == "dict" and bool(self.options) and not self.encode

    @property
    def is_map(self) -> bool:
        """Whether its keys are the user's own, as those of labels are."""
        return self.type == "dict" and not self.options and not self.encode

    @property
    def secret(self) -> bool:
        """Whether nobody may see its value."""
        return self.write_only or bool(self._argument.get("no_log"))

    def complaints(self, option: str, value: t.Any) -> t.Iterator[str]:
        """What is wrong with a value whose type Ansible has checked, in a sentence each."""
        if self.type != "list":
            yield from self._element_complaints(option, value)
            return
        for index, element in enumerate(value):
            yield from self._element_complaints(f"{option}[{index}]", element)

    def _element_complaints(self, option: str, value: t.Any) -> t.Iterator[str]:
        if value == "" and self._argument.get("required"):
            yield f"The option {option} is empty. Give it a value."
        elif value == "" and self.removes:
            return
        elif broken := next((rule for rule in self._rules() if not rule.holds(value)), None):
            shown = "" if self.secret else f" is {shortened(value)}, but"
            yield f"The option {option}{shown} must be {broken.words}."
        else:
            for name, field in self.options.items():
                if value.get(name) is not None:
                    yield from field.complaints(f"{option}.{name}", value[name])

    def _rules(self) -> t.Iterator[Rule]:
        """What a value, or an element of a list, must be."""
        kind = self._argument.get("elements", "str") if self.type == "list" else self.type
        implied = {
            "int": INTEGER,
            "float": FINITE,
            "raw": REFERENCE,
            "str": TEXT,
            "path": TEXT,
            "dict": None if self.options else SCALARS,
        }
        return (rule for rule in (implied.get(kind), self.must) if rule)

    def to_api(self, value: t.Any, params: Json) -> t.Any:
        """The option's value in the API's words; unset suboptions are left out."""
        if self.type == "list":
            return [self._element_to_api(element, params) for element in value]
        return self._element_to_api(value, params)

    def _element_to_api(self, value: t.Any, params: Json) -> t.Any:
        if self.encode:
            return self.encode(value)
        if self.refers:
            return full_reference(value, self.refers, params)
        if self.options:
            given = {name: value.get(name) for name in self.options if value.get(name) is not None}
            return nest({path_of(n, self.options[n]): self.options[n].to_api(v, params) for n, v in given.items()})
        if isinstance(value, dict):
            return {str(key): text(item) for key, item in value.items()}
        return value

    def same(self, desired: t.Any, current: t.Any) -> bool:
        """Whether two values in the API's words mean the same.

        Google adds values of its own, leaves out what is false, zero, empty or the default, writes int64 as text, and
        spells references and networks in its own way.
        """
        if current is None:
            current = self.api_default
        if self.type != "list":
            return self._element_same(desired, current)
        desired, current = desired or [], current or []
        if len(desired) != len(current):
            return False
        if self.ordered:
            return all(map(self._element_same, desired, current))
        if not self.options:
            return Counter(map(self._key, desired)) == Counter(map(self._key, current))
        left = list(current)
        for element in desired:
            match = next((i for i, other in enumerate(left) if self._element_same(element, other)), None)
            if match is None:
                return False
            del left[match]
        return True

    def _key(self, value: t.Any) -> str:
        return text(self.canonical(value) if self.canonical else value)

    def _element_same(self, desired: t.Any, current: t.Any) -> bool:
        if desired in EMPTY and current in EMPTY:
            return True
        if self.canonical:  # of what is not there there is no other spelling
            desired, current = (value if value is None else self.canonical(value) for value in (desired, current))
            if desired in EMPTY and current in EMPTY:
                return True
        if self.options and isinstance(current, dict) and isinstance(desired, dict):
            return all(self._suboption_same(name, field, desired, current) for name, field in self.options.items())
        if isinstance(desired, dict) and isinstance(current, dict):
            return {key: text(value) for key, value in desired.items()} == {key: text(v) for key, v in current.items()}
        return bool(desired == current) or text(desired) == text(current)

    def _suboption_same(self, name: str, field: Field, desired: Json, current: Json) -> bool:
        path = path_of(name, field)
        wanted, present = dig(desired, path), dig(current, path)
        if field.write_only or (wanted is None and field.computed):
            return True
        return field.same(field.api_default if wanted is None else wanted, present)

    def shown(self, value: t.Any, desired: t.Any = None) -> t.Any:
        """A value of the API, without what the task does not speak of: what a diff shows beside ``desired``.

        An element of a list that the task has as well is shown in the task's words.
        """
        if value is None:
            return None
        if self.encode and self.canonical and self.type == "dict":
            return self.encode(self.canonical(value))
        if not self.options or self.encode:
            return value
        if isinstance(value, list):
            wanted = desired if isinstance(desired, list) else []
            same = [next((one for one in wanted if self._element_same(one, element)), None) for element in value]
            pairs = zip(same, value, strict=True)
            return [self._element_shown(one or element, [one] if one else wanted) for one, element in pairs]
        return self._element_shown(value, [desired or {}])

    def _element_shown(self, value: t.Any, desired: list[Json]) -> Json:
        shown = {}
        for name, field in self.options.items():
            path = path_of(name, field)
            wanted = [dig(element, path) for element in desired if dig(element, path) is not None]
            present = dig(value, path)
            if present is not None and not field.write_only and (wanted or not field.computed):
                shown[path] = field.shown(present, wanted[0] if wanted else None)
        return nest(shown)


def check(fields: dict[str, Field], params: Json) -> None:
    """Refuse values that cannot be, before anything is asked.

    :raises GcpError: that names each such option, its value, and what it must be.
    """
    found = [
        sentence
        for name, field in fields.items()
        if params.get(name) is not None
        for sentence in field.complaints(name, params[name])
    ]
    if found:
        raise GcpError(" ".join(found))


def shortened(value: t.Any, longest: int = 100) -> str:
    """A value as an error shows it."""
    shown = repr(value)
    return shown if len(shown) <= longest else f"{shown[:longest]}..."


class Leaf(t.NamedTuple):
    """A managed value: ``option`` is its dotted name in the module, ``path`` its dotted path in the API."""

    option: str
    path: str
    field: Field
    value: t.Any

    @property
    def removed(self) -> str:
        """The path that goes as a whole because of the value, or nothing."""
        return self.field.removes if self.value in EMPTY else ""


def leaves(
    fields: dict[str, Field], params: Json, everything: Json | None = None, prefix: Leaf | None = None
) -> list[Leaf]:
    """What a task asks for, in the API's words, one leaf for each value that is set; unset is left out.

    :param everything: the module's parameters, which references take names from; the same as ``params`` at the top.
    """
    everything = params if everything is None else everything
    found = []
    for name, field in fields.items():
        value = params.get(name)
        if value is None or not field.managed:
            continue
        option = f"{prefix.option}.{name}" if prefix else name
        path = f"{prefix.path}.{path_of(name, field)}" if prefix else path_of(name, field)
        if field.is_group:
            found += leaves(field.options, value, everything, Leaf(option, path, field, value))
        else:
            found.append(Leaf(option, path, field, field.to_api(value, everything)))
    return found


def path_of(name: str, field: Field) -> str:
    """Where the API keeps an option."""
    return field.api or camel(name)


def camel(name: str) -> str:
    """``disk_size_gb`` as the API writes it: ``diskSizeGb``."""
    head, *tail = name.split("_")
    return head + "".join(word.title() for word in tail)


def dig(data: t.Any, path: str) -> t.Any:
    """The value at a dotted path, or None."""
    for key in path.split("."):
        data = data.get(key) if isinstance(data, dict) else None
    return data


def nest(flat: Json) -> Json:
    """Turn ``{"a.b": 1}`` into ``{"a": {"b": 1}}``."""
    tree: Json = {}
    for path, value in flat.items():
        *parents, leaf = path.split(".")
        node = tree
        for key in parents:
            node = node.setdefault(key, {})
        node[leaf] = value
    return tree


def merge(old: Json, new: Json) -> Json:
    """``old`` with the values of ``new``, dict by dict."""
    both = {k: merge(old[k], v) if isinstance(v, dict) and isinstance(old.get(k), dict) else v for k, v in new.items()}
    return old | both


def network_range(value: t.Any) -> str:
    """An address range in one form: ``10.0.0.1`` is ``10.0.0.1/32``, and ``10.0.0.1/8`` is ``10.0.0.0/8``."""
    try:
        return str(ipaddress.ip_network(str(value).strip(), strict=False))
    except ValueError:
        return str(value)
