# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Google's discovery documents: which method a request means, and whether it and its answer are well-formed."""

from __future__ import annotations

import base64
import binascii
import json
import re
import typing as t
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from urllib.parse import unquote

import googleapiclient.discovery_cache

from gcp_emulator.errors import ApiError, Json

DOCUMENTS = (
    "compute.v1",
    "sqladmin.v1",
    "sqladmin.v1beta4",
    "storage.v1",
    "iam.v1",
    "cloudresourcemanager.v1",
    "cloudresourcemanager.v3",
    "serviceusage.v1",
    "servicenetworking.v1",
    "secretmanager.v1",
    "iamcredentials.v1",
)

# Parameters that every API takes, though not every document lists them all. Compute's list methods dropped
# ``returnPartialSuccess`` from the newest document, and still take it.
COMMON_PARAMETERS = frozenset(
    (
        *("alt", "$alt", "prettyPrint", "$prettyPrint", "fields", "key", "quotaUser", "userIp", "callback", "$.xgafv"),
        *("access_token", "oauth_token", "uploadType", "upload_protocol", "upload_id", "returnPartialSuccess"),
    )
)

# Parameters that a method takes though its document does not list them (issue: ansible#64056, in which a client that
# sends them is answered).
UNLISTED_PARAMETERS = {"sql.users.list": frozenset({"name", "host"})}

# The one API here whose front ignores body fields that it does not know, and to which null means "clear this".
LENIENT_APIS = frozenset({"storage"})
# Cloud SQL and Storage delete an entry of a map, such as a label, by null.
NULLABLE_MAPS = frozenset({"sqladmin", "storage"})
# gcloud clears a part of these by null (its command ``set-scheduling --clear-instance-termination-action``).
NULL_CLEARS = frozenset({"compute.instances.setScheduling"})

_FOLDER = Path(next(iter(googleapiclient.discovery_cache.__path__))) / "documents"
_VERSION = re.compile(r"v\d+((alpha|beta)\d+)?")
_OUTPUT_ONLY = re.compile(r"\s*\[?output[ -]only", re.IGNORECASE)
_INT64 = ("int64", "uint64")


@cache
def known_services() -> frozenset[str]:
    """The names of all services that Google publishes a document for, such as ``compute.googleapis.com``."""
    return frozenset(f"{path.name.split('.')[0]}.googleapis.com" for path in _FOLDER.glob("*.json"))


@dataclass(frozen=True)
class Violation:
    """Something wrong with a request.

    ``reason``: ``badRequest`` where the JSON itself does not fit, ``invalid`` or ``required`` where a value does not.
    """

    field: str
    message: str
    reason: str = "badRequest"


@dataclass(frozen=True)
class Route:
    """A request's method. ``path`` holds the parameters of both its ``path`` and its ``flatPath``."""

    api: Api
    method: Method
    path: dict[str, str]
    resource: str


class Method:
    """One method of an API."""

    def __init__(self, api: Api, document: Json) -> None:
        self.api, self.document = api, document
        self.id: str = document["id"]
        self.verb: str = document["httpMethod"]
        self.parameters: dict[str, Json] = document.get("parameters", {})
        form: str = document.get("flatPath") or document["path"]
        self.template = api.base + form
        self.segments = self.template.split("/")

    @cached_property
    def _path(self) -> re.Pattern[str]:
        """The ``path`` form, whose parameters may span several segments."""
        parts = re.split(r"\{(\+?[^}]+)\}", self.api.base + self.document["path"])
        for index in range(1, len(parts), 2):
            name = parts[index]
            parts[index] = f"(?P<{name.lstrip('+')}>{'.+' if name[0] == '+' else '[^/]+'})"
        for index in range(0, len(parts), 2):
            parts[index] = re.escape(parts[index])
        return re.compile("".join(parts))

    def match(self, segments: list[str]) -> dict[str, str] | None:
        """The flat path's parameters, if these segments are of this method; segments are still quoted."""
        found = {}
        for template, segment in zip(self.segments, segments, strict=True):
            if template[0] != "{":
                if template != segment:
                    return None
                continue
            name, _brace, suffix = template[1:].partition("}")
            value = segment.removesuffix(suffix)
            if not value or (suffix and value == segment) or (not suffix and self.api.custom_verbs and ":" in segment):
                return None
            found[name] = unquote(value)
        return found

    def route(self, path: str, flat: dict[str, str]) -> Route:
        """What the front needs to know of a matched path."""
        whole = self._path.fullmatch(path)
        named = {name: unquote(value) for name, value in whole.groupdict().items()} if whole else {}
        parts = path.split("/")
        version = next(index for index, part in enumerate(parts) if _VERSION.fullmatch(part.partition(":")[0]))
        resource = "/".join(unquote(part) for part in parts[version + 1 :])
        last = self.segments[-1]
        if ":" in last:
            resource = resource.removesuffix(last[last.rindex(":") :])
        return Route(self.api, self, flat | named, resource)


