# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compute: what exists from the start, what a body becomes, what is refused, and what reaches the machines."""

from __future__ import annotations

import threading
import typing as t
from urllib.parse import quote

import pytest
from gcp_emulator.operations import Operations
from gcp_emulator.services.compute import Compute, catalogue, filters
from gcp_emulator.store import Store

if t.TYPE_CHECKING:
    from gcp_emulator.backends import Machine
    from gcp_emulator.errors import Json
    from harness import Emulator

API = "https://compute.googleapis.com/compute/v1/"
LINK = "https://www.googleapis.com/compute/v1/"
PROJECT = "projects/test-project"
HERE = API + PROJECT
GLOBAL, REGION, ZONE = HERE + "/global", HERE + "/regions/us-central1", HERE + "/zones/us-central1-a"
VM = f"{PROJECT}/zones/us-central1-a/instances/vm"
DEBIAN = "projects/debian-cloud/global/images/family/debian-12"


def instance(name: str = "vm", **changes: t.Any) -> Json:
    """The body of the smallest instance, or of one that differs."""
    body: Json = {
        "name": name,
        "machineType": "zones/us-central1-a/machineTypes/e2-medium",
        "disks": [{"boot": True, "autoDelete": True, "initializeParams": {"sourceImage": DEBIAN}}],
        "networkInterfaces": [{"network": "global/networks/default", "accessConfigs": [{}]}],
    }
    return {key: value for key, value in (body | changes).items() if value is not None}


def done(emulator: Emulator, operation: Json) -> Json:
    """An operation at its end, which is without an error."""
    finished: Json = emulator.ok("POST", operation["selfLink"].replace("www.", "compute.", 1) + "/wait")
    assert finished["status"] == "DONE"
    assert "error" not in finished, finished
    return finished


def make(emulator: Emulator, url: str, body: Json) -> Json:
    """Insert something and wait; the resource."""
    done(emulator, emulator.ok("POST", url, body))
    made: Json = emulator.ok("GET", f"{url}/{body['name']}")
    return made


def make_vm(emulator: Emulator, **changes: t.Any) -> Json:
    return make(emulator, ZONE + "/instances", instance(**changes))


def open_ports(machine: Machine) -> set[tuple[str, str]]:
    """Protocol and port of the rules that let in from everywhere."""
    return {
        (rule.protocol, port)
        for rule in machine.firewall
        if rule.allow and "0.0.0.0/0" in rule.source_ranges
        for port in rule.ports
    }


class TestWhatIsThere:
    def test_a_project_has_an_auto_mode_network_with_a_subnetwork_in_each_region(self, emulator: Emulator) -> None:
        network = emulator.ok("GET", GLOBAL + "/networks/default")
        assert network["autoCreateSubnetworks"] is True
        assert len(network["subnetworks"]) == len(catalogue.REGIONS)

    def test_subnetworks_of_auto_mode_never_overlap(self) -> None:
        assert len({octet for octet, _zones in catalogue.REGIONS.values()}) == len(catalogue.REGIONS)
        assert all(octet >= 128 and octet % 2 == 0 for octet, _zones in catalogue.REGIONS.values())

    @pytest.mark.parametrize(("region", "cidr"), [("us-central1", "10.128.0.0/20"), ("europe-west1", "10.132.0.0/20")])
    def test_a_subnetwork_has_the_range_that_the_documentation_lists(
        self, emulator: Emulator, region: str, cidr: str
    ) -> None:
        found = emulator.ok("GET", f"{HERE}/regions/{region}/subnetworks/default")
        assert found["ipCidrRange"] == cidr

    def test_the_default_network_has_the_four_rules_of_the_documentation(self, emulator: Emulator) -> None:
        rules = emulator.ok("GET", GLOBAL + "/firewalls")["items"]
        assert [(rule["name"], rule["priority"]) for rule in rules] == [
            ("default-allow-icmp", 65534),
            ("default-allow-internal", 65534),
            ("default-allow-rdp", 65534),
            ("default-allow-ssh", 65534),
        ]

    def test_a_default_network_that_was_deleted_does_not_come_back(self, emulator: Emulator) -> None:
        for rule in emulator.ok("GET", GLOBAL + "/firewalls")["items"]:
            done(emulator, emulator.ok("DELETE", f"{GLOBAL}/firewalls/{rule['name']}"))
        done(emulator, emulator.ok("DELETE", GLOBAL + "/networks/default"))
        assert emulator.call("GET", GLOBAL + "/networks/default").status == 404
        assert "items" not in emulator.ok("GET", HERE + "/regions/us-central1/subnetworks")

    @pytest.mark.parametrize(
        ("name", "cpus", "memory"),
        [("e2-micro", 2, 1024), ("e2-standard-8", 8, 32768), ("n1-standard-1", 1, 3840), ("n2-standard-4", 4, 16384)],
    )
    def test_machine_types_have_their_size(self, emulator: Emulator, name: str, cpus: int, memory: int) -> None:
        found = emulator.ok("GET", f"{ZONE}/machineTypes/{name}")
        assert (found["guestCpus"], found["memoryMb"]) == (cpus, memory)

    @pytest.mark.parametrize("family", ["debian-11", "debian-12", "debian-13"])
    def test_an_image_is_found_by_family_and_by_name(self, emulator: Emulator, family: str) -> None:
        images = API + "projects/debian-cloud/global/images"
        image = emulator.ok("GET", f"{images}/family/{family}")
        assert emulator.ok("GET", f"{images}/{image['name']}") == image
        view = emulator.ok("GET", f"{API}projects/debian-cloud/zones/us-central1-a/imageFamilyViews/{family}")
        assert view["image"] == image

    @pytest.mark.parametrize(
        ("path", "status", "message"),
        [
            ("projects/debian-cloud/global/images/family/debian-99", 404, "was not found"),
            (PROJECT + "/zones/us-central1-q", 404, f"The resource '{PROJECT}/zones/us-central1-q' was not found"),
            (PROJECT + "/regions/us-north9", 404, f"The resource '{PROJECT}/regions/us-north9' was not found"),
            (PROJECT + "/zones/us-east1/instances", 400, "Invalid value for field 'zone': 'us-east1'. Unknown zone."),
            (PROJECT + "/regions/xx/addresses", 400, "Invalid value for field 'region': 'xx'. Unknown region."),
            (PROJECT + "/zones/us-central1-a/machineTypes/e9", 404, "was not found"),
            (PROJECT + "/global/operations/operation-1", 404, "was not found"),
        ],
    )
    def test_what_is_not_there_is_answered_as_google_does(
        self, emulator: Emulator, path: str, status: int, message: str
    ) -> None:
        answer = emulator.call("GET", API + path)
        assert (answer.status, message in answer.message) == (status, True)

    @pytest.mark.parametrize(
        "path", ["/regions", "/zones", "/zones/us-central1-a/machineTypes", "/zones/us-central1-a/diskTypes"]
    )
    def test_every_item_of_a_list_can_be_got(self, emulator: Emulator, path: str) -> None:
        items = emulator.ok("GET", HERE + path)["items"]
        assert items
        assert emulator.ok("GET", f"{HERE}{path}/{items[0]['name']}") == items[0]


