# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Faults: what a client meets, and what was done nevertheless."""

from __future__ import annotations

import http.client
import ipaddress
import json
import socket
import ssl
import typing as t
from dataclasses import dataclass

import pytest
import requests
from gcp_emulator import certificates
from gcp_emulator.admin import fault_of
from gcp_emulator.faults import KINDS, OPERATION_ERROR, Fault, FaultError, Faults, LostAnswerError
from gcp_emulator.proxy import Proxy
from test_proxy import running

if t.TYPE_CHECKING:
    from harness import Emulator

COMPUTE = "https://compute.googleapis.com/compute/v1/projects/test-project"
RULE = {"name": "a", "allowed": [{"IPProtocol": "tcp", "ports": ["22"]}]}


@dataclass(frozen=True)
class Api:
    """A creation in one API, and where what it creates is read."""

    method: str
    verb_url: tuple[str, str]
    body: dict[str, t.Any]
    reading: str
    read: str

    def create(self, emulator: Emulator) -> t.Any:
        return emulator.call(*self.verb_url, self.body)

    def there(self, emulator: Emulator) -> bool:
        """Whether it was created."""
        return emulator.call("GET", self.read).status == 200


IAM = "https://iam.googleapis.com/v1/projects/test-project/serviceAccounts"
SECRETS = "https://secretmanager.googleapis.com/v1/projects/test-project/secrets"
SQL = "https://sqladmin.googleapis.com/v1/projects/test-project/instances"
STORAGE = "https://storage.googleapis.com/storage/v1/b"
APIS = {
    "compute": Api(
        *("compute.firewalls.insert", ("POST", f"{COMPUTE}/global/firewalls"), RULE),
        *("compute.firewalls.get", f"{COMPUTE}/global/firewalls/a"),
    ),
    "sqladmin": Api(
        *("sql.instances.insert", ("POST", SQL)),
        {"name": "a", "databaseVersion": "POSTGRES_15", "settings": {"tier": "db-f1-micro"}},
        *("sql.instances.get", f"{SQL}/a"),
    ),
    "storage": Api(
        *("storage.buckets.insert", ("POST", f"{STORAGE}?project=test-project"), {"name": "a-bucket"}),
        *("storage.buckets.get", f"{STORAGE}/a-bucket"),
    ),
    "iam": Api(
        *("iam.projects.serviceAccounts.create", ("POST", IAM), {"accountId": "robot-1"}),
        *("iam.projects.serviceAccounts.get", f"{IAM}/robot-1@test-project.iam.gserviceaccount.com"),
    ),
    "secretmanager": Api(
        *("secretmanager.projects.secrets.create", ("POST", f"{SECRETS}?secretId=a")),
        {"replication": {"automatic": {}}},
        *("secretmanager.projects.secrets.get", f"{SECRETS}/a"),
    ),
}
OPERATIONS = ("compute", "sqladmin")
each_api = pytest.mark.parametrize("api", APIS.values(), ids=APIS)


# -- HTTP errors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["429", "quota-per-minute", "500", "503"])
@pytest.mark.parametrize(
    ("api", "reasons", "canonical"),
    [
        ("compute", {"500": "internalError", "503": "backendError"}, False),
        ("sqladmin", {"500": "internalError", "503": "serverException"}, False),
        ("storage", {"500": "backendError", "503": "backendError"}, False),
        ("iam", {"500": None, "503": None}, True),
        ("secretmanager", {"500": None, "503": None}, True),
    ],
)
def test_an_http_fault_is_worded_as_its_api_words_it(
    emulator: Emulator, faults: Faults, kind: str, api: str, reasons: dict[str, str | None], canonical: bool
) -> None:
    faults.add(Fault(APIS[api].method, kind, 1))
    answer = APIS[api].create(emulator)
    error = answer.json()["error"]
    status = KINDS[kind].status
    assert (answer.status, error["code"]) == (status, status)
    assert ("status" in error) is canonical
    reason = reasons.get(kind, "rateLimitExceeded")
    listed = [item["reason"] for item in error.get("errors", [])]
    assert listed == ([reason] if reason and api != "secretmanager" else [])
    if status == 403 and api != "storage":
        assert "per minute' of service '" in answer.message
    if canonical:
        named = {429: "RESOURCE_EXHAUSTED", 403: "PERMISSION_DENIED", 500: "INTERNAL", 503: "UNAVAILABLE"}
        assert error["status"] == named[status]
        limited = [item.get("reason") for item in error.get("details", [])[:1]]
        assert limited == (["RATE_LIMIT_EXCEEDED"] if status < 500 else [])
    assert not APIS[api].there(emulator)
    assert APIS[api].create(emulator).status == 200


