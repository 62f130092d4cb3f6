# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Networks, subnetworks and routers: what is refused, what holds what, and which way out a machine has."""

from __future__ import annotations

import typing as t

import pytest
from gcp_emulator.services.compute import fabric

if t.TYPE_CHECKING:
    from gcp_emulator.errors import Json
    from harness import Emulator

LINK = "https://www.googleapis.com/compute/v1/"
PROJECT = "projects/test-project"
HERE = f"https://compute.googleapis.com/compute/v1/{PROJECT}"
GLOBAL, REGION, ZONE = f"{HERE}/global", f"{HERE}/regions/us-central1", f"{HERE}/zones/us-central1-a"
NETWORK, SUBNETWORK = "global/networks/own", "regions/us-central1/subnetworks/own"
VM = f"{PROJECT}/zones/us-central1-a/instances/vm"
ALL_RANGES = "ALL_SUBNETWORKS_ALL_IP_RANGES"


def change(emulator: Emulator, method: str, url: str, body: Json | None = None) -> Json:
    """Something that begins an operation, at its end without an error; the resource."""
    operation = emulator.ok(method, url, body)
    emulator.finish()
    finished = emulator.ok("GET", operation["selfLink"].replace("www.", "compute.", 1))
    assert "error" not in finished, finished
    if method == "DELETE":
        return {}
    target = operation["targetLink"].replace("www.", "compute.", 1)
    made: Json = emulator.ok("GET", target)
    return made


def refused(emulator: Emulator, method: str, url: str, body: Json | None = None) -> tuple[int, str, str]:
    """Status, reason and message of a refusal."""
    answer = emulator.call(method, url, body)
    error = answer.json()["error"]
    return answer.status, error["errors"][0]["reason"], error["message"]


def network(emulator: Emulator, name: str = "own", **more: t.Any) -> Json:
    return change(emulator, "POST", f"{GLOBAL}/networks", {"name": name, "autoCreateSubnetworks": False} | more)


def subnetwork(emulator: Emulator, name: str = "own", cidr: str = "10.80.0.0/24", **more: t.Any) -> Json:
    body = {"name": name, "network": NETWORK, "ipCidrRange": cidr} | more
    return change(emulator, "POST", f"{REGION}/subnetworks", body)


def router(emulator: Emulator, name: str = "own", *nats: Json) -> Json:
    body: Json = {"name": name, "network": NETWORK} | ({"nats": list(nats)} if nats else {})
    return change(emulator, "POST", f"{REGION}/routers", body)


def under_way(emulator: Emulator, path: str, kind: str) -> None:
    """An operation on a resource that does not come to its end."""
    record = {"target": path, "state": "RUNNING", "created": 0, "view": {"operationType": kind}}
    emulator.cloud.store.put("operations", "compute/x", record)


def nat(name: str = "out", ranges: str = ALL_RANGES, **more: t.Any) -> Json:
    return {"name": name, "natIpAllocateOption": "AUTO_ONLY", "sourceSubnetworkIpRangesToNat": ranges} | more


def listed(*subnetworks: Json, **more: t.Any) -> Json:
    return nat(ranges="LIST_OF_SUBNETWORKS", subnetworks=list(subnetworks), **more)


def vm(emulator: Emulator, **interface: t.Any) -> Json:
    image = "projects/debian-cloud/global/images/family/debian-12"
    body = {
        "name": "vm",
        "machineType": "zones/us-central1-a/machineTypes/e2-medium",
        "disks": [{"boot": True, "autoDelete": True, "initializeParams": {"sourceImage": image}}],
        "networkInterfaces": [{"subnetwork": SUBNETWORK} | interface],
    }
    return change(emulator, "POST", f"{ZONE}/instances", body)