class Api:
    """One version of one API, by its discovery document."""

    def __init__(self, document: Json) -> None:
        self.name: str = document["name"]
        self.version: str = document["version"]
        self.title: str = document["title"]
        self.base: str = document["servicePath"]
        self.schemas: dict[str, Json] = document["schemas"]
        self.parameters = COMMON_PARAMETERS | document.get("parameters", {}).keys()
        # The older APIs have a service path and no custom verbs, so that a colon is a letter like others there.
        self.custom_verbs = not self.base
        self._by_length: dict[int, list[Method]] = {}
        self.methods: dict[str, Method] = {}
        self._collect(document)
        for methods in self._by_length.values():
            # The more is literal, the earlier: "operations/{x}" loses to "operations/{x}:cancel".
            methods.sort(key=lambda method: -len(re.sub(r"\{[^}]*\}", "", method.template)))

    def _collect(self, resource: Json) -> None:
        for document in resource.get("methods", {}).values():
            method = Method(self, document)
            self.methods[method.id] = method
            self._by_length.setdefault(len(method.segments), []).append(method)
        for child in resource.get("resources", {}).values():
            self._collect(child)

    def find(self, verb: str, path: str) -> Route | t.Literal["other verb"] | None:
        """The route of a quoted path without its leading slash."""
        segments = path.split("/")
        other: t.Literal["other verb"] | None = None
        for method in self._by_length.get(len(segments), []):
            flat = method.match(segments)
            if flat is not None:
                if method.verb == verb:
                    return method.route(path, flat)
                other = "other verb"
        return other

    # -- requests ------------------------------------------------------------------------------------------------

    def check_request(self, route: Route, query: dict[str, list[str]], body: t.Any) -> list[Violation]:
        """What Google would refuse. Brings the body into the form that services expect, in place.

        Names in snake_case become the document's own; fields that are output-only, null, or enums of "" go.
        """
        method = route.method
        found = self._check_parameters(method, route.path, query)
        if body is None:
            return found
        reference = method.document.get("request", {}).get("$ref")
        if not isinstance(body, dict):
            found.append(
                Violation("", 'Invalid JSON payload received. Unknown name "": Root element must be a message.')
            )
        elif reference is None:
            found += [_unknown_parameter(name) for name in body]
        else:
            schema = self.schemas[reference]
            for name in [name for name in body if method.parameters.get(name, {}).get("location") == "path"]:
                if name not in schema.get("properties", {}):
                    del body[name]
            _Walk(self, method.id, True, found).message(schema, body, "")
        return found

    def _check_parameters(self, method: Method, path: dict[str, str], query: dict[str, list[str]]) -> list[Violation]:
        found: list[Violation] = []
        walk = _Walk(self, None, True, found)
        for name, values in list(query.items()):
            parameter = method.parameters.get(name)
            if parameter is None and (camel := _camel(name)) in method.parameters:
                query[camel] = query.pop(name)
                name, parameter = camel, method.parameters[camel]
            if parameter is None or parameter["location"] != "query":
                if name not in self.parameters and name not in UNLISTED_PARAMETERS.get(method.id, ()):
                    found.append(_unknown_parameter(name))
                continue
            if len(values) > 1 and not parameter.get("repeated"):
                found.append(Violation(name, f"Invalid value for parameter {name}: it is not repeatable.", "invalid"))
            for value in values:
                walk.scalar(parameter, value, name, text=True)
        for name, parameter in method.parameters.items():
            if parameter["location"] == "query" and parameter.get("required") and not query.get(name, [""])[0]:
                found.append(Violation(name, f"Required parameter: {name}", "required"))
            pattern = parameter.get("pattern")
            if pattern and parameter["location"] == "path" and not re.fullmatch(pattern, path.get(name, "")):
                found.append(_mismatch(name, path.get(name, ""), pattern))
        return found

    # -- responses -----------------------------------------------------------------------------------------------

    def check_response(self, method: Method, body: Json | None) -> list[Violation]:
        """Where an answer of ours departs from its schema."""
        found: list[Violation] = []
        reference = method.document.get("response", {}).get("$ref")
        if body is not None and reference is not None:
            # A copy, because the walk brings values into its own form.
            _Walk(self, None, False, found).message(self.schemas[reference], json.loads(json.dumps(body)), "")
        return found


