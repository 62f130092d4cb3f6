# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The emulator describes itself: methods out of its handlers, rules out of the comments that name their source.

A rule that no discovery document tells is written by hand, and its source stands beside it in a word: as a comment
(``# issue: inspec-gcp#301``, ``# discovery; unverified wording``) or in parentheses in a docstring.
"""

from __future__ import annotations

import ast
import io
import re
import tempfile
import tokenize
import typing as t
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from gcp_emulator.backends.objects import DiskObjects
from gcp_emulator.backends.remembered import RememberedDatabases, RememberedMachines
from gcp_emulator.cloud import Cloud
from gcp_emulator.discovery import Apis
from gcp_emulator.operations import Operations
from gcp_emulator.server import register
from gcp_emulator.settings import Settings
from gcp_emulator.store import Store

PACKAGE = Path(__file__).parent
WORDS = ("discovery", "documentation", "recording", "issue", "unverified")
# A source begins with one of the words, and goes on to the end of the comment or parenthesis.
_SOURCE = re.compile(rf"(?<![\w-])({'|'.join(WORDS)})(?![\w'-])")
_IN_PARENTHESES = re.compile(rf"\(([^()]*(?<![\w-])(?:{'|'.join(WORDS)})(?![\w'-])(?:[^()]|\([^()]*\))*)\)")
_SENTENCE = re.compile(r"(?<=[.:!?])\s+(?=[A-Z`])")
BEGIN, END = "<!-- generated: python -m gcp_emulator describe --update FILE -->", "<!-- end -->"


@dataclass(frozen=True, order=True)
class Rule:
    """A rule that is written by hand. ``place``: file and function."""

    place: str
    text: str
    source: str


# -- rules -------------------------------------------------------------------------------------------------------


def rules() -> list[Rule]:
    """All of them, by place."""
    found: list[Rule] = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if path != Path(__file__):
            found += rules_of(path.relative_to(PACKAGE).as_posix(), path.read_text())
    return found


def rules_of(name: str, source: str) -> list[Rule]:
    """Those of one file."""
    tree = ast.parse(source)
    scopes = list(_scopes(tree, ()))
    found = [rule for node, names in scopes for rule in _told(name, node, names)]
    for line, comment in _comments(source):
        match = _SOURCE.search(comment)
        if match is None or "noqa" in comment:
            continue
        node, names = [(node, names) for node, names in scopes if _spans(node, line)][-1]
        words, origin = comment[: match.start()].rstrip(" (:;,"), comment[match.start() :]
        if origin.count(")") > origin.count("("):  # it stands in parentheses, and the words go on behind them
            origin, _end, more = origin.partition(")")
            words += more
        about = _statement(node, line)
        where = [*names, *_assigned(about)] if isinstance(node, ast.Module) else names
        found.append(Rule(_place(name, where), words.rstrip(".:") or _meant(about, line), origin.rstrip(".")))
    return sorted(found, key=lambda rule: rule.place)


def _comments(source: str) -> list[tuple[int, str]]:
    """Comments and their last lines; what goes on over several lines is one."""
    found: list[tuple[int, str]] = []
    alone = -1  # the line of a comment that another may continue
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        line, text = token.start[0], token.string.lstrip("# ")
        if line == alone + 1 and not _SOURCE.match(text):
            found[-1] = (line, f"{found[-1][1]} {text}")
        else:
            found.append((line, text))
        alone = line if token.line.lstrip().startswith("#") else -1
    return found


_Scope = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def _scopes(node: _Scope, names: tuple[str, ...]) -> t.Iterator[tuple[_Scope, tuple[str, ...]]]:
    """Modules, classes and functions, the outer ones first."""
    yield node, names
    for child in ast.walk(node):
        if child in node.body and isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _scopes(child, (*names, child.name))


def _spans(node: _Scope, line: int) -> bool:
    if isinstance(node, ast.Module):
        return True
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return first <= line <= (node.end_lineno or first)


def _place(name: str, names: t.Iterable[str]) -> str:
    return " ".join(filter(None, [name, ".".join(names)]))


def _told(name: str, node: _Scope, names: tuple[str, ...]) -> t.Iterator[Rule]:
    """The rules in a docstring: sentences with a source in parentheses."""
    for paragraph in re.split(r"\n\n|\n(?=:)", ast.get_docstring(node) or ""):
        for sentence in _SENTENCE.split(" ".join(paragraph.split())):
            for source in _IN_PARENTHESES.findall(sentence):
                text = re.sub(r"\s+([.,:;])", r"\1", _IN_PARENTHESES.sub("", sentence))
                yield Rule(_place(name, names), re.sub(r"^:\w+( \w+)?: ", "", " ".join(text.split())), source)


def _statement(scope: _Scope, line: int) -> ast.stmt:
    """What a comment is about: the statement on its line, or the next."""
    statements = [node for node in ast.walk(scope) if isinstance(node, ast.stmt) and (node.end_lineno or 0) >= line]
    return min(statements, key=lambda node: (max(node.lineno - line, 0), (node.end_lineno or 0) - node.lineno))


def _assigned(statement: ast.stmt) -> list[str]:
    """The names of constants."""
    match statement:
        case ast.Assign([ast.Name(name)]) | ast.AnnAssign(ast.Name(name)):
            return [name]
        case ast.Assign([ast.Tuple(targets)]):
            return [", ".join(map(ast.unparse, targets))]
    return []


def _meant(about: ast.stmt, line: int) -> str:
    """What is meant where a comment has no words but the source: a message, or the statement itself."""
    literals = [
        node for node in ast.walk(about) if isinstance(node, ast.JoinedStr | ast.Constant) and node.lineno >= line
    ]
    texts = [_literal(node) for node in sorted(literals, key=lambda node: node.lineno)]
    return next((text for text in texts if " " in text), f"`{ast.unparse(about).partition(chr(10))[0]}`")


def _literal(node: ast.JoinedStr | ast.Constant) -> str:
    if isinstance(node, ast.Constant):
        return " ".join(node.value.split()) if isinstance(node.value, str) else ""
    parts = [part.value if isinstance(part, ast.Constant) else "…" for part in node.values]
    return " ".join("".join(map(str, parts)).split())


# -- methods -----------------------------------------------------------------------------------------------------


def handled() -> set[str]:
    """The ids of the methods that the emulator has."""
    with tempfile.TemporaryDirectory() as directory:
        settings = Settings(Path(directory), apis_only=True)
        store = Store(settings.directory / "state.db")
        operations, objects = Operations(store, 0), DiskObjects(settings.directory / "objects")
        cloud = Cloud(settings, store, operations, RememberedMachines(), RememberedDatabases(), objects)
        found = {method for service in register(cloud) for method in service.handlers}
        operations.stop()
        store.close()
    return found


def _collections(apis: Apis, name: str) -> dict[str, set[str]]:
    """The verbs of each collection of an API, such as ``firewalls``, in any version."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for api in apis.named(name):
        for method in api.methods:
            collection, _dot, verb = method.rpartition(".")
            found[collection].add(verb)
    return found


# -- the page ----------------------------------------------------------------------------------------------------


def markdown() -> str:
    """Methods, rules, and what is missing."""
    return "\n".join([*_methods(), *_rules()])


def _methods() -> t.Iterator[str]:
    apis, known = Apis(), handled()
    yield "## Methods\n"
    yield (
        f"The emulator has {len(known)} methods of Google's discovery documents. Each request and each answer is "
        "checked against its schema. Every other method is answered 501 with its name.\n"
    )
    for service, title in sorted(apis.titles().items()):
        versions = ", ".join(sorted({api.version for api in apis.named(service.partition(".")[0])}))
        yield f"### {title} (`{service}`, {versions})\n"
        yield "| resource | methods | not emulated: 501 |\n|---|---|---|"
        missing = []
        for collection, verbs in sorted(_collections(apis, service.partition(".")[0]).items()):
            here = {verb for verb in verbs if f"{collection}.{verb}" in known}
            if here:
                yield f"| `{collection}` | {', '.join(sorted(here))} | {', '.join(sorted(verbs - here))} |"
            else:
                missing.append(f"`{collection}`")
        yield f"\nNot emulated at all: {', '.join(missing) or 'nothing'}.\n"


def _rules() -> t.Iterator[str]:
    found = rules()
    yield "## Rules\n"
    yield (
        f"What no schema tells is written by hand: {len(found)} rules, each with its source. *discovery*: the words of "
        "Google's discovery document. *documentation*: Google's reference. *recording*: an exchange with Google that "
        "was recorded. *issue*: what Google answered somebody, in a public thread. *unverified*: our best knowledge.\n"
    )
    places: defaultdict[str, list[Rule]] = defaultdict(list)
    for rule in found:
        places[rule.place.partition(" ")[0]].append(rule)
    for name, listed in places.items():
        yield f"### `{name}`\n"
        yield "| where | rule | source |\n|---|---|---|"
        for rule in listed:
            where = rule.place.partition(" ")[2]
            yield f"| {f'`{where}`' if where else ''} | {_cell(rule.text)} | {_cell(rule.source)} |"
        yield ""


def _cell(text: str) -> str:
    """A text as it stands in a table. What is not in backquotes must not be taken for markup."""
    parts = re.split(r"(``?[^`]+``?)", text)
    plain = [re.sub(r"([\\*_<>\[\]])", r"\\\1", part) if not index % 2 else part for index, part in enumerate(parts)]
    return "".join(plain).replace("|", r"\|")


def update(page: str) -> str:
    """A page with what is generated in it brought up to date.

    :raises ValueError: it has no place for that.
    """
    head, begin, rest = page.partition(BEGIN)
    _old, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"The page has no lines {BEGIN} and {END}, between which the description goes.")
    return f"{head}{BEGIN}\n\n{markdown()}\n{END}{tail}"
