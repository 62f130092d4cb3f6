# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the role makes of the names of the server: hosts, origins, the certificate and nginx's configuration."""

from __future__ import annotations

import re
from typing import Any

import pytest
from test_templates import EVERY_INTERFACE, Role

DEBIAN_13 = {"processor_vcpus": 2, "memtotal_mb": 3900, "distribution_major_version": "13"}


def directives(text: str) -> list[str]:
    """A configuration of nginx without comments and indentation."""
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def blocks(text: str, opening: str) -> dict[str, str]:
    """The blocks of a configuration that begin with a word, each by what stands behind it (or by its number)."""
    found: dict[str, str] = {}
    for match in re.finditer(rf"^ *{opening}\b *(.*?) *{{$", text, re.MULTILINE):
        depth, end = 1, match.end()
        while depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        found[match[1] or str(len(found))] = text[match.end() : end - 1]
    return found


def server(text: str, port: int, *, known: bool = True) -> str:
    """The server of a configuration at a port, for names that it knows or for all others."""
    wanted = [
        body
        for body in blocks(text, "server").values()
        if f":{port}" in body.partition("listen")[2].partition(";")[0] and ('server_name "";' not in body) is known
    ]
    assert len(wanted) == 1, text
    return wanted[0]


@pytest.mark.parametrize(
    ("variables", "hosts", "origins"),
    [
        pytest.param(
            {},
            {"localhost", "127.0.0.1", "[::1]", "localhost:443"},
            {"https://localhost", "https://127.0.0.1", "https://[::1]"},
            id="the loopback always",
        ),
        pytest.param(
            {"mlflow_service_allowed_hosts": ["M.example.com"]},
            {"m.example.com", "m.example.com:443"},
            {"https://m.example.com"},
            id="a name",
        ),
        pytest.param(
            {"mlflow_service_allowed_hosts": ["m.example.com"], "mlflow_port": 8443},
            {"m.example.com", "m.example.com:8443"},
            {"https://m.example.com:8443"},
            id="another port",
        ),
        pytest.param(
            {"mlflow_service_allowed_hosts": ["localhost:5001"]},
            {"localhost:5001", "localhost:443"},
            {"https://localhost:5001", "https://localhost"},
            id="a tunnel",
        ),
        pytest.param(
            {"mlflow_service_allowed_hosts": ["m.example.com:443"]},
            {"m.example.com:443"},
            {"https://m.example.com"},
            id="the port that nobody writes",
        ),
        pytest.param(
            {"mlflow_service_allowed_hosts": ["fd00::9"], "mlflow_service_host": "::"},
            {"[fd00::9]", "[fd00::9]:443"},
            {"https://[fd00::9]"},
            id="an IPv6 address",
        ),
        pytest.param(
            {"mlflow_service_allowed_hosts": ["10.*"], "mlflow_service_host": "10.1.2.3"},
            {"10.*", "10.*:443", "10.1.2.3", "10.1.2.3:443"},
            {"https://10.1.2.3"},
            id="a pattern, and an address to listen on",
        ),
        pytest.param(
            {"mlflow_service_tls": "disabled", "mlflow_port": 80, "mlflow_service_allowed_hosts": ["m"]},
            {"m", "m:80"},
            {"http://m"},
            id="plain HTTP",
        ),
        pytest.param(
            {"mlflow_service_tls": "disabled", "mlflow_port": 5000, "mlflow_service_allowed_hosts": ["m"]},
            {"m", "m:5000"},
            {"http://m:5000"},
            id="plain HTTP at another port",
        ),
        pytest.param(
            {"mlflow_service_cors_origins": ["https://notebooks.example.com"]},
            {"localhost"},
            {"https://notebooks.example.com", "https://localhost"},
            id="the origin of somebody else",
        ),
    ],
)
def test_hosts_and_origins_are_written_as_clients_write_them(
    variables: dict[str, Any], hosts: set[str], origins: set[str]
) -> None:
    role = Role(**variables)
    assert hosts <= set(role.value("__mlflow_service_allowed_hosts"))
    assert origins <= set(role.value("__mlflow_service_cors_origins"))
    scheme = role.value("__mlflow_service_scheme")
    default = {"https": ":443", "http": ":80"}[scheme]
    assert not [origin for origin in role.value("__mlflow_service_cors_origins") if origin.endswith(default)]


