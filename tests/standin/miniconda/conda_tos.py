# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stands in for ``conda tos``: tells which channels' terms of service were accepted, and accepts them.

Anaconda's own plugin asks the channels for their terms; here those of Anaconda have some, and no other has.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

DEFAULTS = ["https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r"]

parser = argparse.ArgumentParser(prog="conda tos")
parser.add_argument("action", nargs="?", choices=["accept"])
parser.add_argument("--override-channels", action="store_true", required=True)
parser.add_argument("--channel", action="append", required=True)
parser.add_argument("--system", action="store_true")
parser.add_argument("--json", action="store_true")
given = parser.parse_intermixed_args()
if given.action and not given.system:
    parser.error("this stand-in keeps acceptances in the installation alone: --system")
told: dict[str, dict[str, object] | None] = {}
for channel in [url for name in given.channel for url in (DEFAULTS if name == "defaults" else [name])]:
    file = Path(sys.prefix, "conda-meta/tos", hashlib.sha256(channel.encode()).hexdigest(), "1752537600.0.json")
    if not channel.startswith("https://repo.anaconda.com/"):
        told[channel] = None
        continue
    if given.action == "accept":
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"base_url": channel, "tos_accepted": True}))
    told[channel] = json.loads(file.read_text()) if file.exists() else {"base_url": channel}
if given.json:
    print(json.dumps(told, indent=2))
