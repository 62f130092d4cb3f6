# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The sandbox's certificate authority, the certificate for Google's names, and the bundle that clients trust."""

from __future__ import annotations

import os
import ssl
import typing as t
from pathlib import Path

import certifi
import trustme

from gcp_emulator.settings import Settings

NAMES = (
    *("*.googleapis.com", "*.storage.googleapis.com", "*.rep.googleapis.com"),
    *("googleapis.com", "accounts.google.com"),
)
# Variables by which people tell clients of a bundle of their own, and the one that a Debian system has.
VARIABLES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")
SYSTEM = "/etc/ssl/certs/ca-certificates.crt"


def authority(settings: Settings) -> Path:
    """The file of the authority's certificate."""
    return settings.directory / "ca.pem"


def server_files(settings: Settings) -> tuple[Path, Path]:
    """The files of the server's certificate chain and of its key."""
    return settings.directory / "server.pem", settings.directory / "server-key.pem"


def ensure(settings: Settings) -> None:
    """Have an authority, the same at every start, a certificate for the server, and the bundle."""
    secret = settings.directory / "ca-key.pem"
    if authority(settings).exists() and secret.exists():
        ca = trustme.CA.from_pem(authority(settings).read_bytes(), secret.read_bytes())
    else:
        ca = trustme.CA(organization_name="Google Cloud sandbox", organization_unit_name=settings.name)
        _write(secret, ca.private_key_pem.bytes(), 0o600)
        _write(authority(settings), ca.cert_pem.bytes(), 0o644)
    leaf = ca.issue_cert(*NAMES)
    chain, key = server_files(settings)
    _write(chain, b"".join(blob.bytes() for blob in leaf.cert_chain_pems), 0o644)
    _write(key, leaf.private_key_pem.bytes(), 0o600)
    base = trusted(settings, os.environ)
    if base is not None:
        _write(settings.ca_bundle, base.read_bytes().rstrip() + b"\n" + ca.cert_pem.bytes(), 0o644)


def trusted(settings: Settings, environment: t.Mapping[str, str]) -> Path | None:
    """The bundle that the machine trusts; None if the environment is already set to our own, which then stays."""
    named = [Path(environment[name]) for name in VARIABLES if environment.get(name)]
    ours = settings.ca_bundle.resolve()
    if any(path.resolve() == ours for path in named) and ours.exists():
        return None
    system = [Path(path) for path in (ssl.get_default_verify_paths().cafile, SYSTEM, certifi.where()) if path]
    return next(path for path in [*named, *system] if path.is_file() and path.resolve() != ours)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Replace a file at once, so that nobody reads half of it, with its mode from the first byte on."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    new.replace(path)
