# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Real PostgreSQL servers: databases, users and passwords, and from where they can be reached."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from docker.models.containers import Container
from gcp_emulator.backends import DatabaseServer, RefusedError
from gcp_emulator.backends.network import PodNetwork
from gcp_emulator.backends.pods import Pods
from gcp_emulator.backends.postgres import PostgresServers, image_name
from gcp_emulator.errors import ApiError

from .conftest import Lab, eventually

pytestmark = pytest.mark.integration

SUBNET = "10.128.0.0/20"
PEERED = "10.77.0.0/24"
PASSWORD = "p@ss:w/o%r#d '\"\\ $x `y` é\n;--"
SERVER = DatabaseServer(
    project="p",
    name="db",
    version="POSTGRES_15",
    network="projects/p/global/networks/default",
    private_ip="10.77.0.3",
    subnet_ranges=(SUBNET, PEERED),
    flags={"max_connections": "33", "log_statement": "all"},
)


@dataclasses.dataclass
class Client:
    """A place from which psql asks the server."""

    container: Container

    def ask(self, user: str, password: str, database: str, query: str, host: str = "10.77.0.3") -> tuple[int, str]:
        """Exit status and output of a query."""
        command = ["psql", "-X", "-A", "-t", "-w", "-h", host, "-U", user, "-d", database, "-c", query]
        environment = {"PGPASSWORD": password, "PGCONNECT_TIMEOUT": "3"}
        code, output = self.container.exec_run(command, environment=environment)
        return int(code or 0), t.cast(bytes, output).decode().strip()


def client(lab: Lab, name: str, network: PodNetwork, segment: str) -> t.Iterator[Client]:
    """A container with psql in a pod of its own on a VPC network."""
    pods = Pods(lab.engine, lab.images)
    path = f"projects/p/clients/{name}"
    net = pods.start(path, f"gcp-integration-{name}.net", network, segment=segment, hostname=name)
    container = lab.engine.client().containers.run(
        lab.images.ensure(image_name(SERVER.version)),
        ["infinity"],
        entrypoint="sleep",
        detach=True,
        name=f"gcp-integration-{name}",
        labels=pods.labels(path, "client"),
        network_mode=f"container:{net.id}",
    )
    yield Client(container)
    container.remove(force=True)
    pods.delete(path)


@pytest.fixture(scope="module")
def servers(lab: Lab) -> t.Iterator[PostgresServers]:
    servers = PostgresServers(lab.engine, lab.images)
    servers.start(SERVER)
    yield servers
    servers.delete(SERVER.path)
    servers.delete(SERVER.path)
    assert lab.left() == []


@pytest.fixture(scope="module")
def inside(lab: Lab, servers: PostgresServers) -> t.Iterator[Client]:
    network = PodNetwork(internal_ip="10.128.0.9", ranges=(SUBNET, PEERED))
    yield from client(lab, "inside", network, "projects/p/global/networks/default")


@pytest.fixture(scope="module")
def outside(lab: Lab, servers: PostgresServers) -> t.Iterator[Client]:
    network = PodNetwork(internal_ip="10.128.0.9", ranges=(SUBNET, PEERED))
    yield from client(lab, "outside", network, "projects/p/global/networks/other")


@pytest.fixture(scope="module")
def mlflow(servers: PostgresServers) -> None:
    """A database and a user, each made twice."""
    for _ in range(2):
        servers.create_database(SERVER.path, "mlflow", "UTF8", "en_US.UTF8")
        servers.set_user(SERVER.path, "mlflow", PASSWORD)


def test_a_user_creates_tables_with_a_password_of_any_characters(mlflow: None, inside: Client) -> None:
    query = "CREATE TABLE runs (id int); INSERT INTO runs VALUES (7); SELECT id FROM runs"
    code, output = inside.ask("mlflow", PASSWORD, "mlflow", query)
    assert (code, output.splitlines()[-1]) == (0, "7")


def test_a_wrong_password_is_refused_by_postgresql(mlflow: None, inside: Client) -> None:
    code, output = inside.ask("mlflow", PASSWORD + "x", "mlflow", "SELECT 1")
    assert code == 2
    assert 'password authentication failed for user "mlflow"' in output


def test_connections_are_encrypted(mlflow: None, inside: Client) -> None:
    query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    assert inside.ask("mlflow", PASSWORD, "mlflow", query) == (0, "t")


def test_a_database_is_as_google_makes_it(mlflow: None, inside: Client) -> None:
    query = (
        "SELECT datcollate, pg_encoding_to_char(encoding), datdba::regrole FROM pg_database WHERE datname = 'mlflow'"
    )
    assert inside.ask("mlflow", PASSWORD, "mlflow", query) == (0, "en_US.UTF8|UTF8|cloudsqlsuperuser")
    query = "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database"
    assert inside.ask("mlflow", PASSWORD, "mlflow", query) == (0, "cloudsqladmin mlflow postgres template0 template1")


def test_no_user_of_the_api_is_a_superuser(mlflow: None, inside: Client) -> None:
    query = "SELECT string_agg(rolname, ' ' ORDER BY rolname) FROM pg_roles WHERE rolsuper"
    assert inside.ask("mlflow", PASSWORD, "mlflow", query) == (0, "cloudsqladmin")


def test_the_administrator_cannot_come_in_over_the_network(mlflow: None, inside: Client) -> None:
    code, output = inside.ask("cloudsqladmin", PASSWORD, "postgres", "SELECT 1")
    assert code == 2
    assert "pg_hba.conf rejects connection" in output