class TestLists:
    @pytest.fixture
    def rules(self, emulator: Emulator) -> Emulator:
        for name, priority in (("web", 900), ("web-old", 800), ("mail", 900)):
            make(
                emulator,
                GLOBAL + "/firewalls",
                {"name": name, "priority": priority, "allowed": [{"IPProtocol": "tcp"}]},
            )
        return emulator

    @pytest.mark.parametrize(
        ("expression", "names"),
        [
            ("name = web", ["web"]),
            ('name="web"', ["web"]),
            ("(name = web)", ["web"]),
            ("name eq web.*", ["web", "web-old"]),
            ('name eq ".*(^web$).*"', ["web"]),
            ("name ne (default.*|web.*)", ["mail"]),
            ("name:web*", ["web", "web-old"]),
            ("priority = 900", ["mail", "web"]),
            ("(priority = 900) (name = mail)", ["mail"]),
            ("priority = 900 AND name = mail", ["mail"]),
            ("name = mail OR name = web", ["mail", "web"]),
            ("NOT name:default* AND priority != 900", ["web-old"]),
            ("network = default AND priority = 800", ["web-old"]),
            ("name = nothing", []),
        ],
    )
    def test_a_filter_leaves_what_it_says(self, rules: Emulator, expression: str, names: list[str]) -> None:
        answer = rules.ok("GET", f"{GLOBAL}/firewalls?filter={quote(expression)}")
        assert [rule["name"] for rule in answer.get("items", [])] == names

    @pytest.mark.parametrize("expression", ["name", "name =", "name ~ x", "(name = x", "name = x )", "name < 5"])
    def test_what_is_no_filter_is_refused(self, rules: Emulator, expression: str) -> None:
        answer = rules.call("GET", f"{GLOBAL}/firewalls?filter={quote(expression)}")
        assert (answer.status, answer.reason) == (400, "invalid")

    def test_labels_can_be_filtered(self) -> None:
        assert filters.parse("labels.env = prod")({"labels": {"env": "prod"}})
        assert not filters.parse("labels.env:*")({"labels": {}})

    def test_pages_hold_everything_once(self, rules: Emulator) -> None:
        names: list[str] = []
        token = ""
        while True:
            answer = rules.ok("GET", f"{GLOBAL}/firewalls?maxResults=3&pageToken={token}")
            assert len(answer["items"]) <= 3
            names += [rule["name"] for rule in answer["items"]]
            token = answer.get("nextPageToken", "")
            if not token:
                break
        assert names == sorted(names)
        assert len(names) == 7

    @pytest.mark.parametrize("query", ["maxResults=501", "pageToken=zzz", "orderBy=colour"])
    def test_a_page_that_cannot_be_is_refused(self, rules: Emulator, query: str) -> None:
        assert rules.call("GET", f"{GLOBAL}/firewalls?{query}").status == 400

    def test_an_aggregated_list_is_by_place(self, emulator: Emulator) -> None:
        make_vm(emulator)
        items = emulator.ok("GET", HERE + "/aggregated/instances")["items"]
        assert [vm["name"] for vm in items["zones/us-central1-a"]["instances"]] == ["vm"]
        operations = emulator.ok("GET", HERE + "/aggregated/operations")["items"]
        assert [found["operationType"] for found in operations["zones/us-central1-a"]["operations"]] == ["insert"]


class TestRequests:
    def test_a_request_that_comes_twice_is_answered_by_one_operation(self, emulator: Emulator) -> None:
        url = REGION + "/addresses?requestId=6f1a3c0e-0000-4000-8000-000000000001"
        first, second = (emulator.ok("POST", url, {"name": "a"}) for _ in range(2))
        assert first["name"] == second["name"]
        assert len(emulator.ok("GET", REGION + "/addresses")["items"]) == 1

    def test_another_request_for_the_same_name_is_refused(self, emulator: Emulator) -> None:
        emulator.ok("POST", REGION + "/addresses", {"name": "a"})
        answer = emulator.call("POST", REGION + "/addresses", {"name": "a"})
        assert (answer.status, answer.reason) == (409, "alreadyExists")
        assert answer.message == f"The resource '{PROJECT}/regions/us-central1/addresses/a' already exists"

    @pytest.mark.parametrize("identifier", ["1", "00000000-0000-0000-0000-000000000000"])
    def test_a_request_id_is_a_uuid(self, emulator: Emulator, identifier: str) -> None:
        answer = emulator.call("POST", f"{REGION}/addresses?requestId={identifier}", {"name": "a"})
        assert answer.status == 400

    def test_an_operation_can_be_deleted(self, emulator: Emulator) -> None:
        operation = done(emulator, emulator.ok("POST", REGION + "/addresses", {"name": "a"}))
        emulator.ok("DELETE", f"{REGION}/operations/{operation['name']}")
        assert emulator.call("GET", f"{REGION}/operations/{operation['name']}").status == 404


class TestNetworks:
    def test_a_custom_network_has_no_subnetworks_until_one_is_made(self, emulator: Emulator) -> None:
        network = make(emulator, GLOBAL + "/networks", {"name": "n", "autoCreateSubnetworks": False})
        assert "subnetworks" not in network
        body = {"name": "s", "network": network["selfLink"], "ipCidrRange": "10.1.0.0/24"}
        subnetwork = make(emulator, REGION + "/subnetworks", body)
        assert subnetwork["gatewayAddress"] == "10.1.0.1"
        assert emulator.ok("GET", GLOBAL + "/networks/n")["subnetworks"] == [subnetwork["selfLink"]]

    @pytest.mark.parametrize(
        ("user", "url", "body"),
        [
            ("firewalls/f", "/global/firewalls", {"name": "f", "allowed": [{"IPProtocol": "all"}]}),
            ("subnetworks/s", "/regions/us-central1/subnetworks", {"name": "s", "ipCidrRange": "10.1.0.0/24"}),
            (
                "addresses/r",
                "/global/addresses",
                {"name": "r", "purpose": "VPC_PEERING", "addressType": "INTERNAL", "prefixLength": 16},
            ),
        ],
    )
    def test_a_network_that_is_in_use_cannot_be_deleted(
        self, emulator: Emulator, user: str, url: str, body: Json
    ) -> None:
        make(emulator, GLOBAL + "/networks", {"name": "n", "autoCreateSubnetworks": False})
        make(emulator, HERE + url, body | {"network": "global/networks/n"})
        answer = emulator.call("DELETE", GLOBAL + "/networks/n")
        assert (answer.status, answer.reason) == (400, "resourceInUseByAnotherResource")
        assert f"'{PROJECT}/global/networks/n' is already being used by" in answer.message
        assert user in answer.message

    @pytest.mark.parametrize("cidr", ["10.128.0.0/24", "10.1.2.3/8", "nonsense", ""])
    def test_a_subnetwork_needs_a_free_range(self, emulator: Emulator, cidr: str) -> None:
        body = {"name": "s", "network": "global/networks/default", "ipCidrRange": cidr}
        assert emulator.call("POST", REGION + "/subnetworks", body).status == 400


