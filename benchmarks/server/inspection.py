# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs on the VM, as root: what the processes of some units are, as JSON."""

import json
import re
import subprocess
import sys
from pathlib import Path

PACKAGES = ("mlflow", "uvicorn", "uvloop", "httptools", "gunicorn", "gunicorn_h1c", "SQLAlchemy", "psycopg2-binary")
VERSIONS = f"""
import importlib.metadata, json, platform
versions = {{"Python": platform.python_version()}}
for name in {PACKAGES}:
    try:
        versions[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
print(json.dumps(versions))
"""


def shown(unit: str, name: str) -> str:
    """A property of a unit."""
    command = ["systemctl", "show", f"--property={name}", "--value", unit]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def processes(unit: str) -> list[int]:
    """Those in the unit's control group."""
    groups = [
        root / shown(unit, "ControlGroup").lstrip("/")
        for root in map(Path, ("/sys/fs/cgroup", "/sys/fs/cgroup/systemd"))
    ]
    file = next(group / "cgroup.procs" for group in groups if (group / "cgroup.procs").exists())
    return [int(line) for line in file.read_text().split()]


def memory(process: int) -> float:
    """Its megabytes; what it shares with others is shared out among them."""
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{process}/smaps_rollup").read_text(), re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def main() -> None:
    """Print it; the first unit's Python is the one that is asked for versions."""
    units = sys.argv[1:]
    there = [process for unit in units for process in processes(unit)]
    argv = Path(f"/proc/{shown(units[0], 'MainPID')}/cmdline").read_text().rstrip("\0").split("\0")
    versions = subprocess.run([argv[0], "-c", VERSIONS], check=True, capture_output=True, text=True).stdout
    command = re.sub(r"(?<=:)[^:@/]+(?=@)", "PASSWORD", " ".join(argv[1:]))
    print(
        json.dumps(
            {
                "versions": json.loads(versions),
                "command": command,
                "processes": len(there),
                "memory": sum(map(memory, there)),
            }
        )
    )


if __name__ == "__main__":
    main()
