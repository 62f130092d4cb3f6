# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""With -vvv and --diff no secret is in what a module says, logs or leaves behind: canaries are planted and looked for.

Each module is its own ``main()`` here, with Ansible's real AnsibleModule around it and the emulator behind it.
"""

from __future__ import annotations

import base64
import importlib
import io
import json
import logging
import sys
import tempfile
import typing as t
from pathlib import Path
from urllib.parse import quote

import ansible.module_utils.basic as ansible_basic
import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp import transport
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field, merge, nest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.session import Deadline

from .cases import Case, Json, all_cases
from .cloud import Cloud
from .test_fields import is_question, prepare

CASES = [pytest.param(name, case, id=name) for name, case in all_cases().items()]
# What Google answers under these names is secret.
TOLD_SECRETS = ("privateKeyData", "privateKey", "private_key", "data", "access_token", "accessToken", "password")
TOKEN = "ya29.canary-token"


def secret_options(fields: dict[str, Field], prefix: str = "") -> t.Iterator[str]:
    """The options of a module that nobody may see, dotted through dicts."""
    for name, field in fields.items():
        if field.secret and not field.argument.get("choices"):
            yield f"{prefix}{name}"
        elif field.is_group:
            yield from secret_options(field.options, f"{prefix}{name}.")


def disguises(secret: str) -> set[str]:
    """The ways in which a secret can be told."""
    told = {secret, json.dumps(secret)[1:-1], quote(secret), quote(secret, safe="")}
    return told | {base64.b64encode(one.encode()).decode() for one in (secret, f"{secret}\n")}


def told_secrets(document: t.Any) -> t.Iterator[str]:
    """The secrets in an answer of Google."""
    if isinstance(document, dict):
        for name, value in document.items():
            if name in TOLD_SECRETS and isinstance(value, str) and len(value) > 7:
                yield value
            yield from told_secrets(value)
    elif isinstance(document, list):
        for item in document:
            yield from told_secrets(item)


class Watched:
    """The network of a module: it remembers each secret that comes back, and can refuse a write with its own words."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.echo = cloud, False
        self.told: set[str] = set()

    def request(self, method: str, url: str, **more: t.Any) -> t.Any:
        """What AuthorizedSession has."""
        if self.echo and method != "GET" and not is_question(url):
            return Echo(more.get("json"))
        answer = self.cloud.request(method, url, **more)
        if answer.content.startswith(b"{"):
            for secret in told_secrets(answer.json()):
                self.told |= {secret, *plain(secret)}
        return answer


class Echo:
    """A refusal that repeats what was sent, as an API may."""

    status_code, headers, content = 400, t.cast(Json, {}), b"{}"

    def __init__(self, body: t.Any) -> None:
        self.text = f"Invalid value: {json.dumps(body)}"

    def json(self) -> Json:
        """An error in Google's shape."""
        reasons = [{"reason": "invalid", "message": self.text}]
        return {"error": {"code": 400, "message": self.text, "errors": reasons}}


def plain(encoded: str) -> list[str]:
    """What a text in base64 says, line by line if it is a key."""
    try:
        lines = base64.b64decode(encoded, validate=True).decode().splitlines()
    except ValueError:
        return []
    return [line for line in lines if len(line) > 15 and "BEGIN" not in line and "END" not in line]


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What goes to syslog."""
    lines: list[str] = []
    monkeypatch.setattr(ansible_basic, "has_journal", False)
    monkeypatch.setattr(ansible_basic.syslog, "syslog", lambda *words: lines.append(str(words)))
    return lines


class Module:
    """A module as Ansible runs it with -vvv and --diff."""

    def __init__(self, cloud: Cloud, name: str, case: Case, patch: pytest.MonkeyPatch) -> None:
        self.network, self._case, self._patch = Watched(cloud), case, patch
        self._module = importlib.import_module(f"ansible_collections.mlops.mlflow.plugins.modules.{name}")
        self.said: list[Json] = []
        patch.setattr(transport, "authorized", lambda *_credential, **_more: self.network)

        def pause(_deadline: Deadline, seconds: float) -> bool:
            cloud.sleep(seconds)
            return True

        patch.setattr(Deadline, "pause", pause)

    def __call__(self, check_mode: bool = False, **options: t.Any) -> str:
        """All that it says."""
        arguments = {
            **merge({"project": self.network.cloud.project, **self._case.base}, options),
            "auth_kind": "accesstoken",
            "access_token": TOKEN,
            "_ansible_verbosity": 3,
            "_ansible_diff": True,
            "_ansible_check_mode": check_mode,
        }
        output = io.StringIO()
        self._patch.setattr(sys, "stdout", output)
        with patch_module_args(arguments), pytest.raises(SystemExit):
            self._module.main()
        self.network.cloud.emulator.finish()
        self.said.append(json.loads(output.getvalue()))
        return output.getvalue()


@pytest.mark.parametrize(("name", "case"), CASES)
def test_no_secret_is_said_logged_or_left_behind(
    cloud: Cloud,
    name: str,
    case: Case,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    logged: list[str],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    prepare(cloud, case)
    module = Module(cloud, name, case, monkeypatch)
    options = list(secret_options(case.kind.fields))

    def task(word: str) -> Json:
        return nest({option: f'{word} "{option}" Ca9/ä$' for option in options})

    first, second = task("canary one"), task("canary two")
    said = [module(check_mode=True, **first), module(**first), module(**first), module(**second)]
    module.network.echo = True
    said += [module(**task("canary three")), module(state="absent"), module(auth_kind="serviceaccount", **first)]
    module.network.echo = False
    said += [module(state="absent", **second)]
    module.network.echo = True
    said += [module(**task("canary four"))]

    assert any(result.get("changed") for result in module.said)
    assert any("Invalid value" in result.get("msg", "") for result in module.said), "something was refused"
    assert all("invocation" in result for result in module.said)
    words = ("canary one", "canary two", "canary three", "canary four")
    planted = {f'{word} "{option}" Ca9/ä$' for word in words for option in options} | {TOKEN}
    forbidden = set().union(*map(disguises, planted)) | module.network.told
    captured = capfd.readouterr()
    left = "".join(path.read_text(errors="replace") for path in (tmp_path / "tmp").rglob("*") if path.is_file())
    places = {
        "output": "".join(said),
        "syslog": "".join(logged),
        "log": caplog.text,
        "standard error": captured.out + captured.err,
        "temporary files": left,
    }
    found = [(where, secret) for where, words in places.items() for secret in forbidden if secret in words]
    assert found == []
