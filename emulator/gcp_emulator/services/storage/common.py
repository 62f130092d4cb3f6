# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What buckets and objects share: clocks, etags, preconditions, and the words of Cloud Storage's errors."""

from __future__ import annotations

import base64
import datetime
from collections.abc import Mapping
from dataclasses import dataclass

from gcp_emulator.errors import ApiError, Json


def now() -> datetime.datetime:
    """The time, with its zone."""
    return datetime.datetime.now(datetime.UTC)


def stamp(time: datetime.datetime | None = None) -> str:
    """A time as the API writes it, with milliseconds."""
    return (time or now()).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_stamp(text: str) -> datetime.datetime:
    """What ``stamp`` wrote."""
    return datetime.datetime.fromisoformat(text)


def etag(*numbers: int) -> str:
    """The etag of a generation and a metageneration, which Cloud Storage makes the fields of a protobuf message."""
    message = bytearray()
    for tag, number in enumerate(numbers, start=1):
        message.append(tag << 3)
        while number > 0x7F:
            message.append(number & 0x7F | 0x80)
            number >>= 7
        message.append(number)
    return base64.b64encode(message).decode()


def public(document: Json) -> Json:
    """The document without what is only ours."""
    return {key: value for key, value in document.items() if not key.startswith("_")}


def no_bucket() -> ApiError:
    """The bucket is not there."""
    return ApiError(404, "The specified bucket does not exist.", "notFound")


def no_object(bucket: str, name: str) -> ApiError:
    """The object, or its generation, is not there."""
    return ApiError(404, f"No such object: {bucket}/{name}", "notFound")


def precondition_failed() -> ApiError:
    """A generation, metageneration or etag is not what the caller wants it to be."""
    return ApiError(412, "At least one of the pre-conditions you specified did not hold.", "conditionNotMet")


def bad_request(message: str = "Invalid argument.") -> ApiError:
    """A value that Cloud Storage refuses."""
    return ApiError(400, message, "invalid")


class RangeError(ApiError):
    """A range of contents that begins behind their end.

    :param size: how long they are.
    """

    def __init__(self, size: int) -> None:
        super().__init__(416, "The requested range cannot be satisfied.", "requestedRangeNotSatisfiable")
        self.headers = {"Content-Range": f"bytes */{size}"}


def integer(values: Mapping[str, list[str]], name: str) -> int | None:
    """A query parameter that is a number, or None.

    :raises ApiError: it is something else.
    """
    text = values.get(name, [""])[0]
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        raise bad_request(f"Invalid value for parameter {name}: {text}") from None


@dataclass(frozen=True)
class Preconditions:
    """What a request demands of the generation and metageneration that it finds. A generation of 0 is "not there"."""

    generation_match: int | None = None
    generation_not_match: int | None = None
    metageneration_match: int | None = None
    metageneration_not_match: int | None = None

    @classmethod
    def of(cls, query: Mapping[str, list[str]], prefix: str = "if") -> Preconditions:
        """Read them from a query; ``prefix`` is ``ifSource`` for the source of a copy."""
        return cls(
            integer(query, f"{prefix}GenerationMatch"),
            integer(query, f"{prefix}GenerationNotMatch"),
            integer(query, f"{prefix}MetagenerationMatch"),
            integer(query, f"{prefix}MetagenerationNotMatch"),
        )

    def check(self, found: Json | None, reading: bool = False) -> None:
        """
        :param reading: an unmet "not match" of a read is 304 and no failure.
        :raises ApiError: 412 or 304.
        """
        generation = int(found.get("generation", 0)) if found else 0
        metageneration = int(found["metageneration"]) if found else None
        if self.generation_match not in (None, generation) or self.metageneration_match not in (None, metageneration):
            raise precondition_failed()
        unchanged = self.generation_not_match == generation or (
            metageneration is not None and self.metageneration_not_match == metageneration
        )
        if unchanged:
            raise ApiError(304, "Not Modified", "notModified") if reading else precondition_failed()


def check_etag(found: Json, headers: Mapping[str, str], reading: bool = False) -> None:
    """Compare with ``If-Match`` and ``If-None-Match``.

    :raises ApiError: 412, or 304 for a read.
    """
    if "if-match" in headers and not _lists(headers["if-match"], found["etag"]):
        raise precondition_failed()
    if "if-none-match" in headers and _lists(headers["if-none-match"], found["etag"]):
        raise ApiError(304, "Not Modified", "notModified") if reading else precondition_failed()


def _lists(header: str, etag: str) -> bool:
    return any(one.strip().strip('"') in ("*", etag) for one in header.split(","))