class TestNetworks:
    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ({"name": "own", "autoCreateSubnetworks": False, "mtu": 1299}, "resource.mtu"),
            ({"name": "own", "autoCreateSubnetworks": False, "mtu": 8897}, "resource.mtu"),
            ({"name": "Own", "autoCreateSubnetworks": False}, "resource.name"),
        ],
    )
    def test_a_network_that_cannot_be_is_refused(self, emulator: Emulator, body: Json, words: str) -> None:
        status, reason, message = refused(emulator, "POST", f"{GLOBAL}/networks", body)
        assert (status, reason) == (400, "invalid")
        assert words in message

    @pytest.mark.parametrize(
        "body",
        [{}, {"IPv4Range": "10.240.0.0/16"}, {"IPv4Range": "10.240.0.0/16", "autoCreateSubnetworks": False}],
        ids=str,
    )
    def test_a_legacy_network_is_refused(self, emulator: Emulator, body: Json) -> None:
        status, reason, message = refused(emulator, "POST", f"{GLOBAL}/networks", {"name": "own"} | body)
        assert (status, reason) == (400, "badRequest")
        assert message.startswith("Creation of legacy mode networks is deprecated.")

    def test_a_patch_changes_a_group_field_by_field(self, emulator: Emulator) -> None:
        network(emulator, routingConfig={"routingMode": "GLOBAL", "bgpBestPathSelectionMode": "STANDARD"})
        body = {"routingConfig": {"routingMode": "REGIONAL"}, "mtu": 1500}
        found = change(emulator, "PATCH", f"{GLOBAL}/networks/own", body)
        assert found["routingConfig"] == {"routingMode": "REGIONAL", "bgpBestPathSelectionMode": "STANDARD"}
        assert found["mtu"] == 1500

    @pytest.mark.parametrize("body", [{"description": "other"}, {"autoCreateSubnetworks": True}, {"name": "other"}])
    def test_a_patch_does_not_change_what_stays(self, emulator: Emulator, body: Json) -> None:
        network(emulator)
        assert refused(emulator, "PATCH", f"{GLOBAL}/networks/own", body)[:2] == (400, "invalid")

    def test_auto_mode_is_left_once_and_keeps_its_subnetworks(self, emulator: Emulator) -> None:
        url = f"{GLOBAL}/networks/default"
        before = emulator.ok("GET", url)["subnetworks"]
        after = change(emulator, "POST", f"{url}/switchToCustomMode")
        assert (after["autoCreateSubnetworks"], after["subnetworks"]) == (False, before)
        assert refused(emulator, "POST", f"{url}/switchToCustomMode")[:2] == (400, "invalid")
        change(emulator, "DELETE", f"{REGION}/subnetworks/default")

    @pytest.mark.parametrize("kind", ["subnetworks", "routers", "firewalls"])
    def test_a_network_goes_when_nothing_is_in_it(self, emulator: Emulator, kind: str) -> None:
        network(emulator)
        if kind == "subnetworks":
            subnetwork(emulator)
        elif kind == "routers":
            router(emulator)
        else:
            body = {"name": "own", "network": NETWORK, "allowed": [{"IPProtocol": "icmp"}]}
            change(emulator, "POST", f"{GLOBAL}/firewalls", body)
        status, reason, message = refused(emulator, "DELETE", f"{GLOBAL}/networks/own")
        assert (status, reason) == (400, "resourceInUseByAnotherResource")
        assert f"/{kind}/own" in message
        change(emulator, "DELETE", f"{GLOBAL if kind == 'firewalls' else REGION}/{kind}/own")
        change(emulator, "DELETE", f"{GLOBAL}/networks/own")

    @pytest.mark.parametrize(
        ("collection", "body"),
        [
            ("subnetworks", {"name": "s", "network": NETWORK, "ipCidrRange": "10.80.0.0/24"}),
            ("routers", {"name": "r", "network": NETWORK}),
            ("firewalls", {"name": "f", "network": NETWORK, "allowed": [{"IPProtocol": "icmp"}]}),
        ],
    )
    def test_a_network_that_is_being_made_is_not_ready(self, emulator: Emulator, collection: str, body: Json) -> None:
        network(emulator)
        url = f"{GLOBAL if collection == 'firewalls' else REGION}/{collection}"
        under_way(emulator, f"{PROJECT}/{NETWORK}", "insert")
        assert refused(emulator, "POST", url, body)[:2] == (400, "resourceNotReady")
        emulator.cloud.store.delete("operations", "compute/x")
        change(emulator, "POST", url, body)


