# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Google's discovery documents say of a request: whether there is such a method, and whether it may bear this."""

from __future__ import annotations

import functools
import importlib.resources
import json
import re
import typing as t
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

Json = dict[str, t.Any]

DOCUMENTS = importlib.resources.files("googleapiclient.discovery_cache") / "documents"

# JSON types that a value of each type of the documents may have; int64 travels as text, and may be sent as a number.
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str, int),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


@dataclass(frozen=True)
class Method:
    """A method of an API, and the document that it stands in."""

    document: Document
    description: Json

    @property
    def id(self) -> str:
        """Such as ``sql.instances.patch``."""
        return str(self.description["id"])

    @property
    def request(self) -> Json | None:
        """Schema of the body, or None if the method takes none."""
        return self.document.resolve(self.description["request"]) if "request" in self.description else None

    @property
    def response(self) -> Json | None:
        """Schema of the answer, or None if it is empty."""
        return self.document.resolve(self.description["response"]) if "response" in self.description else None

    def complaints(self, query: t.Iterable[str], body: t.Any) -> list[str]:
        """What is wrong with a request to this method, in a sentence each."""
        known = set(self.description.get("parameters", {})) | set(self.document.content.get("parameters", {}))
        found = [f"{self.id} has no query parameter {name}" for name in query if name not in known]
        required = {
            name
            for name, parameter in self.description.get("parameters", {}).items()
            if parameter.get("required") and parameter["location"] == "query"
        }
        found += [f"{self.id} needs the query parameter {name}" for name in sorted(required - set(query))]
        if body and self.request is None:
            return [*found, f"{self.id} takes no body"]
        return found + (list(self.document.faults(self.request, body, self.id)) if body and self.request else [])


class Document:
    """One discovery document."""

    def __init__(self, content: Json) -> None:
        self.content = content
        self.methods = [
            (
                method["httpMethod"],
                pattern(content["servicePath"] + method.get("flatPath", method["path"])),
                Method(self, method),
            )
            for method in walk(content)
        ]

    def find(self, verb: str, path: str) -> Method | None:
        """The method that answers a verb on a path; a literal goes before a parameter, be it a segment or a verb."""
        found = [(regex, method) for v, regex, method in self.methods if v == verb and regex.fullmatch(path)]
        fewest = [(regex.pattern.count("[^/]"), -len(regex.pattern), method) for regex, method in found]
        return min(fewest, key=lambda item: item[:2])[2] if found else None

    def resolve(self, schema: Json) -> Json:
        """Follow a ``$ref``."""
        return self.content["schemas"][schema["$ref"]] if "$ref" in schema else schema

    def elements(self, schema: Json) -> Json:
        """The schema of what is in a list, or else the schema itself."""
        schema = self.resolve(schema)
        while schema.get("type") == "array":
            schema = self.resolve(schema["items"])
        return schema

    def step(self, schema: Json, name: str) -> Json | None:
        """The schema of a property; lists are looked through. None if there is no such property."""
        schema = self.elements(schema)
        if name in schema.get("properties", {}):
            return t.cast(Json, schema["properties"][name])
        return t.cast("Json | None", schema.get("additionalProperties"))

    def faults(self, schema: Json, value: t.Any, where: str) -> t.Iterator[str]:
        """What Google would refuse or ignore in a value that is sent."""
        schema = self.resolve(schema)
        if value is None or schema.get("type") == "any":
            return
        allowed = TYPES[schema.get("type", "object")]
        if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
            yield f"{where}: {value!r} is not of the type {schema.get('type', 'object')}"
        elif isinstance(value, list):
            for item in value:
                yield from self.faults(schema["items"], item, f"{where}[]")
        elif isinstance(value, dict):
            for name, item in value.items():
                if (child := self.step(schema, name)) is None:
                    yield f"{where} has no field {name}"
                elif output_only(child):
                    yield f"{where}.{name} is output-only"
                else:
                    yield from self.faults(child, item, f"{where}.{name}")
        elif "enum" in schema and value not in schema["enum"]:
            yield f"{where}: {value!r} is not one of {schema['enum']}"


def output_only(schema: Json) -> bool:
    """Whether a field is the server's to fill."""
    text = schema.get("description", "")
    return bool(schema.get("readOnly")) or re.match(r"(Optional\. )?\[?Output[ -]only", text, re.IGNORECASE) is not None


def walk(node: Json) -> t.Iterator[Json]:
    """All methods below a node of a document."""
    yield from node.get("methods", {}).values()
    for child in node.get("resources", {}).values():
        yield from walk(child)


def pattern(path: str) -> re.Pattern[str]:
    """A template of a path as a regular expression: ``{+name}`` spans segments, ``{name}`` is one."""
    parts = re.split(r"({[^}]*})", path)
    return re.compile(
        "".join(
            ".+" if part.startswith("{+") else "[^/]+" if part.startswith("{") else re.escape(part) for part in parts
        )
    )


@functools.cache
def document(api: str, version: str) -> Document:
    """The document of an API, such as ``("sqladmin", "v1")``."""
    return Document(json.loads((DOCUMENTS / f"{api}.{version}.json").read_text()))


def split(url: str) -> tuple[Document, str, list[str]]:
    """A URL's document, its path as the document's templates have it, and the names of its query parameters."""
    parts = urlsplit(url)
    assert parts.scheme == "https", url
    api, _dot, domain = (parts.hostname or "").partition(".")
    assert domain == "googleapis.com", url
    version = re.search(r"(?:^|/)(v\d\w*)/", parts.path)
    assert version, url
    path = re.sub("%2F", "%252F", parts.path.removeprefix("/"), flags=re.IGNORECASE)
    return document(api, version[1]), unquote(path), [name for name, _value in parse_qsl(parts.query)]


def judge(verb: str, url: str, query: t.Iterable[str] = (), body: t.Any = None) -> list[str]:
    """What the documents have against a request, in a sentence each."""
    found, path, in_url = split(url)
    method = found.find(verb, path)
    return method.complaints([*in_url, *query], body) if method else [f"There is no {verb} {path}"]
