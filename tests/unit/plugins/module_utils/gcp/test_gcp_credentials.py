# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp import credentials
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.session import Session
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

EMAIL = "robot@p.iam.gserviceaccount.com"
SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]


@pytest.fixture(scope="module")
def key() -> str:
    """The JSON key of a service account."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    info = {
        "type": "service_account",
        "client_email": EMAIL,
        "private_key_id": "1",
        "private_key": private.decode(),
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    return json.dumps(info)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The credentials of whoever runs the tests are not theirs to use."""
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)


def options(kind: str, **given: t.Any) -> t.Any:
    """The options of a task."""
    return {"auth_kind": kind, "scopes": SCOPES, "timeout": 10, **given}


def test_a_service_account_is_taken_from_its_file(tmp_path: Path, key: str) -> None:
    file = tmp_path / "key.json"
    file.write_text(key)
    found = credentials.find(options("serviceaccount", service_account_file=str(file)))
    assert found.value.service_account_email == EMAIL
    assert found.value.scopes == SCOPES
    assert found.name == f"service account {EMAIL} (service_account_file={file})"


def test_a_service_account_is_taken_from_its_contents(key: str) -> None:
    found = credentials.find(options("serviceaccount", service_account_contents=key))
    assert found.value.service_account_email == EMAIL
    assert "PRIVATE" not in found.name


def test_application_default_credentials_are_named_by_their_file(
    tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "default.json"
    file.write_text(key)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    found = credentials.find(options("application"))
    assert found.value.service_account_email == EMAIL
    assert str(file) in found.name


def test_a_token_is_used_as_it_is_and_not_told() -> None:
    found = credentials.find(options("accesstoken", access_token="ya29.zebra"))
    assert found.value.token == "ya29.zebra"
    assert "zebra" not in found.name


@pytest.mark.parametrize(("email", "named"), [(None, "default"), (EMAIL, EMAIL)])
def test_a_machine_has_an_account_of_its_own(email: str | None, named: str) -> None:
    found = credentials.find(options("machineaccount", service_account_email=email))
    assert found.value.service_account_email == named
    assert named in found.name


def test_another_account_is_impersonated(key: str) -> None:
    target = "other@p.iam.gserviceaccount.com"
    found = credentials.find(
        options("serviceaccount", service_account_contents=key, impersonate_service_account=target, scopes=["scope"])
    )
    assert found.value.service_account_email == target
    assert found.name.startswith(f"{target}, impersonated by service account {EMAIL}")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (options("application", access_token="x"), "set auth_kind=accesstoken"),
        (options("application", service_account_file="x"), "set auth_kind=serviceaccount"),
        (options("serviceaccount", service_account_file="x", access_token="y"), "access_token is given"),
        (options("accesstoken", access_token="x", service_account_contents="y"), "service_account_contents is given"),
        (options("accesstoken", access_token="x", service_account_email="y"), "set auth_kind=machineaccount"),
        (options("serviceaccount"), "takes one of service_account_file and service_account_contents"),
        (options("serviceaccount", service_account_file="x", service_account_contents="y"), "takes one of"),
        (options("serviceaccount", service_account_file="/no/such/file"), "/no/such/file cannot be read: No such file"),
        (options("serviceaccount", service_account_contents="{}"), "is not the JSON key of a service account"),
        (options("serviceaccount", service_account_contents="[1]"), "is not the JSON key of a service account"),
        (options("serviceaccount", service_account_contents="zebra"), "is not the JSON key of a service account"),
        (options("accesstoken"), "auth_kind=accesstoken takes access_token"),
    ],
)
def test_credentials_that_cannot_be_are_told_with_the_way_out(given: t.Any, message: str) -> None:
    with pytest.raises(GcpError, match=message) as caught:
        credentials.find(given)
    assert "zebra" not in str(caught.value)


def test_default_credentials_that_are_not_there_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/no/such/file")
    with pytest.raises(GcpError, match=r"GOOGLE_APPLICATION_CREDENTIALS=/no/such/file.*choose another auth_kind"):
        credentials.find(options("application"))


def test_a_session_has_the_credential_and_the_deadline() -> None:
    session = Session.from_params(options("accesstoken", access_token="x"))
    assert session.http.credentials.token == "x"
    assert session.deadline.seconds == 10
    assert "access_token" in session.credential
