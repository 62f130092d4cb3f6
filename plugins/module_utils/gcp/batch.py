# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Many deletions in few requests: each is a part of one MIME message, and so is its answer."""

from __future__ import annotations

import itertools
import json
import typing as t
import uuid
from urllib.parse import urlsplit

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import FOREVER, GcpError, from_answer
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.session import Raw, Session, backoff

SIZE = 100  # requests in a batch; Google takes no more


def delete(session: Session, endpoint: str, urls: t.Iterable[str]) -> None:
    """Delete resources that it does no harm to delete twice; those that have gone are no error.

    :param endpoint: URL of the API's batches.
    :raises GcpError: the first answer that is neither success nor worth to be asked for again.
    """
    remaining = iter(urls)
    while chunk := list(itertools.islice(remaining, SIZE)):
        attempt = 0
        while failed := {url: error for url, error in send(session, endpoint, chunk).items() if not error.missing}:
            last = next((error for error in failed.values() if not error.patience), None)
            if last or not session.deadline.pause(backoff(attempt)):
                raise last or next(iter(failed.values()))
            chunk, attempt = list(failed), attempt + 1


def send(session: Session, endpoint: str, urls: list[str]) -> dict[str, GcpError]:
    """Ask for deletions; the errors by URL."""
    boundary = f"batch_{uuid.uuid4().hex}"
    lines = []
    for number, url in enumerate(urls):
        parts = urlsplit(url)
        lines += [f"--{boundary}", "Content-Type: application/http", f"Content-ID: <{number}>", ""]
        lines += [f"DELETE {parts.path}{'?' if parts.query else ''}{parts.query} HTTP/1.1", "", ""]
    body = Raw("\r\n".join([*lines, f"--{boundary}--", ""]).encode(), f"multipart/mixed; boundary={boundary}")
    answer = session.request("POST", endpoint, body, repeatable=True)
    found = dict(answers(answer["type"], answer["text"]))
    errors = {url: found.get(number, unanswered()) for number, url in enumerate(urls)}
    return {url: error.during("DELETE", url) for url, error in errors.items() if error}


def unanswered() -> GcpError:
    """The answer to a batch lacks a part."""
    return GcpError("The batch has no answer to it.", ambiguous=True, patience=FOREVER)


def answers(content_type: str, text: str) -> t.Iterator[tuple[int, GcpError | None]]:
    """The number of each request in a batch's answer, and the error that it got, if it got one."""
    from email import message_from_string

    for part in message_from_string(f"Content-Type: {content_type}\r\n\r\n{text}").walk():
        if part.is_multipart():
            continue
        number = part.get("Content-ID", "").strip("<>").removeprefix("response-")
        head, _gap, body = str(part.get_payload()).replace("\r\n", "\n").lstrip().partition("\n\n")
        status = head.split(" ", 2)[1:2]
        if not number.isdigit() or not (status and status[0].isdigit()):
            raise GcpError(f"A part of the batch's answer cannot be understood: {head[:100]!r}")
        yield int(number), refusal(int(status[0]), body) if int(status[0]) >= 400 else None


def refusal(status: int, body: str) -> GcpError:
    """The error in a part of the answer."""
    try:
        return from_answer(status, json.loads(body), body)
    except ValueError:
        return from_answer(status, None, body)
