# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Give an unpacked base installation the prefix that it stands in; the installer runs this by the Python it unpacked.

    relocate.py UNPACKED BUILD_PREFIX PREFIX

Then the packages that an older release left in the prefix go, and the unpacked ones take their place. Environments,
the cache of packages and what users have put there stay.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path


def relocate(root: Path, old: bytes, new: bytes) -> None:
    """Write the new prefix where the old one stands; in a binary, up to the same length."""
    for file in list(root.rglob("*")):
        if file.is_symlink() or not file.is_file():
            continue
        content = file.read_bytes()
        if old not in content:
            continue
        if b"\0" in content:
            content = re.sub(
                re.escape(old) + b"([^\0]*)\0",
                lambda match: (new + match[1]).ljust(len(match[0]) - 1, b"\0") + b"\0",
                content,
            )
        else:
            content = content.replace(old, new)
        # Not in place: this Python runs from one of the files.
        copy = file.with_name(f"{file.name}.relocated")
        copy.write_bytes(content)
        copy.chmod(file.stat().st_mode)
        copy.replace(file)


def main() -> None:
    """Run from the installer."""
    unpacked, prefix = Path(sys.argv[1]), Path(sys.argv[3])
    if len(sys.argv[3]) > len(sys.argv[2]):
        sys.exit(f"{prefix} is longer than this stand-in can be installed into")
    relocate(unpacked, sys.argv[2].encode(), sys.argv[3].encode())
    for package in prefix.glob("conda-meta/*.json"):
        for file in json.loads(package.read_text())["files"]:
            (prefix / file).unlink(missing_ok=True)
        package.unlink()
    for file in sorted(unpacked.rglob("*")):
        target = prefix / file.relative_to(unpacked)
        if file.is_dir() and not file.is_symlink():
            target.mkdir(exist_ok=True)
        elif target.name != "history" or not target.exists():
            shutil.move(str(file), str(target))


main()