class _Walk:
    """One walk through a JSON body along its schema, which gathers violations."""

    def __init__(self, api: Api, method_id: str | None, request: bool, found: list[Violation]) -> None:
        self.api, self.method_id, self.request, self.found = api, method_id, request, found

    def message(self, schema: Json, body: Json, at: str) -> None:
        """A message: named fields, or a map."""
        properties: dict[str, Json] = schema.get("properties", {})
        entries = schema.get("additionalProperties")
        for name in list(body):
            key = name if name in properties or _camel(name) not in properties else _camel(name)
            if key not in properties:
                self._entry(entries, body, name, at)
                continue
            if key != name:
                body[key] = body.pop(name)
            if self._dropped(properties[key], body[key]):
                del body[key]
            elif body[key] is not None:
                self.value(properties[key], body[key], f"{at}.{key}" if at else key)
        if self.method_id and not self.method_id.endswith((".patch", ".update")):
            self._required(properties, body, at)

    def _entry(self, entries: Json | None, body: Json, name: str, at: str) -> None:
        """A field that the schema does not name: an entry of a map, or a mistake."""
        if entries is not None:
            if body[name] is not None or self.api.name not in NULLABLE_MAPS:
                self.value(entries, body[name], f"{at}[{name}]")
        elif self.request and self.api.name in LENIENT_APIS:
            del body[name]
        else:
            place = f" at '{at}'" if at else ""
            self.found.append(
                Violation(at, f'Invalid JSON payload received. Unknown name "{name}"{place}: Cannot find field.')
            )

    def _dropped(self, schema: Json, value: t.Any) -> bool:
        """Whether Google's parser treats the field as not given."""
        if not self.request:
            return False
        if value is None:
            return self.api.name not in LENIENT_APIS and self.method_id not in NULL_CLEARS
        # Compute's documents mark some output-only fields in their description alone.
        output_only = schema.get("readOnly") or _OUTPUT_ONLY.match(schema.get("description", ""))
        return bool(output_only) or (value == "" and "enum" in schema)

    def _required(self, properties: dict[str, Json], body: Json, at: str) -> None:
        for name, schema in properties.items():
            if self.method_id not in schema.get("annotations", {}).get("required", []) or body.get(name) not in (
                None,
                "",
            ):
                continue
            field = f"{at}.{name}" if at else name
            if schema.get("pattern"):
                self.found.append(_mismatch(f"resource.{field}", "", schema["pattern"]))
            else:
                self.found.append(Violation(field, f"Required field 'resource.{field}' not specified", "required"))

    def value(self, schema: Json, value: t.Any, at: str) -> None:
        """Any value."""
        if "$ref" in schema:
            schema = self.api.schemas[schema["$ref"]]
        kind = schema.get("type")
        if kind == "array":
            if isinstance(value, list):
                for index, item in enumerate(value):
                    self.value(schema["items"], item, f"{at}[{index}]")
            else:
                self._mistyped(at, "type list", value)
        elif kind == "object":
            if isinstance(value, dict):
                self.message(schema, value, at)
            else:
                self._mistyped(at, f"type {schema.get('id', 'object')}", value)
        elif kind != "any":
            self.scalar(schema, value, at)

    def scalar(self, schema: Json, value: t.Any, at: str, text: bool = False) -> None:
        """A scalar; ``text`` where it comes out of a query, and has no type of its own."""
        kind, form = schema.get("type"), schema.get("format")
        if kind == "boolean":
            if not isinstance(value, bool) and not (text and value.lower() in ("true", "false")):
                self._mistyped(at, "TYPE_BOOL", value)
        elif kind == "integer" or form in _INT64:
            self._integer(form or "int32", value, at)
        elif kind == "number":
            if not _is_number(value):
                self._mistyped(at, "TYPE_DOUBLE", value)
        elif kind == "string":
            self._string(schema, value, at, text)

    def _integer(self, form: str, value: t.Any, at: str) -> None:
        low, high = {
            "int32": (-(2**31), 2**31),
            "uint32": (0, 2**32),
            "int64": (-(2**63), 2**63),
            "uint64": (0, 2**64),
        }[form]
        whole = not isinstance(value, bool) and re.fullmatch(r"-?\d+", str(value))
        if not whole or not low <= int(value) < high:
            self._mistyped(at, f"TYPE_{form.upper()}", value)

    def _string(self, schema: Json, value: t.Any, at: str, text: bool) -> None:
        enum = schema.get("enum")
        if enum and isinstance(value, int) and not isinstance(value, bool):
            return  # proto JSON takes the number of an enum's value
        if not isinstance(value, str):
            self._mistyped(at, "TYPE_STRING", value)
        elif enum:
            if value and value not in enum:
                self._mistyped(at, "TYPE_ENUM", value)
        elif schema.get("format") == "byte" and not _is_base64(value):
            self._mistyped(at, "TYPE_BYTES", value)
        elif (
            self.request
            and not text
            and value
            and not re.fullmatch(pattern := schema.get("pattern", r"[\s\S]*"), value)
        ):
            self.found.append(_mismatch(f"resource.{at}", value, pattern))

    def _mistyped(self, at: str, kind: str, value: t.Any) -> None:
        self.found.append(Violation(at, f"Invalid value at '{at}' ({kind}), {json.dumps(value)}"))


