# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Conditions of IAM bindings: the part of the Common Expression Language that such conditions are written in.

Known are ``request.time`` with its getters such as ``getHours("Europe/Berlin")``, ``resource.{name,type,service}``,
texts, whole numbers, lists, ``timestamp()``, ``duration()``, ``startsWith``, ``endsWith``, ``contains``, ``in``,
comparisons, ``+``, ``-``, ``&&``, ``||`` and ``!``. A policy with anything else of the language is answered 501, and
one with what is not of the language 400.
"""

from __future__ import annotations

import ast
import datetime
import operator
import re
import typing as t
import zoneinfo

from gcp_emulator.errors import ApiError, Json

_STRINGS = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""")
# What Google's conditions have and this file has not (documentation: IAM's attribute reference for conditions).
_BEYOND = re.compile(
    r"\brequest\.(auth|path|host|url_path|headers)\b|\bresource\.(matchTag|hasTagKey)|\bapi\.getAttribute\b"
    r"|\bdestination\.|\borigin\.|\.(extract|matches|exists|all|filter|map|hasOnly|lowerAscii|split)\(|\?"
    r"|(?<![.\w])(has|size|int|uint|double|string|bool|bytes|type|dyn|date)\("
)
# The most operators of an expression, and characters of a title (documentation: IAM's limits of a condition).
OPERATORS, TITLE = 12, 100
_BASIC_ROLES = frozenset({"roles/owner", "roles/editor", "roles/viewer"})

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
# Days and months count from 0; the weekday of Sunday is 0, and a date of the month may count from 1.
_GETTERS: dict[str, t.Callable[[datetime.datetime], int]] = {
    "getFullYear": lambda time: time.year,
    "getMonth": lambda time: time.month - 1,
    "getDate": lambda time: time.day,
    "getDayOfMonth": lambda time: time.day - 1,
    "getDayOfWeek": lambda time: time.isoweekday() % 7,
    "getDayOfYear": lambda time: time.timetuple().tm_yday - 1,
    "getHours": lambda time: time.hour,
    "getMinutes": lambda time: time.minute,
    "getSeconds": lambda time: time.second,
}
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s)")


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


def check(condition: Json, role: str, members: t.Collection[str]) -> None:
    """Refuse a condition that cannot be.

    :raises ApiError: 400 for one that Google would not take; 501 for one that the sandbox cannot decide.
    """
    title, expression = condition.get("title", ""), condition.get("expression", "")
    bare = _STRINGS.sub('""', expression)
    if not title or len(title) > TITLE:  # documentation; unverified wording
        raise _invalid(f"a condition needs a title of at most {TITLE} characters")
    if len(re.findall(r"&&|\|\||!(?!=)", bare)) > OPERATORS:  # documentation; unverified wording
        raise _invalid(f"a condition has at most {OPERATORS} logical operators")
    if role in _BASIC_ROLES:  # documentation: conditions overview; unverified wording
        raise _invalid(f"the basic role {role} takes no condition")
    if {"allUsers", "allAuthenticatedUsers"} & set(members):  # documentation: conditions overview; unverified wording
        raise _invalid("allUsers and allAuthenticatedUsers take no condition")
    try:
        evaluate(expression, context("b/bucket/o/object"))
    except UnsupportedError as error:
        if _BEYOND.search(bare):
            raise ApiError(501, f"The sandbox cannot decide the condition {expression}", "notImplemented") from error
        raise _invalid(f"the expression {expression!r} cannot be compiled") from error


def _invalid(what: str) -> ApiError:
    return ApiError(400, f"Invalid condition in the policy: {what}.", "badRequest")


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
    except (SyntaxError, TypeError, ValueError, AttributeError, KeyError, RecursionError) as error:
        raise UnsupportedError(expression) from error
    if not isinstance(value, bool):
        raise UnsupportedError(expression)
    return value


def _value(node: ast.expr, known: dict[str, t.Any]) -> t.Any:
    match node:
        case ast.BoolOp(operation, values):
            # Each operand is looked at, so that a mistake in one shows whatever the others are.
            decided = [_boolean(_value(value, known)) for value in values]
            return all(decided) if isinstance(operation, ast.And) else any(decided)
        case ast.UnaryOp(ast.Not(), operand):
            return not _boolean(_value(operand, known))
        case ast.Compare() | ast.BinOp():
            return _of_two(node, known)
        case ast.Call(function, arguments, []):
            return _call(function, arguments, known)
        case ast.Attribute(ast.Name(of), name) if f"{of}.{name}" in known:
            return known[f"{of}.{name}"]
        case ast.Constant(str() | bool() | int() as constant):
            return constant
        case ast.Name("true" | "false" as name):
            return name == "true"
    raise UnsupportedError(ast.dump(node))


def _of_two(node: ast.expr, known: dict[str, t.Any]) -> t.Any:
    match node:
        case ast.Compare(left, [ast.In()], [ast.List(elements)]):
            return _value(left, known) in [_value(element, known) for element in elements]
        case ast.Compare(left, [comparison], [right]) if type(comparison) in _COMPARISONS:
            one, other = _value(left, known), _value(right, known)
            if type(one) is not type(other):
                raise TypeError(comparison)
            return _COMPARISONS[type(comparison)](one, other)
        case ast.BinOp(left, ast.Add(), right):
            return _value(left, known) + _value(right, known)
        case ast.BinOp(left, ast.Sub(), right):
            return _value(left, known) - _value(right, known)
    raise UnsupportedError(ast.dump(node))


def _call(function: ast.expr, arguments: list[ast.expr], known: dict[str, t.Any]) -> t.Any:
    match function, arguments:
        case ast.Name("timestamp"), [ast.Constant(str(text))]:
            time = datetime.datetime.fromisoformat(text)
            if time.tzinfo is None:
                raise ValueError(text)
            return time
        case ast.Name("duration"), [ast.Constant(str(text))] if re.fullmatch(rf"({_DURATION.pattern})+", text):
            parts = _DURATION.findall(text)
            return datetime.timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))
        case ast.Attribute(of, method), [argument] if method in _METHODS:
            return _METHODS[method](_value(of, known), _value(argument, known))
        case ast.Attribute(of, method), [] if method in _GETTERS:
            return _GETTERS[method](_value(of, known).astimezone(datetime.UTC))
        case ast.Attribute(of, method), [ast.Constant(str(zone))] if method in _GETTERS:
            return _GETTERS[method](_value(of, known).astimezone(zoneinfo.ZoneInfo(zone)))
    raise UnsupportedError(ast.dump(function))


def _boolean(value: t.Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(value)
    return value
