# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The proxy in front of the server: TLS, names, what it refuses, what it logs, and how it comes back."""

from __future__ import annotations

import json
import re

import pytest
from cloud import Host

SELF = "openssl s_client -connect 127.0.0.1:443 -servername localhost"


def answer(host: Host, options: str) -> tuple[int, str]:
    """The status of an answer and its headers, as curl on the machine sees them."""
    told = host.check_output(
        "openssl x509 -in /etc/mlflow/tls/server.pem -out /tmp/mlflow.pem && curl --silent --show-error "
        f"--noproxy '*' --cacert /tmp/mlflow.pem --dump-header - --output /dev/null {options}"
    )
    return int(told.split()[1]), told.lower()


@pytest.mark.parametrize(("version", "works"), [("tls1", False), ("tls1_1", False), ("tls1_2", True), ("tls1_3", True)])
def test_it_speaks_tls_1_2_and_newer(host: Host, version: str, works: bool) -> None:
    # OpenSSL of newer releases asks for old versions at this level alone.
    cipher = "" if works else "-cipher DEFAULT@SECLEVEL=0"
    tried = host.run(f"{SELF} -{version} {cipher} </dev/null")
    assert ("BEGIN CERTIFICATE" in tried.stdout) is works, tried.stderr


@pytest.mark.parametrize("cipher", ["AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-CBC-SHA384"])
def test_it_takes_no_old_ciphers(host: Host, cipher: str) -> None:
    assert "BEGIN CERTIFICATE" not in host.run(f"{SELF} -tls1_2 -cipher {cipher}:@SECLEVEL=0 </dev/null").stdout


def test_it_speaks_http_2(host: Host) -> None:
    assert answer(host, "https://localhost/health")[1].startswith("http/2 200")


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_load_balancers_are_told_its_health_without_credentials(host: Host, scheme: str, name: str) -> None:
    assert answer(host, f"{scheme}://{name}/health")[0] == 200
    assert answer(host, f"--header 'Host: 203.0.113.9' {scheme}://{name}/health")[0] == 200


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_plain_http_is_sent_on_with_its_method(host: Host, method: str) -> None:
    status, headers = answer(host, f"--request {method} 'http://localhost/api/2.0/x?y=1'")
    assert status == 308
    assert "location: https://localhost/api/2.0/x?y=1" in headers.splitlines()


@pytest.mark.parametrize(
    "options",
    [
        pytest.param("--header 'Host: evil.example.net' https://localhost/", id="a Host header"),
        pytest.param("--header 'Host: evil.example.net' http://localhost/", id="a Host header without TLS"),
        pytest.param(
            "--insecure --resolve evil.example.net:443:127.0.0.1 --header 'Host: localhost' https://evil.example.net/",
            id="the name of TLS",
        ),
    ],
)
def test_a_name_that_it_does_not_know_is_refused(host: Host, options: str) -> None:
    assert answer(host, options)[0] == 421


def test_each_answer_has_the_headers_of_safety(host: Host) -> None:
    for path in ("/", "/api/2.0/mlflow/experiments/search", "/static-files/favicon.ico"):
        headers = answer(host, f"https://localhost{path}")[1]
        assert headers.count("x-content-type-options: nosniff") == 1
        assert "referrer-policy: same-origin" in headers
        assert "server: nginx\r" in headers
        # Nobody but its user vouches for this certificate, so a browser must be able to leave.
        assert "strict-transport-security" not in headers


@pytest.mark.parametrize(
    "path",
    [
        "/ajax-api/3.0/mlflow/assistant/message",
        "/ajax-api/3.0//mlflow/%61ssistant/message",
        "/x/../ajax-api/3.0/mlflow/assistant/message",
    ],
)
def test_the_assistant_is_out_of_reach(host: Host, path: str) -> None:
    spoofed = "--header 'X-Forwarded-For: 127.0.0.1'"
    assert answer(host, f"--path-as-is {spoofed} https://localhost{path}")[0] == 403


