# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What other values of variables have changed, and what they have not."""

from __future__ import annotations

from cloud import Database


def test_the_instance_has_another_size(database: Database) -> None:
    assert database.instance["settings"]["tier"] == "db-custom-1-3840"


def test_the_server_has_the_flag(database: Database) -> None:
    assert database.sql("show max_connections").stdout.strip() == "60"


def test_the_data_is_what_it_was(database: Database) -> None:
    assert database.sql("select distinct word from kept").stdout.strip() == "by the change"
