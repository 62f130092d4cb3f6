# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The dialects of long-running operations, and waiting for the end of one."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from urllib.parse import urlsplit

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.advice import advice
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import (
    FOREVER,
    GcpError,
    Json,
    from_operation,
)
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.session import Session, backoff

# A wait call of Compute returns when the operation is done, or after two minutes.
COMPUTE_WAIT_SECONDS = 130.0
FIRST_POLL, SLOWEST_POLL = 0.2, 5.0


@dataclass(frozen=True)
class Operation:
    """An operation as one answer tells it, whatever the dialect.

    ``method`` and ``url`` are the request that asks for news; ``response`` is what the younger APIs say at the end.
    """

    name: str
    done: bool
    state: str
    method: str
    url: str
    error: GcpError | None
    response: Json
    read_seconds: float = 60.0


def parse(answer: Json, url: str) -> Operation | None:
    """The operation that an answer is, or None if it is something else.

    :param url: where the answer came from: operations of the younger APIs are polled on the same host and version.
    """
    kind = str(answer.get("kind", ""))
    if kind == "compute#operation":
        return _compute(answer)
    if kind == "sql#operation":
        return _sql(answer, url)
    name = str(answer.get("name", ""))
    if name.startswith("operations/") or "/operations/" in name:
        return _aip(answer, url)
    return None


def _compute(answer: Json) -> Operation:
    status = answer.get("httpErrorStatusCode")
    failed = answer.get("error")
    progress = f", {answer['progress']} %" if answer.get("progress") else ""
    return Operation(
        name=answer["name"],
        done=answer.get("status") == "DONE",
        state=f"{answer.get('status', 'unknown')}{progress}",
        method="POST",
        url=f"{_on_googleapis(answer['selfLink'])}/wait",
        error=from_operation(failed, status, answer.get("httpErrorMessage", "")) if failed else None,
        response={},
        read_seconds=COMPUTE_WAIT_SECONDS,
    )


def _sql(answer: Json, url: str) -> Operation:
    base = url.split("/projects/", 1)[0]
    failed = answer.get("error")
    return Operation(
        name=answer["name"],
        done=answer.get("status") == "DONE",
        state=str(answer.get("status", "unknown")),
        method="GET",
        url=f"{base}/projects/{answer['targetProject']}/operations/{answer['name']}"
        if answer.get("targetProject")
        else answer["selfLink"],
        error=from_operation(failed) if failed else None,
        response={},
    )


def _aip(answer: Json, url: str) -> Operation:
    parts = urlsplit(url)
    version = parts.path.split("/")[1]
    failed = answer.get("error")
    return Operation(
        name=answer["name"],
        done=bool(answer.get("done")),
        state="done" if answer.get("done") else "running",
        method="GET",
        url=f"{parts.scheme}://{parts.netloc}/{version}/{answer['name']}",
        error=from_operation(failed) if failed else None,
        response=answer.get("response") or {},
    )


def _on_googleapis(link: str) -> str:
    """Compute writes its links with the old host name; asking one host keeps one connection."""
    return link.replace("https://www.googleapis.com/compute/", "https://compute.googleapis.com/compute/", 1)


def wait(session: Session, answer: Json, url: str, what: str) -> Json:
    """Follow an operation to its end; any other answer is at its end already.

    :param answer: what a write answered.
    :param url: where it answered.
    :param what: what is awaited, for errors, such as ``create projects/p/instances/i``.
    :return: the ``response`` of an AIP operation, the answer itself otherwise.
    :raises GcpError: if the operation fails, or the deadline comes first.
    """
    begin, attempt, last = session.deadline.elapsed, 0, "unknown"
    while (operation := parse(answer, url)) is not None:
        last = operation.state
        if operation.done:
            if operation.error:
                raise _failed(operation, session, what)
            return operation.response or answer
        if operation.method == "GET" or attempt:
            session.deadline.pause(backoff(attempt, FIRST_POLL, SLOWEST_POLL))
        if session.deadline.left <= 0:
            raise _late(operation, session, what, begin, last)
        attempt += 1
        try:
            answer = session.request(
                operation.method, operation.url, repeatable=True, read_seconds=operation.read_seconds
            )
        except GcpError as error:
            if error.exhausted and error.patience == FOREVER:
                raise _late(operation, session, what, begin, last) from error
            error.note(f"It is not known how {what} ends; the last state of operation {operation.name} was {last}.")
            raise
    return answer


def _failed(operation: Operation, session: Session, what: str) -> GcpError:
    error = t.cast(GcpError, operation.error)
    error.message, error.request_id = f"{what} failed: {error.message}", operation.name
    for sentence in advice(error, session.credential):
        error.note(sentence)
    return error


def _late(operation: Operation, session: Session, what: str, begin: float, last: str) -> GcpError:
    return GcpError(
        f"{what} is not done after {session.deadline.elapsed - begin:.0f} s of waiting: the last state of operation "
        f"{operation.name} was {last}. Google Cloud goes on with it: run again to wait for it, or raise the option "
        f"timeout, which is {session.deadline.seconds:.0f} s."
    )
