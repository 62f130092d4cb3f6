# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is said of certificates, good and bad."""

from __future__ import annotations

import datetime
import ipaddress
import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.filter import tls_certificate as plugin
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
SERVER = ("mlflow.example.com", "192.0.2.1", "fd00::1")


class Made:
    """A certificate and its key, made for a test."""

    def __init__(
        self, name: str, names: t.Sequence[str] = (), issuer: Made | None = None, begin: int = -1, end: int = 90
    ) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(issuer.name if issuer else self.name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW + begin * DAY)
            .not_valid_after(NOW + end * DAY)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([general(name) for name in names]), False)
        certificate = builder.sign((issuer or self).key, hashes.SHA256())
        self.pem = certificate.public_bytes(serialization.Encoding.PEM).decode()

    def private(self, password: bytes | None = None) -> str:
        """The key in PEM form."""
        return pem(self.key, password)


def general(name: str) -> x509.GeneralName:
    """A name as it stands in a certificate."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def pem(key: t.Any, password: bytes | None = None) -> str:
    """A private key in PEM form."""
    hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    return t.cast(bytes, key.private_bytes(serialization.Encoding.PEM, form, hidden)).decode()


ROOT = Made("Root")
BETWEEN = Made("Between", issuer=ROOT)
LEAF = Made("Server", SERVER, issuer=BETWEEN)
CHAIN = LEAF.pem + BETWEEN.pem
ITSELF = Made("Itself", SERVER)
GONE = Made("Gone", SERVER, begin=-9, end=-1)


def problems(text: str, **options: t.Any) -> list[str]:
    """What is wrong with a certificate."""
    found: list[str] = plugin.tls_certificate(text, **options)["problems"]
    return found


@pytest.mark.parametrize(
    ("text", "options"),
    [
        pytest.param(CHAIN, {}, id="a chain"),
        pytest.param(CHAIN + ROOT.pem, {}, id="a chain with its root"),
        pytest.param(ITSELF.pem, {}, id="one that signed itself"),
        pytest.param(CHAIN, {"private_key": LEAF.private()}, id="its key"),
        pytest.param(CHAIN, {"names": SERVER}, id="its names"),
        pytest.param(CHAIN, {"names": ["MLflow.Example.COM", "fd00:0::1"]}, id="names in other spellings"),
        pytest.param(CHAIN, {"names": ["[fd00::1]"]}, id="an address in brackets"),
        pytest.param(CHAIN, {"names": [*SERVER, SERVER[0]], "exact": True}, id="its names exactly"),
        pytest.param(Made("x", ["*.example.com"]).pem, {"names": ["a.example.com"]}, id="a star for one label"),
        pytest.param(CHAIN, {"days": 89}, id="valid for long enough"),
    ],
)
def test_a_certificate_that_fits_has_no_problems(text: str, options: dict[str, t.Any]) -> None:
    assert problems(text, **options) == []


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        pytest.param("", {}, "cannot be read as PEM", id="nothing"),
        pytest.param(
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", {}, "cannot be read", id="garbage"
        ),
        pytest.param(CHAIN[:400], {}, "cannot be read", id="cut off"),
        pytest.param(CHAIN + LEAF.private(), {}, "comes with a private key", id="a key among them"),
        pytest.param(
            CHAIN, {"private_key": ITSELF.private()}, "does not belong to the private key", id="another's key"
        ),
        pytest.param(CHAIN, {"private_key": "canary"}, "private key that cannot be read", id="a key that is none"),
        pytest.param(CHAIN, {"private_key": LEAF.private(b"x")}, "is encrypted", id="an encrypted key"),
        pytest.param(CHAIN, {"private_key": pem(ed25519.Ed25519PrivateKey.generate())}, "neither RSA", id="an odd key"),
        pytest.param(GONE.pem, {}, "expired on", id="expired"),
        pytest.param(Made("x", begin=1).pem, {}, "is not valid before", id="not valid yet"),
        pytest.param(CHAIN, {"days": 91}, "in less than 91 days", id="about to expire"),
        pytest.param(
            Made("x", issuer=GONE).pem + GONE.pem, {}, "has an issuer (Gone) that expired on", id="an expired issuer"
        ),
        pytest.param(
            BETWEEN.pem + LEAF.pem, {}, "has Server in place 2, where its issuer Root belongs", id="wrong order"
        ),
        pytest.param(LEAF.pem + ROOT.pem, {}, "has Root in place 2, where its issuer Between belongs", id="a gap"),
        pytest.param(
            CHAIN, {"names": ["other.example.com"]}, "does not cover other.example.com, but", id="another name"
        ),
        pytest.param(CHAIN, {"names": ["192.0.2.2"]}, "does not cover 192.0.2.2", id="another address"),
        pytest.param(
            ROOT.pem, {"names": ["Root"]}, "does not cover root, but no name at all", id="a common name alone"
        ),
        pytest.param(
            Made("x", ["*.example.com"]).pem,
            {"names": ["a.b.example.com"]},
            "does not cover",
            id="a star for two labels",
        ),
        pytest.param(
            Made("x", ["*.example.com"]).pem, {"names": ["example.com"]}, "does not cover", id="a star for no label"
        ),
        pytest.param(CHAIN, {"names": SERVER[:1], "exact": True}, "covers 192.0.2.1, fd00::1 besides", id="too many"),
    ],
)
def test_what_is_wrong_is_said(text: str, options: dict[str, t.Any], said: str) -> None:
    found = problems(text, **options)
    assert any(said in problem for problem in found), found
    assert "canary" not in str(found)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    assert len(problems(GONE.pem, private_key=LEAF.private(), names=["other.example.com"])) == 3


@pytest.mark.parametrize(
    ("text", "root"),
    [
        pytest.param(CHAIN, "", id="of a public authority"),
        pytest.param(CHAIN + ROOT.pem, ROOT.pem, id="with the root of a private one"),
        pytest.param(ITSELF.pem, ITSELF.pem, id="which signed itself"),
        pytest.param("nothing", "", id="unreadable"),
    ],
)
def test_what_has_to_be_trusted_is_the_root_that_came_along(text: str, root: str) -> None:
    assert plugin.tls_certificate(text)["root"] == root


def test_the_names_are_told_in_one_form() -> None:
    assert plugin.tls_certificate(CHAIN)["names"] == list(SERVER)


def test_it_is_a_filter() -> None:
    assert plugin.FilterModule().filters() == {"tls_certificate": plugin.tls_certificate}
