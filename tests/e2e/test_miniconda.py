# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The role miniconda on this machine, into a temporary prefix.

The installer is a stand-in (see tests/standin), or, where MINICONDA_TRUE is set, the publisher's, with conda-forge.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import typing as t
import urllib.request
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from sandbox import CHECKOUT, Run

PLAYBOOK = """
- hosts: localhost
  connection: local
  gather_facts: false
  roles: [mlops.mlflow.miniconda]
"""
# Two releases of the publisher's, the older one first, and their SHA-256.
PUBLISHED = {
    "py311_25.7.0-2": "e072c062a7e017732c97963ef0d9a1cb474b92b7f25c8a032f9632cfe75add4f",
    "py311_25.9.1-1": "238abad23f8d4d8ba89dd05df0b0079e278909a36e06955f12bbef4aa94e6131",
}
AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]


@dataclass(frozen=True)
class Release:
    """An installer."""

    version: str
    file: Path
    channel: str

    @property
    def variables(self) -> dict[str, t.Any]:
        """What makes the role install it."""
        return {
            "miniconda_version": self.version,
            "miniconda_installer_file": str(self.file),
            "miniconda_installer_sha256": sha256(self.file),
            "miniconda_channels": [self.channel],
        }


class Miniconda:
    """The role, run with some variables."""

    def __init__(self, directory: Path, release: Release) -> None:
        self.directory, self.prefix = directory, directory / "miniconda3"
        self.variables: dict[str, t.Any] = {
            "ansible_python_interpreter": sys.executable,
            "miniconda_prefix": str(self.prefix),
            **release.variables,
        }

    def __call__(self, *flags: str, **variables: t.Any) -> Run:
        playbook = self.directory / "playbook.yml"
        playbook.write_text(PLAYBOOK)
        done = subprocess.run(
            [
                *("ansible-playbook", "--inventory", "localhost,", str(playbook), *flags),
                *([] if os.geteuid() == 0 else ["--become"]),
                *("--extra-vars", json.dumps(self.variables | variables)),
            ],
            env=os.environ
            | {
                "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".build/collections"),
                "ANSIBLE_NOCOLOR": "1",
                "HOME": str(self.directory.parent),  # where Ansible and conda leave what they remember
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Run(done.returncode, done.stdout)

    def succeeds(self, *flags: str, **variables: t.Any) -> Run:
        """Run it; it has to end well."""
        run = self(*flags, **variables)
        assert run.status == 0, run.output
        return run

    def is_refused(self, *words: str, **variables: t.Any) -> None:
        """Run it; it has to fail with a message that has all the words."""
        run = self(**variables)
        assert run.status != 0, run.output
        said = " ".join(run.output.split())
        assert [word for word in words if word not in said] == [], run.output

    def packages(self, environment: str) -> dict[str, str]:
        """What an environment holds."""
        python = self.prefix / "envs" / environment / "bin/python"
        script = (
            "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
        )
        told = subprocess.run([python, "-c", script], check=True, capture_output=True, text=True)
        found: dict[str, str] = json.loads(told.stdout)
        return found

    def base(self) -> list[str]:
        """The packages of conda's own environment."""
        return sorted(file.stem for file in (self.prefix / "conda-meta").glob("*.json"))


def sha256(file: Path) -> str:
    """The checksum of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def noteworthy(run: Run) -> list[str]:
    """What a run changed, without the marks that it removes because it made them."""
    return [task for task in run.changed_tasks if "| Note that" not in task]


def published(version: str) -> Path:
    """An installer of the publisher's."""
    name = f"Miniconda3-{version}-Linux-x86_64.sh"
    file = CHECKOUT / ".cache/miniconda" / name
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".part")
        url = f"https://repo.anaconda.com/miniconda/{name}"
        try:
            with urllib.request.urlopen(url) as answer, partial.open("wb") as copy:
                shutil.copyfileobj(answer, copy)
        except OSError as error:
            pytest.fail(f"MINICONDA_TRUE asks for the publisher's installer, and {url} cannot be fetched: {error}")
        partial.rename(file)
    assert sha256(file) == PUBLISHED[version]
    return file


@pytest.fixture(scope="session")
def releases() -> list[Release]:
    """Two releases of the installer, the older one first."""
    if os.environ.get("MINICONDA_TRUE"):
        return [Release(version, published(version), "conda-forge") for version in PUBLISHED]
    standin = CHECKOUT / ".cache/standin/miniconda"
    subprocess.run([sys.executable, CHECKOUT / "tests/standin/miniconda/build.py", standin], check=True)
    files = sorted(standin.glob("Miniconda3-*.sh"))
    return [
        Release(file.name.split("-Linux")[0].partition("-")[2], file, f"file://{standin}/channel") for file in files
    ]


@pytest.fixture
def miniconda(tmp_path: Path, releases: list[Release]) -> t.Iterator[Miniconda]:
    """The role, with nothing installed yet."""
    yield Miniconda(tmp_path, releases[0])
    # Else three tests' installations stay, of half a gigabyte each.
    subprocess.run([*AS_ROOT, "rm", "-rf", tmp_path / "miniconda3"], check=True)


def test_environments_become_what_their_list_says_and_nothing_else_is_touched(miniconda: Miniconda) -> None:
    train = {
        "name": "train",
        "python_version": "3.11",
        "packages": ["wheel=0.45", "toolz"],
        "pip_packages": ["idna<3.8"],
    }
    miniconda.succeeds(miniconda_environments=[train, {"name": "other", "python_version": "3.11"}])
    found = miniconda.packages("train")
    assert (found["wheel"][:4], "toolz" in found, found["idna"]) == ("0.45", True, "3.7")
    marker = miniconda.prefix / "envs/train/bin/marker"
    marker.touch()

    again = miniconda.succeeds(miniconda_environments=[train])
    assert again.changed == {"localhost": 0}, again.changed_tasks
    assert (miniconda.prefix / "envs/other/bin/python").exists()

    python = miniconda.prefix / "envs/train/bin/python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "attrs"], check=True)
    changed = train | {"packages": ["wheel>=0.46"], "pip_packages": ["idna<3.8", "iniconfig==2.0.0"]}
    gone = {"name": "other", "state": "absent"}
    foretold = miniconda.succeeds("--check", "--diff", miniconda_environments=[changed, gone])
    assert miniconda.packages("train") == {**found, "attrs": miniconda.packages("train")["attrs"]}
    assert '-        "toolz"' in foretold.output
    done = miniconda.succeeds(miniconda_environments=[changed, gone])
    assert noteworthy(done) == noteworthy(foretold)
    now = miniconda.packages("train")
    assert "toolz" not in now
    assert (now["wheel"] > "0.46", now["idna"], now["iniconfig"], "attrs" in now) == (True, "3.7", "2.0.0", True)
    assert marker.exists()
    assert sorted(path.name for path in (miniconda.prefix / "envs").iterdir() if path.is_dir()) == ["train"]

    miniconda.is_refused("train", "3.12", "state absent", miniconda_environments=[changed | {"python_version": "3.12"}])
    impossible = changed | {"packages": [*changed["packages"], "no-such-package-anywhere"]}
    miniconda.is_refused("no-such-package", "stays", miniconda_environments=[impossible])
    assert miniconda.packages("train") == now
    bad = {"name": "bad", "python_version": "3.11", "pip_packages": ["wheel==0.0.999"]}
    miniconda.is_refused("wheel==0.0.999", "Nothing of it was left", miniconda_environments=[changed, bad])
    assert sorted(path.name for path in (miniconda.prefix / "envs").iterdir() if path.is_dir()) == ["train"]


def test_an_upgrade_keeps_environments_and_an_interrupted_one_is_finished(
    miniconda: Miniconda, releases: list[Release], tmp_path: Path
) -> None:
    environments = [{"name": "train", "python_version": "3.11", "pip_packages": ["iniconfig==2.0.0"]}]
    miniconda.succeeds(miniconda_environments=environments)
    before, packages = miniconda.base(), miniconda.packages("train")
    new = releases[1].variables

    foretold = miniconda.succeeds("--check", "--diff", **new)
    assert f"+{releases[1].version}" in foretold.output
    assert miniconda.base() == before
    short = tmp_path / "short.sh"
    short.write_bytes(releases[1].file.read_bytes()[:-200_000])
    broken = new | {"miniconda_installer_file": str(short)}
    miniconda.is_refused("Nothing was upgraded", **broken)
    assert miniconda.base() == before
    miniconda.is_refused("the next run finishes it", **broken | {"miniconda_installer_sha256": sha256(short)})
    assert miniconda.packages("train") == packages

    miniconda.succeeds(**new, miniconda_environments=environments)
    assert miniconda.base() != before
    assert miniconda.packages("train") == packages
    again = miniconda.succeeds(**new, miniconda_environments=environments)
    assert again.changed == {"localhost": 0}, again.changed_tasks
    miniconda.is_refused("miniconda_version", releases[0].version, "newer")

    gone = miniconda.succeeds("--check", miniconda_state="absent")
    assert miniconda.packages("train") == packages
    assert noteworthy(miniconda.succeeds(miniconda_state="absent")) == noteworthy(gone)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["playbook.yml", "short.sh"]
    assert miniconda.succeeds(miniconda_state="absent").changed == {"localhost": 0}


class Truncating(BaseHTTPRequestHandler):
    """Promises a whole file, and closes the connection in the middle of it."""

    content = b""

    def do_GET(self) -> None:
        """Answer half of it."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content[: len(self.content) // 2])

    def log_message(self, format: str, *args: t.Any) -> None:  # noqa: A002 - its name in the base class
        """Keep quiet."""


def test_what_is_not_the_installer_leaves_nothing_and_the_right_one_works(
    miniconda: Miniconda, releases: list[Release], tmp_path: Path
) -> None:
    def left() -> list[str]:
        return sorted(path.name for path in tmp_path.iterdir() if path.suffix not in {".yml", ".sh"})

    right = miniconda.variables["miniconda_installer_sha256"]
    miniconda.is_refused("miniconda_installer_sha256", "0" * 64, right, miniconda_installer_sha256="0" * 64)
    assert left() == []

    Truncating.content = releases[0].file.read_bytes()
    with ThreadingHTTPServer(("127.0.0.1", 0), Truncating) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/Miniconda3.sh"
        miniconda.is_refused("Incomplete read", url, miniconda_installer_file="", miniconda_installer_url=url)
        server.shutdown()
    assert left() == []

    short = tmp_path / "short.sh"
    short.write_bytes(releases[0].file.read_bytes()[:-4096])
    damaged = {"miniconda_installer_file": str(short), "miniconda_installer_sha256": sha256(short)}
    miniconda.is_refused("install | Run the installer", "Nothing was installed", **damaged)
    assert left() == []

    miniconda.succeeds()
    assert miniconda.base() != []


def test_a_full_disk_leaves_nothing_and_a_larger_one_works(miniconda: Miniconda) -> None:
    miniconda.prefix.mkdir()
    subprocess.run([*AS_ROOT, "mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", miniconda.prefix], check=True)
    try:
        miniconda.is_refused("No space left on device", "Nothing was installed")
        assert list(miniconda.prefix.iterdir()) == []
        assert not miniconda.prefix.with_suffix(".installing").exists()
        subprocess.run([*AS_ROOT, "mount", "-o", "remount,size=3g", miniconda.prefix], check=True)
        miniconda.succeeds()
        assert miniconda.base() != []
        miniconda.succeeds(miniconda_state="absent")
        assert list(miniconda.prefix.iterdir()) == []
    finally:
        subprocess.run([*AS_ROOT, "umount", miniconda.prefix], check=True)


@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_prefix_that_holds_something_else_is_left_alone(miniconda: Miniconda, state: str) -> None:
    miniconda.prefix.mkdir()
    (miniconda.prefix / "thesis.txt").write_text("three years of work\n")
    miniconda.is_refused("miniconda_prefix is", "thesis.txt", miniconda_state=state)
    assert (miniconda.prefix / "thesis.txt").read_text() == "three years of work\n"


def test_terms_of_service_are_accepted_by_a_variable_alone(miniconda: Miniconda) -> None:
    channels = [*miniconda.variables["miniconda_channels"], "defaults"]
    miniconda.is_refused("defaults", "miniconda_accept_anaconda_terms", miniconda_channels=channels)
    assert not miniconda.prefix.exists()
    miniconda.succeeds(miniconda_channels=channels, miniconda_accept_anaconda_terms=True)
    accepted = [json.loads(file.read_text()) for file in miniconda.prefix.glob("conda-meta/tos/*/*.json")]
    assert {terms["tos_accepted"] for terms in accepted} == {True}
    assert "https://repo.anaconda.com/pkgs/main" in {terms["base_url"] for terms in accepted}
    again = miniconda.succeeds(miniconda_channels=channels, miniconda_accept_anaconda_terms=True)
    assert again.changed == {"localhost": 0}, again.changed_tasks
