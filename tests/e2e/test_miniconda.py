# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The role miniconda on this machine, into a temporary prefix, from a stand-in installer (see tests/standin)."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from sandbox import CHECKOUT, Run

PLAYBOOK = """
- hosts: localhost
  connection: local
  gather_facts: false
  roles: [mlops.mlflow.miniconda]
"""


class Miniconda:
    """The role, run with some variables."""

    def __init__(self, directory: Path, installer: Path) -> None:
        self.directory, self.prefix = directory, directory / "miniconda3"
        self.variables: dict[str, t.Any] = {
            "ansible_python_interpreter": sys.executable,
            "miniconda_installer_file": str(installer),
            "miniconda_installer_sha256": hashlib.sha256(installer.read_bytes()).hexdigest(),
            "miniconda_channels": [f"file://{installer.parent}/channel"],
            "miniconda_prefix": str(self.prefix),
            "miniconda_python_version": "{}.{}".format(*sys.version_info[:2]),
        }

    def __call__(self, **variables: t.Any) -> Run:
        playbook = self.directory / "playbook.yml"
        playbook.write_text(PLAYBOOK)
        done = subprocess.run(
            [
                *("ansible-playbook", "--inventory", "localhost,", str(playbook)),
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


@pytest.fixture(scope="session")
def installer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-in installer, with its channel beside it."""
    directory = tmp_path_factory.mktemp("standin")
    subprocess.run([sys.executable, CHECKOUT / "tests/standin/miniconda/build.py", directory], check=True)
    (found,) = directory.glob("Miniconda3-*.sh")
    return found


@pytest.fixture
def miniconda(tmp_path: Path, installer: Path) -> Miniconda:
    """The role, with nothing installed yet."""
    return Miniconda(tmp_path, installer)


def test_an_environment_is_made_once_and_left_alone_after_that(miniconda: Miniconda) -> None:
    run = miniconda(miniconda_environment="mlflow")
    assert run.status == 0, run.output
    python = miniconda.prefix / "envs/mlflow/bin/python"
    told = subprocess.run([python, "-c", "import sys; print(sys.prefix)"], check=True, capture_output=True, text=True)
    assert told.stdout.strip() == str(miniconda.prefix / "envs/mlflow")
    marker = python.parent / "marker"
    marker.touch()
    again = miniconda(miniconda_environment="mlflow")
    assert again.status == 0, again.output
    assert again.changed == {"localhost": 0}, again.changed_tasks
    assert marker.exists()


def test_a_wrong_checksum_names_both_sums_and_installs_nothing(miniconda: Miniconda) -> None:
    run = miniconda(miniconda_installer_sha256="0" * 64)
    assert run.status != 0
    said = ("miniconda_installer_sha256", "0" * 64, miniconda.variables["miniconda_installer_sha256"])
    assert [words for words in said if words not in run.output] == []
    assert sorted(path.name for path in miniconda.directory.iterdir()) == ["playbook.yml"]


def test_an_installer_that_is_cut_short_installs_nothing(miniconda: Miniconda, tmp_path: Path, installer: Path) -> None:
    short = tmp_path / "short.sh"
    short.write_bytes(installer.read_bytes()[:-4096])
    checksum = hashlib.sha256(short.read_bytes()).hexdigest()
    run = miniconda(miniconda_installer_file=str(short), miniconda_installer_sha256=checksum)
    assert run.status != 0
    assert "install | Run the installer" in run.output
    assert not miniconda.prefix.exists()


def test_a_prefix_that_holds_something_else_is_left_alone(miniconda: Miniconda) -> None:
    miniconda.prefix.mkdir()
    (miniconda.prefix / "thesis.txt").write_text("three years of work\n")
    run = miniconda()
    assert run.status != 0
    assert "miniconda_prefix is" in run.output
    assert "thesis.txt" in run.output
    assert (miniconda.prefix / "thesis.txt").read_text() == "three years of work\n"
