# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import base64
import errno
import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.modules.gcp_iam_service_account_key import IamServiceAccountKey

Json = dict[str, t.Any]

EMAIL = "client@p.iam.gserviceaccount.com"
KEYS = f"v1/projects/p/serviceAccounts/{EMAIL}/keys"
SECRET = "-----BEGIN PRIVATE KEY-----"


def content(key_id: str = "k1", email: str = EMAIL) -> Json:
    """A key file."""
    return {"type": "service_account", "client_email": email, "private_key_id": key_id, "private_key": SECRET}


def public(key_id: str = "k1", **more: t.Any) -> Json:
    """The key as everybody may see it."""
    return {"name": f"projects/p/serviceAccounts/{EMAIL}/keys/{key_id}", "keyAlgorithm": "KEY_ALG_RSA_2048", **more}


def private(key_id: str = "k1") -> Json:
    """The answer to a creation."""
    return public(key_id, privateKeyData=base64.b64encode(json.dumps(content(key_id)).encode()).decode())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the key is to be."""
    return tmp_path / "client.json"


@pytest.fixture
def key(run: t.Any, file: Path) -> t.Callable[..., Json]:
    """Run the module."""

    def ran(check_mode: bool = False, **options: t.Any) -> Json:
        return t.cast(Json, run(IamServiceAccountKey, check_mode, service_account="client", path=str(file), **options))

    return ran


def test_a_key_is_written_for_its_owner_alone(http: t.Any, key: t.Any, file: Path) -> None:
    http.will_answer(200, private()).will_answer(200, public())
    result = key()
    assert result["resource"] == public()
    assert json.loads(file.read_text()) == content()
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(file.parent.iterdir()) == [file]
    assert [(r.path, r.body) for r in http.writes] == [(KEYS, {"privateKeyType": "TYPE_GOOGLE_CREDENTIALS_FILE"})]


@pytest.mark.parametrize("check_mode", [True, False])
def test_the_private_key_is_told_nowhere(http: t.Any, key: t.Any, file: Path, check_mode: bool) -> None:
    http.when("POST", KEYS, private()).when("GET", f"{KEYS}/k1", public())
    told = json.dumps(key(check_mode))
    assert SECRET not in told
    assert "privateKeyData" not in told


def test_a_key_that_is_in_use_is_left_alone(http: t.Any, key: t.Any, file: Path) -> None:
    file.write_text(json.dumps(content()))
    file.chmod(0o600)
    http.when("GET", f"{KEYS}/k1", public())
    before = file.stat()
    assert not key(key_algorithm="KEY_ALG_RSA_2048")["changed"]
    assert http.writes == []
    assert file.stat().st_mtime_ns == before.st_mtime_ns


@pytest.mark.parametrize("old", [None, public(disabled=True)])
def test_a_key_that_is_gone_or_disabled_is_replaced(http: t.Any, key: t.Any, file: Path, old: Json | None) -> None:
    file.write_text(json.dumps(content()))
    file.chmod(0o644)
    http.when("POST", KEYS, private("k2")).when("GET", f"{KEYS}/k2", public("k2"))
    if old:
        http.when("GET", f"{KEYS}/k1", old)
    assert key()["changed"]
    assert json.loads(file.read_text()) == content("k2")
    assert file.stat().st_mode & 0o777 == 0o600


def test_another_algorithm_is_an_error(http: t.Any, key: t.Any, file: Path) -> None:
    file.write_text(json.dumps(content()))
    http.when("GET", f"{KEYS}/k1", public())
    with pytest.raises(GcpError, match="key_algorithm cannot be changed"):
        key(key_algorithm="KEY_ALG_RSA_1024")


@pytest.mark.parametrize("state", ["present", "absent"])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("my diary", "is not a key of a service account"),
        ("[]", "is not a key of a service account"),
        ("{}", "is not a key of a service account"),
        (json.dumps(content("")), "is not a key of a service account"),
        (json.dumps(content(email="other@p.iam.gserviceaccount.com")), "is a key of other@p.iam"),
    ],
)
def test_a_file_of_somebody_else_is_left_alone(
    http: t.Any, key: t.Any, file: Path, text: str, words: str, state: str
) -> None:
    file.write_text(text)
    with pytest.raises(GcpError, match=words):
        key(state=state)
    assert file.read_text() == text
    assert http.requests == []


def test_no_key_is_made_that_cannot_be_written(http: t.Any, run: t.Any, tmp_path: Path) -> None:
    with pytest.raises(GcpError, match="cannot be written: No such file or directory"):
        run(IamServiceAccountKey, service_account="client", path=str(tmp_path / "nowhere" / "client.json"))
    assert http.writes == []


@pytest.mark.parametrize("broken", ["os.fsync", "pathlib.Path.replace"])
def test_a_key_that_cannot_be_kept_is_deleted(
    http: t.Any, key: t.Any, file: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def full(*_arguments: t.Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(broken, full)
    http.when("POST", KEYS, private()).when("DELETE", f"{KEYS}/k1", {})
    with pytest.raises(GcpError, match="cannot be written: No space left on device"):
        key()
    assert [request.method for request in http.writes] == ["POST", "DELETE"]
    assert list(file.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("broken", "options", "words"),
    [
        ("pathlib.Path.chmod", {}, "cannot be closed to others: Operation not permitted"),
        ("pathlib.Path.unlink", {"state": "absent"}, "cannot be deleted: Operation not permitted"),
    ],
)
def test_what_the_machine_refuses_is_told(
    http: t.Any, key: t.Any, file: Path, monkeypatch: pytest.MonkeyPatch, broken: str, options: Json, words: str
) -> None:
    file.write_text(json.dumps(content()))
    file.chmod(0o644)
    http.when("GET", f"{KEYS}/k1", public()).when("DELETE", f"{KEYS}/k1", {})

    def refused(*_arguments: t.Any, **_options: t.Any) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    with monkeypatch.context() as patched:
        patched.setattr(broken, refused)
        with pytest.raises(GcpError, match=words):
            key(**options)


def test_an_answer_that_was_lost_is_told_and_not_repeated(http: t.Any, key: t.Any, file: Path) -> None:
    http.when("POST", KEYS, {"error": {"code": 503, "message": "busy"}}, status_code=503)
    with pytest.raises(GcpError, match=f"look at the keys of {EMAIL}"):
        key()
    assert len(http.writes) == 1
    assert list(file.parent.iterdir()) == []


def test_absent_deletes_the_key_and_the_file(http: t.Any, key: t.Any, file: Path) -> None:
    file.write_text(json.dumps(content()))
    http.when("GET", f"{KEYS}/k1", public()).when("DELETE", f"{KEYS}/k1", {})
    assert key(state="absent")["changed"]
    assert [(r.method, r.path) for r in http.writes] == [("DELETE", f"{KEYS}/k1")]
    assert not file.exists()
    assert not key(state="absent")["changed"]


def test_absent_deletes_the_file_of_a_key_that_is_gone(http: t.Any, key: t.Any, file: Path) -> None:
    file.write_text(json.dumps(content()))
    assert key(state="absent")["changed"]
    assert not file.exists()


def test_a_key_that_cannot_be_deleted_keeps_its_file(http: t.Any, key: t.Any, file: Path) -> None:
    file.write_text(json.dumps(content()))
    http.when("GET", f"{KEYS}/k1", public()).when("DELETE", f"{KEYS}/k1", {"error": {"code": 403}}, status_code=403)
    with pytest.raises(GcpError, match="403"):
        key(state="absent")
    assert file.exists()


@pytest.mark.parametrize("state", ["present", "absent"])
def test_check_mode_touches_neither_key_nor_file(http: t.Any, key: t.Any, file: Path, state: str) -> None:
    if state == "absent":
        file.write_text(json.dumps(content()))
    assert key(True, state=state)["changed"]
    assert file.exists() is (state == "absent")
    assert http.writes == []
