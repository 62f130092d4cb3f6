# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The schemas of Google's discovery documents: whether a value is well-formed, and what is said if not."""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import dataclass

from gcp_emulator.errors import ApiError, Json
from gcp_emulator.values import decode

if t.TYPE_CHECKING:
    from gcp_emulator.discovery import Api

# The one API here whose front ignores body fields that it does not know, and to which null means "clear this".
LENIENT_APIS = frozenset({"storage"})
# Cloud SQL and Storage delete an entry of a map, such as a label, by null.
NULLABLE_MAPS = frozenset({"sqladmin", "storage"})
# gcloud clears a part of these by null (its command ``set-scheduling --clear-instance-termination-action``).
NULL_CLEARS = frozenset({"compute.instances.setScheduling"})

_OUTPUT_ONLY = re.compile(r"\s*\[?output[ -]only", re.IGNORECASE)
_INT64 = ("int64", "uint64")


@dataclass(frozen=True)
class Violation:
    """Something wrong with a request.

    ``reason``: ``badRequest`` where the JSON itself does not fit, ``invalid`` or ``required`` where a value does not.
    """

    field: str
    message: str
    reason: str = "badRequest"


class Walk:
    """One walk through a JSON body along its schema, which gathers violations."""

    def __init__(self, api: Api, method_id: str | None, request: bool, found: list[Violation]) -> None:
        self.api, self.method_id, self.request, self.found = api, method_id, request, found

    def message(self, schema: Json, body: Json, at: str) -> None:
        """A message: named fields, or a map."""
        properties: dict[str, Json] = schema.get("properties", {})
        entries = schema.get("additionalProperties")
        for name in list(body):
            key = name if name in properties or camel(name) not in properties else camel(name)
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
                self.found.append(mismatch(f"resource.{field}", "", schema["pattern"]))
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
            self.found.append(mismatch(f"resource.{at}", value, pattern))

    def _mistyped(self, at: str, kind: str, value: t.Any) -> None:
        self.found.append(Violation(at, f"Invalid value at '{at}' ({kind}), {json.dumps(value)}"))


def camel(name: str) -> str:
    """A name in snake_case, as clients may write it, as the documents have it."""
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
    try:
        decode(value)
    except ValueError:
        return False
    return True


def mismatch(field: str, value: str, pattern: str) -> Violation:
    """A value that its pattern does not match."""
    message = f"Invalid value for field '{field}': '{value}'. Must be a match of regex '{pattern}'"
    return Violation(field, message, "invalid")


def unknown_parameter(name: str) -> Violation:
    """A parameter that the method does not have."""
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
