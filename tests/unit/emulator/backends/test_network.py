# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The firewall and the addresses of a pod, as text."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from gcp_emulator.backends import FirewallRule
from gcp_emulator.backends.network import (
    PodNetwork,
    firewall_lines,
    mac_address,
    nameservers,
    ruleset,
    setup_script,
)
from gcp_emulator.settings import Settings

SETTINGS = Settings(Path("/sandbox"))
ANY = ("0.0.0.0/0",)
EXTERNAL = PodNetwork("10.128.0.2", ("10.128.0.0/20", "10.77.0.0/24"), internet=True, external_ip="198.18.77.20")
PRIVATE = PodNetwork("10.128.0.2", ("10.128.0.0/20",), internet=True)
NAT = PodNetwork("10.128.0.2", ("10.128.0.0/20",), internet=True, nat=True, google_access=True)
GOOGLE = PodNetwork("10.128.0.2", ("10.128.0.0/20",), internet=True, google_access=True)
DATABASE = PodNetwork("10.77.0.3", ("10.128.0.0/20",))


@pytest.mark.parametrize(
    ("rule", "lines"),
    [
        pytest.param(
            FirewallRule(1000, True, ANY, "tcp", ("22",)),
            ["ip saddr { 0.0.0.0/0 } meta l4proto tcp th dport { 22 } accept"],
            id="one_port",
        ),
        pytest.param(
            FirewallRule(1000, True, ANY, "tcp"),
            ["ip saddr { 0.0.0.0/0 } meta l4proto tcp accept"],
            id="a_rule_without_ports_opens_all",
        ),
        pytest.param(
            FirewallRule(1000, True, ANY, "UDP", ("53", "8000-9000")),
            ["ip saddr { 0.0.0.0/0 } meta l4proto udp th dport { 53, 8000-9000 } accept"],
            id="ranges_and_upper_case",
        ),
        pytest.param(
            FirewallRule(1000, True, ANY, "tcp", ("8080", "8000-8090", "8091", "22")),
            ["ip saddr { 0.0.0.0/0 } meta l4proto tcp th dport { 22, 8000-8091 } accept"],
            id="overlapping_ports_are_merged",
        ),
        pytest.param(
            FirewallRule(1000, True, ("10.0.0.0/8", "10.1.0.0/16", "192.168.1.7/24"), "icmp"),
            ["ip saddr { 10.0.0.0/8, 192.168.1.0/24 } meta l4proto icmp accept"],
            id="overlapping_sources_are_merged",
        ),
        pytest.param(
            FirewallRule(1000, False, ("203.0.113.0/25", "2001:db8::/32"), "all"),
            ["ip saddr { 203.0.113.0/25 } drop", "ip6 saddr { 2001:db8::/32 } drop"],
            id="a_denial_of_everything_in_both_families",
        ),
        pytest.param(
            FirewallRule(1000, True, ANY, "ipip"), ["ip saddr { 0.0.0.0/0 } meta l4proto 4 accept"], id="ip_in_ip"
        ),
        pytest.param(
            FirewallRule(1000, True, ANY, "47"), ["ip saddr { 0.0.0.0/0 } meta l4proto 47 accept"], id="a_number"
        ),
        pytest.param(FirewallRule(1000, True, (), "tcp", ("22",)), [], id="no_source_matches_nothing"),
    ],
)
def test_a_rule_becomes_lines(rule: FirewallRule, lines: list[str]) -> None:
    assert firewall_lines([rule]) == lines


def test_the_smaller_priority_comes_first_and_denials_before_permissions() -> None:
    rules = [
        FirewallRule(2000, True, ANY, "tcp"),
        FirewallRule(1000, True, ANY, "udp"),
        FirewallRule(1000, False, ANY, "icmp"),
    ]
    assert [line.split()[-2:] for line in firewall_lines(rules)] == [
        ["icmp", "drop"],
        ["udp", "accept"],
        ["tcp", "accept"],
    ]


@pytest.mark.parametrize("network", [EXTERNAL, PRIVATE, NAT, GOOGLE, DATABASE])
def test_what_no_rule_lets_in_is_dropped(network: PodNetwork) -> None:
    assert "type filter hook input priority filter; policy drop;" in ruleset(network, SETTINGS)