class TestFirewalls:
    def test_a_rule_gets_its_defaults(self, emulator: Emulator) -> None:
        rule = make(emulator, GLOBAL + "/firewalls", {"name": "f", "allowed": [{"IPProtocol": "TCP", "ports": ["80"]}]})
        assert rule["allowed"] == [{"IPProtocol": "tcp", "ports": ["80"]}]
        assert (rule["direction"], rule["priority"], rule["disabled"]) == ("INGRESS", 1000, False)
        assert rule["sourceRanges"] == ["0.0.0.0/0"]
        assert rule["network"] == f"{LINK}{PROJECT}/global/networks/default"

    @pytest.mark.parametrize(
        "wrong",
        [
            {"allowed": []},
            {"allowed": [{"IPProtocol": "tcp"}], "denied": [{"IPProtocol": "udp"}]},
            {"allowed": [{"IPProtocol": "http"}]},
            {"allowed": [{"IPProtocol": "icmp", "ports": ["1"]}]},
            {"allowed": [{"IPProtocol": "tcp", "ports": ["90-80"]}]},
            {"allowed": [{"IPProtocol": "tcp", "ports": ["65536"]}]},
            {"allowed": [{"IPProtocol": "all"}], "priority": 65536},
            {"allowed": [{"IPProtocol": "all"}], "sourceRanges": ["10.0.0.0/33"]},
            {"allowed": [{"IPProtocol": "all"}], "targetTags": ["Web"]},
            {"allowed": [{"IPProtocol": "all"}], "targetTags": ["a"], "sourceServiceAccounts": ["b@c"]},
            {"allowed": [{"IPProtocol": "all"}], "direction": "EGRESS", "sourceTags": ["web"]},
            {"allowed": [{"IPProtocol": "all"}], "sourceRanges": ["10.0.0.0/8", "2001:db8::/32"]},
            {"allowed": [{"IPProtocol": "all"}], "logConfig": {"metadata": "EXCLUDE_ALL_METADATA"}},
            {"allowed": [{"IPProtocol": "all"}], "network": "default"},
            {"allowed": [{"IPProtocol": "all"}], "name": "Bad"},
        ],
        ids=str,
    )
    def test_a_rule_that_cannot_be_is_refused(self, emulator: Emulator, wrong: Json) -> None:
        answer = emulator.call("POST", GLOBAL + "/firewalls", {"name": "f"} | wrong)
        assert answer.status == 400
        assert emulator.call("GET", GLOBAL + "/firewalls/f").status == 404

    def test_a_rule_for_an_unknown_network_is_404(self, emulator: Emulator) -> None:
        body = {"name": "f", "network": "global/networks/zz", "allowed": [{"IPProtocol": "all"}]}
        assert emulator.call("POST", GLOBAL + "/firewalls", body).status == 404

    def test_patch_changes_what_it_names_and_update_the_rest_too(self, emulator: Emulator) -> None:
        url = GLOBAL + "/firewalls"
        body = {"name": "f", "description": "d", "sourceRanges": ["10.0.0.0/8"], "allowed": [{"IPProtocol": "all"}]}
        make(emulator, url, body)
        done(emulator, emulator.ok("PATCH", url + "/f", {"sourceRanges": ["10.1.0.0/16"]}))
        rule = emulator.ok("GET", url + "/f")
        assert (rule["description"], rule["sourceRanges"]) == ("d", ["10.1.0.0/16"])
        done(emulator, emulator.ok("PUT", url + "/f", {"name": "f", "denied": [{"IPProtocol": "all"}]}))
        rule = emulator.ok("GET", url + "/f")
        assert "description" not in rule
        assert "allowed" not in rule
        assert rule["sourceRanges"] == ["0.0.0.0/0"]

    def test_a_rule_keeps_what_it_logged_when_it_is_logged_no_longer(self, emulator: Emulator) -> None:
        url = GLOBAL + "/firewalls"
        rule = make(emulator, url, {"name": "f", "allowed": [{"IPProtocol": "all"}], "logConfig": {"enable": True}})
        assert rule["logConfig"] == {"enable": True, "metadata": "INCLUDE_ALL_METADATA"}
        done(emulator, emulator.ok("PATCH", url + "/f", {"logConfig": {"metadata": "EXCLUDE_ALL_METADATA"}}))
        done(emulator, emulator.ok("PATCH", url + "/f", {"logConfig": {"enable": False}}))
        rule = emulator.ok("GET", url + "/f")
        assert rule["logConfig"] == {"enable": False, "metadata": "EXCLUDE_ALL_METADATA"}
        refused = emulator.call("PATCH", url + "/f", {"logConfig": {"metadata": "INCLUDE_ALL_METADATA"}})
        assert (refused.status, "resource.logConfig" in refused.message) == (400, True)

    @pytest.mark.parametrize(
        ("rule", "open_to_all"),
        [
            ({}, True),
            ({"targetTags": ["web"]}, True),
            ({"targetTags": ["web", "other"]}, True),
            ({"targetTags": ["other"]}, False),
            ({"disabled": True}, False),
            ({"direction": "EGRESS"}, False),
            ({"sourceRanges": ["10.0.0.0/8"]}, False),
            ({"sourceTags": ["nobody"]}, False),
            ({"targetServiceAccounts": ["somebody@else"]}, False),
        ],
        ids=str,
    )
    def test_a_rule_reaches_the_machines_that_it_means(self, emulator: Emulator, rule: Json, open_to_all: bool) -> None:
        make_vm(emulator, tags={"items": ["web"]})
        make(
            emulator, GLOBAL + "/firewalls", {"name": "f", "allowed": [{"IPProtocol": "tcp", "ports": ["5000"]}]} | rule
        )
        assert (("tcp", "5000") in open_ports(emulator.machines.machines[VM])) is open_to_all

    def test_deleting_a_rule_closes_the_port(self, emulator: Emulator) -> None:
        make_vm(emulator)
        assert ("tcp", "22") in open_ports(emulator.machines.machines[VM])
        done(emulator, emulator.ok("DELETE", GLOBAL + "/firewalls/default-allow-ssh"))
        assert ("tcp", "22") not in open_ports(emulator.machines.machines[VM])

    def test_a_rule_that_denies_comes_before_one_that_allows_at_the_same_priority(self, emulator: Emulator) -> None:
        make_vm(emulator)
        for name, action in (("a", "allowed"), ("b", "denied")):
            make(emulator, GLOBAL + "/firewalls", {"name": name, "priority": 5, action: [{"IPProtocol": "all"}]})
        assert [(rule.priority, rule.allow) for rule in emulator.machines.machines[VM].firewall[:2]] == [
            (5, False),
            (5, True),
        ]

    def test_a_source_tag_means_the_machines_that_bear_it_now(self, emulator: Emulator) -> None:
        make_vm(emulator)
        rule = {"name": "f", "sourceTags": ["client"], "allowed": [{"IPProtocol": "tcp", "ports": ["5000"]}]}
        make(emulator, GLOBAL + "/firewalls", rule)
        other = make_vm(emulator, name="other", tags={"items": ["client"]})
        address = other["networkInterfaces"][0]["networkIP"]

        def sources() -> list[tuple[str, ...]]:
            rules = emulator.machines.machines[VM].firewall
            return [rule.source_ranges for rule in rules if rule.ports == ("5000",)]

        assert sources() == [(f"{address}/32",)]
        done(emulator, emulator.ok("DELETE", ZONE + "/instances/other"))
        assert sources() == []