def test_metrics_are_for_the_loopback(host: Host, name: str) -> None:
    address = host.check_output("hostname --all-ip-addresses").split()[0]
    assert answer(host, "https://localhost/metrics")[0] != 403
    # By the machine's own address, the machine itself is a stranger.
    assert answer(host, f"--resolve {name}:443:{address} https://{name}/metrics")[0] == 403


def test_the_key_never_leaves_the_machine_and_the_certificate_has_the_names(host: Host, name: str) -> None:
    told = host.check_output("openssl x509 -in /etc/mlflow/tls/server.pem -noout -text")
    assert "Public-Key: (256 bit)" in told
    assert "CA:FALSE" in told
    (names,) = re.findall(r"Subject Alternative Name: *\n *(.*)", told)
    assert {f"DNS:{name}", "DNS:localhost", "IP Address:127.0.0.1", "IP Address:0:0:0:0:0:0:0:1"} <= set(
        names.split(", ")
    )


def test_the_access_log_is_json_and_has_no_secret(host: Host) -> None:
    canary = f"canary{host.check_output('date +%s%N')}"
    answer(
        host,
        f"--user {canary}user:{canary}password --cookie session={canary}cookie --user-agent {canary} "
        f"'https://localhost/api/2.0/mlflow/experiments/search?token={canary}query'",
    )
    told = host.check_output(f"sleep 1; journalctl --identifier mlflow_proxy --output cat --lines 200 | grep {canary}")
    (line,) = told.splitlines()
    entry = json.loads(line)
    assert (entry["user"], entry["agent"], entry["path"]) == (
        f"{canary}user",
        canary,
        "/api/2.0/mlflow/experiments/search",
    )
    assert isinstance(entry["status"], int)
    assert isinstance(entry["seconds"], float)
    for secret in ("password", "cookie", "query"):
        assert canary + secret not in host.check_output("journalctl --unit nginx --output cat --lines 500")


def test_systemd_finds_little_to_do_against_it(host: Host) -> None:
    told = host.check_output("systemd-analyze security --no-pager nginx.service")
    figure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", told)
    assert figure is not None, told
    assert float(figure[1]) <= 2.5, told


def test_it_leaves_the_files_of_its_package_alone(host: Host) -> None:
    # Else an upgrade asks what to do with them, and stops.
    assert host.run("dpkg --verify nginx nginx-common").stdout == ""


def test_the_journal_is_bounded(host: Host) -> None:
    written = host.file("/etc/systemd/journald.conf.d/mlflow.conf").content_string
    assert "SystemMaxUse=1G" in written.splitlines()
    since = host.check_output(
        "systemctl show --property ActiveEnterTimestamp --value --timestamp=us+utc systemd-journald"
    )
    assert host.check_output(f"find /etc/systemd/journald.conf.d -newermt '{since}'") == ""


def test_a_killed_proxy_comes_back(host: Host) -> None:
    before = host.check_output("systemctl show --property MainPID --value nginx")
    host.check_output(f"kill -KILL {before}")
    host.check_output("timeout 30 sh -c 'until curl --silent --insecure https://localhost/health; do sleep 1; done'")
    assert host.check_output("systemctl show --property MainPID --value nginx") != before


def test_a_reload_loses_no_request(host: Host) -> None:
    asked = (
        "for i in $(seq 60); do curl --silent --insecure --output /dev/null --write-out '%{http_code}\\n' "
        "https://localhost/health; done"
    )
    told = host.check_output(f"(sleep 1; systemctl reload nginx; sleep 1; systemctl reload nginx) & {asked}; wait")
    assert set(told.split()) == {"200"}


def test_its_health_is_that_of_the_server(host: Host) -> None:
    stopped = "systemctl stop mlflow.socket mlflow-api.socket mlflow mlflow-api"
    host.check_output(stopped)
    try:
        for url in ("https://localhost/health", "http://localhost/health", "https://localhost/api/2.0/x"):
            assert answer(host, url)[0] == 503
    finally:
        host.check_output("systemctl start mlflow.socket mlflow-api.socket mlflow mlflow-api")
    host.check_output(
        "timeout 60 sh -c 'until curl --silent --fail --insecure https://localhost/health; do sleep 1; done'"
    )
