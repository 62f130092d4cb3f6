# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an image takes over from this machine, so that packages can be had inside it as they can outside."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

CERTIFICATES = "usr/local/share/ca-certificates"
SOURCES = "etc/apt/sources.list.d/debian.sources"
ONE_LINE_SOURCES = "etc/apt/sources.list.d/debian.list"
# The settings of apt without which this machine's mirror does not answer or is not trusted.
NEEDED_APT_SETTING = re.compile(r"Check-Valid-Until|Check-Date|Acquire::https?::Proxy|Verify-", re.IGNORECASE)


def _stanzas(text: str) -> t.Iterator[str]:
    uncommented = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    yield from (stanza.strip() for stanza in re.split(r"\n\s*\n", uncommented) if stanza.strip())


def substitute(text: str, here: str, release: str) -> str:
    """Sources of packages for another release of the same archive.

    :param text: a ``sources.list`` or a ``.sources`` file.
    :param here: the code name of the release that it serves, such as ``bookworm``.
    :param release: the code name that is wanted.
    :returns: what of it is of Debian's own archive (component ``main`` of the release), without comments.
    """
    kept = []
    for stanza in _stanzas(text):
        if stanza.startswith("deb"):  # the one-line format
            lines = [line for line in stanza.splitlines() if re.match(rf"deb\s.*\s{here}\S*\s.*\bmain\b", line)]
            stanza = "\n".join(lines)
        elif not re.search(rf"^Suites:.*\b{here}\b", stanza, re.MULTILINE) or not re.search(
            r"^Components:.*\bmain\b", stanza, re.MULTILINE
        ):
            continue
        if stanza:
            kept.append(re.sub(rf"\b{here}\b", release, stanza))
    return "\n\n".join(kept) + "\n" if kept else ""


def carried(release: str, root: Path = Path("/")) -> dict[str, bytes]:
    """Files for an image of a Debian release, by their paths: certificates, pip's settings, apt's settings and sources.

    On a machine that is not Debian, and one without such files, there are fewer, and Debian's defaults hold.
    """
    files: dict[str, bytes] = {}
    candidates = [*sorted((root / CERTIFICATES).glob("*.crt")), root / "etc/pip.conf"]
    settings = sorted((root / "etc/apt/apt.conf.d").glob("*"))
    candidates += [file for file in settings if NEEDED_APT_SETTING.search(file.read_text(errors="replace"))]
    for file in candidates:
        if file.is_file():
            files[str(file.relative_to(root))] = file.read_bytes()
    for origin, name in ((SOURCES, SOURCES), ("etc/apt/sources.list", ONE_LINE_SOURCES)):
        if (root / origin).is_file() and (sources := substitute((root / origin).read_text(), _release(root), release)):
            # an image's own sources have the first name: an empty file silences them
            files |= {SOURCES: b"", name: sources.encode()}
            break
    return files


def _release(root: Path) -> str:
    """This machine's code name; on one that has none, a word that no source contains."""
    file = root / "etc/os-release"
    found = re.search(r'^VERSION_CODENAME="?(\w+)', file.read_text() if file.is_file() else "", re.MULTILINE)
    return found[1] if found else "unknown"