def test_an_error_over_quota_names_the_project(emulator: Emulator, faults: Faults) -> None:
    faults.add(Fault("compute.firewalls.insert", "429"))
    number = emulator.ok("GET", "https://cloudresourcemanager.googleapis.com/v1/projects/test-project")["projectNumber"]
    answer = APIS["compute"].create(emulator)
    assert f"'project_number:{number}'" in answer.message
    assert answer.json()["error"]["details"][0]["metadata"]["consumer"] == f"projects/{number}"


def test_retry_after_comes_if_it_is_set(emulator: Emulator, faults: Faults) -> None:
    faults.add(Fault("compute.firewalls.get", "503", 1, retry_after=7))
    faults.add(Fault("compute.firewalls.get", "503", 2))
    headers = [emulator.call("GET", APIS["compute"].read).headers for _turn in range(2)]
    assert [header.get("retry-after") for header in headers] == ["7", None]


# -- lost answers ------------------------------------------------------------------------------------------------


@each_api
@pytest.mark.parametrize(("kind", "applied"), [("reset-before", False), ("reset-after", True), ("slow", True)])
def test_an_answer_is_lost_and_the_request_applied_or_not(
    emulator: Emulator, faults: Faults, api: Api, kind: str, applied: bool
) -> None:
    faults.add(Fault(api.method, kind, 1))
    with pytest.raises(LostAnswerError) as raised:
        api.create(emulator)
    assert raised.value.fault.kind == kind
    assert (raised.value.result is not None) is applied
    assert api.there(emulator) is applied
    assert [call.status for call in emulator.calls if call.method == api.method] == [None]


def test_an_error_can_be_lost_too(emulator: Emulator, faults: Faults) -> None:
    faults.add(Fault("compute.firewalls.get", "reset-after"))
    with pytest.raises(LostAnswerError) as raised:
        emulator.call("GET", APIS["compute"].read)
    assert getattr(raised.value.result, "code", None) == 404


def test_a_request_id_finds_the_operation_whose_answer_was_lost(emulator: Emulator, faults: Faults) -> None:
    faults.add(Fault("compute.firewalls.insert", "reset-after", 1))
    url = f"{COMPUTE}/global/firewalls?requestId=4f8b8e6e-5b0f-4c0e-9f4f-0f6f4c6f8a01"
    with pytest.raises(LostAnswerError):
        emulator.call("POST", url, RULE)
    assert emulator.ok("POST", url, RULE)["operationType"] == "insert"


# -- operations --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("api", OPERATIONS)
def test_an_operation_that_ends_in_an_error_leaves_nothing(emulator: Emulator, faults: Faults, api: str) -> None:
    faults.add(Fault(APIS[api].method, "operation-error", 1))
    begun = APIS[api].create(emulator).json()
    emulator.finish()
    ended = emulator.ok("GET", begun["selfLink"])
    assert ended["status"] == "DONE"
    assert ended["error"]["errors"][0]["code"] == OPERATION_ERROR["reason"]
    assert not APIS[api].there(emulator)
    assert faults.met == 1
    assert APIS[api].create(emulator).status == 200


def test_a_change_that_fails_takes_back_itself_alone(emulator: Emulator, faults: Faults) -> None:
    rule = f"{COMPUTE}/global/firewalls/a"
    emulator.ok("POST", f"{COMPUTE}/global/firewalls", RULE | {"description": "first"})
    emulator.finish()
    emulator.ok("PATCH", rule, {"priority": 7})
    emulator.finish()
    faults.add(Fault("compute.firewalls.patch", "operation-error"))
    emulator.ok("PATCH", rule, {"description": "second"})
    emulator.finish()
    found = emulator.ok("GET", rule)
    assert (found["description"], found["priority"]) == ("first", 7)


