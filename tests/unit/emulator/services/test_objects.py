# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Blobs on disk."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from gcp_emulator.backends import objects as module
from gcp_emulator.backends.objects import DiskObjects


@pytest.fixture
def objects(tmp_path: Path) -> DiskObjects:
    return DiskObjects(tmp_path / "objects")


def contents(objects: DiskObjects, blob: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join(objects.read(blob, start, end))


def test_what_is_written_is_read_after_a_restart(objects: DiskObjects) -> None:
    objects.write("blob", [b"ab", b"", b"cd"])
    again = DiskObjects(objects.directory)
    assert contents(again, "blob") == b"abcd"
    assert again.size("blob") == 4
    assert list(again.names()) == ["blob"]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(0, None, b"0123456789"), (3, None, b"3456789"), (3, 5, b"34"), (8, 20, b"89"), (5, 5, b""), (10, None, b"")],
)
def test_a_range_is_read_across_chunks(
    objects: DiskObjects, monkeypatch: pytest.MonkeyPatch, start: int, end: int | None, expected: bytes
) -> None:
    monkeypatch.setattr(module, "CHUNK", 2)
    objects.write("blob", [b"0123456789"])
    assert contents(objects, "blob", start, end) == expected
    assert all(len(chunk) <= 2 for chunk in objects.read("blob", start, end))


def test_a_write_that_fails_leaves_what_was_there(objects: DiskObjects) -> None:
    def broken() -> t.Iterator[bytes]:
        yield b"new"
        raise ConnectionError

    objects.write("blob", [b"old"])
    with pytest.raises(ConnectionError):
        objects.write("blob", broken())
    assert contents(objects, "blob") == b"old"
    assert [path.name for path in objects.directory.rglob("*") if path.is_file()] == ["blob"]


def test_what_a_crash_left_half_written_is_gone_after_the_next_start(objects: DiskObjects) -> None:
    (objects.directory / "incoming" / "tmp1").write_bytes(b"half")
    DiskObjects(objects.directory)
    assert not [path for path in objects.directory.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([(0, b"abc"), (3, b"def")], b"abcdef"),
        ([(0, b"abcdef"), (2, b"X")], b"abX"),
        ([(0, b"")], b""),
        ([(0, b"abc"), (0, b"")], b""),
    ],
    ids=["on the end", "over the end, which is cut", "nothing", "nothing over something"],
)
def test_a_chunk_goes_where_it_belongs(objects: DiskObjects, chunks: list[tuple[int, bytes]], expected: bytes) -> None:
    sizes = [objects.append("blob", offset, chunk) for offset, chunk in chunks]
    assert contents(objects, "blob") == expected
    assert sizes[-1] == objects.size("blob") == len(expected)


def test_a_chunk_behind_a_gap_is_refused(objects: DiskObjects) -> None:
    objects.append("blob", 0, b"abc")
    with pytest.raises(ValueError, match="beyond the end"):
        objects.append("blob", 4, b"x")
    assert contents(objects, "blob") == b"abc"


def test_a_deleted_blob_is_still_read_by_who_had_begun(objects: DiskObjects) -> None:
    objects.write("blob", [b"abc"])
    reading = objects.read("blob")
    objects.delete("blob")
    objects.delete("blob")
    assert b"".join(reading) == b"abc"
    assert objects.size("blob") == 0
    with pytest.raises(FileNotFoundError):
        objects.read("blob")


@pytest.mark.parametrize("blob", ["", "../../etc/passwd", "a/b", "abc\0", "x" * 200])
def test_a_name_cannot_lead_out_of_the_directory(objects: DiskObjects, blob: str) -> None:
    with pytest.raises(ValueError, match="Not a name"):
        objects.write(blob, [b"x"])