class TestAddresses:
    def test_an_external_address_comes_from_the_range_that_plays_the_internet(self, emulator: Emulator) -> None:
        found = [make(emulator, REGION + "/addresses", {"name": name})["address"] for name in ("a", "b")]
        assert found == ["198.18.77.16", "198.18.77.17"]

    def test_labels_may_be_of_any_script_but_not_of_capitals(self, emulator: Emulator) -> None:
        make(emulator, REGION + "/addresses", {"name": "a", "labels": {"größe_1": "日本-2"}})
        for labels in ({"Größe": "x"}, {"1": "x"}, {"": "x"}, {"a": "X"}, {"a": "x" * 64}):
            assert emulator.call("POST", REGION + "/addresses", {"name": "b", "labels": labels}).status == 400

    def test_labels_are_set_under_their_fingerprint(self, emulator: Emulator) -> None:
        address = make(emulator, REGION + "/addresses", {"name": "a"})
        url = REGION + "/addresses/a/setLabels"
        wrong = emulator.call("POST", url, {"labels": {"a": "b"}, "labelFingerprint": "AAAA"})
        assert (wrong.status, wrong.reason) == (412, "conditionNotMet")
        fingerprint = address["labelFingerprint"].rstrip("=").replace("-", "+").replace("_", "/")
        body = {"labels": {"a": "b"}, "labelFingerprint": fingerprint}
        done(emulator, emulator.ok("POST", url, body))
        changed = emulator.ok("GET", REGION + "/addresses/a")
        assert changed["labels"] == {"a": "b"}
        assert changed["labelFingerprint"] != address["labelFingerprint"]

    def test_a_range_for_peering_is_picked_outside_the_auto_mode_block(self, emulator: Emulator) -> None:
        body = {
            "purpose": "VPC_PEERING",
            "addressType": "INTERNAL",
            "prefixLength": 16,
            "network": "global/networks/default",
        }
        first, second = (make(emulator, GLOBAL + "/addresses", body | {"name": name}) for name in ("r1", "r2"))
        assert first["address"] != second["address"]
        for found in (first, second):
            assert found["address"].startswith("10.")
            assert int(found["address"].split(".")[1]) < 128
            assert (found["prefixLength"], found["status"]) == (16, "RESERVED")

    @pytest.mark.parametrize(
        "wrong",
        [
            {"address": "10.128.0.0"},
            {"address": "10.1.1.1"},
            {"prefixLength": 30},
            {"purpose": "GCE_ENDPOINT"},
            {"network": "default"},
        ],
        ids=str,
    )
    def test_a_range_that_cannot_be_is_refused(self, emulator: Emulator, wrong: Json) -> None:
        body = {
            "name": "r",
            "purpose": "VPC_PEERING",
            "addressType": "INTERNAL",
            "prefixLength": 16,
            "network": "global/networks/default",
        }
        assert emulator.call("POST", GLOBAL + "/addresses", body | wrong).status == 400

    @pytest.mark.parametrize(
        ("url", "wrong", "status"),
        [
            (REGION, {"subnetwork": "regions/us-central1/subnetworks/default"}, 400),
            (REGION, {"prefixLength": 24}, 400),
            (REGION, {"addressType": "INTERNAL", "purpose": "VPC_PEERING"}, 400),
            (REGION, {"addressType": "INTERNAL", "network": "global/networks/default"}, 400),
            (REGION, {"addressType": "INTERNAL", "networkTier": "STANDARD"}, 400),
            (REGION, {"ipVersion": "IPV6"}, 501),
            (GLOBAL, {"networkTier": "STANDARD"}, 400),
            (GLOBAL, {"addressType": "INTERNAL", "purpose": "PRIVATE_SERVICE_CONNECT", "prefixLength": 24}, 400),
        ],
        ids=str,
    )
    def test_an_address_that_cannot_be_is_refused(self, emulator: Emulator, url: str, wrong: Json, status: int) -> None:
        assert emulator.call("POST", url + "/addresses", {"name": "a"} | wrong).status == status

    def test_ranges_and_addresses_of_a_network_never_overlap(self, emulator: Emulator) -> None:
        body = {"addressType": "INTERNAL", "network": "global/networks/default"}
        point = body | {"name": "p", "purpose": "PRIVATE_SERVICE_CONNECT"}
        tunnel = body | {"name": "t", "purpose": "IPSEC_INTERCONNECT", "prefixLength": 29}
        first = make(emulator, GLOBAL + "/addresses", point)
        assert (first["address"], "prefixLength" in first) == ("10.64.0.0", False)
        second = make(emulator, REGION + "/addresses", tunnel)
        assert (second["address"], second["prefixLength"]) == ("10.64.0.8", 29)
        again = emulator.call("POST", GLOBAL + "/addresses", point | {"name": "q", "address": "10.64.0.9"})
        assert "conflicts" in again.message

    def test_an_internal_address_is_free_and_in_its_subnetwork(self, emulator: Emulator) -> None:
        make_vm(emulator)
        address = make(emulator, REGION + "/addresses", {"name": "i", "addressType": "INTERNAL"})
        assert (address["address"], address["purpose"]) == ("10.128.0.3", "GCE_ENDPOINT")

    def test_the_last_address_taken_is_a_quota(self, emulator: Emulator) -> None:
        for number in range(16, 240):
            emulator.cloud.store.put(
                "compute.addresses", f"projects/x/{number}", {"address": f"198.18.77.{number}", "name": "x"}
            )
        answer = emulator.call("POST", REGION + "/addresses", {"name": "a"})
        assert (answer.status, answer.reason) == (403, "quotaExceeded")


