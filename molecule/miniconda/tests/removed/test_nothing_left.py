# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is left of it."""

from __future__ import annotations

import typing as t

Host = t.Any  # testinfra makes the type of a host at run time


def test_nothing_is_left_of_the_installation(host: Host) -> None:
    assert host.check_output("find /opt -mindepth 1 -maxdepth 1 -name 'miniconda*'") == ""


def test_shells_are_what_they_were(host: Host) -> None:
    was = host.file("/etc/skel/.bashrc").content_string
    assert [host.file(f"/home/{account}/.bashrc").content_string for account in ("alice", "bob")] == [was, was]