class TestSubnetworks:
    @pytest.mark.parametrize(
        ("body", "reason", "words"),
        [
            ({"network": None}, "required", "resource.network"),
            ({"ipCidrRange": None}, "required", "resource.ipCidrRange"),
            ({"network": "global/networks/none"}, "notFound", "networks/none"),
            ({"ipCidrRange": "10.80.0.1/24"}, "invalid", "CIDR"),
            ({"ipCidrRange": "10.80.0.0/30"}, "invalid", "prefix"),
            ({"ipCidrRange": "127.0.0.0/24"}, "invalid", "reserved"),
            ({"ipCidrRange": "169.254.4.0/24"}, "invalid", "reserved"),
            ({"ipCidrRange": "10.80.0.0/16"}, "invalid", "conflicts with existing subnetwork 'own' in region"),
            ({"ipCidrRange": "10.81.0.0/24"}, "invalid", "conflicts with existing subnetwork 'own' in region"),
            ({"ipCidrRange": "10.64.0.0/16"}, "invalid", "allocated for peering"),
            ({"role": "ACTIVE"}, "invalid", "resource.role"),
            ({"stackType": "IPV4_IPV6"}, "required", "resource.ipv6AccessType"),
            ({"stackType": "IPV4_IPV6", "ipv6AccessType": "INTERNAL"}, "invalid", "resource.ipv6AccessType"),
            ({"logConfig": {"enable": True, "flowSampling": 1.5}}, "invalid", "flowSampling"),
            ({"logConfig": {"enable": True, "metadataFields": ["src_vpc"]}}, "invalid", "metadataFields"),
            ({"secondaryIpRanges": [{"ipCidrRange": "10.90.0.0/24"}]}, "invalid", "rangeName"),
            ({"secondaryIpRanges": [{"rangeName": "a", "ipCidrRange": "10.79.0.0/24"}]}, "invalid", "another range"),
        ],
    )
    def test_a_subnetwork_that_cannot_be_is_refused(
        self, emulator: Emulator, body: Json, reason: str, words: str
    ) -> None:
        network(emulator)
        subnetwork(emulator, secondaryIpRanges=[{"rangeName": "pods", "ipCidrRange": "10.81.0.0/20"}])
        address = {"name": "peers", "addressType": "INTERNAL", "purpose": "VPC_PEERING", "network": NETWORK}
        change(emulator, "POST", f"{GLOBAL}/addresses", address | {"address": "10.64.0.0", "prefixLength": 20})
        wanted = {"name": "other", "network": NETWORK, "ipCidrRange": "10.79.0.0/24"} | body
        body = {key: value for key, value in wanted.items() if value is not None}
        status, found, message = refused(emulator, "POST", f"{REGION}/subnetworks", body)
        assert (status, found) == (404 if reason == "notFound" else 400, reason)
        assert words in message

    def test_a_network_in_auto_mode_keeps_its_block(self, emulator: Emulator) -> None:
        body = {"name": "mine", "network": "global/networks/default", "ipCidrRange": "10.200.0.0/24"}
        message = refused(emulator, "POST", f"{REGION}/subnetworks", body)[2]
        assert "cannot overlap with 10.128.0.0/9" in message
        change(emulator, "POST", f"{REGION}/subnetworks", body | {"ipCidrRange": "10.80.0.0/24"})

    @pytest.mark.parametrize(
        ("body", "status", "reason"),
        [
            ({"secondaryIpRanges": []}, 400, "required"),
            ({"fingerprint": "AAAAAAAAAAA=", "secondaryIpRanges": []}, 412, "conditionNotMet"),
            ({"fingerprint": True, "privateIpGoogleAccess": True}, 400, "invalid"),
            ({"fingerprint": True, "ipCidrRange": "10.80.0.0/22"}, 400, "invalid"),
            ({"fingerprint": True, "description": "other"}, 400, "invalid"),
        ],
        ids=str,
    )
    def test_a_patch_that_is_not_allowed_changes_nothing(
        self, emulator: Emulator, body: Json, status: int, reason: str
    ) -> None:
        network(emulator)
        before = subnetwork(emulator)
        if body.get("fingerprint") is True:
            body = body | {"fingerprint": before["fingerprint"]}
        assert refused(emulator, "PATCH", f"{REGION}/subnetworks/own", body)[:2] == (status, reason)
        assert emulator.ok("GET", f"{REGION}/subnetworks/own") == before

    def test_each_change_has_another_fingerprint(self, emulator: Emulator) -> None:
        network(emulator)
        url, seen = f"{REGION}/subnetworks/own", [subnetwork(emulator)["fingerprint"]]
        seen.append(
            change(emulator, "POST", f"{url}/setPrivateIpGoogleAccess", {"privateIpGoogleAccess": True})["fingerprint"]
        )
        seen.append(
            change(emulator, "POST", f"{url}/expandIpCidrRange", {"ipCidrRange": "10.80.0.0/22"})["fingerprint"]
        )
        body = {"fingerprint": seen[-1], "logConfig": {"enable": True}}
        found = change(emulator, "PATCH", url, body)
        assert len({*seen, found["fingerprint"]}) == 4
        assert (found["ipCidrRange"], found["privateIpGoogleAccess"]) == ("10.80.0.0/22", True)
        assert found["logConfig"]["aggregationInterval"] == "INTERVAL_5_SEC"

    @pytest.mark.parametrize("cidr", ["10.80.0.0/24", "10.80.0.0/25", "10.90.0.0/16", "10.80.0.0/15", "nothing"])
    def test_a_range_grows_to_a_free_one_that_contains_it(self, emulator: Emulator, cidr: str) -> None:
        network(emulator)
        subnetwork(emulator)
        subnetwork(emulator, "beside", "10.81.0.0/24")
        answer = refused(emulator, "POST", f"{REGION}/subnetworks/own/expandIpCidrRange", {"ipCidrRange": cidr})
        assert answer[:2] == (400, "invalid")

    def test_a_renamed_range_is_in_the_way_of_itself(self, emulator: Emulator) -> None:
        network(emulator)
        one = subnetwork(emulator, secondaryIpRanges=[{"rangeName": "old", "ipCidrRange": "10.81.0.0/20"}])
        body = {
            "fingerprint": one["fingerprint"],
            "secondaryIpRanges": [{"rangeName": "new", "ipCidrRange": "10.81.0.0/20"}],
        }
        assert "conflicts" in refused(emulator, "PATCH", f"{REGION}/subnetworks/own", body)[2]

    @pytest.mark.parametrize("user", ["instance", "router"])
    def test_a_subnetwork_in_use_stays(self, emulator: Emulator, user: str) -> None:
        network(emulator)
        subnetwork(emulator)
        if user == "instance":
            vm(emulator)
        else:
            router(emulator, "own", listed({"name": SUBNETWORK}))
        status, reason, _message = refused(emulator, "DELETE", f"{REGION}/subnetworks/own")
        assert (status, reason) == (400, "resourceInUseByAnotherResource")


