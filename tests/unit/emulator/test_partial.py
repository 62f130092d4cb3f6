# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Partial responses: what is selected, and what cannot be."""

from __future__ import annotations

import typing as t

import pytest
from gcp_emulator import partial
from gcp_emulator.errors import ApiError

if t.TYPE_CHECKING:
    from harness import Emulator

ANSWER = {
    "kind": "list",
    "items": [
        {"name": "a", "owner": {"entity": "me", "entityId": "1"}, "metadata": {"x": "1", "y": "2"}},
        {"name": "b"},
    ],
    "nextPageToken": "t",
}
BUCKETS = "https://storage.googleapis.com/storage/v1/b"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param("kind", {"kind": "list"}, id="a field"),
        pytest.param("nextPageToken, kind", {"kind": "list", "nextPageToken": "t"}, id="two"),
        pytest.param("items/name", {"items": [{"name": "a"}, {"name": "b"}]}, id="a path through a list"),
        pytest.param(
            "items(name,owner/entity)", {"items": [{"name": "a", "owner": {"entity": "me"}}, {"name": "b"}]}, id="both"
        ),
        pytest.param("items(metadata/x)", {"items": [{"metadata": {"x": "1"}}, {}]}, id="what is there"),
        pytest.param("items/*/entity", {"items": [{"owner": {"entity": "me"}, "metadata": {}}, {}]}, id="any"),
        pytest.param("*", ANSWER, id="everything"),
        pytest.param(
            "items/name,items/owner(entityId)",
            {"items": [{"name": "a", "owner": {"entityId": "1"}}, {"name": "b"}]},
            id="named twice",
        ),
        pytest.param("items/name,items", {"items": ANSWER["items"]}, id="and everything of it"),
        pytest.param("absent", {}, id="nothing"),
    ],
)
def test_what_is_named_is_answered(fields: str, expected: dict[str, t.Any]) -> None:
    assert partial.select(ANSWER, partial.parse(fields)) == expected


@pytest.mark.parametrize("fields", ["a,", ",a", "a(", "a(b", "a)", "a/", "/a", "a(b))", "a()", "a(b)c", "(a)"])
def test_what_is_malformed_is_refused(fields: str) -> None:
    with pytest.raises(ApiError, match="Invalid field selection"):
        partial.parse(fields)


@pytest.mark.parametrize(
    ("url", "status"),
    [
        (f"{BUCKETS}?project=test-project&fields=items(name,labels/any,iamConfiguration/*/enabled),nextPageToken", 200),
        (f"{BUCKETS}?project=test-project&fields=pageToken", 400),
        (f"{BUCKETS}?project=test-project&fields=items(Name)", 400),
        (f"{BUCKETS}?project=test-project&fields=items/name/first", 400),
        ("https://compute.googleapis.com/compute/v1/projects/test-project/zones?fields=items/name", 200),
        ("https://secretmanager.googleapis.com/v1/projects/test-project/secrets?fields=secrets(labels/a)", 200),
        ("https://secretmanager.googleapis.com/v1/projects/test-project/secrets?fields=items", 400),
    ],
)
def test_a_selection_is_checked_against_the_schema(emulator: Emulator, url: str, status: int) -> None:
    answer = emulator.call("GET", url)
    assert answer.status == status, answer.content
    if status == 400:
        assert answer.message.startswith("Invalid field selection")


def test_an_answer_is_cut_at_the_front(emulator: Emulator) -> None:
    emulator.ok("POST", f"{BUCKETS}?project=test-project", {"name": "a-bucket"})
    assert emulator.ok("GET", f"{BUCKETS}?project=test-project&fields=items(name)") == {"items": [{"name": "a-bucket"}]}
    assert emulator.ok("GET", f"{BUCKETS}/a-bucket?fields=versioning") == {}
