# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The database of the scenario."""

from __future__ import annotations

from pathlib import Path

import pytest
import testinfra
from cloud import Cloud, Database


@pytest.fixture(scope="session")
def database(cloud: Cloud, clients: Path) -> Database:
    """The database, as the one VM of its network reaches it."""
    client = testinfra.get_host("ssh://sql-client", ssh_config=str(clients / "sql-client/ssh_config"))
    return Database(cloud, client, "molecule-cloudsql-")
