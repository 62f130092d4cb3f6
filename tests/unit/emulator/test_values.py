# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Values that have one form in several APIs."""

from __future__ import annotations

import typing as t

import pytest
from gcp_emulator import values


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param("-_8=", "+/8=", True, id="either alphabet"),
        pytest.param("YQ==", "YQ", True, id="with or without padding"),
        pytest.param(None, "", True, id="none is nothing"),
        pytest.param("YQ==", "Yg==", False, id="other bytes"),
        pytest.param("YQ==", None, False, id="one is missing"),
    ],
)
def test_base64_is_compared_by_its_bytes(one: str | None, other: str | None, same: bool) -> None:
    assert values.same_bytes(one, other) is same


@pytest.mark.parametrize("text", ["+/8=", "-_8=", "-_8"])
def test_base64_is_read_in_each_form(text: str) -> None:
    assert values.decode(text) == b"\xfb\xff"


@pytest.mark.parametrize("text", ["a", "a b c d", "ä"])
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        values.decode(text)


@pytest.mark.parametrize(
    ("text", "value", "key"),
    [
        pytest.param("team-a_1", True, True, id="letters, digits, dashes and underscores"),
        pytest.param("größe", True, True, id="letters of any script"),
        pytest.param("1st", True, False, id="a digit first"),
        pytest.param("", True, False, id="empty"),
        pytest.param("a" * 63, True, True, id="63 characters"),
        pytest.param("a" * 64, False, False, id="64 characters"),
        pytest.param("Team", False, False, id="a capital"),
        pytest.param("a.b", False, False, id="a dot"),
    ],
)
def test_a_label_has_a_form(text: str, value: bool, key: bool) -> None:
    assert (values.is_label(text), values.is_label_key(text)) == (value, key)


@pytest.mark.parametrize(
    ("current", "patch", "after"),
    [
        pytest.param({"a": 1, "b": 2}, {"b": 3}, {"a": 1, "b": 3}, id="a value replaces"),
        pytest.param({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}, {"a": {"b": 1, "c": 3}}, id="an object merges"),
        pytest.param({"a": [1, 2]}, {"a": [3]}, {"a": [3]}, id="a list replaces"),
        pytest.param({"a": 1, "b": 2}, {"a": None}, {"b": 2}, id="null removes"),
        pytest.param({"a": 1}, {"a": {"b": None, "c": 1}}, {"a": {"c": 1}}, id="an object replaces what is none"),
        pytest.param({"a": 1}, {}, {"a": 1}, id="nothing changes nothing"),
    ],
)
def test_a_patch_merges(current: dict[str, t.Any], patch: dict[str, t.Any], after: dict[str, t.Any]) -> None:
    before = repr(current)
    assert values.merged(current, patch) == after
    assert repr(current) == before
