# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the emulator says of itself, in the documentation and on the command line."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
import typing as t
from pathlib import Path

import pytest
from gcp_emulator import __main__ as command
from gcp_emulator import describe, faults
from gcp_emulator.describe import PACKAGE, Rule
from gcp_emulator.services.compute import quotas

if t.TYPE_CHECKING:
    from harness import Emulator

PAGE = Path(__file__).parents[3] / "docs/emulator.md"


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        pytest.param(
            """
            def parent(zone):
                if zone == "x":
                    # issue: inspec-gcp#301
                    raise bad_value("zone", zone, "Unknown zone.")
            """,
            Rule("a.py parent", "Unknown zone.", "issue: inspec-gcp#301"),
            id="the message below",
        ),
        pytest.param(
            """
            def check(name):
                raise ApiError(404, f"No {name} here.")  # unverified wording
            """,
            Rule("a.py check", "No … here.", "unverified wording"),
            id="the message on the line",
        ),
        pytest.param(
            "KEYS = 10  # documentation: quotas of IAM\n",
            Rule("a.py KEYS", "`KEYS = 10`", "documentation: quotas of IAM"),
            id="a constant",
        ),
        pytest.param(
            """
            # Clients keep connections for a minute or two, and
            # the server longer (documentation). No more.
            SECONDS = 150
            """,
            Rule(
                "a.py SECONDS",
                "Clients keep connections for a minute or two, and the server longer. No more",
                "documentation",
            ),
            id="words over several lines",
        ),
        pytest.param(
            '''
            class Instances:
                def apply_stop(self):
                    """Shut it down; an address goes back (documentation). More of it.

                    :raises ApiError: 400 for what is no link (issue: toolkit#95).
                    """
            ''',
            Rule("a.py Instances.apply_stop", "Shut it down; an address goes back.", "documentation"),
            id="a docstring",
        ),
    ],
)
def test_a_rule_is_found_by_the_word_of_its_source(source: str, rule: Rule) -> None:
    found = describe.rules_of("a.py", textwrap.dedent(source))
    assert found[0] == rule
    assert len(found) == (2 if ":raises" in source else 1)


def test_a_comment_that_names_no_source_is_no_rule() -> None:
    assert describe.rules_of("a.py", "X = 1  # as an issued token, undocumented\n") == []


def test_every_comment_with_a_source_is_in_the_list() -> None:
    listed = " ".join(f"{rule.text} {rule.source}" for rule in describe.rules())
    told = [
        match[1].strip()
        for path in PACKAGE.rglob("*.py")
        if path.name != "describe.py"
        for match in re.finditer(r"#\s+((?:issue: \S+#\d+|unverified)\b.*)", path.read_text())
    ]
    assert len(told) > 50
    assert [comment for comment in told if comment.rstrip(".)") not in listed] == []


def test_every_handler_is_listed(emulator: Emulator) -> None:
    assert describe.handled() == emulator.front._handlers.keys()
    page = describe.markdown()
    for method in emulator.front._handlers:
        collection, _dot, verb = method.rpartition(".")
        row = next(line for line in page.splitlines() if line.startswith(f"| `{collection}` |"))
        assert verb in row.split("|")[2]
        assert verb not in row.split("|")[3].replace(",", "").split()


def test_the_page_is_up_to_date() -> None:
    page = PAGE.read_text()
    assert page == describe.update(page), "run: python -m gcp_emulator describe --update docs/emulator.md"


@pytest.mark.parametrize("name", [*faults.KINDS, *quotas.METRICS])
def test_the_page_tells_every_kind_and_metric(name: str) -> None:
    assert f"`{name}`" in PAGE.read_text().partition(describe.BEGIN)[0]


def test_a_page_without_a_place_is_left_alone() -> None:
    with pytest.raises(ValueError, match="has no lines"):
        describe.update("# A page\n")


@pytest.mark.parametrize(
    "words",
    [
        [],
        *(["up"], ["down"], ["status"], ["env"], ["serve"], ["requests"], ["describe"]),
        *(["fault"], ["fault", "add"], ["fault", "list"], ["fault", "clear"]),
    ],
    ids=" ".join,
)
def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        command.parser().parse_args([*words, "--help"])
    shown = capsys.readouterr().out
    assert raised.value.code == 0
    assert len(shown.rpartition("options:")[2].split("\n\n", 1)[-1].split()) > 8, "an epilog says more than the options"


def test_the_description_needs_no_sandbox(tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(PACKAGE.parent), "PATH": "/nowhere"}
    shown = subprocess.run(
        [sys.executable, "-m", "gcp_emulator", "describe"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == describe.markdown()
    assert not list(tmp_path.iterdir())
