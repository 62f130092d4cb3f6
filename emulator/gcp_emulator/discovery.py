# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Google's discovery documents: which method a request means. ``schema`` tells whether it is well-formed."""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from urllib.parse import unquote

import googleapiclient.discovery_cache

from gcp_emulator.errors import ApiError, Json
from gcp_emulator.schema import Violation, Walk, camel, mismatch, unknown_parameter

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

_FOLDER = Path(next(iter(googleapiclient.discovery_cache.__path__))) / "documents"
_VERSION = re.compile(r"v\d+((alpha|beta)\d+)?")


@cache
def known_services() -> frozenset[str]:
    """The names of all services that Google publishes a document for, such as ``compute.googleapis.com``."""
    return frozenset(f"{path.name.split('.')[0]}.googleapis.com" for path in _FOLDER.glob("*.json"))


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
            found += [unknown_parameter(name) for name in body]
        else:
            schema = self.schemas[reference]
            for name in [name for name in body if method.parameters.get(name, {}).get("location") == "path"]:
                if name not in schema.get("properties", {}):
                    del body[name]
            Walk(self, method.id, True, found).message(schema, body, "")
        return found

    def _check_parameters(self, method: Method, path: dict[str, str], query: dict[str, list[str]]) -> list[Violation]:
        found: list[Violation] = []
        walk = Walk(self, None, True, found)
        for name, values in list(query.items()):
            parameter = method.parameters.get(name)
            if parameter is None and (known := camel(name)) in method.parameters:
                query[known] = query.pop(name)
                name, parameter = known, method.parameters[known]
            if parameter is None or parameter["location"] != "query":
                if name not in self.parameters and name not in UNLISTED_PARAMETERS.get(method.id, ()):
                    found.append(unknown_parameter(name))
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
                found.append(mismatch(name, path.get(name, ""), pattern))
        return found

    # -- responses -----------------------------------------------------------------------------------------------

    def check_response(self, method: Method, body: Json | None) -> list[Violation]:
        """Where an answer of ours departs from its schema."""
        found: list[Violation] = []
        reference = method.document.get("response", {}).get("$ref")
        if body is not None and reference is not None:
            # A copy, because the walk brings values into its own form.
            Walk(self, None, False, found).message(self.schemas[reference], json.loads(json.dumps(body)), "")
        return found


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