class TestRouters:
    @pytest.mark.parametrize(
        ("gateway", "words"),
        [
            (nat(name="Out"), "nats[0].name"),
            (nat(natIpAllocateOption="MANUAL_ONLY"), "MANUAL_ONLY needs addresses"),
            (nat(natIps=["regions/us-central1/addresses/a"]), "AUTO_ONLY takes no addresses"),
            (nat(natIpAllocateOption="MANUAL_ONLY", natIps=["regions/us-central1/addresses/none"]), "was not found"),
            (nat(ranges="LIST_OF_SUBNETWORKS"), "nats[0].subnetworks"),
            (nat(subnetworks=[{"name": SUBNETWORK}]), "LIST_OF_SUBNETWORKS alone"),
            (listed({"name": "regions/us-central1/subnetworks/none"}), "was not found"),
            (listed({"name": "regions/us-central1/subnetworks/default"}), "of the router's network"),
            (listed({"name": SUBNETWORK, "secondaryIpRangeNames": ["none"]}), "secondaryIpRangeNames"),
            (nat(enableDynamicPortAllocation=True, minPortsPerVm=50), "minPortsPerVm"),
            (nat(enableDynamicPortAllocation=True, maxPortsPerVm=32), "maxPortsPerVm"),
            (nat(maxPortsPerVm=1024), "maxPortsPerVm"),
            (nat(enableDynamicPortAllocation=True, enableEndpointIndependentMapping=True), "Dynamic Port Allocation"),
            (nat(udpIdleTimeoutSec=0), "udpIdleTimeoutSec"),
        ],
        ids=str,
    )
    def test_a_gateway_that_cannot_be_is_refused(self, emulator: Emulator, gateway: Json, words: str) -> None:
        network(emulator)
        subnetwork(emulator)
        body = {"name": "own", "network": NETWORK, "nats": [gateway]}
        answer = refused(emulator, "POST", f"{REGION}/routers", body)
        assert answer[0] in {400, 404}
        assert words in answer[2]
        assert emulator.call("GET", f"{REGION}/routers/own").status == 404

    @pytest.mark.parametrize(
        ("first", "second", "words"),
        [
            (nat(), nat("again"), "Can not create new Nats"),
            (nat(), listed({"name": SUBNETWORK}, name="again"), "Can not create new Nats"),
            (listed({"name": SUBNETWORK}), listed({"name": SUBNETWORK}, name="again"), "already configured"),
        ],
        ids=["two for all", "all and one", "one twice"],
    )
    @pytest.mark.parametrize("apart", [False, True])
    def test_no_two_gateways_serve_one_range(
        self, emulator: Emulator, first: Json, second: Json, words: str, apart: bool
    ) -> None:
        network(emulator)
        subnetwork(emulator)
        router(emulator, "own", first)
        if apart:
            body: Json = {"name": "other", "network": NETWORK, "nats": [second]}
            answer = refused(emulator, "POST", f"{REGION}/routers", body)
        else:
            answer = refused(emulator, "PATCH", f"{REGION}/routers/own", {"nats": [first, second]})
        assert answer[:2] == (400, "invalid")
        assert words in answer[2]

    def test_primary_and_secondary_ranges_may_have_gateways_of_their_own(self, emulator: Emulator) -> None:
        network(emulator)
        subnetwork(emulator, secondaryIpRanges=[{"rangeName": "pods", "ipCidrRange": "10.81.0.0/20"}])
        first = listed({"name": SUBNETWORK, "sourceIpRangesToNat": ["PRIMARY_IP_RANGE"]})
        ranges = {"sourceIpRangesToNat": ["LIST_OF_SECONDARY_IP_RANGES"], "secondaryIpRangeNames": ["pods"]}
        found = router(emulator, "own", first, listed({"name": SUBNETWORK} | ranges, name="pods"))
        assert [gateway["name"] for gateway in found["nats"]] == ["out", "pods"]

    def test_an_address_belongs_to_its_gateway_as_long_as_it_is_named(self, emulator: Emulator) -> None:
        network(emulator)
        change(emulator, "POST", f"{REGION}/addresses", {"name": "a"})
        manual = nat(natIpAllocateOption="MANUAL_ONLY", natIps=["regions/us-central1/addresses/a"])
        found = router(emulator, "own", manual)
        address = emulator.ok("GET", f"{REGION}/addresses/a")
        assert (address["status"], address["users"]) == ("IN_USE", [found["selfLink"]])
        assert refused(emulator, "DELETE", f"{REGION}/addresses/a")[1] == "resourceInUseByAnotherResource"
        change(emulator, "PATCH", f"{REGION}/routers/own", {"nats": [nat()]})
        assert emulator.ok("GET", f"{REGION}/addresses/a")["status"] == "RESERVED"
        change(emulator, "PATCH", f"{REGION}/routers/own", {"nats": [manual]})
        change(emulator, "DELETE", f"{REGION}/routers/own")
        change(emulator, "DELETE", f"{REGION}/addresses/a")

    def test_a_patch_merges_groups_and_replaces_lists(self, emulator: Emulator) -> None:
        network(emulator)
        body: Json = {
            "name": "own",
            "network": NETWORK,
            "bgp": {"asn": 64512, "keepaliveInterval": 40},
            "nats": [nat()],
        }
        change(emulator, "POST", f"{REGION}/routers", body)
        found = change(emulator, "PATCH", f"{REGION}/routers/own", {"bgp": {"asn": 64513}, "nats": []})
        assert found["bgp"] == {"asn": 64513, "keepaliveInterval": 40, "advertiseMode": "DEFAULT"}
        assert "nats" not in found
        assert found["network"] == f"{LINK}{PROJECT}/{NETWORK}"

    @pytest.mark.parametrize("bgp", [{"advertiseMode": "DEFAULT"}, {"asn": 1}, {"asn": 64512, "keepaliveInterval": 5}])
    def test_bgp_that_cannot_be_is_refused(self, emulator: Emulator, bgp: Json) -> None:
        network(emulator)
        body = {"name": "own", "network": NETWORK, "bgp": bgp}
        assert refused(emulator, "POST", f"{REGION}/routers", body)[0] == 400

    def test_a_router_takes_one_change_at_a_time(self, emulator: Emulator) -> None:
        network(emulator)
        router(emulator)
        under_way(emulator, f"{PROJECT}/regions/us-central1/routers/own", "compute.routers.patch")
        assert refused(emulator, "PATCH", f"{REGION}/routers/own", {"nats": []})[1] == "resourceNotReady"
        assert refused(emulator, "DELETE", f"{REGION}/routers/own")[1] == "resourceNotReady"
        emulator.cloud.store.delete("operations", "compute/x")
        change(emulator, "PATCH", f"{REGION}/routers/own", {"nats": []})

    @pytest.mark.parametrize("field", [{"interfaces": [{"name": "vpn"}]}, {"encryptedInterconnectRouter": True}])
    def test_what_leads_out_of_the_sandbox_is_not_there(self, emulator: Emulator, field: Json) -> None:
        network(emulator)
        body = {"name": "own", "network": NETWORK} | field
        assert refused(emulator, "POST", f"{REGION}/routers", body)[0] == 501