def test_a_deletion_that_fails_leaves_what_was_there(emulator: Emulator, faults: Faults) -> None:
    APIS["compute"].create(emulator)
    emulator.finish()
    faults.add(Fault("compute.firewalls.delete", "operation-error"))
    emulator.ok("DELETE", APIS["compute"].read)
    emulator.finish()
    assert APIS["compute"].there(emulator)


def test_an_operation_of_the_younger_apis_ends_with_a_code(emulator: Emulator, faults: Faults) -> None:
    faults.add(Fault("serviceusage.services.enable", "operation-error"))
    service = "https://serviceusage.googleapis.com/v1/projects/test-project/services/run.googleapis.com"
    begun = emulator.ok("POST", f"{service}:enable", {})
    emulator.finish()
    ended = emulator.ok("GET", f"https://serviceusage.googleapis.com/v1/{begun['name']}")
    assert (ended["done"], ended["error"]["code"]) == (True, 13)
    assert emulator.ok("GET", service)["state"] == "DISABLED"


@pytest.mark.parametrize("api", OPERATIONS)
def test_an_operation_that_hangs_goes_on_when_its_fault_is_lifted(emulator: Emulator, faults: Faults, api: str) -> None:
    armed = faults.add(Fault(APIS[api].method, "operation-hangs", 1))
    begun = APIS[api].create(emulator).json()
    emulator.finish()
    assert emulator.ok("GET", begun["selfLink"])["status"] == "RUNNING"
    assert armed.met == 1
    faults.clear()
    emulator.finish()
    assert emulator.ok("GET", begun["selfLink"])["status"] == "DONE"
    state = emulator.ok("GET", APIS[api].read).get("state")
    assert state == ("RUNNABLE" if api == "sqladmin" else None)


def test_nothing_else_is_done_to_what_hangs(emulator: Emulator, faults: Faults) -> None:
    faults.add(Fault("sql.instances.insert", "operation-hangs"))
    APIS["sqladmin"].create(emulator)
    refused = emulator.call("DELETE", APIS["sqladmin"].read)
    assert (refused.status, refused.reason) == (409, "operationInProgress")


def test_a_wait_for_what_hangs_is_short(emulator: Emulator, faults: Faults) -> None:
    faults.add(Fault("compute.firewalls.insert", "operation-hangs"))
    begun = APIS["compute"].create(emulator).json()
    assert emulator.ok("POST", f"{begun['selfLink']}/wait")["status"] == "RUNNING"


def test_a_fault_of_operations_waits_for_a_call_that_begins_one(emulator: Emulator, faults: Faults) -> None:
    armed = faults.add(Fault("serviceusage.services.enable", "operation-error"))
    service = "https://serviceusage.googleapis.com/v1/projects/test-project/services/compute.googleapis.com"
    assert emulator.ok("POST", f"{service}:enable", {})["done"]  # enabled already
    assert (armed.calls, armed.met) == (1, 0)


# -- stale reads -------------------------------------------------------------------------------------------------


@each_api
def test_what_was_just_created_is_not_there_yet(emulator: Emulator, faults: Faults, api: Api) -> None:
    api.create(emulator)
    emulator.finish()
    faults.add(Fault(api.reading, "stale", 1))
    assert not api.there(emulator)
    assert api.there(emulator)


def test_a_list_is_what_it_was_before_the_last_change_of_each(emulator: Emulator, faults: Faults) -> None:
    rules = f"{COMPUTE}/global/firewalls"
    for name in ("a", "b"):
        emulator.ok("POST", rules, RULE | {"name": name, "description": "old"})
        emulator.finish()
    emulator.ok("PATCH", f"{rules}/a", {"description": "new"})
    emulator.ok("DELETE", f"{rules}/default-allow-rdp")
    emulator.finish()
    faults.add(Fault("compute.firewalls.list", "stale"))
    found = {rule["name"]: rule.get("description") for rule in emulator.ok("GET", rules).get("items", [])}
    assert found == {"a": "old", "default-allow-rdp": "Allow RDP from anywhere"}


