# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Cloud SQL offers: versions, tiers, flags."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gcp_emulator.errors import ApiError

VERSIONS = ("9_6", *map(str, range(10, 19)))
VERSION = re.compile(f"POSTGRES_({'|'.join(VERSIONS)})")
NEWEST_ENTERPRISE_DEFAULT = 15
LEARN_MORE = "Learn more at https://cloud.google.com/sql/docs/postgres/create-instance#machine-types."


def wrong(message: str) -> ApiError:
    """A request that Cloud SQL takes for invalid (recording)."""
    return ApiError(400, f"Invalid request: {message}", "invalid")


def default_edition(version: str) -> str:
    """From PostgreSQL 16 on, an instance is ENTERPRISE_PLUS unless it says otherwise (issue: magic-modules#18014)."""
    major = int(version.removeprefix("POSTGRES_").partition("_")[0])
    return "ENTERPRISE" if major <= NEWEST_ENTERPRISE_DEFAULT else "ENTERPRISE_PLUS"


def upgrades(version: str) -> list[dict[str, str]]:
    """The versions to which an instance can be upgraded in place."""
    names = [f"POSTGRES_{name}" for name in VERSIONS]
    return [
        {"majorVersion": name, "name": name, "displayName": name.replace("_", " ").replace("POSTGRES", "PostgreSQL")}
        for name in names[names.index(version) + 1 :]
    ]


def maintenance(version: str) -> tuple[str, str]:
    """The maintenance version of a new instance, and the next one, in the form of Google's (documentation)."""
    return f"{version}_1.R20260101.00_01", f"{version}_2.R20260601.00_01"


def check_flag(name: str, value: str) -> None:
    """Refuse a flag that there is not, or a value that its type does not take.

    :raises ApiError: 400; the types are those of flags.list, the wording is unverified.
    """
    if name not in FLAGS:
        raise wrong(f"Unknown database flag {name}.")
    forms = {"BOOLEAN": r"on|off", "INTEGER": r"-?\d+", "FLOAT": r"-?\d+(\.\d+)?"}
    kind = FLAGS[name][0]
    if not re.fullmatch(forms.get(kind, r".+"), value):
        raise wrong(f"Invalid value {value} of database flag {name}, which is of the type {kind}.")


@dataclass(frozen=True)
class Tier:
    """A size of server."""

    name: str
    memory_mb: int
    edition: str = "ENTERPRISE"
    disk_types: tuple[str, ...] = ("PD_SSD", "PD_HDD")


HYPERDISK = ("HYPERDISK_BALANCED",)  # what the machine series N4 and C4A take (documentation)
TIERS = (
    Tier("db-f1-micro", 614),
    Tier("db-g1-small", 1740),
    *(Tier(f"db-custom-{cpus}-{cpus * 3840}", cpus * 3840) for cpus in (1, 2, 4, 8)),
    *(Tier(f"db-perf-optimized-N-{cpus}", cpus * 8192, "ENTERPRISE_PLUS", ("PD_SSD",)) for cpus in (2, 4, 8)),
)


def tier(name: str, edition: str) -> Tier:
    """The tier of this name in an edition.

    :raises ApiError: 400 as Cloud SQL words it.
    """
    found = next((known for known in TIERS if known.name == name), None)
    custom = re.fullmatch(r"db-custom-(N4-)?(\d+)-(\d+)", name)
    if found is None and custom:
        cpus, memory = int(custom[2]), int(custom[3])
        # documentation: one or an even number of vCPUs, a multiple of 256 MB, from 3.75 GB; wording unverified
        if (cpus != 1 and cpus % 2) or memory % 256 or not max(3840, cpus * 921) <= memory <= cpus * 6656:
            raise wrong(f"Invalid custom tier ({name}).")
        found = Tier(name, memory, disk_types=HYPERDISK) if custom[1] else Tier(name, memory)
    if found is None and (known := re.fullmatch(r"db-(perf-optimized-N|c4a-highmem)-(\d+)", name)):
        disk_types = HYPERDISK if known[1] == "c4a-highmem" else ("PD_SSD",)
        found = Tier(name, int(known[2]) * 8192, "ENTERPRISE_PLUS", disk_types)
    if found is None:
        # issue: serverpod#2373
        raise wrong("Only custom or shared-core instance Billing Tier type allowed for PostgreSQL database.")
    if found.edition != edition:
        # issue: cloud-foundation-fabric#2946
        instead = "db-perf-optimized-N-*" if edition == "ENTERPRISE_PLUS" else "db-custom-*"
        hint = f"Use a predefined Tier like {instead} instead. {LEARN_MORE}"
        raise wrong(f"Invalid Tier ({name}) for ({edition}) Edition. {hint}")
    return found


def default_disk(tier: str) -> str:
    """The type of the disk of an instance that does not say it (documentation)."""
    return "HYPERDISK_BALANCED" if tier.startswith(("db-custom-N4-", "db-c4a-")) else "PD_SSD"


# Those of the documentation's "Supported flags" that a server of ours understands: type, and whether it restarts.
FLAGS: dict[str, tuple[str, bool]] = {
    "autovacuum": ("BOOLEAN", False),
    "autovacuum_max_workers": ("INTEGER", True),
    "autovacuum_naptime": ("INTEGER", False),
    "checkpoint_timeout": ("INTEGER", False),
    "client_encoding": ("STRING", False),
    "cloudsql.iam_authentication": ("BOOLEAN", True),
    "deadlock_timeout": ("INTEGER", False),
    "default_transaction_isolation": ("STRING", False),
    "effective_cache_size": ("INTEGER", False),
    "hash_mem_multiplier": ("FLOAT", False),
    "idle_in_transaction_session_timeout": ("INTEGER", False),
    "lock_timeout": ("INTEGER", False),
    "log_checkpoints": ("BOOLEAN", False),
    "log_connections": ("BOOLEAN", False),
    "log_disconnections": ("BOOLEAN", False),
    "log_lock_waits": ("BOOLEAN", False),
    "log_min_duration_statement": ("INTEGER", False),
    "log_min_messages": ("STRING", False),
    "log_statement": ("STRING", False),
    "log_temp_files": ("INTEGER", False),
    "maintenance_work_mem": ("INTEGER", False),
    "max_connections": ("INTEGER", True),
    "max_locks_per_transaction": ("INTEGER", True),
    "max_parallel_workers": ("INTEGER", False),
    "max_parallel_workers_per_gather": ("INTEGER", False),
    "max_wal_size": ("INTEGER", False),
    "max_worker_processes": ("INTEGER", True),
    "random_page_cost": ("FLOAT", False),
    "shared_buffers": ("INTEGER", True),
    "statement_timeout": ("INTEGER", False),
    "temp_file_limit": ("INTEGER", False),
    "timezone": ("STRING", False),
    "wal_buffers": ("INTEGER", True),
    "work_mem": ("INTEGER", False),
}
