# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the tool that makes the administrator concludes from the users that it finds."""

from __future__ import annotations

import io
import pathlib
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
from werkzeug.security import generate_password_hash

FILES = pathlib.Path(__file__).parents[4] / "roles" / "mlflow_service" / "files"
PASSWORD = "p%s:w/o'r\"d é\\$x"


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module, as Python runs it: with its folder on the path."""
    monkeypatch.syspath_prepend(str(FILES))
    import mlflow_administrator

    yield mlflow_administrator
    for name in ("mlflow_administrator", "mlflow_database"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("stored", "is_admin", "words"),
    [
        pytest.param(PASSWORD, True, None, id="as he should be"),
        pytest.param(None, False, "no such user", id="absent"),
        pytest.param(PASSWORD, False, "no administrator", id="without the rights"),
        pytest.param(PASSWORD + "x", True, "another one", id="a longer password"),
        pytest.param(PASSWORD.upper(), True, "another one", id="other letters"),
    ],
)
def test_what_differs_is_said(tool: ModuleType, stored: str | None, is_admin: bool, words: str | None) -> None:
    password_hash = None if stored is None else generate_password_hash(stored)
    found = tool.Administrators(password_hash=password_hash, is_admin=is_admin, others=[])
    assert (found.differs(PASSWORD) is None) == (words is None)
    assert (words or "") in (found.differs(PASSWORD) or "")


def test_a_hash_that_is_none_is_another_password(tool: ModuleType) -> None:
    assert tool.Administrators(password_hash="", is_admin=True, others=[]).differs(PASSWORD)


def test_what_goes_wrong_is_one_line_without_the_password(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_SERVICE_AUTH_DATABASE_URI", "postgresql+psycopg2://mlflow@127.0.0.1:1/users")
    monkeypatch.setenv("MLFLOW_AUTH_ADMIN_USERNAME", "admin")
    monkeypatch.setattr(sys, "stdin", io.StringIO(PASSWORD))
    assert tool.main([]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "no route" in error
    assert PASSWORD not in error
