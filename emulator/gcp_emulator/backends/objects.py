# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Contents of objects as files of one directory."""

from __future__ import annotations

import re
import tempfile
import typing as t
from pathlib import Path

CHUNK = 1024 * 1024
NAME = re.compile(r"[A-Za-z0-9_-]{4,128}")


class DiskObjects:
    """One file for each blob. Only a chunk of it is ever in memory.

    A blob that ``write`` makes is either not there or whole. The engine's own death cannot tear it; a power failure
    of the machine can, since nothing is flushed to the disk on purpose: a sandbox is not a place for the only copy.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._incoming = directory / "incoming"
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._incoming.mkdir(exist_ok=True)
        for leftover in self._incoming.iterdir():
            leftover.unlink()

    def write(self, blob: str, chunks: t.Iterable[bytes]) -> None:
        """Write atomically; what is there under the name is replaced."""
        target = self._path(blob)
        with tempfile.NamedTemporaryFile(dir=self._incoming, delete=False) as file:
            temporary = Path(file.name)
            try:
                for chunk in chunks:
                    file.write(chunk)
            except BaseException:
                temporary.unlink()
                raise
        target.parent.mkdir(exist_ok=True)
        temporary.replace(target)

    def append(self, blob: str, offset: int, chunk: bytes) -> int:
        """Put a chunk at an offset and cut what is behind it; the size it has then.

        :raises ValueError: the offset is beyond the end.
        """
        path = self._path(blob)
        path.parent.mkdir(exist_ok=True)
        with path.open("r+b" if path.exists() else "w+b") as file:
            if offset > file.seek(0, 2):
                raise ValueError(f"Offset {offset} is beyond the end of the blob")
            file.truncate(offset)
            file.seek(offset)
            file.write(chunk)
            return file.tell()

    def read(self, blob: str, start: int = 0, end: int | None = None) -> t.Iterator[bytes]:
        """Read a range, ``end`` excluded, in chunks. Deleting the blob later harms no reader.

        :raises FileNotFoundError: there is no such blob.
        """
        file = self._path(blob).open("rb")
        file.seek(start)
        return self._chunks(file, None if end is None else max(0, end - start))

    def size(self, blob: str) -> int:
        """Bytes; 0 for one that is not there, as for an upload that has not received any."""
        path = self._path(blob)
        return path.stat().st_size if path.exists() else 0

    def delete(self, blob: str) -> None:
        """Remove; one that is not there is no error."""
        self._path(blob).unlink(missing_ok=True)

    def names(self) -> t.Iterator[str]:
        """Every blob that there is."""
        for path in self.directory.glob("??/*"):
            yield path.name

    def _path(self, blob: str) -> Path:
        if not NAME.fullmatch(blob):
            raise ValueError(f"Not a name of a blob: {blob!r}")
        return self.directory / blob[:2] / blob

    @staticmethod
    def _chunks(file: t.BinaryIO, left: int | None) -> t.Iterator[bytes]:
        with file:
            while chunk := file.read(CHUNK if left is None else min(CHUNK, left)):
                yield chunk
                if left is not None:
                    left -= len(chunk)
