# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which keys the guest agent takes out of the metadata."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
import types
import typing as t

import pytest
from gcp_emulator.backends import images

KEY, OTHER = "ssh-ed25519 AAAAC3Nza ada@home", "ssh-rsa AAAAB3Nza"


@pytest.fixture(scope="module")
def agent() -> types.ModuleType:
    """The agent's script as a module."""
    file = images.DIRECTORY / "guest/root/usr/bin/google_guest_agent"
    loader = importlib.machinery.SourceFileLoader("google_guest_agent", str(file))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "dont_write_bytecode", True)  # it would become part of the image
        loader.exec_module(module)
    return module


def metadata(instance: str = "", project: str = "", **attributes: str) -> dict[str, t.Any]:
    """Metadata with these keys."""
    return {
        "instance": {"attributes": {"ssh-keys": instance, **attributes}},
        "project": {"attributes": {"ssh-keys": project}},
    }


@pytest.mark.parametrize(
    ("given", "users"),
    [
        pytest.param(metadata(f"ada:{KEY}"), {"ada": [KEY]}, id="one"),
        pytest.param(metadata(f"ada:{KEY}\n\nada:{OTHER}\n"), {"ada": [KEY, OTHER]}, id="two_of_one_user"),
        pytest.param(
            metadata(f"ada:{KEY}", f"ada:{KEY}\nbob:{OTHER}"), {"ada": [KEY], "bob": [OTHER]}, id="both_levels"
        ),
        pytest.param(
            metadata(f"ada:{KEY}", f"bob:{OTHER}", **{"block-project-ssh-keys": "TRUE"}), {"ada": [KEY]}, id="blocked"
        ),
        pytest.param(
            metadata("", f"bob:{OTHER}", **{"block-project-ssh-keys": "false"}), {"bob": [OTHER]}, id="not_blocked"
        ),
        pytest.param(metadata(KEY), {}, id="a_line_without_a_user"),
        pytest.param(metadata(f"-rf:{KEY}"), {}, id="a_name_that_would_be_an_option"),
        pytest.param(metadata("ada:ssh-ed25519"), {}, id="no_key"),
        pytest.param({}, {}, id="nothing"),
    ],
)
def test_keys_belong_to_users(agent: types.ModuleType, given: dict[str, t.Any], users: dict[str, list[str]]) -> None:
    assert agent.keys_of(given) == users


@pytest.mark.parametrize(
    ("comment", "valid"),
    [
        ('google-ssh {"userName":"ada@example.com","expireOn":"2999-12-04T20:12:00+0000"}', True),
        ('google-ssh {"userName":"ada@example.com","expireOn":"2018-12-04T20:12:00+0000"}', False),
        ('google-ssh {"userName":"ada@example.com"}', False),
        ("google-ssh nonsense", False),
        ("ada@google-ssh", True),
    ],
)
def test_a_key_is_valid_until_its_comment_says(agent: types.ModuleType, comment: str, valid: bool) -> None:
    assert bool(agent.keys_of(metadata(f"ada:ssh-rsa AAAA {comment}"))) is valid