class TestWaysOut:
    """What a machine without an external address reaches."""

    @pytest.mark.parametrize(
        ("private_access", "gateway", "nat_there", "google_access"),
        [
            pytest.param(False, None, False, False, id="nothing"),
            pytest.param(True, None, False, True, id="Google's APIs, with Private Google Access"),
            pytest.param(False, nat(), True, True, id="everything, with a gateway for all"),
            pytest.param(
                False,
                nat(ranges="ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES"),
                True,
                True,
                id="everything, with one for all primary ranges",
            ),
            pytest.param(False, listed({"name": SUBNETWORK}), True, True, id="everything, with one for its subnetwork"),
            pytest.param(
                False,
                listed({"name": "regions/us-central1/subnetworks/beside"}),
                False,
                False,
                id="nothing, with one for another subnetwork",
            ),
            pytest.param(
                False,
                listed(
                    {
                        "name": SUBNETWORK,
                        "sourceIpRangesToNat": ["LIST_OF_SECONDARY_IP_RANGES"],
                        "secondaryIpRangeNames": ["pods"],
                    }
                ),
                False,
                False,
                id="nothing, with one for secondary ranges",
            ),
        ],
    )
    def test_a_machine_goes_out_where_documents_let_it(
        self, emulator: Emulator, private_access: bool, gateway: Json | None, nat_there: bool, google_access: bool
    ) -> None:
        network(emulator)
        pods = [{"rangeName": "pods", "ipCidrRange": "10.82.0.0/20"}]
        subnetwork(emulator, privateIpGoogleAccess=private_access, secondaryIpRanges=pods)
        subnetwork(emulator, "beside", "10.81.0.0/24")
        vm(emulator)
        if gateway:
            router(emulator, "own", gateway)
        machine = emulator.machines.machines[VM]
        assert (machine.nat, machine.google_access) == (nat_there, google_access)

    def test_a_gateway_of_another_network_or_region_is_for_others(self, emulator: Emulator) -> None:
        network(emulator)
        network(emulator, "other")
        subnetwork(emulator)
        vm(emulator)
        everywhere: Json = {"name": "far", "network": NETWORK, "nats": [nat()]}
        change(emulator, "POST", f"{HERE}/regions/europe-west1/routers", everywhere)
        change(emulator, "POST", f"{REGION}/routers", everywhere | {"name": "near", "network": "global/networks/other"})
        assert not emulator.machines.machines[VM].nat

    def test_the_way_closes_with_the_gateway(self, emulator: Emulator) -> None:
        network(emulator)
        subnetwork(emulator)
        vm(emulator)
        router(emulator, "own", nat())
        assert emulator.machines.machines[VM].nat
        change(emulator, "PATCH", f"{REGION}/routers/own", {"nats": []})
        assert not emulator.machines.machines[VM].nat
        change(emulator, "PATCH", f"{REGION}/routers/own", {"nats": [nat()]})
        change(emulator, "DELETE", f"{REGION}/routers/own")
        assert not emulator.machines.machines[VM].nat

    @pytest.mark.parametrize(
        ("access", "external", "google", "words"),
        [
            pytest.param(False, False, True, "no Private Google Access", id="Google without access"),
            pytest.param(True, False, True, "", id="Google with access"),
            pytest.param(True, False, False, "no NAT gateway serves its subnetwork", id="others with access to Google"),
            pytest.param(False, True, False, "", id="others from an external address"),
        ],
    )
    def test_the_proxy_is_told_what_a_machine_cannot_reach(
        self, emulator: Emulator, access: bool, external: bool, google: bool, words: str
    ) -> None:
        network(emulator)
        subnetwork(emulator, privateIpGoogleAccess=access)
        vm(emulator, **({"accessConfigs": [{}]} if external else {}))
        address = emulator.machines.metadata_address(VM)
        found = fabric.refusal(emulator.cloud.store, address, google)
        assert words in found
        assert bool(found) == bool(words)

    def test_whoever_is_no_machine_reaches_all(self, emulator: Emulator) -> None:
        assert fabric.refusal(emulator.cloud.store, "198.18.77.1", False) == ""