class TestInstances:
    def test_an_instance_gets_its_defaults(self, emulator: Emulator) -> None:
        vm = make_vm(emulator)
        assert vm["status"] == "RUNNING"
        assert vm["machineType"] == f"{LINK}{PROJECT}/zones/us-central1-a/machineTypes/e2-medium"
        assert vm["scheduling"]["automaticRestart"] is True
        assert vm["shieldedInstanceConfig"]["enableVtpm"] is True
        (disk,) = vm["disks"]
        assert (disk["boot"], disk["index"], disk["deviceName"], disk["diskSizeGb"]) == (
            True,
            0,
            "persistent-disk-0",
            "10",
        )
        assert "initializeParams" not in disk
        (nic,) = vm["networkInterfaces"]
        assert nic["networkIP"] == "10.128.0.2"
        assert nic["subnetwork"] == f"{LINK}{PROJECT}/regions/us-central1/subnetworks/default"
        assert nic["accessConfigs"][0]["natIP"] == "198.18.77.16"
        assert nic["accessConfigs"][0]["name"] == "External NAT"

    def test_the_machine_behind_is_what_the_instance_says(self, emulator: Emulator) -> None:
        make_vm(emulator)
        machine = emulator.machines.machines[VM]
        assert (machine.image, machine.vcpus, machine.memory_mb) == ("debian-12", 1, 4096)
        assert (machine.internal_ip, machine.external_ip) == ("10.128.0.2", "198.18.77.16")
        assert machine.subnet_ranges == ("10.128.0.0/9",)
        assert emulator.cloud.store.get("vm_addresses", "198.18.77.16") == {"instance": VM}

    def test_an_instance_without_an_access_config_has_no_external_address(self, emulator: Emulator) -> None:
        make_vm(emulator, networkInterfaces=[{"network": "global/networks/default"}])
        assert emulator.machines.machines[VM].external_ip is None

    @pytest.mark.parametrize(
        ("changes", "status", "message"),
        [
            (
                {"machineType": "zones/us-central1-a/machineTypes/e9-huge"},
                400,
                "Invalid value for field 'resource.machineType': 'zones/us-central1-a/machineTypes/e9-huge'. "
                "Machine type with name 'e9-huge' does not exist in zone 'us-central1-a'.",
            ),
            ({"machineType": "e2-medium"}, 400, "The URL is malformed."),
            ({"machineType": "zones/us-central1-b/machineTypes/e2-medium"}, 400, "does not exist in zone"),
            ({"disks": []}, 400, "No disks are specified."),
            ({"networkInterfaces": []}, 400, "At least one network interface is required."),
            ({"networkInterfaces": [{"network": "global/networks/zz"}]}, 404, "networks/zz' was not found"),
            ({"networkInterfaces": [{"accessConfigs": [{"natIP": "198.18.77.99"}]}]}, 400, "was not found in region"),
            ({"networkInterfaces": [{"networkIP": "10.128.0.1"}]}, 400, "out of range"),
            ({"labels": {"Env": "x"}}, 400, "violates format constraints"),
            ({"labels": {f"l{number}": "x" for number in range(65)}}, 400, "must not exceed 64"),
            ({"metadata": {"items": [{"key": "a", "value": "x" * (256 * 1024 + 1)}]}}, 400, "is too large"),
            ({"hostname": "vm"}, 400, "resource.hostname"),
            ({"minCpuPlatform": "Intel Haswell"}, 400, "not supported by machine type 'e2-medium'"),
            (
                {"scheduling": {"provisioningModel": "SPOT", "automaticRestart": True}},
                400,
                "automatic restart be false",
            ),
            ({"scheduling": {"provisioningModel": "SPOT", "preemptible": False}}, 400, "preemptible be true"),
            ({"scheduling": {"preemptible": True, "onHostMaintenance": "MIGRATE"}}, 400, "onHostMaintenance"),
            ({"scheduling": {"instanceTerminationAction": "STOP"}}, 400, "provisioning model is SPOT"),
            ({"scheduling": {"onHostMaintenance": "TERMINATE"}}, 400, "e2 instances do not support"),
            ({"reservationAffinity": {"consumeReservationType": "SPECIFIC_RESERVATION"}}, 501, "no reservations"),
            ({"reservationAffinity": {"key": "k"}}, 400, "resource.reservationAffinity"),
            (
                {"disks": [{"initializeParams": {"sourceImage": DEBIAN}}, {"boot": True, "source": "x"}]},
                400,
                "Boot disk",
            ),
            (
                {
                    "disks": [
                        {"boot": True, "initializeParams": {"sourceImage": DEBIAN}},
                        {"deviceName": "persistent-disk-0", "initializeParams": {}},
                    ]
                },
                400,
                "already used by another disk",
            ),
            ({"tags": {"items": ["Web"]}}, 400, "resource.tags.items[0]"),
            ({"tags": {"items": [f"tag-{number}" for number in range(65)]}}, 400, "at most 64 tags"),
            (
                {"metadata": {"items": [{"key": "a", "value": "1"}, {"key": "a", "value": "1"}]}},
                400,
                "duplicate key: a",
            ),
        ],
        ids=lambda value: str(value)[:60],
    )
    def test_an_instance_that_cannot_be_is_refused_and_leaves_nothing(
        self, emulator: Emulator, changes: Json, status: int, message: str
    ) -> None:
        answer = emulator.call("POST", ZONE + "/instances", instance(**changes))
        assert (answer.status, message in answer.message) == (status, True), answer.message
        assert emulator.call("GET", ZONE + "/instances/vm").status == 404
        assert "items" not in emulator.ok("GET", ZONE + "/disks")

    @pytest.mark.parametrize(
        ("parameters", "status", "message"),
        [
            (
                {"sourceImage": "projects/debian-cloud/global/images/debian-1"},
                400,
                "The referenced image resource cannot be found.",
            ),
            ({"sourceImage": DEBIAN.replace("debian-12", "debian-99")}, 404, "family/debian-99' was not found"),
            ({"sourceImage": "family/debian-12"}, 400, "The URL is malformed."),
            ({"sourceImage": DEBIAN, "diskSizeGb": "5"}, 400, "cannot be smaller than the image size (10 GB)"),
            ({"sourceImage": DEBIAN, "diskType": "zones/us-central1-a/diskTypes/tape"}, 400, "diskType"),
            ({"sourceImage": DEBIAN, "diskType": "zones/us-central1-b/diskTypes/pd-ssd"}, 400, "diskType"),
            ({"sourceImage": DEBIAN, "diskName": "Mine"}, 400, "diskName"),
            ({"sourceImage": DEBIAN, "diskSizeGb": "65537"}, 400, "between 10 GB and 65536 GB"),
            ({"sourceImage": DEBIAN, "labels": {"Env": "x"}}, 400, "violates format constraints"),
            ({"sourceSnapshot": "global/snapshots/s"}, 501, "sourceSnapshot"),
        ],
        ids=lambda value: str(value)[:60],
    )
    def test_a_boot_disk_that_cannot_be_is_refused(
        self, emulator: Emulator, parameters: Json, status: int, message: str
    ) -> None:
        answer = emulator.call(
            "POST", ZONE + "/instances", instance(disks=[{"boot": True, "initializeParams": parameters}])
        )
        assert (answer.status, message in answer.message) == (status, True), answer.message

    @pytest.mark.parametrize(
        "source",
        [
            DEBIAN,
            API + DEBIAN,
            DEBIAN.replace("family/debian-12", "debian-12-bookworm-v20250610"),
            "projects/debian-cloud/zones/-/imageFamilyViews/debian-12",
            LINK + "projects/debian-cloud/zones/us-central1-a/imageFamilyViews/debian-12",
        ],
    )
    def test_an_image_may_be_named_in_many_ways(self, emulator: Emulator, source: str) -> None:
        make_vm(emulator, disks=[{"boot": True, "initializeParams": {"sourceImage": source}}])
        assert emulator.machines.machines[VM].image == "debian-12"

    def test_a_reserved_address_knows_its_user(self, emulator: Emulator) -> None:
        address = make(emulator, REGION + "/addresses", {"name": "a"})["address"]
        vm = make_vm(emulator, networkInterfaces=[{"accessConfigs": [{"natIP": address}]}])
        found = emulator.ok("GET", REGION + "/addresses/a")
        assert (found["status"], found["users"]) == ("IN_USE", [vm["selfLink"]])
        refused = emulator.call("DELETE", REGION + "/addresses/a")
        assert (refused.status, refused.reason) == (400, "resourceInUseByAnotherResource")
        taken = instance("other", networkInterfaces=[{"accessConfigs": [{"natIP": address}]}])
        assert "already in-use" in emulator.call("POST", ZONE + "/instances", taken).message
        done(emulator, emulator.ok("DELETE", ZONE + "/instances/vm"))
        found = emulator.ok("GET", REGION + "/addresses/a")
        assert (found["status"], "users" in found) == ("RESERVED", False)

    def test_an_access_config_has_the_tier_of_its_address(self, emulator: Emulator) -> None:
        body = {"name": "a", "networkTier": "STANDARD"}
        address = make(emulator, REGION + "/addresses", body)["address"]
        access = {"natIP": address, "networkTier": "PREMIUM"}
        refused = emulator.call("POST", ZONE + "/instances", instance(networkInterfaces=[{"accessConfigs": [access]}]))
        assert (refused.status, "is STANDARD" in refused.message) == (400, True)
        vm = make_vm(emulator, networkInterfaces=[{"accessConfigs": [{"natIP": address}]}])
        assert vm["networkInterfaces"][0]["accessConfigs"][0]["networkTier"] == "STANDARD"

    def test_an_insert_that_is_refused_gives_the_address_back(self, emulator: Emulator) -> None:
        address = make(emulator, REGION + "/addresses", {"name": "a", "addressType": "INTERNAL"})["address"]
        body = instance(networkInterfaces=[{"networkIP": address, "accessConfigs": [{"natIP": "1.2.3.4"}]}])
        assert emulator.call("POST", ZONE + "/instances", body).status == 400
        assert "users" not in emulator.ok("GET", REGION + "/addresses/a")

    @pytest.mark.parametrize("auto_delete", [True, False])
    def test_a_disk_goes_with_its_instance_if_it_is_told_to(self, emulator: Emulator, auto_delete: bool) -> None:
        disk = {"boot": True, "autoDelete": auto_delete, "initializeParams": {"sourceImage": DEBIAN}}
        make_vm(emulator, disks=[disk])
        in_use = emulator.call("DELETE", ZONE + "/disks/vm")
        assert in_use.reason == "resourceInUseByAnotherResource"
        done(emulator, emulator.ok("DELETE", ZONE + "/instances/vm"))
        assert emulator.call("GET", ZONE + "/disks/vm").status == (404 if auto_delete else 200)

    def test_a_disk_only_grows(self, emulator: Emulator) -> None:
        make_vm(emulator)
        done(emulator, emulator.ok("POST", ZONE + "/disks/vm/resize", {"sizeGb": "20"}))
        assert emulator.ok("GET", ZONE + "/instances/vm")["disks"][0]["diskSizeGb"] == "20"
        assert emulator.call("POST", ZONE + "/disks/vm/resize", {"sizeGb": "15"}).status == 400

    @pytest.mark.parametrize(
        ("body", "size", "kind"),
        [
            ({}, "500", "pd-standard"),
            ({"sizeGb": "20", "type": "zones/us-central1-a/diskTypes/pd-ssd"}, "20", "pd-ssd"),
            ({"sourceImage": DEBIAN}, "10", "pd-standard"),
        ],
        ids=str,
    )
    def test_a_disk_is_made_by_itself(self, emulator: Emulator, body: Json, size: str, kind: str) -> None:
        disk = make(emulator, ZONE + "/disks", {"name": "data", "labels": {"a": "b"}} | body)
        assert (disk["sizeGb"], disk["type"].rsplit("/", 1)[1], disk["status"]) == (size, kind, "READY")
        assert disk["labels"] == {"a": "b"}
        again = emulator.call("POST", ZONE + "/disks", {"name": "data"})
        assert (again.status, again.reason) == (409, "alreadyExists")
        done(emulator, emulator.ok("DELETE", ZONE + "/disks/data"))

    def test_a_disk_is_attached_and_taken_away(self, emulator: Emulator) -> None:
        vm = make_vm(emulator)
        make(emulator, ZONE + "/disks", {"name": "data"})
        body = {"source": "zones/us-central1-a/disks/data", "deviceName": "data", "autoDelete": True}
        done(emulator, emulator.ok("POST", ZONE + "/instances/vm/attachDisk", body))
        attached = emulator.ok("GET", ZONE + "/instances/vm")["disks"][1]
        assert (attached["index"], attached["boot"], attached["deviceName"], attached["diskSizeGb"]) == (
            1,
            False,
            "data",
            "500",
        )
        assert emulator.ok("GET", ZONE + "/disks/data")["users"] == [vm["selfLink"]]
        make_vm(emulator, name="other")
        refused = emulator.call("POST", ZONE + "/instances/other/attachDisk", body)
        assert refused.reason == "resourceInUseByAnotherResource"
        assert emulator.call("DELETE", ZONE + "/disks/data").reason == "resourceInUseByAnotherResource"
        done(emulator, emulator.ok("POST", ZONE + "/instances/vm/detachDisk?deviceName=data"))
        assert len(emulator.ok("GET", ZONE + "/instances/vm")["disks"]) == 1
        assert "users" not in emulator.ok("GET", ZONE + "/disks/data")

    @pytest.mark.parametrize(
        ("verb", "body", "status", "message"),
        [
            ("attachDisk", {"source": "zones/us-central1-a/disks/none"}, 400, "disk resource cannot be found"),
            ("attachDisk", {"initializeParams": {"diskName": "x"}}, 400, "existing disk must be specified"),
            ("attachDisk", {"source": "zones/us-central1-a/disks/data", "boot": True}, 400, "has a boot disk"),
            (
                "attachDisk",
                {"source": "zones/us-central1-a/disks/data", "deviceName": "persistent-disk-0"},
                400,
                "already used",
            ),
            ("detachDisk?deviceName=persistent-disk-0", None, 400, "must be TERMINATED"),
            ("detachDisk?deviceName=none", None, 400, "No attached disk found"),
        ],
        ids=lambda value: str(value)[:60],
    )
    def test_a_disk_that_cannot_be_attached_or_taken_away_is_refused(
        self, emulator: Emulator, verb: str, body: Json | None, status: int, message: str
    ) -> None:
        make_vm(emulator)
        make(emulator, ZONE + "/disks", {"name": "data"})
        answer = emulator.call("POST", f"{ZONE}/instances/vm/{verb}", body)
        assert (answer.status, message in answer.message) == (status, True), answer.message

    def test_a_disk_that_is_still_being_made_is_not_ready(self, emulator: Emulator) -> None:
        make_vm(emulator)
        make(emulator, ZONE + "/disks", {"name": "data"})
        target = f"{PROJECT}/zones/us-central1-a/disks/data"
        record = {"target": target, "state": "RUNNING", "created": 0, "view": {"operationType": "insert"}}
        emulator.cloud.store.put("operations", "compute/x", record)
        body = {"source": "zones/us-central1-a/disks/data"}
        refused = emulator.call("POST", ZONE + "/instances/vm/attachDisk", body)
        assert (refused.status, refused.reason) == (400, "resourceNotReady")

    def test_deletion_leaves_no_trace(self, emulator: Emulator) -> None:
        make_vm(emulator)
        done(emulator, emulator.ok("DELETE", ZONE + "/instances/vm"))
        assert emulator.call("GET", ZONE + "/instances/vm").status == 404
        assert VM not in emulator.machines.machines
        assert list(emulator.cloud.store.items("vm_addresses")) == []

    def test_a_protected_instance_is_not_deleted(self, emulator: Emulator) -> None:
        make_vm(emulator, deletionProtection=True)
        answer = emulator.call("DELETE", ZONE + "/instances/vm")
        assert (answer.status, answer.reason) == (400, "invalidResourceUsage")
        done(emulator, emulator.ok("POST", ZONE + "/instances/vm/setDeletionProtection?deletionProtection=false"))
        done(emulator, emulator.ok("DELETE", ZONE + "/instances/vm"))

    def test_a_missing_service_account_ends_the_operation_and_makes_nothing(self, emulator: Emulator) -> None:
        account = emulator.account("runner")
        make_vm(emulator, serviceAccounts=[{"email": account, "scopes": []}])
        emulator.cloud.store.delete("serviceAccounts", account)
        url = ZONE + "/instances"
        operation = emulator.ok("POST", url, instance("v2", serviceAccounts=[{"email": account, "scopes": []}]))
        ended = emulator.ok("POST", operation["selfLink"] + "/wait")
        assert ended["error"]["errors"][0]["code"] == "RESOURCE_NOT_FOUND"
        assert emulator.call("GET", url + "/v2").status == 404

    def test_a_machine_that_cannot_be_made_leaves_no_instance(
        self, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(machine: Machine) -> None:
            raise OSError("no engine")

        monkeypatch.setattr(emulator.machines, "start", fail)
        address = make(emulator, REGION + "/addresses", {"name": "a"})["address"]
        body = instance(networkInterfaces=[{"accessConfigs": [{"natIP": address}]}])
        operation = emulator.ok("POST", ZONE + "/instances", body)
        ended = emulator.ok("POST", operation["selfLink"] + "/wait")
        assert ended["httpErrorStatusCode"] == 500
        assert emulator.call("GET", ZONE + "/instances/vm").status == 404
        assert emulator.call("GET", ZONE + "/disks/vm").status == 404
        assert emulator.ok("GET", REGION + "/addresses/a")["status"] == "RESERVED"

    def test_while_it_is_being_made_an_instance_is_not_ready_for_changes(
        self, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gate, start = threading.Event(), emulator.machines.start

        def slow(machine: Machine) -> None:
            assert gate.wait(10)
            start(machine)

        monkeypatch.setattr(emulator.machines, "start", slow)
        operation = emulator.ok("POST", ZONE + "/instances", instance())
        vm = emulator.ok("GET", ZONE + "/instances/vm")
        assert vm["status"] in ("PROVISIONING", "STAGING")
        body = {"items": ["x"], "fingerprint": vm["tags"]["fingerprint"]}
        refused = emulator.call("POST", ZONE + "/instances/vm/setTags", body)
        assert (refused.status, refused.reason) == (400, "resourceNotReady")
        rule = emulator.ok("DELETE", GLOBAL + "/firewalls/default-allow-ssh")
        done(emulator, rule)
        gate.set()
        done(emulator, operation)
        assert emulator.ok("GET", ZONE + "/instances/vm")["status"] == "RUNNING"
        assert ("tcp", "22") not in open_ports(emulator.machines.machines[VM])


class TestLife:
    def act(self, emulator: Emulator, verb: str, body: Json | None = None, query: str = "") -> None:
        done(emulator, emulator.ok("POST", f"{ZONE}/instances/vm/{verb}{query}", body))

    def test_stop_gives_the_ephemeral_address_back_and_start_takes_one(self, emulator: Emulator) -> None:
        make_vm(emulator)
        self.act(emulator, "stop")
        vm = emulator.ok("GET", ZONE + "/instances/vm")
        assert vm["status"] == "TERMINATED"
        assert "natIP" not in vm["networkInterfaces"][0]["accessConfigs"][0]
        assert not emulator.machines.running(VM)
        assert list(emulator.cloud.store.items("vm_addresses")) == []
        self.act(emulator, "start")
        vm = emulator.ok("GET", ZONE + "/instances/vm")
        assert vm["status"] == "RUNNING"
        assert vm["networkInterfaces"][0]["accessConfigs"][0]["natIP"]
        assert emulator.machines.running(VM)

    def test_a_reserved_address_stays_through_a_stop(self, emulator: Emulator) -> None:
        address = make(emulator, REGION + "/addresses", {"name": "a"})["address"]
        make_vm(emulator, networkInterfaces=[{"accessConfigs": [{"natIP": address}]}])
        self.act(emulator, "stop")
        vm = emulator.ok("GET", ZONE + "/instances/vm")
        assert vm["networkInterfaces"][0]["accessConfigs"][0]["natIP"] == address

    @pytest.mark.parametrize("verb", ["start", "stop"])
    def test_what_is_so_already_is_no_error(self, emulator: Emulator, verb: str) -> None:
        make_vm(emulator)
        for _ in range(2):
            self.act(emulator, verb)

    def test_reset_powers_it_off_and_on(self, emulator: Emulator) -> None:
        make_vm(emulator)
        self.act(emulator, "reset")
        assert emulator.machines.resets == [VM]

    def test_the_machine_type_is_changed_only_when_it_is_stopped(self, emulator: Emulator) -> None:
        make_vm(emulator)
        body = {"machineType": "zones/us-central1-a/machineTypes/e2-standard-2"}
        refused = emulator.call("POST", ZONE + "/instances/vm/setMachineType", body)
        assert refused.status == 400
        self.act(emulator, "stop")
        self.act(emulator, "setMachineType", body)
        self.act(emulator, "start")
        assert emulator.machines.machines[VM].memory_mb == 8192

    def test_a_machine_that_does_not_move_does_not_become_an_e2(self, emulator: Emulator) -> None:
        kind = "zones/us-central1-a/machineTypes/{}".format
        make_vm(emulator, machineType=kind("n2-standard-2"), scheduling={"onHostMaintenance": "TERMINATE"})
        self.act(emulator, "stop")
        refused = emulator.call("POST", ZONE + "/instances/vm/setMachineType", {"machineType": kind("e2-small")})
        assert (refused.status, refused.reason) == (400, "badRequest")
        assert "e2 instances do not support onHostMaintenance=TERMINATE" in refused.message

    def test_the_service_account_is_changed_only_when_it_is_stopped(self, emulator: Emulator) -> None:
        make_vm(emulator)
        account = emulator.account("runner")
        body = {"email": account, "scopes": ["https://www.googleapis.com/auth/cloud-platform"]}
        refused = emulator.call("POST", ZONE + "/instances/vm/setServiceAccount", body)
        assert refused.message == "The instance must be stopped before the service account can be changed."
        self.act(emulator, "stop")
        self.act(emulator, "setServiceAccount", body)
        assert emulator.ok("GET", ZONE + "/instances/vm")["serviceAccounts"] == [body]

    def test_a_service_account_needs_somebody_who_may_act_as_it(self, emulator: Emulator) -> None:
        make_vm(emulator)
        self.act(emulator, "stop")
        body = {"email": emulator.account("runner"), "scopes": []}
        admin = emulator.account("admin", "roles/compute.admin")
        refused = emulator.call("POST", ZONE + "/instances/vm/setServiceAccount", body, principal=admin)
        assert (refused.status, refused.reason) == (400, "SERVICE_ACCOUNT_ACCESS_DENIED")
        nobody = {"email": "", "scopes": []}
        emulator.ok("POST", ZONE + "/instances/vm/setServiceAccount", nobody, principal=admin)

    def test_the_oldest_processor_is_set_only_when_it_is_stopped(self, emulator: Emulator) -> None:
        make_vm(emulator, machineType="zones/us-central1-a/machineTypes/n2-standard-2")
        body = {"minCpuPlatform": "Intel Ice Lake"}
        assert emulator.call("POST", ZONE + "/instances/vm/setMinCpuPlatform", body).status == 400
        self.act(emulator, "stop")
        self.act(emulator, "setMinCpuPlatform", body)
        assert emulator.ok("GET", ZONE + "/instances/vm")["minCpuPlatform"] == "Intel Ice Lake"
        self.act(emulator, "setMinCpuPlatform", {"minCpuPlatform": ""})
        assert "minCpuPlatform" not in emulator.ok("GET", ZONE + "/instances/vm")

    def test_a_machine_becomes_one_that_may_be_taken_away_only_when_it_is_stopped(self, emulator: Emulator) -> None:
        make_vm(emulator)
        spot = {"provisioningModel": "SPOT", "preemptible": True, "automaticRestart": False}
        spot |= {"onHostMaintenance": "TERMINATE"}
        assert emulator.call("POST", ZONE + "/instances/vm/setScheduling", spot).status == 400
        self.act(emulator, "stop")
        self.act(emulator, "setScheduling", spot)
        assert emulator.ok("GET", ZONE + "/instances/vm")["scheduling"]["instanceTerminationAction"] == "STOP"
        back = {"provisioningModel": "STANDARD", "preemptible": False, "onHostMaintenance": "MIGRATE"}
        refused = emulator.call("POST", ZONE + "/instances/vm/setScheduling", back)
        assert "instanceTerminationAction" in refused.message
        self.act(emulator, "setScheduling", back | {"instanceTerminationAction": None})
        assert "instanceTerminationAction" not in emulator.ok("GET", ZONE + "/instances/vm")["scheduling"]

    def test_an_update_sends_the_whole_machine_under_its_fingerprint(self, emulator: Emulator) -> None:
        vm = make_vm(emulator)
        url = ZONE + "/instances/vm"
        self.act(emulator, "setLabels", {"labels": {"a": "b"}, "labelFingerprint": vm["labelFingerprint"]})
        stale = emulator.call("PUT", url, vm | {"canIpForward": True})
        assert (stale.status, stale.reason) == (412, "conditionNotMet")
        vm = emulator.ok("GET", url)
        done(emulator, emulator.ok("PUT", url, vm | {"canIpForward": True}))
        changed = emulator.ok("GET", url)
        assert changed["canIpForward"] is True
        assert changed["fingerprint"] != vm["fingerprint"]
        changed.pop("metadata")
        assert emulator.call("PUT", url, changed).status == 501

    def test_tags_open_and_close_ports_at_once(self, emulator: Emulator) -> None:
        vm = make_vm(emulator)
        rule = {"name": "f", "targetTags": ["web"], "allowed": [{"IPProtocol": "tcp", "ports": ["5000"]}]}
        make(emulator, GLOBAL + "/firewalls", rule)
        for items, expected in ((["web"], True), ([], False)):
            self.act(emulator, "setTags", {"items": items, "fingerprint": vm["tags"]["fingerprint"]})
            vm = emulator.ok("GET", ZONE + "/instances/vm")
            assert (("tcp", "5000") in open_ports(emulator.machines.machines[VM])) is expected

    @pytest.mark.parametrize(
        ("verb", "field", "body", "message"),
        [
            ("setTags", "fingerprint", {"items": ["a"]}, "current tags fingerprint"),
            ("setMetadata", "fingerprint", {"items": []}, "current metadata fingerprint"),
            ("setLabels", "labelFingerprint", {"labels": {"a": "b"}}, "Labels fingerprint either invalid"),
        ],
    )
    @pytest.mark.parametrize("fingerprint", ["AAAAAAAAAAA=", None])
    def test_a_change_on_stale_knowledge_is_refused(
        self, emulator: Emulator, verb: str, field: str, body: Json, message: str, fingerprint: str | None
    ) -> None:
        make_vm(emulator)
        sent = body | ({field: fingerprint} if fingerprint else {})
        answer = emulator.call("POST", f"{ZONE}/instances/vm/{verb}", sent)
        assert (answer.status, answer.reason) == (412, "conditionNotMet")
        assert message in answer.message

    def test_metadata_is_the_whole_list(self, emulator: Emulator) -> None:
        vm = make_vm(emulator, metadata={"items": [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]})
        body = {"items": [{"key": "b", "value": "3"}], "fingerprint": vm["metadata"]["fingerprint"]}
        self.act(emulator, "setMetadata", body)
        assert emulator.ok("GET", ZONE + "/instances/vm")["metadata"]["items"] == [{"key": "b", "value": "3"}]

    def test_metadata_of_the_project_is_kept(self, emulator: Emulator) -> None:
        project = emulator.ok("GET", HERE)
        assert project["defaultServiceAccount"].startswith(project["id"])
        fingerprint = project["commonInstanceMetadata"]["fingerprint"]
        body = {"items": [{"key": "ssh-keys", "value": "me:ssh-ed25519 AAAA"}], "fingerprint": fingerprint}
        done(emulator, emulator.ok("POST", HERE + "/setCommonInstanceMetadata", body))
        assert emulator.ok("GET", HERE)["commonInstanceMetadata"]["items"] == body["items"]

    def test_an_access_config_can_be_taken_and_given(self, emulator: Emulator) -> None:
        make_vm(emulator)
        self.act(emulator, "deleteAccessConfig", query="?accessConfig=External%20NAT&networkInterface=nic0")
        assert emulator.machines.machines[VM].external_ip is None
        known = dict(emulator.cloud.store.items("vm_addresses"))
        assert known == {emulator.machines.metadata_address(VM): {"instance": VM}}
        address = make(emulator, REGION + "/addresses", {"name": "a"})["address"]
        self.act(emulator, "addAccessConfig", {"natIP": address}, "?networkInterface=nic0")
        assert emulator.machines.machines[VM].external_ip == address
        assert emulator.ok("GET", REGION + "/addresses/a")["status"] == "IN_USE"
        assert emulator.cloud.store.get("vm_addresses", address) == {"instance": VM}

    @pytest.mark.parametrize(
        ("verb", "query", "body", "path", "expected"),
        [
            ("setScheduling", "", {"automaticRestart": False}, ("scheduling", "automaticRestart"), False),
            (
                "setDiskAutoDelete",
                "?deviceName=persistent-disk-0&autoDelete=false",
                None,
                ("disks", 0, "autoDelete"),
                False,
            ),
            ("setDeletionProtection", "", None, ("deletionProtection",), True),
        ],
    )
    def test_what_may_be_changed_while_it_runs(
        self, emulator: Emulator, verb: str, query: str, body: Json | None, path: tuple[t.Any, ...], expected: t.Any
    ) -> None:
        make_vm(emulator)
        self.act(emulator, verb, body, query)
        value: t.Any = emulator.ok("GET", ZONE + "/instances/vm")
        for key in path:
            value = value[key]
        assert value == expected

    def test_the_serial_port_can_be_read_on(self, emulator: Emulator) -> None:
        make_vm(emulator)
        whole = emulator.ok("GET", ZONE + "/instances/vm/serialPort")
        assert whole["contents"] == "vm login: "
        assert emulator.ok("GET", f"{ZONE}/instances/vm/serialPort?start={whole['next']}")["contents"] == ""


class TestRestart:
    def restarted(self, emulator: Emulator) -> tuple[Compute, Operations]:
        """A second life on the same state, in which nothing runs yet."""
        store = Store(emulator.cloud.settings.directory / "state.db")
        emulator.cloud.store.close()
        emulator.cloud.store = store
        emulator.machines.machines.clear()
        emulator.machines.up.clear()
        operations = Operations(store, 0)
        emulator.cloud.operations = operations
        service = Compute(emulator.cloud)
        operations.actions |= service.actions
        return service, operations

    def test_machines_that_ran_run_again_and_others_do_not(self, emulator: Emulator) -> None:
        make_vm(emulator)
        make_vm(emulator, name="off")
        done(emulator, emulator.ok("POST", ZONE + "/instances/off/stop"))
        service, _operations = self.restarted(emulator)
        service.wake()
        assert list(emulator.machines.machines) == [VM]

    def test_one_machine_that_does_not_start_does_not_keep_the_others_off(
        self, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_vm(emulator)
        make_vm(emulator, name="broken")
        service, _operations = self.restarted(emulator)
        start = emulator.machines.start

        def sometimes(machine: Machine) -> None:
            if machine.name == "broken":
                raise OSError("no engine")
            start(machine)

        monkeypatch.setattr(emulator.machines, "start", sometimes)
        service.wake()
        assert list(emulator.machines.machines) == [VM]

    @pytest.mark.parametrize(
        ("verb", "path", "status"), [("insert", "", "RUNNING"), ("stop", "/stop", "TERMINATED"), ("delete", None, None)]
    )
    def test_what_was_under_way_is_finished(
        self, emulator: Emulator, verb: str, path: str | None, status: str | None
    ) -> None:
        make_vm(emulator)
        if verb == "delete":
            emulator.ok("DELETE", ZONE + "/instances/vm")
        elif path:
            emulator.ok("POST", ZONE + "/instances/vm" + path)
        emulator.finish()
        store = emulator.cloud.store
        (key, record) = next((k, r) for k, r in store.items("operations") if r["view"]["operationType"] == verb)
        if verb == "insert":
            document = store.get("compute.instances", VM) or {}
            store.put("compute.instances", VM, document | {"status": "PROVISIONING"})
        store.put("operations", key, record | {"state": "RUNNING"})
        _service, operations = self.restarted(emulator)
        operations.resume()
        finished = operations.wait(key, 10)
        assert finished is not None
        assert (finished["state"], finished["error"]) == ("DONE", None)
        found = emulator.cloud.store.get("compute.instances", VM)
        assert (found and found["status"]) == status
        operations.stop()


class TestGoogleClient:
    def test_googles_own_library_makes_an_instance(self, emulator: Emulator) -> None:
        httplib2 = pytest.importorskip("httplib2")
        from googleapiclient.discovery import build

        class InProcess:
            """What the library takes for a connection."""

            def request(
                self, uri: str, method: str = "GET", body: str | None = None, headers: t.Any = None, **_: t.Any
            ) -> t.Any:
                content = body.encode() if isinstance(body, str) else body
                answer = emulator.call(method, uri, content, headers=dict(headers or {}))
                return httplib2.Response({"status": answer.status, **answer.headers}), answer.content

        compute = build("compute", "v1", http=InProcess(), static_discovery=True)
        place = {"project": emulator.project, "zone": "us-central1-a"}
        operation = compute.instances().insert(**place, body=instance()).execute()
        compute.zoneOperations().wait(**place, operation=operation["name"]).execute()
        listing = compute.instances().list(**place, filter="status = RUNNING").execute()
        assert [vm["name"] for vm in listing["items"]] == ["vm"]