def test_a_stale_policy_has_the_old_etag(emulator: Emulator, faults: Faults) -> None:
    url = "https://cloudresourcemanager.googleapis.com/v1/projects/test-project"
    policy = emulator.ok("POST", f"{url}:getIamPolicy", {})
    bindings = [*policy["bindings"], {"role": "roles/viewer", "members": [f"serviceAccount:{emulator.owner}"]}]
    emulator.ok("POST", f"{url}:setIamPolicy", {"policy": {"etag": policy["etag"], "bindings": bindings}})
    faults.add(Fault("cloudresourcemanager.projects.getIamPolicy", "stale", 1))
    stale = emulator.ok("POST", f"{url}:getIamPolicy", {})
    assert stale == policy
    assert emulator.call("POST", f"{url}:setIamPolicy", {"policy": stale}).status == 409


# -- which call --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "statuses"), [(None, [503, 503, 503]), (1, [503, 404, 404]), (2, [404, 503, 404])], ids=str
)
def test_calls_are_counted_from_when_the_fault_is_set(
    emulator: Emulator, faults: Faults, call: int | None, statuses: list[int]
) -> None:
    emulator.call("GET", APIS["compute"].read)
    armed = faults.add(Fault("compute.firewalls.get", "503", call))
    emulator.call("GET", f"{COMPUTE}/global/networks/default")
    assert [emulator.call("GET", APIS["compute"].read).status for _turn in range(3)] == statuses
    assert (armed.calls, armed.met) == (3, statuses.count(503))
    faults.remove(armed.number)
    assert emulator.call("GET", APIS["compute"].read).status == 404


def test_several_faults_of_a_method_are_met_one_by_one(emulator: Emulator, faults: Faults) -> None:
    for call, kind in enumerate(["429", "500", "503"], 1):
        faults.add(Fault("compute.firewalls.get", kind, call))
    assert [emulator.call("GET", APIS["compute"].read).status for _turn in range(4)] == [429, 500, 503, 404]


def test_a_part_of_a_batch_meets_its_fault_alone(emulator: Emulator, faults: Faults) -> None:
    path = "/compute/v1/projects/test-project/global/networks/default"
    part = f"--b\r\nContent-Type: application/http\r\n\r\nGET {path} HTTP/1.1\r\n\r\n\r\n"
    headers = {"content-type": "multipart/mixed; boundary=b"}
    url = "https://compute.googleapis.com/batch/compute/v1"
    faults.add(Fault("compute.networks.get", "503", 2))
    answer = emulator.call("POST", url, f"{part * 3}--b--\r\n".encode(), headers=headers)
    lines = [line for line in answer.content.decode().splitlines() if line.startswith("HTTP/1.1")]
    assert lines == ["HTTP/1.1 200 OK", "HTTP/1.1 503 Service Unavailable", "HTTP/1.1 200 OK"]
    assert [call[:3] for call in emulator.calls] == [
        ("compute.networks.get", path, status) for status in (200, 503, 200)
    ]
    faults.add(Fault("compute.networks.get", "reset-after", 1))
    with pytest.raises(LostAnswerError):
        emulator.call("POST", url, f"{part}--b--\r\n".encode(), headers=headers)
    assert list(emulator.calls)[-1][:3] == ("compute.networks.get", path, None)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        pytest.param(
            Fault("compute.firewalls.get", "nonsense"), "There is no kind nonsense: it is one of 429", id="kind"
        ),
        pytest.param(
            Fault("compute.firewall.get", "503"), "does not have the method compute.firewall.get", id="method"
        ),
        pytest.param(
            Fault("compute.acceleratorTypes.list", "503"), "does not have the method compute.accel", id="not emulated"
        ),
        pytest.param(
            Fault("compute.firewalls.get", "operation-error"),
            "for methods that begin an operation; compute.firewalls.get can have 429, .*, slow, stale",
            id="operation of a reading",
        ),
        pytest.param(
            Fault("compute.globalOperations.wait", "operation-hangs"), "begin an operation", id="operation of a wait"
        ),
        pytest.param(Fault("storage.buckets.insert", "operation-error"), "begin an operation", id="no operation"),
        pytest.param(
            Fault("compute.firewalls.insert", "stale"),
            "for methods that read resources; .* operation-hangs",
            id="write",
        ),
        pytest.param(Fault("compute.globalOperations.get", "stale"), "that read resources", id="stale operation"),
        pytest.param(Fault("compute.firewalls.get", "503", 0), "counted from 1; there is no call 0", id="call"),
        pytest.param(Fault("compute.firewalls.get", "503", seconds=3), "Seconds are for slow", id="seconds"),
        pytest.param(Fault("compute.firewalls.get", "slow", seconds=0), "and more than 0", id="no seconds"),
        pytest.param(Fault("compute.firewalls.get", "slow", retry_after=1), "for HTTP errors", id="retry after"),
    ],
)
def test_a_fault_that_cannot_be_is_refused(faults: Faults, fault: Fault, words: str) -> None:
    with pytest.raises(FaultError, match=words):
        faults.add(fault)
    assert not list(faults)


