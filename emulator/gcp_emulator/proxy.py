# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The sandbox's HTTPS proxy: Google's names lead to the emulator, every other name to where it really is."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http
import ipaddress
import json
import logging
import re
import socket
import struct
import typing as t
import urllib.request
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

LOG = logging.getLogger(__name__)
CHUNK = 65536
HEAD_SECONDS = 30
CONNECT_SECONDS = 30
EXPLANATION = (
    "This is the HTTPS proxy of a Google Cloud sandbox; set HTTPS_PROXY to it, and ask nothing of it directly."
)


@dataclass(frozen=True)
class Head:
    """The first lines of a request; ``length``: of its body."""

    verb: str
    target: str
    length: int = 0


class RefusedError(Exception):
    """A connection that is not made; the arguments are the status line's code and phrase, and a sentence."""


def is_google(host: str) -> bool:
    """Whether the emulator stands for this name."""
    return host == "accounts.google.com" or host.endswith(".googleapis.com")


Refusal = t.Callable[[str, bool], str]


class Admin(t.Protocol):
    """What else the proxy answers, to this machine alone."""

    def answer(self, verb: str, path: str, body: t.Any) -> tuple[int, dict[str, t.Any]]:
        """Status and JSON; 404 for what it does not know."""


class Proxy:
    """An HTTP proxy that knows CONNECT alone.

    :param emulator: address and port of the emulator's TLS listener.
    :param internet: the proxy's own address, in the network that plays the Internet.
    :param health: what ``GET /health`` answers; it tells whether the sandbox is ready.
    :param upstream: URL of the proxy through which the machine reaches the Internet, or "".
    :param bypass: names that it reaches without that proxy, as NO_PROXY has them.
    :param admin: answers what is asked of the proxy itself; None for nothing.
    :param refusal: says why a caller's address may not reach Google's names (True), or others (False); "" if it may.
    """

    def __init__(
        self,
        emulator: tuple[str, int],
        internet: ipaddress.IPv4Interface,
        health: t.Callable[[], dict[str, t.Any]],
        upstream: str = "",
        bypass: str = "",
        admin: Admin | None = None,
        refusal: Refusal | None = None,
    ) -> None:
        self.emulator, self.internet, self.health = emulator, internet, health
        self.upstream, self.bypass, self.admin, self.refusal = upstream, bypass, admin, refusal

    async def start(self, address: str, port: int) -> asyncio.Server:
        """Listen."""
        return await asyncio.start_server(self._accept, address, port, limit=CHUNK)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        except (ConnectionError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            LOG.debug("a client went away", exc_info=True)
        finally:
            await _close(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = _parse(await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HEAD_SECONDS))
        if head is None:
            await _say(writer, 400, "Bad Request", EXPLANATION)
        elif head.verb != "CONNECT":
            await self._answer(head, reader, writer)
        else:
            try:
                self._check_way(writer.get_extra_info("peername")[0], head.target)
                there = await self._connect(head.target)
            except RefusedError as error:
                code, phrase, text = error.args
                await _say(writer, code, phrase, text)
                return
            LOG.info("CONNECT %s", head.target)
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await _join((reader, writer), there)

    async def _answer(self, head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A request to the proxy itself."""
        caller = writer.get_extra_info("peername")[0]
        if head.verb == "GET" and head.target == "/caller-address":
            await _say(writer, 200, "OK", self._seen(caller))
        elif head.verb == "GET" and head.target == "/health":
            await _say(writer, 200, "OK", json.dumps(self.health()))
        elif self.admin and head.target.startswith("/") and head.target != "/":
            if not self._is_ours(caller):
                await _say(writer, 403, "Forbidden", "Only the machine that the sandbox runs on may ask this.")
                return
            content = await asyncio.wait_for(reader.readexactly(head.length), HEAD_SECONDS)
            try:
                body = json.loads(content) if content else None
            except ValueError:
                await _say(writer, 400, "Bad Request", json.dumps({"error": "The body is not JSON."}))
                return
            status, answer = self.admin.answer(head.verb, head.target, body)
            await _say(writer, status, http.HTTPStatus(status).phrase, json.dumps(answer))
        else:
            await _say(writer, 400, "Bad Request", EXPLANATION)

    def _is_ours(self, caller: str) -> bool:
        """Whether a caller is the machine itself, and not a VM or somebody else."""
        return ipaddress.ip_address(caller) == self.internet.ip or ipaddress.ip_address(caller).is_loopback

    def _seen(self, address: str) -> str:
        """The address that a VM sees of this caller: whoever is not in the network comes into it through us."""
        return address if ipaddress.ip_address(address) in self.internet.network else str(self.internet.ip)

    def _check_way(self, caller: str, target: str) -> None:
        """Refuse what a VM could not reach if there were no proxy."""
        host, _port = _split(target)
        if self.refusal and (reason := self.refusal(caller, is_google(host))):
            raise RefusedError(502, "Bad Gateway", f"{target} cannot be reached: {reason}")

    async def _connect(self, target: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = _split(target)
        if is_google(host):
            return await _open(*self.emulator)
        bypass = urllib.request.proxy_bypass_environment  # type: ignore[attr-defined] # unknown to typeshed
        if self.upstream and not bypass(host, {"no": self.bypass}):
            return await self._through_upstream(target)
        streams = await _open(host, port)
        address = ipaddress.ip_address(streams[1].get_extra_info("peername")[0])
        if address.is_loopback:  # a VM must not reach into the machine
            await _close(streams[1])
            raise RefusedError(403, "Forbidden", f"{host} is the machine that the sandbox runs on.")
        return streams

    async def _through_upstream(self, target: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        parts = urlsplit(self.upstream if "//" in self.upstream else f"//{self.upstream}")
        streams = await _open(parts.hostname or "", parts.port or 3128)
        reader, writer = streams
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if parts.username:
            secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            lines.append(f"Proxy-Authorization: Basic {base64.b64encode(secret).decode()}")
        writer.write("\r\n".join([*lines, "", ""]).encode())
        try:
            answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), CONNECT_SECONDS)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            await _close(writer)
            raise RefusedError(502, "Bad Gateway", f"The upstream proxy did not answer: {error}") from error
        if answer.split()[1:2] != [b"200"]:
            await _close(writer)
            first = answer.splitlines()[0].decode(errors="replace")
            raise RefusedError(502, "Bad Gateway", f"The upstream proxy refused {target}: {first}")
        return streams


def _parse(raw: bytes) -> Head | None:
    words = raw.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        return None
    length = re.search(rb"\r\ncontent-length: *(\d{1,5})\r\n", raw, re.IGNORECASE)
    return Head(words[0], words[1], int(length[1]) if length else 0)


def _split(target: str) -> tuple[str, int]:
    """Host and port of a CONNECT target, whose host may be an IPv6 address in brackets."""
    host, _colon, port = target.rpartition(":")
    if not host or not port.isdigit():
        raise RefusedError(400, "Bad Request", f"{target} is not a host and a port.")
    return host.strip("[]").lower().rstrip("."), int(port)


async def _open(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        return await asyncio.wait_for(asyncio.open_connection(host, port, limit=CHUNK), CONNECT_SECONDS)
    except (OSError, TimeoutError) as error:
        raise RefusedError(502, "Bad Gateway", f"{host}:{port} cannot be reached: {error}") from error


async def _say(writer: asyncio.StreamWriter, code: int, phrase: str, text: str) -> None:
    body = text.encode()
    lines = (
        f"HTTP/1.1 {code} {phrase}",
        "Content-Type: text/plain",
        f"Content-Length: {len(body)}",
        "Connection: close",
    )
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    await writer.drain()


async def _join(
    here: tuple[asyncio.StreamReader, asyncio.StreamWriter], there: tuple[asyncio.StreamReader, asyncio.StreamWriter]
) -> None:
    """Carry bytes both ways until both ends have said all."""
    try:
        await asyncio.gather(_carry(here[0], there[1]), _carry(there[0], here[1]))
    finally:
        await _close(there[1])


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
    except ConnectionError:  # a reset, which is no end: the other side gets it too
        reset(writer.transport)
        return
    with contextlib.suppress(OSError, RuntimeError):
        if writer.can_write_eof():
            writer.write_eof()


def reset(transport: asyncio.WriteTransport) -> None:
    """End a connection by a TCP reset: without a word, as a machine does that dies."""
    connection = transport.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
