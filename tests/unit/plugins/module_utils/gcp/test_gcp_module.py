# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import base64
import io
import json
import socket
import sys
import threading
import typing as t
from contextlib import suppress
from urllib.parse import quote

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp import module as bridge
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.module import run
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Resource
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.rules import at_least
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.session import Session

AUTH_VARIABLES = (
    "GCP_PROJECT",
    "GCP_AUTH_KIND",
    "GCP_ACCESS_TOKEN",
    "GCP_SCOPES",
    "GCP_SERVICE_ACCOUNT_FILE",
    "GCP_SERVICE_ACCOUNT_CONTENTS",
    "GCP_SERVICE_ACCOUNT_EMAIL",
    "GCP_IMPERSONATE_SERVICE_ACCOUNT",
)


class Thing(Resource):
    """Something with a secret."""

    service = "things"
    collection = "v1/projects/{project}/things"
    fields: t.ClassVar[dict[str, Field]] = {
        "name": Field(required=True),
        "password": Field(write_only=True, no_log=True),
        "size": Field(type="dict", options={"gb": Field(type="int", must=at_least(10))}),
        "parts": Field(type="list", elements="dict", options={"gb": Field(type="int")}),
    }


class Module:
    """Runs a module as Ansible does, over a network of the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, session: Session) -> None:
        self.params: t.Any = None
        self._patch, self._session = monkeypatch, session
        for name in AUTH_VARIABLES:
            monkeypatch.delenv(name, raising=False)

    def __call__(self, check: bool = False, **options: t.Any) -> t.Any:
        def from_params(params: t.Any) -> Session:
            self.params = params
            return self._session

        self._patch.setattr(Session, "from_params", from_params)
        return told(self._patch, {**options, "_ansible_check_mode": check})


def told(monkeypatch: pytest.MonkeyPatch, options: t.Any) -> t.Any:
    """What a module writes."""
    output = io.StringIO()
    monkeypatch.setattr(sys, "stdout", output)
    with patch_module_args(options), pytest.raises(SystemExit):
        run(Thing)
    return json.loads(output.getvalue())


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch, session: Session) -> Module:
    """The module of the test."""
    return Module(monkeypatch, session)


def test_a_result_has_resource_changed_and_diff(http: t.Any, module: Module) -> None:
    http.will_answer(404).when("GET", "v1/projects/p/things/a", {"name": "a"}).when("POST", "v1/projects/p/things", {})
    result = module(project="p", name="a", password="zebra")
    assert result["changed"]
    assert result["resource"] == {"name": "a"}
    assert result["diff"] == {"before": {}, "after": {"name": "a"}}
    assert http.writes[0].body == {"name": "a", "password": "zebra"}


def test_check_mode_writes_nothing(http: t.Any, module: Module) -> None:
    assert module(check=True, project="p", name="a")["changed"]
    assert http.writes == []


def test_an_error_has_message_status_reason_and_request_id(http: t.Any, module: Module) -> None:
    error = {"message": "not you", "status": "PERMISSION_DENIED"}
    http.will_answer(403, {"error": error}, X_GUploader_UploadID="AB12")
    result = module(project="p", name="a")
    assert result["failed"]
    assert "not you (request AB12)" in result["msg"]
    assert (result["status"], result["reason"], result["request_id"]) == (403, "PERMISSION_DENIED", "AB12")


def test_an_error_of_an_operation_has_its_name(http: t.Any, module: Module) -> None:
    failed = {"name": "operations/o-1", "done": True, "error": {"code": 9, "message": "It broke."}}
    http.will_answer(404).will_answer(200, failed)
    result = module(project="p", name="a")
    assert "It broke (request operations/o-1)." in result["msg"]
    assert (result["reason"], result["request_id"]) == ("FAILED_PRECONDITION", "operations/o-1")


@pytest.mark.parametrize("secret", ["zebra", 'a "quoted" ä/$ word'])
def test_a_secret_that_an_api_repeats_is_masked(http: t.Any, module: Module, secret: str) -> None:
    told = [secret, json.dumps(secret), quote(secret), base64.b64encode(secret.encode()).decode()]
    http.will_answer(404).will_answer(400, {"error": {"message": f"Invalid: {' '.join(told)}"}})
    message = module(project="p", name="a", password=secret)["msg"]
    assert "Invalid" in message
    assert [one for one in told if one.strip('"') in message] == []


@pytest.mark.parametrize("form", [dict, json.dumps], ids=["a dict", "text"])
def test_of_a_key_only_the_key_is_masked(http: t.Any, module: Module, form: t.Callable[[t.Any], t.Any]) -> None:
    key = {"type": "service_account", "project_id": "my-project", "private_key": "-----BEGIN-----\nzebra\n"}
    http.when("GET", "v1/projects/my-project/things/a", {"name": "a", "service_account": "my-project"})
    options = {"project": "my-project", "name": "a", "service_account_contents": form(key)}
    assert module(**options)["resource"] == {"name": "a", "service_account": "my-project"}
    assert json.loads(module.params["service_account_contents"]) == key
    spellings = [key["private_key"], json.dumps(key["private_key"]), json.dumps(key)]
    http.will_answer(400, {"error": {"message": f"Invalid: {' '.join(spellings)}"}})
    message = module(**options)["msg"]
    assert "Invalid" in message
    assert "zebra" not in message


@pytest.mark.parametrize("contents", ["junk", "[]", [1], {"private_key": 1}, 7])
def test_what_is_no_key_is_told(module: Module, monkeypatch: pytest.MonkeyPatch, contents: t.Any) -> None:
    options = {"project": "p", "name": "a", "auth_kind": "serviceaccount", "service_account_contents": contents}
    assert "service_account_contents" in told(monkeypatch, options)["msg"]


def test_a_warning_reaches_the_user(http: t.Any, module: Module, capsys: pytest.CaptureFixture[str]) -> None:
    details = [{"reason": "SERVICE_DISABLED"}]
    http.will_answer(403, {"error": {"message": "off", "details": details}})
    result = module(check=True, project="p", name="a")
    # Where Ansible's controller is loaded as well, as other tests do, it shows the warning instead of returning it.
    assert "not enabled" in str(result.get("warnings")) + capsys.readouterr().err


@pytest.mark.parametrize(
    ("variable", "value", "option", "expected"),
    [
        ("GCP_PROJECT", "other", "project", "other"),
        ("GCP_AUTH_KIND", "machineaccount", "auth_kind", "machineaccount"),
        ("GCP_ACCESS_TOKEN", "x", "access_token", "x"),
        ("GCP_SCOPES", "a,b", "scopes", ["a", "b"]),
        ("GCP_SERVICE_ACCOUNT_FILE", "/key.json", "service_account_file", "/key.json"),
        ("GCP_SERVICE_ACCOUNT_CONTENTS", "{}", "service_account_contents", "{}"),
        ("GCP_SERVICE_ACCOUNT_EMAIL", "a@b", "service_account_email", "a@b"),
        ("GCP_IMPERSONATE_SERVICE_ACCOUNT", "a@b", "impersonate_service_account", "a@b"),
    ],
)
def test_an_option_may_come_from_the_environment(
    module: Module, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, option: str, expected: t.Any
) -> None:
    monkeypatch.setenv(variable, value)
    given = {} if option == "project" else {"project": "p"}
    module(check=True, name="a", **given)
    assert module.params[option] == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "a"}, "missing required arguments: project"),
        ({"name": "a", "project": ""}, "project is empty"),
        ({"name": "", "project": "p"}, "name is empty"),
        ({"name": "a", "project": "p", "size": 7}, "size.7. Supported parameters include: gb"),
        ({"name": "a", "project": "p", "size": "junk"}, "size.(a text instead of suboptions)"),
        ({"name": "a", "project": "p", "size": "gb=7"}, "size.gb is 7, but must be a number of at least 10"),
        ({"name": "a", "project": "p", "parts": [7]}, "parts.7"),
        ({"name": "a", "project": "p", "parts": [None]}, "parts.None"),
        ({"name": "a", "project": "p", "parts": 7}, "parts.7"),
        ({"name": "a", "project": "p", "size": {"gb": 7}}, "size.gb is 7, but must be a number of at least 10"),
        ({"name": "a", "project": "p", "auth_kind": "magic"}, "value of auth_kind must be one of"),
        (
            {"name": "a", "project": "p", "service_account_file": "x", "service_account_contents": "{}"},
            "mutually exclusive: service_account_file|service_account_contents",
        ),
    ],
)
def test_options_that_cannot_be_are_named(module: Module, options: t.Any, message: str) -> None:
    assert message in module(**options)["msg"]


@pytest.mark.parametrize("junk", [7, "junk", [1], True])
def test_a_wrong_suboption_does_not_show_the_secrets_of_the_task(module: Module, junk: t.Any) -> None:
    result = module(project="p", name="a", password="zebra", size=junk, _ansible_verbosity=3)
    assert "size" in result["msg"]
    assert "zebra" not in json.dumps(result)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def from_params(_params: t.Any) -> t.NoReturn:
        raise ImportError("google")

    monkeypatch.setattr(Session, "from_params", from_params)
    assert "google-auth" in told(monkeypatch, {"project": "p", "name": "a"})["msg"]


class Dripping:
    """A proxy that answers with a header now and then, so that each single wait of a client is short."""

    def __init__(self) -> None:
        self._ended, self._socket = threading.Event(), socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._drip, daemon=True).start()

    def _drip(self) -> None:
        with suppress(OSError):
            client, _address = self._socket.accept()
            client.sendall(b"HTTP/1.1 200 OK\r\n")
            for _ in range(200):  # 10 s, after which the client goes on: a test that does not end tells nothing
                if self._ended.wait(0.05):
                    break
                client.sendall(b"X: y\r\n")
            client.close()

    def close(self) -> None:
        """End."""
        self._ended.set()
        self._socket.close()


@pytest.fixture
def dripping(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Dripping]:
    """The only way to Google Cloud."""
    made = Dripping()
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, made.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield made
    made.close()


@pytest.mark.usefixtures("dripping")
def test_a_proxy_that_drips_ends_with_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "GRACE", 0.1)
    options = {"project": "p", "name": "a", "timeout": 1, "auth_kind": "accesstoken", "access_token": "zebra"}
    assert told(monkeypatch, options)["msg"] == (
        "GET https://things.googleapis.com/v1/projects/p/things/a: It did not come to an end within the 1 s of the "
        "option timeout. Check the network and the proxy (HTTPS_PROXY) of the machine that runs the module."
    )


def test_a_write_that_hangs_may_have_taken_effect(http: t.Any, module: Module, monkeypatch: pytest.MonkeyPatch) -> None:
    released, answer = threading.Event(), http.request

    def request(method: str, url: str, **others: t.Any) -> t.Any:
        if method == "POST":
            released.wait(10)
        return answer(method, url, **others)

    monkeypatch.setattr(http, "request", request)
    monkeypatch.setattr(bridge, "GRACE", 0.1)
    message = module(project="p", name="a", timeout=1)["msg"]
    released.set()
    assert message.startswith("POST https://things.googleapis.com/v1/projects/p/things: It did not come to an end")
    assert message.endswith("Run again to see whether it took effect.")


def test_a_timeout_may_be_longer_than_anything(http: t.Any, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def from_params(_params: t.Any) -> Session:
        threading.Event().wait(0.1)  # so that there is something to wait for
        return session

    monkeypatch.setattr(Session, "from_params", from_params)
    http.will_answer(200, {"name": "a"})
    assert not told(monkeypatch, {"project": "p", "name": "a", "timeout": 2**62})["changed"]


def test_an_error_that_nobody_expected_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def from_params(_params: t.Any) -> t.NoReturn:
        raise ZeroDivisionError

    monkeypatch.setattr(Session, "from_params", from_params)
    with patch_module_args({"project": "p", "name": "a"}), pytest.raises(ZeroDivisionError):
        run(Thing)


def test_a_credential_that_hangs_ends_with_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(bridge, "GRACE", 0.1)
    monkeypatch.setattr(Session, "from_params", lambda _params: released.wait(10))
    message = told(monkeypatch, {"project": "p", "name": "a", "timeout": 1})["msg"]
    released.set()
    assert "The credential was not found within the 1 s of the option timeout" in message
