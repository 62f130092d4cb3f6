# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the client asks for, when it asks again, and what it says when it cannot."""

from __future__ import annotations

import ast
import http.client
import socket
import ssl
import typing as t
from pathlib import Path
from urllib.error import URLError

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.mlflow.client import Call, MlflowError, without_sql

ROOT = Path(__file__).parents[5] / "plugins"
ON_THE_HOST = sorted([*ROOT.glob("module_utils/mlflow/*.py"), *ROOT.glob("modules/mlflow_*.py")])
GONE = (404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "User with username=x not found"})
HASHED = (
    "User (username=x) already exists. Error: (psycopg2.errors.UniqueViolation) duplicate key\n"
    "[SQL: INSERT INTO users ...]\n[parameters: ('x', 'scrypt:32768:8:1$salt$hash', 0)]"
)


def untrusted() -> URLError:
    error = ssl.SSLCertVerificationError()
    error.verify_message = "self-signed certificate"
    return URLError(error)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        pytest.param((401, "You are not authenticated."), "refuses the login of 'admin'", id="login"),
        pytest.param((403, "Permission denied"), "does not let 'admin' do this", id="rights"),
        pytest.param((403, "Invalid Host header - possible attack"), "Use one of its allowed hosts", id="host"),
        pytest.param((404, "<!doctype html>"), "authentication is not on", id="no authentication"),
        pytest.param((301, "", {"Location": "https://b/"}), "sends the caller on to https://b/", id="redirect"),
        pytest.param(
            (400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "Too odd."}), "with 400: Too odd.", id="refused"
        ),
        pytest.param((400, {"error_code": "INVALID_STATE"}), "with 400: ", id="no words"),
        pytest.param((500, {"error_code": "FEATURE_DISABLED", "message": "No workspaces"}), "No workspaces", id="off"),
        pytest.param("<html>", "something else than JSON", id="not JSON"),
        pytest.param("[]", "something else than JSON", id="a list"),
        pytest.param(untrusted(), "is not trusted: self-signed certificate", id="certificate"),
    ],
)
def test_an_error_says_what_to_do_and_is_not_asked_for_again(script: t.Any, answer: t.Any, words: str) -> None:
    with pytest.raises(MlflowError) as raised:
        script.will(answer).client().get("api/2.0/mlflow/users/get")
    assert words in str(raised.value)
    assert len(script.requests) == 1


def test_nothing_of_an_sql_statement_is_told(script: t.Any) -> None:
    script.will((400, {"error_code": "RESOURCE_ALREADY_EXISTS", "message": HASHED}))
    with pytest.raises(MlflowError) as raised:
        script.client().change(Call("POST", "api/2.0/mlflow/users/create", {}))
    assert str(raised.value).endswith("with 400: User (username=x) already exists.")
    assert raised.value.code == "RESOURCE_ALREADY_EXISTS"


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("(sqlite3.OperationalError) locked\n[SQL: x]\n[parameters: ('h',)]", ""),
        ("a [SQL: b]", "a"),
        ("a [parameters: b]", "a"),
        ("An ordinary sentence (with brackets).", "An ordinary sentence (with brackets)."),
    ],
)
def test_words_end_where_the_statement_begins(message: str, told: str) -> None:
    assert without_sql(message) == told


TROUBLE = [
    pytest.param((503, ""), id="503"),
    pytest.param((429, ""), id="429"),
    pytest.param((500, {"error_code": "INTERNAL_ERROR", "message": "x"}), id="500"),
    pytest.param(ConnectionResetError("reset"), id="reset"),
    pytest.param(http.client.RemoteDisconnected("gone"), id="no answer"),
    pytest.param(URLError(ConnectionRefusedError("refused")), id="refused"),
    pytest.param(URLError(socket.gaierror("no such name")), id="name"),
    pytest.param(TimeoutError("slow"), id="slow"),
]


@pytest.mark.parametrize("trouble", TROUBLE)
def test_what_only_reads_is_asked_for_again(script: t.Any, trouble: t.Any) -> None:
    assert script.will(trouble, trouble, {"user": {}}).client().get("x") == {"user": {}}
    assert len(script.requests) == 3


@pytest.mark.parametrize("trouble", TROUBLE)
def test_a_change_is_sent_once(script: t.Any, trouble: t.Any) -> None:
    with pytest.raises(MlflowError):
        script.will(trouble).client().change(Call("POST", "x"))
    assert len(script.requests) == 1


@pytest.mark.parametrize(
    ("trouble", "seconds"), [((503, ""), 60), (URLError(ConnectionRefusedError()), 10), (FileNotFoundError("x"), 10)]
)
def test_asking_again_comes_to_an_end(script: t.Any, trouble: t.Any, seconds: float) -> None:
    with pytest.raises(MlflowError):
        script.will(*[trouble] * 100).client().get("x")
    assert seconds - 6 < script.time <= seconds


def test_what_is_not_there_is_none(script: t.Any) -> None:
    assert script.will(GONE).client().get("x", username="a b&c") is None
    assert script.requests == [("GET", "x?username=a b&c", None)]


@pytest.mark.parametrize(("answers", "accepted"), [([{}], True), ([(401, "")], False), ([(503, ""), {}], True)])
def test_a_password_is_known_by_logging_in(script: t.Any, answers: list[t.Any], accepted: bool) -> None:
    assert script.will(*answers).client().accepts("jane", "janes password") is accepted
    assert {(one["url_username"], one["url_password"]) for one in script.options} == {("jane", "janes password")}


def test_a_socket_is_not_reached_through_a_proxy(script: t.Any) -> None:
    script.will({}).client(unix_socket="/run/mlflow.sock").get("x")
    assert script.options[0]["unix_socket"] == "/run/mlflow.sock"
    assert script.options[0]["use_proxy"] is False


def test_the_workspace_is_a_header(script: t.Any) -> None:
    client = script.will({}, {}).client(workspace="team")
    client.get("x")
    assert script.options[0]["headers"]["X-MLFLOW-WORKSPACE"] == "team"
    script.client().get("x")
    assert "X-MLFLOW-WORKSPACE" not in script.options[1]["headers"]


def test_a_workspace_that_is_not_there_is_not_an_empty_one(script: t.Any) -> None:
    gone = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "Workspace 'team' not found"}
    with pytest.raises(MlflowError, match="has no workspace 'team'"):
        script.will((404, gone)).client(workspace="team").get("x")


def test_a_login_goes_nowhere_else(script: t.Any) -> None:
    script.will({}).client().get("x")
    asked = script.options[0]
    assert (asked["follow_redirects"], asked["use_netrc"], asked["force_basic_auth"]) == ("no", False, True)
    assert asked["url"] == "https://mlflow.example.com/prefix/x"


@pytest.mark.parametrize("path", ON_THE_HOST, ids=lambda path: path.stem)
def test_what_runs_on_the_managed_host_is_python_3_9(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 9))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    unions = [
        call.lineno
        for call in calls
        if getattr(call.func, "id", "") in {"isinstance", "issubclass"} and isinstance(call.args[1], ast.BinOp)
    ]
    newer = {"strict", "slots", "kw_only"}  # of zip and of dataclass
    given = [call.lineno for call in calls for keyword in call.keywords if keyword.arg in newer]
    assert unions + given == []
