# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Miniconda and its environments, as the role leaves them."""

from __future__ import annotations

import json
import typing as t

import pytest

Host = t.Any  # testinfra makes the type of a host at run time

PREFIX = "/opt/miniconda3"


def packages(host: Host, environment: str) -> dict[str, str]:
    """What pip sees in an environment."""
    told = host.check_output(f"{PREFIX}/envs/{environment}/bin/python -m pip list --format json --no-index")
    return {package["name"]: package["version"] for package in json.loads(told)}


def test_conda_is_the_release_that_was_asked_for(host: Host) -> None:
    assert host.file(f"{PREFIX}/.miniconda-version").content_string == "py311_4.3.16-1\n"
    said = host.run(f"{PREFIX}/bin/conda --version")
    assert "conda 4.3.16" in said.stdout + said.stderr
    assert not host.file(f"{PREFIX}.installing").exists


def test_an_environment_has_its_python_and_its_packages(host: Host) -> None:
    found = packages(host, "train")
    assert (found["wheel"][:4], "toolz" in found, found["iniconfig"]) == ("0.45", True, "2.0.0")
    told = host.check_output(f"{PREFIX}/envs/train/bin/python -c 'import sys; print(sys.prefix, sys.version[:5])'")
    assert told == f"{PREFIX}/envs/train 3.11."


def test_the_environments_are_those_of_the_list(host: Host) -> None:
    assert host.check_output(f"ls -A {PREFIX}/envs").split() == ["other", "train"]


def test_everybody_can_use_it_and_root_alone_can_change_it(host: Host) -> None:
    assert host.check_output(f"find {PREFIX} ! -user root -o -perm /o=w ! -type l ! -perm -1000") == ""
    with host.sudo("alice"):
        host.check_output(f"{PREFIX}/envs/train/bin/python -c 'import toolz, ssl, sqlite3'")


@pytest.mark.parametrize(("account", "knows"), [("alice", True), ("bob", False)])
def test_a_shell_knows_conda_if_its_account_is_listed(host: Host, account: str, knows: bool) -> None:
    told = host.run(
        "runuser -u %s -- env HOME=/home/%s bash -ic 'command -v conda; echo base=$CONDA_DEFAULT_ENV'", account, account
    )
    assert (f"{PREFIX}/bin/conda" in told.stdout) is knows
    assert "base=\n" in told.stdout
    assert host.file(f"/home/{account}/.bashrc").user == account
