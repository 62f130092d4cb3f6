# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The network of a VM or a database server, as the script that its pod runs: addresses, routes, firewall."""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import dataclass
from pathlib import Path

from gcp_emulator.backends import FirewallRule
from gcp_emulator.settings import Settings

METADATA_ADDRESS = "169.254.169.254"
# Names that the firewall API takes and nftables does not.
PROTOCOLS = {"ipip": "4"}
PORT_PROTOCOLS = frozenset({"tcp", "udp", "sctp", "6", "17", "132"})


@dataclass(frozen=True)
class PodNetwork:
    """What a pod is connected to.

    ``internal_ip`` and ``ranges``: its address on the segment of its VPC network, and the ranges that are on that
    segment; None without one. ``internet``: whether it is on the network that plays the Internet, if only for the
    metadata server; ``external_ip``: the address that it has there and may be reached by. ``nat`` and
    ``google_access``: what it reaches without one: everything, or the proxy, which stands for Google's APIs and asks
    who comes. ``firewall``: what may come in.
    """

    internal_ip: str | None = None
    ranges: tuple[str, ...] = ()
    internet: bool = False
    external_ip: str | None = None
    firewall: tuple[FirewallRule, ...] = ()
    nat: bool = False
    google_access: bool = False

    @property
    def goes_out(self) -> bool:
        """Whether it reaches the Internet at large."""
        return bool(self.external_ip) or self.nat


def mac_address(internal_ip: str) -> str:
    """The hardware address that belongs to an internal address, formed as Google forms it.

    That it is always the same spares the neighbours a wrong memory when an address moves to another pod.
    """
    return "42:01:" + ":".join(f"{byte:02x}" for byte in ipaddress.IPv4Address(internal_ip).packed)


def nameservers(file: Path = Path("/etc/resolv.conf")) -> list[str]:
    """The IPv4 name servers of this machine, which the engine's resolver asks from within a pod."""
    lines = [line.split() for line in file.read_text().splitlines()] if file.exists() else []
    found = [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver" and ":" not in words[1]]
    return [address for address in found if not ipaddress.ip_address(address).is_loopback]


def _ports(ports: t.Iterable[str]) -> str:
    """Ports and ranges as one nftables expression; overlapping ones are merged, for a set takes none."""
    spans = sorted((int(first), int(last or first)) for first, _, last in (port.partition("-") for port in ports))
    merged = [list(spans[0])]
    for first, last in spans[1:]:
        if first <= merged[-1][1] + 1:
            merged[-1][1] = max(merged[-1][1], last)
        else:
            merged.append([first, last])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in merged)


def firewall_lines(rules: t.Iterable[FirewallRule]) -> list[str]:
    """Rules for nftables, in the order in which they count: by priority, and of the same priority denials first.

    A rule without a source range matches nothing: its tags or accounts belong to no VM.
    """
    lines = []
    for rule in sorted(rules, key=lambda rule: (rule.priority, rule.allow)):
        ranges = [ipaddress.ip_network(source, strict=False) for source in rule.source_ranges]
        protocol = PROTOCOLS.get(rule.protocol.lower(), rule.protocol.lower())
        match = [] if protocol == "all" else [f"meta l4proto {protocol}"]
        if rule.ports and protocol in PORT_PROTOCOLS:
            match.append(f"th dport {{ {_ports(rule.ports)} }}")
        for family, version in (("ip", 4), ("ip6", 6)):
            same = [network for network in ranges if network.version == version]
            sources = ipaddress.collapse_addresses(same)  # type: ignore[type-var] # mypy cannot tell that all are of one version
            if text := ", ".join(map(str, sources)):
                lines.append(" ".join([f"{family} saddr {{ {text} }}", *match, "accept" if rule.allow else "drop"]))
    return lines


def ruleset(network: PodNetwork, settings: Settings) -> str:
    """The whole firewall of a pod, for ``nft -f``; it replaces the one before at once."""
    ingress = ['iifname "lo" accept', "ct state established,related accept"]
    egress = ["type filter hook output priority filter; policy accept;"]
    if network.internet and not network.external_ip:
        ingress.append(f"ip saddr {settings.subnet} drop")
    if network.internet and not network.goes_out:
        # the link to the Internet is there for the metadata server, and perhaps Google's APIs
        reachable = ", ".join(network.ranges)
        egress = [
            "type filter hook output priority filter; policy drop;",
            'oifname "lo" accept',
            "ct state established,related accept",
            f"ip daddr {settings.address} tcp dport {settings.metadata_port} accept",
            *([f"ip daddr {settings.address} tcp dport {settings.proxy_port} accept"] if network.google_access else ()),
            *([f"ip daddr {{ {reachable} }} accept"] if reachable else ()),
        ]
    chains = {
        "ingress": [
            "type filter hook input priority filter; policy drop;",
            *ingress,
            *firewall_lines(network.firewall),
        ],
        "egress": egress,
    }
    if network.internet:
        chains["metadata"] = [
            "type nat hook output priority -100;",
            f"ip daddr {METADATA_ADDRESS} tcp dport 80 dnat ip to {settings.address}:{settings.metadata_port}",
        ]
    body = "".join(
        f"  chain {name} {{\n" + "".join(f"    {line}\n" for line in lines) + "  }\n" for name, lines in chains.items()
    )
    return f"table inet gcp\ndelete table inet gcp\ntable inet gcp {{\n{body}}}\n"


def setup_script(network: PodNetwork, settings: Settings) -> str:
    """The shell script that brings a network namespace in line; it may run again at any time.

    The interfaces bear no names that could be relied on: the one of the Internet has an address of its range, the other
    one is the segment's.
    """
    parts = [
        "set -eu",
        # closed before anything is reachable
        f"nft -f - <<'RULES'\n{ruleset(network, settings)}RULES",
        f"internet=$(ip -o -4 address show to {settings.subnet} | awk '{{ print $2; exit }}')",
        "segment=",
        "for device in /sys/class/net/eth*; do",
        '  [ ! -e "$device" ] || [ "${device##*/}" = "$internet" ] || segment=${device##*/}',
        "done",
        # the engine's own default route goes out by whichever network it likes
        "while ip route del default 2>/dev/null; do :; done",
    ]
    if network.internal_ip:
        wanted = " | ".join(network.ranges) or "none"
        parts += [
            f'ip link set dev "$segment" address {mac_address(network.internal_ip)}',
            f'ip address replace {network.internal_ip}/32 dev "$segment"',
            'ip -o -4 address show dev "$segment" | while read -r _ _ _ address _; do',
            f'  [ "$address" = {network.internal_ip}/32 ] || ip address del "$address" dev "$segment"',
            "done",
            *(f'ip route replace {range_} dev "$segment" src {network.internal_ip}' for range_ in network.ranges),
            'ip -4 route show dev "$segment" | while read -r range _; do',
            f'  case $range in {wanted}) ;; *) ip route del "$range" dev "$segment" ;; esac',
            "done",
        ]
    if network.internet:
        parts.append(f'ip route replace {METADATA_ADDRESS} dev "$internet"')
    if network.goes_out:
        source = f" src {network.external_ip}" if network.external_ip else ""
        parts.append(f'ip route replace default via {settings.address} dev "$internet"{source}')
        # a name server may have an address that the VPC's ranges cover
        parts += [f'ip route replace {ns} via {settings.address} dev "$internet"' for ns in nameservers()]
    return "\n".join(parts) + "\n"
