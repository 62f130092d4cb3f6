# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Many deletions in one request, and what their answers mean."""

from __future__ import annotations

import json
import re
import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp import batch
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError

ENDPOINT = "https://storage.googleapis.com/batch/storage/v1"
ITEM = "https://storage.googleapis.com/storage/v1/b/one/o/{}?generation=1"
KIND = "multipart/mixed; boundary=b_1"


def part(number: int, status: int, message: str = "") -> str:
    """One answer of a batch, as Google writes it."""
    body = json.dumps({"error": {"code": status, "message": message}}) if message else ""
    lines = ["--b_1", "Content-Type: application/http", f"Content-ID: <response-{number}>", ""]
    return "\r\n".join([*lines, f"HTTP/1.1 {status} Whatever", "Content-Length: 0", "", body, ""])


def answer(http: t.Any, *parts: str) -> None:
    """Answer the next batch with these parts."""
    http.will_answer(200, "".join(parts) + "--b_1--\r\n", Content_Type=KIND)


def asked(http: t.Any) -> list[list[str]]:
    """The targets of each batch that was sent."""
    return [re.findall(r"DELETE (\S+) HTTP/1.1", request.body.decode()) for request in http.requests]


def urls(count: int) -> list[str]:
    """So many objects."""
    return [ITEM.format(number) for number in range(count)]


def test_a_hundred_deletions_go_together(http: t.Any, session: t.Any) -> None:
    answer(http, *(part(number, 204) for number in range(100)))
    answer(http, part(0, 204))
    batch.delete(session, ENDPOINT, urls(101))
    first, second = asked(http)
    assert (len(first), second) == (100, ["/storage/v1/b/one/o/100?generation=1"])
    assert {(request.method, request.path) for request in http.requests} == {("POST", "batch/storage/v1")}


def test_nothing_to_delete_asks_nothing(http: t.Any, session: t.Any) -> None:
    batch.delete(session, ENDPOINT, [])
    assert http.requests == []


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["in order", "in another order"])
def test_what_is_gone_is_no_error(http: t.Any, session: t.Any, order: tuple[int, int]) -> None:
    answers = [part(0, 204), part(1, 404, "No such object")]
    answer(http, *(answers[number] for number in order))
    batch.delete(session, ENDPOINT, urls(2))
    assert len(http.requests) == 1


def test_what_passes_by_itself_is_asked_for_again(http: t.Any, session: t.Any, clock: t.Any) -> None:
    answer(http, part(0, 204), part(1, 503, "Backend Error"), part(2, 429, "Slow down"))
    answer(http, part(0, 204), part(1, 204))
    batch.delete(session, ENDPOINT, urls(3))
    assert [len(targets) for targets in asked(http)] == [3, 2]
    assert clock.time > 0


def test_what_was_not_answered_is_asked_for_again(http: t.Any, session: t.Any) -> None:
    answer(http, part(0, 204))
    answer(http, part(0, 404, "No such object"))
    batch.delete(session, ENDPOINT, urls(2))
    assert asked(http)[1] == ["/storage/v1/b/one/o/1?generation=1"]


def test_a_refusal_is_told_with_its_url(http: t.Any, session: t.Any) -> None:
    answer(http, part(0, 204), part(1, 403, "it is under active Temporary hold"))
    with pytest.raises(GcpError, match="Temporary hold") as refused:
        batch.delete(session, ENDPOINT, urls(2))
    assert (refused.value.method, refused.value.url) == ("DELETE", ITEM.format(1))


def test_the_deadline_ends_it(http: t.Any, session: t.Any) -> None:
    body = part(0, 503, "Backend Error") + "--b_1--"
    for _attempt in range(300):
        http.will_answer(200, body, Content_Type=KIND)
    with pytest.raises(GcpError, match="Backend Error"):
        batch.delete(session, ENDPOINT, urls(1))
    assert session.deadline.left == 0


def test_an_answer_that_is_none_is_an_error(http: t.Any, session: t.Any) -> None:
    http.will_answer(200, "--b_1\r\n\r\nhello\r\n--b_1--", Content_Type=KIND)
    with pytest.raises(GcpError, match="cannot be understood"):
        batch.delete(session, ENDPOINT, urls(1))