@pytest.mark.parametrize(
    "document",
    [
        *(None, [], {"method": "compute.firewalls.get"}, {"method": "m", "kind": "503", "more": 1}),
        *({"method": 1, "kind": "503"}, {"method": "m", "kind": "503", "call": True}),
        {"method": "m", "kind": "slow", "seconds": "3"},
    ],
    ids=str,
)
def test_json_that_is_no_fault_is_refused(document: object) -> None:
    with pytest.raises(FaultError):
        fault_of(document)


# -- the log -----------------------------------------------------------------------------------------------------


def test_the_log_tells_method_path_and_status_and_no_secret(emulator: Emulator) -> None:
    emulator.call("GET", f"{COMPUTE}/global/firewalls/none?access_token=canary")
    emulator.call("GET", "https://storage.googleapis.com/bucket-1/object?X-Goog-Signature=canary", principal=None)
    emulator.call("POST", f"{SECRETS}?secretId=a", {"replication": {"automatic": {}}, "labels": {"canary": "1"}})
    assert [call[:3] for call in emulator.calls] == [
        ("compute.firewalls.get", "/compute/v1/projects/test-project/global/firewalls/none", 404),
        ("", "/bucket-1/object", 400),
        ("secretmanager.projects.secrets.create", "/v1/projects/test-project/secrets", 200),
    ]
    assert [call.number for call in emulator.calls] == [1, 2, 3]
    assert "canary" not in str(list(emulator.calls))
    emulator.calls.clear()
    assert len(emulator.calls) == 0


# -- the real server ---------------------------------------------------------------------------------------------


class Client:
    """requests behind the proxy of a real server, in TLS, as the owner of the project."""

    def __init__(self, emulator: Emulator, port: int) -> None:
        emulator.call("GET", APIS["compute"].read)  # has a token
        emulator.calls.clear()
        self.port, self.session = port, requests.Session()
        self.session.trust_env = False
        self.session.proxies = {"https": f"http://127.0.0.1:{port}"}
        self.session.verify = str(emulator.cloud.settings.ca_bundle)
        self.session.headers["Authorization"] = f"Bearer {emulator.tokens[emulator.owner]}"

    def __call__(self, verb: str, url: str, body: t.Any = None, timeout: float = 10) -> requests.Response:
        return self.session.request(verb, url, json=body, timeout=timeout)


@pytest.fixture
def client(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Client]:
    for name in certificates.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    certificates.ensure(emulator.cloud.settings)
    with running(emulator.cloud.settings, emulator.front) as port:
        made = Client(emulator, port)
        yield made
        made.session.close()


@pytest.mark.parametrize("fresh", [True, False], ids=["first request of a connection", "later request"])
@pytest.mark.parametrize(("kind", "applied"), [("reset-before", False), ("reset-after", True)])
def test_a_connection_is_reset_without_an_answer(
    emulator: Emulator, faults: Faults, client: Client, kind: str, applied: bool, fresh: bool
) -> None:
    if not fresh:
        assert client("GET", f"{COMPUTE}/global/networks/default").status_code == 200
    faults.add(Fault("compute.firewalls.insert", kind, 1))
    with pytest.raises(requests.ConnectionError):
        client("POST", f"{COMPUTE}/global/firewalls", RULE | {"description": "long " * 20_000})
    emulator.finish()
    assert APIS["compute"].there(emulator) is applied
    assert client("GET", f"{COMPUTE}/global/networks/default").status_code == 200