def test_another_network_does_not_reach_the_server(mlflow: None, outside: Client) -> None:
    code, output = outside.ask("mlflow", PASSWORD, "mlflow", "SELECT 1")
    assert code == 2
    assert "No route to host" in output or "timeout expired" in output


def test_passwords_are_in_no_log(mlflow: None, lab: Lab) -> None:
    log = lab.engine.client().containers.get("gcp-integration-sql-db").logs().decode()
    assert "CREATE TABLE runs" in log, "the flag log_statement is not in force, so this test shows nothing"
    assert PASSWORD not in log
    assert "PASSWORD" not in log


def test_flags_take_effect_and_data_survives_their_change(
    mlflow: None, servers: PostgresServers, inside: Client
) -> None:
    assert inside.ask("mlflow", PASSWORD, "mlflow", "SHOW max_connections") == (0, "33")
    servers.start(dataclasses.replace(SERVER, flags={"max_connections": "44"}))
    assert inside.ask("mlflow", PASSWORD, "mlflow", "SHOW max_connections") == (0, "44")
    assert inside.ask("mlflow", PASSWORD, "mlflow", "SELECT count(*) >= 0 FROM pg_class") == (0, "t")
    assert inside.ask("mlflow", PASSWORD, "postgres", "SELECT 1 FROM pg_database WHERE datname = 'mlflow'") == (0, "1")


def test_a_flag_that_postgresql_does_not_know_is_named(servers: PostgresServers) -> None:
    with pytest.raises(ApiError, match="no_such_flag"):
        servers.start(dataclasses.replace(SERVER, flags={"no_such_flag": "1"}))
    servers.start(SERVER)


def test_a_server_that_leaves_the_network_is_out_of_reach(
    mlflow: None, servers: PostgresServers, inside: Client
) -> None:
    servers.start(dataclasses.replace(SERVER, network=None, private_ip=None, subnet_ranges=()))
    assert inside.ask("mlflow", PASSWORD, "mlflow", "SELECT 1")[0] == 2
    servers.start(SERVER)
    assert inside.ask("mlflow", PASSWORD, "mlflow", "SELECT 1") == (0, "1")


def test_a_stopped_server_keeps_its_data(mlflow: None, servers: PostgresServers, inside: Client) -> None:
    servers.stop(SERVER.path)
    servers.stop(SERVER.path)
    with pytest.raises(ApiError, match="not running"):
        servers.set_user(SERVER.path, "late", "x")
    servers.start(SERVER)
    assert inside.ask("mlflow", PASSWORD, "mlflow", "SELECT 1") == (0, "1")


def test_a_user_is_a_member_of_the_roles_that_are_named_and_of_no_others(
    servers: PostgresServers, inside: Client
) -> None:
    query = (
        "SELECT coalesce(string_agg(held.rolname, ' ' ORDER BY held.rolname), '') FROM pg_auth_members "
        "JOIN pg_roles held ON held.oid = roleid JOIN pg_roles holder ON holder.oid = member "
        "WHERE holder.rolname = 'member'"
    )
    servers.set_user(SERVER.path, "member", "x")
    assert inside.ask("member", "x", "postgres", query) == (0, "cloudsqlsuperuser")
    for roles, told in ((["cloudsqliamuser", "pg_monitor"], "cloudsqliamuser pg_monitor"), ([], "")):
        servers.set_user(SERVER.path, "member", None, roles)
        assert inside.ask("member", "x", "postgres", query) == (0, told)
    with pytest.raises(RefusedError, match='role "nobody" does not exist'):
        servers.set_user(SERVER.path, "member", None, ["nobody"])
    servers.drop_user(SERVER.path, "member")


def test_a_user_that_owns_objects_is_not_dropped(servers: PostgresServers, inside: Client) -> None:
    servers.create_database(SERVER.path, "owned", "", "")
    servers.set_user(SERVER.path, "owner", "x")
    assert inside.ask("owner", "x", "owned", "CREATE TABLE things (id int)")[0] == 0
    with pytest.raises(RefusedError, match='role "owner" cannot be dropped because some objects depend on it'):
        servers.drop_user(SERVER.path, "owner")
    servers.drop_database(SERVER.path, "owned")
    servers.drop_user(SERVER.path, "owner")
    servers.drop_user(SERVER.path, "owner")
    assert inside.ask("owner", "x", "postgres", "SELECT 1")[0] == 2


def test_a_database_in_use_is_not_dropped(lab: Lab, servers: PostgresServers, inside: Client) -> None:
    servers.create_database(SERVER.path, "busy", "UTF8", "en_US.UTF8")
    servers.set_user(SERVER.path, "reader", "x")
    command = ["psql", "-h", "10.77.0.3", "-U", "reader", "-d", "busy", "-c", "SELECT pg_sleep(60)"]
    inside.container.exec_run(command, environment={"PGPASSWORD": "x"}, detach=True)
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'busy'"
    eventually(lambda: inside.ask("reader", "x", "postgres", query) == (0, "1"))
    with pytest.raises(RefusedError, match='"busy" is being accessed by other users'):
        servers.drop_database(SERVER.path, "busy")
    terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'busy'"
    assert inside.ask("reader", "x", "postgres", terminate)[0] == 0
    servers.drop_database(SERVER.path, "busy")


def test_another_major_version_is_refused(servers: PostgresServers) -> None:
    with pytest.raises(ApiError, match="POSTGRES_15"):
        servers.start(dataclasses.replace(SERVER, version="POSTGRES_17"))