def test_the_address_of_every_interface_is_no_host_name() -> None:
    for host in (EVERY_INTERFACE, "::"):
        hosts = Role(mlflow_service_host=host).value("__mlflow_service_allowed_hosts")
        assert not {EVERY_INTERFACE, "[::]"} & set(hosts)


def test_an_entry_with_a_port_gets_no_second_one() -> None:
    hosts = Role(mlflow_service_allowed_hosts=["m.example.com:80"]).value("__mlflow_service_allowed_hosts")
    assert [host for host in hosts if host.startswith("m.")] == ["m.example.com:80"]


def test_the_star_alone_allows_every_host_and_no_origin_of_them() -> None:
    role = Role(mlflow_service_allowed_hosts=["*"])
    assert role.value("__mlflow_service_allowed_hosts") == ["*"]
    assert not any("*" in origin for origin in role.value("__mlflow_service_cors_origins"))


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({}, "https://127.0.0.1:443"),
        ({"mlflow_service_tls": "disabled"}, "http://127.0.0.1:443"),
        ({"mlflow_service_host": "::"}, "https://[::1]:443"),
        ({"mlflow_service_host": "10.1.2.3", "mlflow_service_static_prefix": "/m"}, "https://10.1.2.3:443/m"),
        ({"mlflow_service_host": "fd00::9", "mlflow_port": 8443}, "https://[fd00::9]:8443"),
    ],
)
def test_the_proxy_is_asked_where_it_listens(variables: dict[str, Any], url: str) -> None:
    assert Role(**variables).value("__mlflow_service_url") == url


@pytest.mark.parametrize(
    ("host", "listen"),
    [
        (EVERY_INTERFACE, "0.0.0.0:443"),
        ("::", "[::]:443"),
        ("[::]", "[::]:443"),
        ("fd00::9", "[fd00::9]:443"),
        ("10.1.2.3", "10.1.2.3:443"),
    ],
)
def test_it_listens_where_the_variable_says(host: str, listen: str) -> None:
    text = Role(mlflow_service_host=host).render("nginx.conf.j2")
    found = [line for line in directives(text) if line.startswith("listen ") and ":443" in line]
    assert [line.split()[1].rstrip(";") for line in found] == [listen, listen]
    # A socket for both families is made once.
    assert ["ipv6only=off" in line for line in found] == [listen.startswith("[::]"), False]


@pytest.mark.parametrize(("tls", "host"), [("self_signed", EVERY_INTERFACE), ("disabled", "127.0.0.1")])
def test_without_tls_it_listens_on_the_loopback_unless_told_otherwise(tls: str, host: str) -> None:
    assert Role(mlflow_service_tls=tls).value("mlflow_service_host") == host


def test_a_certificate_names_what_clients_call_without_ports_brackets_and_patterns() -> None:
    role = Role(mlflow_service_allowed_hosts=["m", "m:5001", "fd00::9", "*.example.com", "10.*", "192.0.2.1"])
    names = role.value("__mlflow_service_certificate_names")
    assert names == ["localhost", "127.0.0.1", "::1", "m", "fd00::9", "*.example.com", "192.0.2.1"]
    assert role.value("__mlflow_service_domain_names") == ["*.example.com"]
    request = role.value("__mlflow_service_self_signed_request").splitlines()
    assert [line for line in request if re.match(r"(DNS|IP)\.", line)] == [
        "DNS.1 = localhost",
        "IP.2 = 127.0.0.1",
        "IP.3 = ::1",
        "DNS.4 = m",
        "IP.5 = fd00::9",
        "DNS.6 = *.example.com",
        "IP.7 = 192.0.2.1",
    ]


@pytest.mark.parametrize(
    ("allowed", "domains"),
    [
        pytest.param(["10.20.0.2", "mlflow", "localhost:5001"], [], id="addresses and names of no domain"),
        pytest.param(["m.example.com", "10.20.0.2"], ["m.example.com"], id="a domain among them"),
        pytest.param(["a.example.com:8443", "b.c.example.com"], ["a.example.com", "b.c.example.com"], id="domains"),
    ],
)
def test_an_authority_is_asked_for_domain_names_alone(allowed: list[str], domains: list[str]) -> None:
    assert Role(mlflow_service_allowed_hosts=allowed).value("__mlflow_service_domain_names") == domains


