# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with a TLS certificate, told before it is put anywhere."""

from __future__ import annotations

DOCUMENTATION = r"""
name: tls_certificate
short_description: What a TLS certificate is good for, and what is wrong with it
version_added: 0.3.0
author: The mlops.mlflow authors (@mlops-mlflow)
description:
  - Reads a certificate with the chain behind it, and says whether a server can show it under some names.
  - It runs on the controller and needs the Python library C(cryptography), which ansible-core itself needs.
positional: _input
options:
  _input:
    description: The server's certificate in PEM form, and behind it those of its issuers, each after what it issued.
    type: str
    required: true
  private_key:
    description: The private key in PEM form, which has to be the certificate's. Without it, that is not looked at.
    type: str
  names:
    description: DNS names and addresses that the certificate has to cover.
    type: list
    elements: str
    default: []
  exact:
    description: Whether the certificate has to name O(names) and nothing else.
    type: bool
    default: false
  days:
    description: For how many days more the certificate has to be valid.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: Refuse a certificate that does not fit
  ansible.builtin.assert:
    that: found.problems | length == 0
    fail_msg: "{{ found.problems | join('; ') }}"
  vars:
    found: >-
      {{ lookup('ansible.builtin.file', 'mlflow.example.com.pem')
         | mlops.mlflow.tls_certificate(names=['mlflow.example.com'], days=7) }}
"""

RETURN = r"""
_value:
  description: What was found.
  type: dict
  contains:
    problems:
      description: What is wrong, each a sentence that goes on after the certificate's name. Empty when all is well.
      type: list
      elements: str
      sample: ["expired on 2026-01-01"]
    names:
      description: DNS names and addresses that the certificate covers.
      type: list
      elements: str
      sample: ["mlflow.example.com", "192.0.2.1"]
    root:
      description:
        - The certificate to trust, in PEM form, where the text ends with one that signed itself. Else empty,
          which is how certificates of public authorities come.
      type: str
"""

import datetime
import ipaddress
import itertools
import typing as t

from ansible.errors import AnsibleFilterError

try:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.x509.oid import NameOID
except ImportError:  # what only reads the documentation may do without
    HAS_CRYPTOGRAPHY = False
else:
    HAS_CRYPTOGRAPHY = True
    UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm)


def plain(name: str) -> str:
    """A name or an address in the one form in which they are compared."""
    try:
        return str(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        return name.lower().rstrip(".")


def named(certificate: x509.Certificate) -> list[str]:
    """What a certificate covers. The common name does not count any more, anywhere."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = [str(address) for address in found.get_values_for_type(x509.IPAddress)]
    return [plain(name) for name in [*found.get_values_for_type(x509.DNSName), *addresses]]


def covers(found: list[str], name: str) -> bool:
    """Whether one of the names found is this one; a star stands for one label, the first."""
    return name in found or ("." in name and "*." + name.partition(".")[2] in found)


def instants(certificate: x509.Certificate) -> tuple[datetime.datetime, datetime.datetime]:
    """From when to when a certificate is valid. Before release 42, cryptography told it without the time zone."""
    if hasattr(certificate, "not_valid_after_utc"):
        return certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return (
        certificate.not_valid_before.replace(tzinfo=datetime.UTC),
        certificate.not_valid_after.replace(tzinfo=datetime.UTC),
    )


def public_bytes(key: t.Any) -> bytes:
    """A public key as bytes that can be compared."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return t.cast(bytes, key.public_bytes(serialization.Encoding.DER, form))


def called(name: x509.Name) -> str:
    """A short name of a certificate, for people."""
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common[0].value) if common else name.rfc4514_string()


def wrong_key(certificate: x509.Certificate, private_key: str) -> t.Iterator[str]:
    """What is wrong with the private key."""
    try:
        key = serialization.load_pem_private_key(private_key.encode(), password=None)
    except TypeError:
        yield "has a private key that is encrypted, and nobody is there to type its passphrase: decrypt it"
    except UNREADABLE:
        yield "has a private key that cannot be read as PEM"
    else:
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            yield "has a private key that is neither RSA nor ECDSA, which browsers do not take"
        elif public_bytes(key.public_key()) != public_bytes(certificate.public_key()):
            yield "does not belong to the private key"


def wrong_time(certificates: list[x509.Certificate], days: int) -> t.Iterator[str]:
    """Which certificates are not valid now, and for some days more."""
    now = datetime.datetime.now(datetime.UTC)
    for place, certificate in enumerate(certificates):
        begin, end = instants(certificate)
        whose = f"has an issuer ({called(certificate.subject)}) that " if place else ""
        if now < begin:
            yield f"{whose}is not valid before {begin:%Y-%m-%d %H:%M} UTC"
        elif end <= now:
            yield f"{whose}expired on {end:%Y-%m-%d}"
        elif end <= now + datetime.timedelta(days=days):
            yield f"{whose}expires on {end:%Y-%m-%d}, in less than {days} days"


def wrong_order(certificates: list[x509.Certificate]) -> t.Iterator[str]:
    """Which certificates do not follow what they issued."""
    for place, (issued, issuer) in enumerate(itertools.pairwise(certificates), 2):
        if issued.issuer != issuer.subject:
            yield (
                f"has {called(issuer.subject)} in place {place}, where its issuer {called(issued.issuer)} belongs: "
                "put the server's certificate first, and behind each one the one that issued it"
            )


def wrong_names(found: list[str], names: list[str], exact: bool) -> t.Iterator[str]:
    """Which names the certificate lacks, or has without need."""
    wanted = [plain(name) for name in names]
    if lacking := [name for name in wanted if not covers(found, name)]:
        yield f"does not cover {', '.join(lacking)}, but {', '.join(found) or 'no name at all'}"
    elif exact and (needless := set(found) - set(wanted)):
        yield f"covers {', '.join(sorted(needless))} besides"


def tls_certificate(
    text: str, private_key: str | None = None, names: t.Sequence[str] = (), exact: bool = False, days: int = 0
) -> dict[str, t.Any]:
    """See DOCUMENTATION."""
    if not HAS_CRYPTOGRAPHY:
        raise AnsibleFilterError("tls_certificate needs the Python package cryptography on the controller.")
    if "PRIVATE KEY" in text:
        return {"problems": ["comes with a private key, which has to stand by itself"], "names": [], "root": ""}
    try:
        certificates = x509.load_pem_x509_certificates(text.encode())
        found = named(certificates[0])
    except UNREADABLE:
        return {"problems": ["cannot be read as PEM"], "names": [], "root": ""}
    last = certificates[-1]
    itself = last.issuer == last.subject
    return {
        "problems": [
            *(wrong_key(certificates[0], private_key) if private_key is not None else ()),
            *wrong_time(certificates, days),
            *wrong_order(certificates),
            *wrong_names(found, list(names), exact),
        ],
        "names": found,
        "root": last.public_bytes(serialization.Encoding.PEM).decode() if itself else "",
    }


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """By its name."""
        return {"tls_certificate": tls_certificate}
