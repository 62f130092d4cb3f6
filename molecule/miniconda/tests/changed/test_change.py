# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a newer release and other lists have changed, and what they have not."""

from __future__ import annotations

import json
import typing as t

Host = t.Any  # testinfra makes the type of a host at run time

PREFIX = "/opt/miniconda3"


def packages(host: Host, environment: str) -> dict[str, str]:
    """What pip sees in an environment."""
    told = host.check_output(f"{PREFIX}/envs/{environment}/bin/python -m pip list --format json --no-index")
    return {package["name"]: package["version"] for package in json.loads(told)}


def test_conda_is_the_newer_release(host: Host) -> None:
    assert host.file(f"{PREFIX}/.miniconda-version").content_string == "py311_4.3.16-2\n"
    before = host.check_output("cat /run/molecule-before").split()
    now = host.check_output(f"ls {PREFIX}/conda-meta/*.json").split()
    assert sorted(file.rpartition("/")[2].partition("-")[0] for file in set(before) ^ set(now)) == ["wheel", "wheel"]


def test_an_environment_has_what_its_list_says_now(host: Host) -> None:
    found = packages(host, "train")
    assert (found["wheel"] > "0.46", "toolz" in found, found["iniconfig"]) == (True, False, "2.1.0")


def test_an_environment_that_left_the_list_stays(host: Host) -> None:
    assert host.check_output(f"ls -A {PREFIX}/envs").split() == ["new", "other", "train"]
    assert "pip" in packages(host, "other")


def test_conda_init_is_undone_for_one_account_and_done_for_the_other(host: Host) -> None:
    assert host.file("/home/alice/.bashrc").content_string == host.file("/etc/skel/.bashrc").content_string
    assert f"'{PREFIX}/bin/conda'" in host.file("/home/bob/.bashrc").content_string