@pytest.mark.parametrize(
    ("facts", "clients", "connections"),
    [
        pytest.param({"memtotal_mb": 400, "processor_vcpus": 1}, 512, 1024, id="small"),
        pytest.param({"memtotal_mb": 3900, "processor_vcpus": 2}, 3900, 3900, id="medium"),
        pytest.param({"memtotal_mb": 500000, "processor_vcpus": 64}, 16384, 512, id="large"),
    ],
)
def test_connections_follow_the_machine(facts: dict[str, Any], clients: int, connections: int) -> None:
    role = Role(ansible_facts={"distribution_major_version": "12", **facts})
    text = role.render("nginx.conf.j2")
    assert f"worker_connections {connections};" in directives(text)
    assert f"limit_conn clients {clients // 2};" in directives(text)


@pytest.mark.parametrize(
    ("facts", "listen", "http2"),
    [
        pytest.param({"distribution_major_version": "11"}, "listen 0.0.0.0:443 ssl http2;", False, id="nginx 1.18"),
        pytest.param({"distribution_major_version": "12"}, "listen 0.0.0.0:443 ssl http2;", False, id="nginx 1.22"),
        pytest.param({"distribution_major_version": "13"}, "listen 0.0.0.0:443 ssl;", True, id="nginx 1.26"),
    ],
)
def test_http2_is_said_as_the_releases_nginx_wants_it(facts: dict[str, Any], listen: str, http2: bool) -> None:
    text = Role(ansible_facts=DEBIAN_13 | facts).render("nginx.conf.j2")
    assert listen in directives(text)
    assert ("http2 on;" in directives(text)) is http2


@pytest.mark.parametrize(
    ("tls", "strict"), [("self_signed", False), ("disabled", False), ("certificate", True), ("acme", True)]
)
def test_browsers_are_bound_to_https_only_where_an_authority_vouches(tls: str, strict: bool) -> None:
    text = Role(mlflow_service_tls=tls, mlflow_service_allowed_hosts=["m.example.com"]).render("nginx.conf.j2")
    assert ("Strict-Transport-Security" in text) is strict


@pytest.mark.parametrize("tls", ["self_signed", "certificate", "acme", "disabled"])
def test_whoever_calls_by_another_name_gets_health_and_nothing_else(tls: str) -> None:
    role = Role(mlflow_service_tls=tls, mlflow_port=8443)
    text = role.render("nginx.conf.j2")
    for port in [8443] if tls == "disabled" else [80, 8443]:
        refused = server(text, port, known=False)
        assert "default_server" in refused
        locations = blocks(refused, "location")
        assert set(locations) == {"= /health", "@away", "/"}
        assert locations["/"].strip().startswith("return 421 ")


@pytest.mark.parametrize("tls", ["self_signed", "disabled"])
def test_where_every_name_is_allowed_none_is_refused(tls: str) -> None:
    text = Role(mlflow_service_tls=tls, mlflow_service_allowed_hosts=["*"]).render("nginx.conf.j2")
    assert "421" not in text
    assert "default_server" in server(text, 443)


def test_a_name_with_a_star_is_matched_as_mlflow_does() -> None:
    text = Role(mlflow_service_allowed_hosts=["10.*", "*.example.com"]).render("nginx.conf.j2")
    (line,) = (line for line in directives(server(text, 443)) if line.startswith("server_name"))
    patterns = [re.compile(found) for found in re.findall(r'"~(.*?)"', line.replace("\\\\", "\\"))]
    for name, is_known in {"10.1.2.3": True, "100.1.2.3": False, "m.example.com": True, "example.com": False}.items():
        assert any(pattern.search(name) for pattern in patterns) is is_known, line


@pytest.mark.parametrize(
    ("port", "answer"), [(443, "https://$host$request_uri"), (8443, "https://$host:8443$request_uri")]
)
def test_plain_http_is_sent_on_with_its_method(port: int, answer: str) -> None:
    text = Role(mlflow_port=port).render("nginx.conf.j2")
    assert blocks(server(text, 80), "location")["/"].strip() == f"return 308 {answer};"


def test_challenges_are_answered_where_an_authority_asks_alone() -> None:
    for tls, has in {"acme": True, "self_signed": False}.items():
        text = Role(mlflow_service_tls=tls, mlflow_service_allowed_hosts=["m.example.com"]).render("nginx.conf.j2")
        assert ("/.well-known/acme-challenge/" in blocks(server(text, 80), "location")) is has


