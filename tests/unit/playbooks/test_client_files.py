# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files that site.yml writes for a client, as a shell and curl read them."""

from __future__ import annotations

import netrc
import os
import subprocess
from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

TEMPLATES = Path(__file__).parents[3] / "playbooks/templates"


def rendered(name: str, **variables: object) -> str:
    """A template, as the module writes it."""
    given = {
        "ansible_managed": "Managed",
        "mlflow_deployment": {"url": "https://198.51.100.7", "client_directory": "/home/me/a client"},
        "__mlflow_admin": "admin",
        "__mlflow_admin_password": "secret",
        "__mlflow_ca": "a certificate",
        "__mlflow_ca_file": "/home/me/a client/ca.pem",
    }
    templar = Templar(loader=DataLoader(), variables=given | variables)
    overrides = {"trim_blocks": True, "lstrip_blocks": False}
    text = trust_as_template((TEMPLATES / f"{name}.j2").read_text())
    return str(templar.template(text, overrides=overrides, escape_backslashes=False)) + "\n"


def sourced(text: str, directory: Path) -> dict[str, str]:
    """What a shell exports that reads it."""
    file = directory / "mlflow-client.env"
    file.write_text(text)
    shell = ["env", "-i", "/bin/sh", "-c", '. "$0" && /usr/bin/env -0', str(file)]
    printed = subprocess.run(shell, check=True, capture_output=True, text=True).stdout
    pairs = dict(line.split("=", 1) for line in printed.split("\0") if line)
    return {name: value for name, value in pairs.items() if name.startswith("MLFLOW_")}


@pytest.mark.parametrize(
    "password",
    [
        pytest.param("XGaRbozVlmZ5XJfOITPwp82iaFz9H7Zx", id="one that was made"),
        pytest.param("p@:/%#w'\" \\ $HOME `id` {{ 7*7 }}", id="one of somebody's own"),
        pytest.param("#hash", id="one that begins like a comment"),
    ],
)
def test_a_shell_and_curl_read_any_password(password: str, tmp_path: Path) -> None:
    environment = sourced(rendered("mlflow-client.env", __mlflow_admin_password=password), tmp_path)
    assert environment == {
        "MLFLOW_TRACKING_URI": "https://198.51.100.7",
        "MLFLOW_TRACKING_USERNAME": "admin",
        "MLFLOW_TRACKING_PASSWORD": password,
        "MLFLOW_TRACKING_SERVER_CERT_PATH": "/home/me/a client/ca.pem",
    }
    file = tmp_path / "netrc"
    file.write_text(rendered("netrc", __mlflow_admin_password=password))
    assert netrc.netrc(os.fspath(file)).authenticators("198.51.100.7") == ("admin", "", password)


def test_a_public_certificate_needs_no_file(tmp_path: Path) -> None:
    assert "MLFLOW_TRACKING_SERVER_CERT_PATH" not in sourced(rendered("mlflow-client.env", __mlflow_ca=""), tmp_path)
    assert "--cacert" not in rendered("netrc", __mlflow_ca="")


def test_a_server_that_asks_nobody_gets_no_password(tmp_path: Path) -> None:
    open_ = {"mlflow_service_auth": False}
    assert "secret" not in rendered("mlflow-client.env", **open_) + rendered("netrc", **open_)