class TestPermissions:
    @pytest.mark.parametrize(
        ("method", "url", "permission"),
        [
            ("POST", f"{GLOBAL}/networks", "networks.create"),
            ("PATCH", f"{GLOBAL}/networks/own", "networks.update"),
            ("POST", f"{GLOBAL}/networks/own/switchToCustomMode", "networks.switchToCustomMode"),
            ("POST", f"{REGION}/subnetworks", "subnetworks.create"),
            ("POST", f"{REGION}/subnetworks/own/expandIpCidrRange", "subnetworks.expandIpCidrRange"),
            ("POST", f"{REGION}/subnetworks/own/setPrivateIpGoogleAccess", "subnetworks.setPrivateIpGoogleAccess"),
            ("POST", f"{REGION}/routers", "routers.create"),
            ("PATCH", f"{REGION}/routers/own", "routers.update"),
            ("DELETE", f"{REGION}/routers/own", "routers.delete"),
        ],
    )
    def test_each_method_needs_its_permission(self, emulator: Emulator, method: str, url: str, permission: str) -> None:
        network(emulator)
        subnetwork(emulator)
        router(emulator)
        body = {"name": "new", "network": NETWORK} if url.endswith("/routers") else {"name": "new"}
        viewer = emulator.account("viewer", "roles/compute.viewer")
        answer = emulator.call(method, url, None if "/own" in url else body, principal=viewer)
        assert answer.status == 403
        assert f"Required 'compute.{permission}' permission" in answer.message

    def test_who_may_change_rules_alone_makes_no_subnetwork(self, emulator: Emulator) -> None:
        network(emulator)
        admin = emulator.account("admin", "roles/compute.instanceAdmin.v1", "roles/compute.networkUser")
        body = {"name": "s", "network": NETWORK, "ipCidrRange": "10.80.0.0/24"}
        assert emulator.call("POST", f"{REGION}/subnetworks", body, principal=admin).status == 403
        owner = emulator.account("owner", "roles/compute.networkAdmin")
        assert emulator.call("POST", f"{REGION}/subnetworks", body, principal=owner).status == 200
