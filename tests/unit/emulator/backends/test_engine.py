# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The engine: what it finds on the machine, and what it says when it cannot be had."""

from __future__ import annotations

import fcntl
import json
import shutil
import sys
import typing as t
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from gcp_emulator.backends import engine as module
from gcp_emulator.backends.engine import Engine, EngineError, docker_rules, host_ranges
from gcp_emulator.settings import Settings

HEADER = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
RULES = """\
-P INPUT ACCEPT
-P FORWARD DROP
-N DOCKER
-N DOCKER-USER
-N MINE
-A FORWARD -j DOCKER-USER
-A FORWARD -o br-1 -j DOCKER
-A FORWARD -s 10.0.0.0/8 -j MINE
-A DOCKER-USER -j RETURN
"""


@pytest.mark.skipif(sys.byteorder != "little", reason="the kernel writes these numbers in its own byte order")
def test_routes_become_ranges_without_the_default_one() -> None:
    routes = HEADER + "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
    routes += "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
    assert host_ranges(routes) == {IPv4Network("192.0.2.0/24"): "eth0"}


def test_only_rules_that_jump_to_the_daemons_chains_are_its_own() -> None:
    jumps, chains = docker_rules(RULES)
    assert chains == ["DOCKER", "DOCKER-USER"]
    assert jumps == [["FORWARD", "-j", "DOCKER-USER"], ["FORWARD", "-o", "br-1", "-j", "DOCKER"]]


def test_chains_that_were_there_before_stay_with_their_rules() -> None:
    jumps, chains = docker_rules(RULES, ["DOCKER"])
    assert chains == ["DOCKER-USER"]
    assert jumps == [["FORWARD", "-j", "DOCKER-USER"]]


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine on which no engine answers."""
    monkeypatch.setattr(Engine, "_connect", staticmethod(lambda _url: None))
    return monkeypatch


def test_an_engine_that_docker_host_names_and_that_is_not_there_is_an_error(
    no_engine: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    with pytest.raises(EngineError, match=r"DOCKER_HOST=tcp://192\.0\.2\.1:2375.*begin anew"):
        Engine(Settings(tmp_path, docker_host="tcp://192.0.2.1:2375")).client()


def test_a_path_that_is_too_long_for_a_socket_is_an_error(no_engine: pytest.MonkeyPatch, tmp_path: Path) -> None:
    no_engine.setattr(module, "DEFAULT_SOCKET", tmp_path / "none")
    with pytest.raises(EngineError, match=r"108.*shorter directory"):
        Engine(Settings(tmp_path / ("x" * 90))).client()


def test_a_subnet_that_the_machine_has_a_route_to_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "host_ranges", lambda _routes: {IPv4Network("198.18.0.0/15"): "tun0"})
    with pytest.raises(
        EngineError, match=r"198\.18\.77\.0/24 overlaps the route to 198\.18\.0\.0/15 by tun0.*--subnet"
    ):
        Engine._check_overlap(IPv4Network("198.18.77.0/24"), [])


def test_a_sandbox_that_never_had_an_engine_has_nothing_to_remove(
    no_engine: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    no_engine.setattr(module, "DEFAULT_SOCKET", tmp_path / "none")
    engine = Engine(Settings(tmp_path))
    engine.cleanup()
    engine.stop()
    assert list(tmp_path.iterdir()) == []


def test_sandboxes_may_share_an_engine_and_not_their_labels(tmp_path: Path) -> None:
    shared = tmp_path / "engine"
    first, second = (Engine(Settings(tmp_path / name, engine=shared)) for name in ("a", "b"))
    assert first.own_url == second.own_url == f"unix://{shared}/docker.sock"
    assert first.labels != second.labels


def test_the_machines_do_not_share_the_weight_of_one_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "CGROUPS", tmp_path)
    monkeypatch.setattr(module, "as_root", lambda *command: list(command))
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.shares").write_text("1024\n")
    Engine(Settings(tmp_path))._weigh()
    (shares,) = (tmp_path / "cpu").glob("gcp-emulator-*/cpu.shares")
    assert int(shares.read_text()) >= 8 * 1024


def test_a_start_waits_for_the_stop_that_removes_the_directory(tmp_path: Path) -> None:
    stopping, starting = (Engine(Settings(tmp_path / name, engine=tmp_path / "engine")) for name in ("a", "b"))
    stopping.directory.mkdir()
    with stopping._locked():
        shutil.rmtree(stopping.directory)
        starting.directory.mkdir()
        with starting._lock.open("a") as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_engine_of_a_sandbox_survives_in_its_settings(tmp_path: Path) -> None:
    Settings(tmp_path, engine=tmp_path / "shared").save()
    stored: dict[str, t.Any] = json.loads((tmp_path / "settings.json").read_text())
    assert stored["engine"] == str(tmp_path / "shared")
    assert Settings.load(tmp_path).engine_directory == tmp_path / "shared"
