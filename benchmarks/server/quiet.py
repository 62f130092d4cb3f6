# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the machine has something else to do, such as what a database writes for the one who was measured last."""

from __future__ import annotations

import time
from pathlib import Path

IDLE = 0.9  # of the processors' time, while the servers of all contestants wait for requests
LOOK_SECONDS, PATIENCE_SECONDS = 0.2, 10.0


def settle(stat: Path = Path("/proc/stat")) -> None:
    """Wait until the machine is idle, or has not been for as long as one waits."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    total, idle = _times(stat)
    while time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
        total_then, idle_then, (total, idle) = total, idle, _times(stat)
        if idle - idle_then >= IDLE * (total - total_then):
            return


def _times(stat: Path) -> tuple[int, int]:
    """Ticks of all processors, and those of them in which they did nothing."""
    ticks = [int(word) for word in stat.read_text().partition("\n")[0].split()[1:]]
    return sum(ticks), ticks[3] + ticks[4]
