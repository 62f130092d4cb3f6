# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Conditions of IAM bindings: the part of the Common Expression Language that such conditions are written in.

Known are ``request.time``, ``resource.{name,type,service}``, strings, ``timestamp()``, ``startsWith``, ``endsWith``,
``contains``, comparisons, ``&&``, ``||`` and ``!``.
"""

from __future__ import annotations

import ast
import datetime
import operator
import re
import typing as t

from gcp_emulator.errors import Json

_TOKENS = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(&&)|(\|\|)|(!(?!=))""")
_COMPARISONS: dict[type[ast.cmpop], t.Callable[[t.Any, t.Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_METHODS: dict[str, t.Callable[[str, str], bool]] = {
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "contains": str.__contains__,
}


class UnsupportedError(Exception):
    """An expression that Google, or this file, does not know."""


def context(resource: str) -> dict[str, t.Any]:
    """What an expression can ask about a request for a resource, by the resource's path in the sandbox."""
    kinds = {
        "secrets": ("secretmanager.googleapis.com", "Secret"),
        "serviceAccounts": ("iam.googleapis.com", "ServiceAccount"),
        "zones": ("compute.googleapis.com", "Instance"),
    }
    parts = resource.split("/")
    if parts[0] == "b":
        service, name = "storage.googleapis.com", f"projects/_/buckets/{parts[1]}"
        kind = "Bucket"
        if len(parts) > 3:
            kind, name = "Object", f"{name}/objects/{'/'.join(parts[3:])}"
    else:
        service, kind = kinds.get(
            parts[2] if len(parts) > 2 else "", ("cloudresourcemanager.googleapis.com", "Project")
        )
        name = resource
    return {
        "request.time": datetime.datetime.now(datetime.UTC),
        "resource.name": name,
        "resource.service": service,
        "resource.type": f"{service}/{kind}",
    }


def hold(condition: Json | None, known: dict[str, t.Any]) -> bool:
    """Whether a binding's condition is met; one that cannot be decided is not, as at Google."""
    if condition is None:
        return True
    try:
        return evaluate(condition["expression"], known)
    except UnsupportedError:
        return False


def evaluate(expression: str, known: dict[str, t.Any]) -> bool:
    """The value of an expression.

    :raises UnsupportedError: if it is none, or uses what is not known here.
    """
    words = ("", " and ", " or ", " not ")
    python = _TOKENS.sub(lambda match: match[1] or words[(match.lastindex or 1) - 1], expression)
    try:
        value = _value(ast.parse(python.strip(), mode="eval").body, known)
    except (SyntaxError, TypeError, ValueError) as error:
        raise UnsupportedError(expression) from error
    if not isinstance(value, bool):
        raise UnsupportedError(expression)
    return value


def _value(node: ast.expr, known: dict[str, t.Any]) -> t.Any:
    match node:
        case ast.BoolOp(ast.And(), values):
            return all(_value(value, known) for value in values)
        case ast.BoolOp(ast.Or(), values):
            return any(_value(value, known) for value in values)
        case ast.UnaryOp(ast.Not(), operand):
            return not _value(operand, known)
        case ast.Compare(left, [comparison], [right]) if type(comparison) in _COMPARISONS:
            return _COMPARISONS[type(comparison)](_value(left, known), _value(right, known))
        case ast.Call(ast.Name("timestamp"), [ast.Constant(str(text))], []):
            return datetime.datetime.fromisoformat(text)
        case ast.Call(ast.Attribute(of, method), [argument], []) if method in _METHODS:
            return _METHODS[method](_value(of, known), _value(argument, known))
        case ast.Attribute(ast.Name(of), name) if f"{of}.{name}" in known:
            return known[f"{of}.{name}"]
        case ast.Constant(str() | bool() as constant):
            return constant
        case ast.Name("true" | "false" as name):
            return name == "true"
    raise UnsupportedError(ast.dump(node))