def _camel(name: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), name)


def _is_number(value: t.Any) -> bool:
    if isinstance(value, str):
        try:
            float(value)
        except ValueError:
            return False
        return True
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_base64(value: str) -> bool:
    """Both alphabets, padded or not."""
    text = value.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        return False
    return True


def _mismatch(field: str, value: str, pattern: str) -> Violation:
    message = f"Invalid value for field '{field}': '{value}'. Must be a match of regex '{pattern}'"
    return Violation(field, message, "invalid")


def _unknown_parameter(name: str) -> Violation:
    return Violation(
        "",
        f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter. '
        f"Field '{name}' could not be found in request message.",
    )


def refusal(violations: list[Violation]) -> ApiError:
    """The 400 for them. What is malformed comes first and is told whole; then the first value that cannot be."""
    malformed = [violation for violation in violations if violation.reason == "badRequest"]
    if not malformed:
        return ApiError(400, violations[0].message, violations[0].reason)
    fields = [
        {"description": violation.message} | ({"field": violation.field} if violation.field else {})
        for violation in malformed
    ]
    details = [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": fields}]
    message = "\n".join(violation.message for violation in malformed)
    return ApiError(400, message, "badRequest", "INVALID_ARGUMENT", details)


class Apis:
    """All APIs of the sandbox."""

    def __init__(self, documents: t.Iterable[str] = DOCUMENTS) -> None:
        self._by_name: dict[str, list[Api]] = {}
        for name in documents:
            api = Api(json.loads((_FOLDER / f"{name}.json").read_text()))
            self._by_name.setdefault(api.name, []).append(api)

    def named(self, name: str) -> list[Api]:
        """The versions of an API, or an empty list."""
        return self._by_name.get(name, [])

    def versions_of(self, method: str) -> list[Method]:
        """A method by its id, in each version of its API that has it."""
        return [api.methods[method] for versions in self._by_name.values() for api in versions if method in api.methods]

    def titles(self) -> dict[str, str]:
        """What each service is called, by its name in Service Usage."""
        return {f"{name}.googleapis.com": versions[0].title for name, versions in self._by_name.items()}

    def find(self, verb: str, host: str, path: str) -> Route:
        """Route a request.

        :param host: without port.
        :param path: as it came: quoted, with its leading slash.
        :raises ApiError: 404 or 405.
        """
        path = path.lstrip("/")
        other = False
        for api in self._candidates(host, path):
            found = api.find(verb, path)
            if isinstance(found, Route):
                return found
            other = other or found == "other verb"
        if other:
            raise ApiError(405, f"The HTTP method {verb} is not allowed for this URL.", "httpMethodNotAllowed")
        raise ApiError(404, f"The requested URL /{path} was not found on {host}.", "notFound")

    def name_of(self, host: str, path: str) -> str:
        """The API that a request means, whether or not it has the method; "" if none does."""
        return next((api.name for api in self._candidates(host, path.lstrip("/"))), "")

    def _candidates(self, host: str, path: str) -> list[Api]:
        name = host.removesuffix(".googleapis.com")
        if name in self._by_name:
            return self._by_name[name]
        # www.googleapis.com, where the older APIs live by their service path; Cloud SQL has its own there.
        first = path.partition("/")[0]
        legacy = {"sql": "sqladmin"}.get(first, first)
        return self._by_name.get(legacy, []) if name == "www" else []