@pytest.mark.parametrize("prefix", ["", "/team.a/mlflow"])
def test_the_assistant_is_denied_whatever_else_is_below_its_path(prefix: str) -> None:
    role = Role(mlflow_service_static_prefix=prefix)
    locations = blocks(server(role.render("nginx.conf.j2"), 443), "location")
    (expression,) = (name.removeprefix("~ ") for name in locations if "~ " in name and "^~" not in name)
    assert locations[f"~ {expression}"].strip() == "return 403;"
    for path in ("/ajax-api/3.0/mlflow/assistant", "/ajax-api/3.0/mlflow/assistant/message"):
        assert re.search(expression, path)
        assert re.search(expression, prefix + path)
    assert not re.search(expression, "/api/2.0/mlflow/experiments/search")
    # A regular expression wins over every prefix but these.
    assert not [name for name in locations if name.startswith("^~") and "assistant" in name]


@pytest.mark.parametrize("prefix", ["", "/m"])
def test_paths_of_the_second_server_go_there_below_the_prefix_and_without_it(prefix: str) -> None:
    role = Role(mlflow_service_static_prefix=prefix)
    locations = blocks(server(role.render("nginx.conf.j2"), 443), "location")
    for path in role.value("__mlflow_service_fastapi_paths"):
        for found in {path, prefix + path}:
            assert "proxy_pass http://fastapi;" in locations[found]
            assert "proxy_buffering off;" in locations[found]
            assert ("if ($small_upload)" in locations[found]) is ("mlflow-artifacts" in path)
    assert locations["/"].strip() == "proxy_pass http://mlflow;"
    assert directives(locations["@small_upload"]) == ["proxy_request_buffering on;", "proxy_pass http://mlflow;"]


@pytest.mark.parametrize(
    ("request_line", "is_small"),
    [
        pytest.param("PUT 999999", True, id="a small upload"),
        pytest.param("PUT 0", True, id="an empty file"),
        pytest.param("PUT 1000000", False, id="a large upload"),
        pytest.param("PUT ", False, id="an upload of unknown length"),
        pytest.param("GET ", False, id="a download"),
        pytest.param("GET 0", False, id="a download with a body"),
    ],
)
def test_an_upload_that_fits_into_memory_is_small(request_line: str, is_small: bool) -> None:
    (body,) = blocks(Role().render("nginx.conf.j2"), r"map .* .small_upload").values()
    found = dict(line.rstrip(";").rsplit(maxsplit=1) for line in directives(body))
    default, (pattern,) = found.pop("default"), found
    assert (found[pattern] if re.search(pattern.strip('"~'), request_line) else default) == str(int(is_small))


def test_health_is_asked_below_the_prefix_and_answered_at_both() -> None:
    locations = blocks(server(Role(mlflow_service_static_prefix="/m").render("nginx.conf.j2"), 443), "location")
    for path in ("= /health", "= /m/health"):
        assert "proxy_pass http://mlflow/m/health;" in locations[path]


def test_metrics_are_for_the_ranges_that_were_named_and_nobody_else() -> None:
    role = Role(mlflow_service_metrics_allowed_cidrs=["10.9.0.0/16"])
    found = directives(blocks(server(role.render("nginx.conf.j2"), 443), "location")["= /metrics"])
    assert found == ["allow 10.9.0.0/16;", "deny all;", "proxy_pass http://mlflow;"]


def test_no_location_forgets_the_headers_that_the_server_adds() -> None:
    # nginx inherits none of them where a location has one of its own.
    for body in blocks(server(Role().render("nginx.conf.j2"), 443), "location").values():
        assert "add_header" not in body
        assert "proxy_set_header" not in body


@pytest.mark.parametrize("secret", ["$args", "$request ", "$request_uri", "$query_string", "cookie", "authorization"])
def test_the_access_log_has_nothing_that_may_hold_a_secret(secret: str) -> None:
    text = Role().render("nginx.conf.j2")
    log = text[text.index("log_format") : text.index("access_log")]
    assert secret not in log.lower().replace('"', " ")


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"mlflow_service_tls": "disabled"},
        {"mlflow_service_tls": "acme", "mlflow_service_allowed_hosts": ["m.example.com"]},
        {"mlflow_service_allowed_hosts": ["*"], "mlflow_service_static_prefix": "/m"},
        {"ansible_facts": DEBIAN_13},
    ],
)
def test_the_configuration_is_whole(variables: dict[str, Any]) -> None:
    text = Role(**variables).render("nginx.conf.j2")
    assert text.count("{") == text.count("}")
    for line in directives(text):
        assert line.endswith((";", "{", "}", "'")), line
