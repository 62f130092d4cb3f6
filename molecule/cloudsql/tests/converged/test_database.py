# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The database as the role leaves it, for who has the password from Secret Manager."""

from __future__ import annotations

import pytest
from cloud import Database


def test_the_instance_has_a_private_address_alone(database: Database) -> None:
    assert [address["type"] for address in database.instance["ipAddresses"]] == ["PRIVATE"]
    assert database.instance["settings"]["ipConfiguration"]["ipv4Enabled"] is False


def test_it_is_backed_up_and_can_go_back_to_any_second(database: Database) -> None:
    backups = database.instance["settings"]["backupConfiguration"]
    assert (backups["enabled"], backups["pointInTimeRecoveryEnabled"]) == (True, True)


def test_the_password_in_the_secret_opens_the_database_to_its_user(database: Database) -> None:
    answer = database.sql("select current_user, current_database()")
    assert answer.stdout.strip() == "mlflow|mlflow", answer.stderr


def test_another_password_does_not(database: Database) -> None:
    answer = database.sql("select 1", password="another")
    assert answer.rc != 0
    assert "password authentication failed" in answer.stderr


def test_only_tls_is_let_in_and_spoken(database: Database) -> None:
    assert database.instance["settings"]["ipConfiguration"]["sslMode"] == "ENCRYPTED_ONLY"
    answer = database.sql("select ssl from pg_stat_ssl where pid = pg_backend_pid()")
    assert answer.stdout.strip() == "t", answer.stderr


@pytest.mark.parametrize(
    "statement", ["create table if not exists kept (word text)", "insert into kept values ('by the change')"]
)
def test_the_user_may_make_and_fill_tables(database: Database, statement: str) -> None:
    answer = database.sql(statement)
    assert answer.rc == 0, answer.stderr