def test_the_metadata_address_leads_to_the_sandbox_where_there_is_a_way() -> None:
    rule = "ip daddr 169.254.169.254 tcp dport 80 dnat ip to 198.18.77.1:3180"
    assert rule in ruleset(EXTERNAL, SETTINGS)
    assert rule in ruleset(PRIVATE, SETTINGS)
    assert "169.254.169.254" not in ruleset(DATABASE, SETTINGS)


METADATA = "ip daddr 198.18.77.1 tcp dport 3180 accept"
OWN = "ip daddr { 10.128.0.0/20 } accept"


@pytest.mark.parametrize(
    ("network", "policy", "reached"),
    [
        pytest.param(PRIVATE, "drop", [METADATA, OWN], id="the metadata server and the network alone"),
        pytest.param(
            GOOGLE,
            "drop",
            [METADATA, "ip daddr 198.18.77.1 tcp dport 3128 accept", OWN],
            id="the proxy too, with Private Google Access",
        ),
        pytest.param(NAT, "accept", [], id="everything, with Cloud NAT"),
        pytest.param(EXTERNAL, "accept", [], id="everything, with an external address"),
    ],
)
def test_what_goes_out(network: PodNetwork, policy: str, reached: list[str]) -> None:
    egress = ruleset(network, SETTINGS).partition("chain egress")[2].partition("}\n  chain")[0]
    assert f"policy {policy};" in egress
    assert [line.strip() for line in egress.splitlines() if "daddr" in line] == reached


@pytest.mark.parametrize("nat", [False, True])
def test_without_an_external_address_no_rule_opens_a_port_to_the_internet(nat: bool) -> None:
    network = PodNetwork("10.128.0.2", (), internet=True, firewall=(FirewallRule(1000, True, ANY, "tcp"),), nat=nat)
    text = ruleset(network, SETTINGS)
    assert text.index("ip saddr 198.18.77.0/24 drop") < text.index("meta l4proto tcp accept")


def test_the_hardware_address_is_formed_from_the_internal_one() -> None:
    assert mac_address("10.128.0.2") == "42:01:0a:80:00:02"


@pytest.mark.parametrize("network", [EXTERNAL, PRIVATE, NAT, GOOGLE, DATABASE, PodNetwork()])
def test_the_script_is_valid_shell(network: PodNetwork) -> None:
    done = subprocess.run(
        ["sh", "-n"], input=setup_script(network, SETTINGS), text=True, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_firewall_stands_before_any_address() -> None:
    script = setup_script(EXTERNAL, SETTINGS)
    assert script.index("nft -f") < script.index("ip address replace 10.128.0.2/32")


def test_peered_ranges_are_routes_of_the_segment() -> None:
    script = setup_script(EXTERNAL, SETTINGS)
    assert 'ip route replace 10.77.0.0/24 dev "$segment" src 10.128.0.2' in script
    assert "case $range in 10.128.0.0/20 | 10.77.0.0/24) ;;" in script


def test_only_an_external_address_or_nat_has_a_default_route() -> None:
    route = 'ip route replace default via 198.18.77.1 dev "$internet"'
    assert f"{route} src 198.18.77.20\n" in setup_script(EXTERNAL, SETTINGS)
    assert f"{route}\n" in setup_script(NAT, SETTINGS)
    assert "ip route replace default" not in setup_script(GOOGLE, SETTINGS)
    assert "ip route replace default" not in setup_script(PRIVATE, SETTINGS)
    assert "ip route replace default" not in setup_script(DATABASE, SETTINGS)


def test_name_servers_are_those_that_a_pod_can_ask(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text("search example.com\nnameserver 127.0.0.53\nnameserver 10.255.0.53\nnameserver fd00::53\n")
    assert nameservers(file) == ["10.255.0.53"]
    assert nameservers(tmp_path / "missing") == []


def test_a_name_server_is_reached_over_the_internet_whatever_the_vpc_covers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gcp_emulator.backends.network.nameservers", lambda: ["10.128.0.53"])
    assert 'ip route replace 10.128.0.53 via 198.18.77.1 dev "$internet"' in setup_script(EXTERNAL, SETTINGS)
    assert "10.128.0.53" not in setup_script(PRIVATE, SETTINGS)
