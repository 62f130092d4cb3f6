# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Firewall rules."""

from __future__ import annotations

import re
from ipaddress import ip_network

from gcp_emulator.errors import Json
from gcp_emulator.services.base import Call, handles
from gcp_emulator.services.compute.base import Collection, bad_value, check_name, link

PROTOCOLS = frozenset({"tcp", "udp", "icmp", "esp", "ah", "sctp", "ipip", "all"})
WITH_PORTS = frozenset({"tcp", "udp", "sctp", "6", "17", "132"})
PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
LISTS = (
    "allowed",
    "denied",
    "sourceRanges",
    "destinationRanges",
    "sourceTags",
    "sourceServiceAccounts",
    "targetTags",
    "targetServiceAccounts",
)


def normalise(rule: Json) -> Json:
    """A rule with its defaults, or the 400 that it gets (defaults: discovery; wording, where not noted: unverified)."""
    rule = {key: value for key, value in rule.items() if value is not None and not (key in LISTS and value == [])}
    defaults: Json = {"direction": "INGRESS", "priority": 1000, "disabled": False, "logConfig": {"enable": False}}
    rule = defaults | rule
    if not 0 <= int(rule["priority"]) <= 65535:
        # discovery; unverified wording
        raise bad_value("resource.priority", rule["priority"], "Must be between 0 and 65535.")
    if bool(rule.get("allowed")) == bool(rule.get("denied")):
        # documentation: neither both nor none, and one never becomes the other; unverified wording
        raise bad_value("resource.allowed", "", "One of allowed or denied must be specified.")
    action = "allowed" if rule.get("allowed") else "denied"
    rule[action] = [_entry(entry, f"resource.{action}[{n}]") for n, entry in enumerate(rule[action])]
    rule["logConfig"] = _logging(rule["logConfig"])
    tags = bool(rule.get("sourceTags") or rule.get("targetTags"))
    if tags and (rule.get("sourceServiceAccounts") or rule.get("targetServiceAccounts")):
        # discovery; unverified wording
        raise bad_value("resource", "", "Tags and service accounts cannot be used together.")
    for side in ("sourceTags", "targetTags"):
        for number, tag in enumerate(rule.get(side, [])):
            check_name(f"resource.{side}[{number}]", tag)
    _ranges(rule)
    return rule


def _logging(wanted: Json) -> Json:
    """What is logged. A rule that was logged keeps its ``metadata`` (issue: terraform-provider-google#7220)."""
    log = {"enable": False} | wanted
    # All metadata is logged if nothing is said (documentation).
    return log | ({"metadata": log.get("metadata", "INCLUDE_ALL_METADATA")} if log["enable"] else {})


def _ranges(rule: Json) -> None:
    for side in ("sourceRanges", "destinationRanges"):
        versions = set()
        for number, text in enumerate(rule.get(side, [])):
            try:
                versions.add(ip_network(text, strict=False).version)
            except ValueError:
                field = f"resource.{side}[{number}]"
                raise bad_value(field, text, "Must be a valid IP address range.") from None
        if len(versions) > 1:  # documentation
            raise bad_value(f"resource.{side}", "", "Must be either all IPv4 or all IPv6 ranges.")
    if rule["direction"] == "EGRESS":
        for field in ("sourceTags", "sourceServiceAccounts"):  # discovery
            if rule.get(field):
                raise bad_value(f"resource.{field}", "", "Sources cannot be specified for EGRESS.")
        rule.setdefault("destinationRanges", ["0.0.0.0/0"])
    elif not any(rule.get(field) for field in ("sourceRanges", "sourceTags", "sourceServiceAccounts")):
        rule["sourceRanges"] = ["0.0.0.0/0"]  # a rule without any source is for every source (recording)


def _entry(entry: Json, field: str) -> Json:
    protocol = entry.get("IPProtocol", "").lower()
    if protocol not in PROTOCOLS and not (protocol.isdigit() and int(protocol) < 256):
        raise bad_value(f"{field}.IPProtocol", protocol, "Must be a valid protocol name or number.")
    ports = entry.get("ports") or []
    if ports and protocol not in WITH_PORTS:
        # discovery; unverified wording
        raise bad_value(f"{field}.ports", "", "Ports may only be specified for TCP, UDP or SCTP.")
    for number, port in enumerate(ports):
        match = PORTS.fullmatch(port)
        if not match or int(match[1]) > int(match[2] or match[1]) or int(match[2] or match[1]) > 65535:
            raise bad_value(f"{field}.ports[{number}]", port, "Must be a port or a port range.")
    return {"IPProtocol": protocol} | ({"ports": ports} if ports else {})


class Firewalls(Collection):
    """The ``firewalls`` collection."""

    collection, item = "firewalls", "firewall"

    @handles("compute.firewalls.get")
    def get(self, call: Call) -> Json:
        return self.load(call)[1]

    @handles("compute.firewalls.list")
    def list_all(self, call: Call) -> Json:
        return self.answer_list(call)

    @handles("compute.firewalls.insert")
    def insert(self, call: Call) -> Json:
        self._check_logging(call.body)
        path, rule = self.new(call, network=self._network(call))
        self.store.put(self.kind, path, normalise(rule))
        return self.operate_in_network(call, "insert", path, rule)

    @handles("compute.firewalls.patch")
    def patch(self, call: Call) -> Json:
        path, rule = self.load_settled(call)
        old, new = rule["logConfig"], call.body.get("logConfig") or {}
        self._check_logging({"logConfig": {"enable": old["enable"]} | new})
        changed = rule | call.body | {"logConfig": old | new}  # a patch merges (discovery)
        return self._replace(call, path, rule, changed, "compute.firewalls.patch")

    @handles("compute.firewalls.update")
    def update(self, call: Call) -> Json:
        path, rule = self.load_settled(call)
        self._check_logging(call.body)
        return self._replace(call, path, rule, call.body, "compute.firewalls.update")

    @handles("compute.firewalls.delete")
    def delete(self, call: Call) -> Json:
        path, rule = self.load_settled(call)
        return self.operate_in_network(call, "delete", path, rule, gone=True)

    @staticmethod
    def _check_logging(body: Json) -> None:
        """Refuse ``metadata`` of a rule that is not logged (discovery; wording unverified)."""
        log = body.get("logConfig") or {}
        if log.get("metadata") and not log.get("enable"):
            message = "Metadata can only be specified if logging is enabled."
            raise bad_value("resource.logConfig", log["metadata"], message)

    def _network(self, call: Call) -> str:
        network = self.reference(call, call.body.get("network") or "global/networks/default", "resource.network")
        self.required("compute.networks", network)
        return link(network)

    def _replace(self, call: Call, path: str, old: Json, new: Json, kind: str) -> Json:
        kept = {key: old[key] for key in ("kind", "id", "creationTimestamp", "name", "selfLink", "network")}
        if call.body.get("network") and self._network(call) != old["network"]:
            # unverified wording
            raise bad_value("resource.network", call.body["network"], "Cannot change network.")
        if call.body.get("name", old["name"]) != old["name"]:
            raise bad_value("resource.name", call.body["name"], "Cannot change name.")
        self.store.put(self.kind, path, normalise(new | kept))
        return self.operate_in_network(call, kind, path, old)