def test_a_reset_is_one_of_tcp_through_the_proxy(emulator: Emulator, faults: Faults, client: Client) -> None:
    faults.add(Fault("compute.firewalls.list", "reset-before"))
    context = ssl.create_default_context(cafile=emulator.cloud.settings.ca_bundle)
    with socket.create_connection(("127.0.0.1", client.port), timeout=10) as plain:
        plain.sendall(b"CONNECT compute.googleapis.com:443 HTTP/1.1\r\n\r\n")
        assert b" 200 " in plain.recv(1000)
        with context.wrap_socket(plain, server_hostname="compute.googleapis.com") as stream:
            lines = ("GET /compute/v1/projects/test-project/global/firewalls HTTP/1.1", "Host: compute.googleapis.com")
            stream.sendall("\r\n".join([*lines, "", ""]).encode())
            with socket.socket(fileno=stream.detach()) as raw:  # below TLS, whose library hides how the connection ends
                raw.settimeout(10)
                with pytest.raises(ConnectionResetError):
                    list(iter(lambda: raw.recv(65536), b""))


def test_a_slow_answer_is_missed_by_who_does_not_wait(emulator: Emulator, faults: Faults, client: Client) -> None:
    faults.add(Fault("compute.firewalls.insert", "slow", 1, seconds=30))
    with pytest.raises(requests.ReadTimeout):
        client("POST", f"{COMPUTE}/global/firewalls", RULE, timeout=1)
    emulator.finish()
    assert APIS["compute"].there(emulator)


@pytest.mark.parametrize(("name", "status"), [("default", 200), ("none", 404)])
def test_a_slow_answer_comes_to_who_waits(faults: Faults, client: Client, name: str, status: int) -> None:
    faults.add(Fault("compute.networks.get", "slow", seconds=0.05))
    assert client("GET", f"{COMPUTE}/global/networks/{name}").status_code == status


# -- the admin API -----------------------------------------------------------------------------------------------


def admin(client: Client, verb: str, path: str, body: str | None = None) -> tuple[int, t.Any]:
    connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=10)
    connection.request(verb, path, body)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def test_faults_are_set_seen_and_lifted_over_http(emulator: Emulator, client: Client) -> None:
    wanted = json.dumps({"method": "compute.firewalls.get", "kind": "503", "call": 1})
    status, made = admin(client, "POST", "/faults", wanted)
    assert (status, made["number"], made["call"]) == (200, 1, 1)
    assert emulator.call("GET", APIS["compute"].read).status == 503
    assert admin(client, "GET", "/faults") == (200, {"faults": [made | {"calls": 1, "met": 1}]})
    logged = admin(client, "GET", "/requests")[1]["requests"]
    assert [(call["number"], call["method"], call["status"]) for call in logged] == [(1, "compute.firewalls.get", 503)]
    assert admin(client, "DELETE", "/requests") == (200, {})
    assert admin(client, "GET", "/requests") == (200, {"requests": []})
    assert admin(client, "DELETE", "/faults/1") == (200, {})
    assert admin(client, "GET", "/faults") == (200, {"faults": []})
    admin(client, "POST", "/faults", wanted)
    assert admin(client, "DELETE", "/faults") == (200, {})
    assert not list(emulator.faults)


@pytest.mark.parametrize(
    ("verb", "path", "body", "status", "words"),
    [
        ("POST", "/faults", '{"method": "m", "kind": "503"}', 400, "does not have the method m"),
        ("POST", "/faults", "{", 400, "is not JSON"),
        ("POST", "/faults", None, 400, "A fault is a JSON object"),
        ("DELETE", "/faults/9", None, 400, "No fault has the number 9"),
        ("DELETE", "/faults/x", None, 400, "x is no number"),
        ("PUT", "/faults", None, 404, "PUT /faults"),
        ("GET", "/nothing", None, 404, "GET /nothing"),
    ],
)
def test_what_cannot_be_asked_is_told(
    client: Client, verb: str, path: str, body: str | None, status: int, words: str
) -> None:
    found, answer = admin(client, verb, path, body)
    assert found == status
    assert words in answer["error"]


@pytest.mark.parametrize(
    ("caller", "ours"), [("127.0.0.1", True), ("198.18.77.1", True), ("198.18.77.20", False), ("192.0.2.2", False)]
)
def test_a_vm_sets_no_faults(caller: str, ours: bool) -> None:
    proxy = Proxy(("127.0.0.1", 1), ipaddress.IPv4Interface("198.18.77.1/24"), dict)
    assert proxy._is_ours(caller) is ours
