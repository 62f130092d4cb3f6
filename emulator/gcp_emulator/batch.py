# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Batches: several HTTP requests as the parts of one MIME message, and their answers likewise."""

from __future__ import annotations

import email.parser
import email.policy
import http
import json
import secrets
from dataclasses import dataclass

from gcp_emulator.errors import ApiError, Json


@dataclass(frozen=True)
class Part:
    """One request of a batch. ``headers`` have small letters; ``target`` is path and query."""

    content_id: str
    verb: str
    target: str
    headers: dict[str, str]
    body: bytes


def split(content_type: str, content: bytes) -> list[Part]:
    """The requests of a batch.

    :raises ApiError: 400 if it is none.
    """
    head = f"Content-Type: {content_type}\r\nMIME-Version: 1.0\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + content)
    if not message.is_multipart():
        raise ApiError(400, "Failed to parse batch request: it is not multipart/mixed.", "badRequest")
    return [_part(part.get("Content-ID", ""), part.get_payload(decode=True)) for part in message.iter_parts()]


def _part(content_id: str, raw: object) -> Part:
    head, _gap, body = (raw if isinstance(raw, bytes) else b"").replace(b"\r\n", b"\n").lstrip().partition(b"\n\n")
    request_line, *lines = head.decode().split("\n")
    words = request_line.split(" ")
    if len(words) < 2:
        raise ApiError(400, "Failed to parse batch request: a part is not an HTTP request.", "badRequest")
    pairs = (line.partition(":") for line in lines)
    target = words[1] if words[1].startswith("/") else "/" + words[1].split("/", 3)[-1]
    headers = {name.strip().lower(): value.strip() for name, _colon, value in pairs}
    return Part(content_id, words[0], target, headers, body.strip())


def join(parts: list[Part], answers: list[tuple[int, Json | None]]) -> tuple[bytes, str]:
    """The body and content type that answer a batch."""
    boundary = f"batch_{secrets.token_hex(16)}"
    lines = []
    for part, (status, body) in zip(parts, answers, strict=True):
        text = "" if body is None else json.dumps(body)
        lines += [
            f"--{boundary}",
            "Content-Type: application/http",
            f"Content-ID: <response-{part.content_id.strip('<>')}>",
            "",
            f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}",
            "Content-Type: application/json; charset=UTF-8",
            f"Content-Length: {len(text)}",
            "",
            text,
        ]
    return "\r\n".join([*lines, f"--{boundary}--", ""]).encode(), f"multipart/mixed; boundary={boundary}"
