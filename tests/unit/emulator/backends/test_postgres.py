# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Quoting, versions and words of the PostgreSQL servers."""

from __future__ import annotations

import typing as t

import pytest
from docker.errors import APIError
from gcp_emulator.backends import DatabaseServer, RefusedError
from gcp_emulator.backends.postgres import (
    arguments,
    await_answer,
    identifier,
    image_name,
    literal,
    memberships,
    pod_network,
    worded,
)
from gcp_emulator.errors import ApiError


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        ("plain", "E'plain'"),
        ("", "E''"),
        ("o'brien", "E'o''brien'"),
        ("back\\slash", "E'back\\\\slash'"),
        ("\\'; DROP ROLE x; --", "E'\\\\''; DROP ROLE x; --'"),
        ("p@ss:w/o%r#d", "E'p@ss:w/o%r#d'"),
        ("two\nlines", "E'two\nlines'"),
    ],
)
def test_a_literal_is_quoted(value: str, quoted: str) -> None:
    assert literal(value) == quoted


@pytest.mark.parametrize(
    ("name", "quoted"),
    [("mlflow", '"mlflow"'), ("user@example.com", '"user@example.com"'), ('a"b', '"a""b"'), ("Upper", '"Upper"')],
)
def test_an_identifier_is_quoted(name: str, quoted: str) -> None:
    assert identifier(name) == quoted


@pytest.mark.parametrize("quote", [literal, identifier])
def test_a_zero_character_is_refused(quote: object) -> None:
    assert callable(quote)
    with pytest.raises(RefusedError, match="0x00"):
        quote("a\0b")


@pytest.mark.parametrize(("version", "image"), [("POSTGRES_13", "postgres-13"), ("POSTGRES_17", "postgres-17")])
def test_a_version_has_an_image(version: str, image: str) -> None:
    assert image_name(version) == image


@pytest.mark.parametrize("version", ["POSTGRES_16", "POSTGRES_9_6", "MYSQL_8_0", "17"])
def test_a_version_that_cannot_be_had_is_named_with_those_that_can(version: str) -> None:
    with pytest.raises(ApiError, match=f"{version}.*POSTGRES_13, POSTGRES_15, POSTGRES_17") as caught:
        image_name(version)
    assert caught.value.code == 400


def test_roles_are_granted_and_all_others_revoked() -> None:
    grant, revoke = memberships('o"brien', ["readers"]).splitlines()
    assert grant == 'GRANT "readers" TO "o""brien";'
    assert "SELECT format('REVOKE %I FROM %I'" in revoke
    assert revoke.endswith("WHERE holder.rolname = E'o\"brien' AND held.rolname <> E'readers' \\gexec")


def test_the_roles_of_iam_are_made_when_they_are_needed() -> None:
    make, grant, _revoke = memberships("jane@example.com", ["cloudsqliamuser"]).splitlines()
    assert make == "SELECT 'CREATE ROLE cloudsqliamuser NOLOGIN' WHERE to_regrole('cloudsqliamuser') IS NULL \\gexec"
    assert grant == 'GRANT "cloudsqliamuser" TO "jane@example.com";'


def test_flags_are_arguments_in_a_fixed_order() -> None:
    assert arguments({"work_mem": "64", "max_connections": "50"}) == ["-c", "max_connections=50", "-c", "work_mem=64"]


def test_a_server_is_open_to_its_network_on_one_port() -> None:
    server = DatabaseServer("p", "db", "POSTGRES_17", "projects/p/global/networks/n", "10.77.0.3", ("10.128.0.0/20",))
    network = pod_network(server)
    assert not network.internet
    assert [(rule.source_ranges, rule.protocol, rule.ports) for rule in network.firewall] == [
        (("10.128.0.0/20",), "tcp", ("5432",))
    ]


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (
            'ERROR:  role "x" cannot be dropped because some objects depend on it\nDETAIL:  2 objects in database y\n',
            'role "x" cannot be dropped because some objects depend on it Details: 2 objects in database y',
        ),
        (
            "2026-01-01 00:00:00.000 UTC [1] LOG:  start\n2026-01-01 00:00:00.000 GMT [1] FATAL:  "
            'unrecognized configuration parameter "no"\n',
            'unrecognized configuration parameter "no"',
        ),
        ('ERROR:  database "x" does not exist\nHINT:  None.\n', 'database "x" does not exist'),
        ("psql: something else\n", "psql: something else"),
    ],
)
def test_an_error_is_told_in_the_words_of_postgresql(output: str, words: str) -> None:
    assert worded(output) == words


class Ending:
    """A container that ends just when it is asked something."""

    name, status = "database", "running"

    def reload(self) -> None:
        """Nothing is learnt by it."""

    def exec_run(self, _command: list[str]) -> t.NoReturn:
        """What the engine says of a container that is not there any more."""
        self.status = "exited"
        raise APIError("Container 1234 is not running")

    def logs(self, **_which: t.Any) -> bytes:
        """Its last words."""
        return b'FATAL:  unrecognized configuration parameter "no_such_flag"\n'


def test_a_server_that_ends_while_it_is_asked_tells_why() -> None:
    with pytest.raises(ApiError, match="no_such_flag"):
        await_answer(t.cast("t.Any", Ending()))
