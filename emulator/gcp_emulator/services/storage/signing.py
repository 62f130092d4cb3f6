# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""V4 signed URLs: who signed them, and whether the signature is theirs."""

from __future__ import annotations

import binascii
import datetime
import hashlib
import typing as t
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, unquote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from gcp_emulator.errors import ApiError
from gcp_emulator.services.storage.common import now
from gcp_emulator.store import Store

WEEK = 7 * 24 * 3600


def is_signed(query: Mapping[str, list[str]]) -> bool:
    """Whether a request brings a V4 signature in its query."""
    return any(name.lower() == "x-goog-signature" for name in query)


def signer(store: Store, method: str, path: str, query: str, headers: Mapping[str, str]) -> str:
    """The e-mail address of the service account that signed a request.

    :param path: as it stands in the request, with its quoting.
    :param query: as it stands in the request.
    :raises ApiError: 400 for a URL that is malformed or has expired, 403 for a signature that is not the account's.
    """
    pairs = parse_qsl(query, keep_blank_values=True)
    fields = {name.lower(): value for name, value in pairs}
    try:
        account, _slash, scope = fields["x-goog-credential"].partition("/")
        date, seconds = fields["x-goog-date"], int(fields["x-goog-expires"])
        signed = fields["x-goog-signedheaders"].split(";")
        signature = binascii.unhexlify(fields["x-goog-signature"])
        begins = datetime.datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)
    except (KeyError, ValueError):
        raise ApiError(400, "Invalid argument.", "invalidArgument") from None
    if fields.get("x-goog-algorithm") != "GOOG4-RSA-SHA256" or not 0 < seconds <= WEEK:
        raise ApiError(400, "Invalid argument.", "invalidArgument")
    if now() > begins + datetime.timedelta(seconds=seconds):
        raise ApiError(400, "Invalid argument.", "expiredToken")
    unsigned = [pair for pair in pairs if pair[0].lower() != "x-goog-signature"]
    canonical = "\n".join(
        [
            method,
            quote(unquote(path), safe="/~"),
            "&".join(sorted(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in unsigned)),
            *(f"{name}:{' '.join(headers.get(name, '').split())}" for name in signed),
            "",
            ";".join(signed),
            headers.get("x-goog-content-sha256", "UNSIGNED-PAYLOAD"),
        ]
    )
    text = "\n".join(["GOOG4-RSA-SHA256", date, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    if not any(_matches(key, signature, text.encode()) for key in _keys(store, account)):
        raise ApiError(403, "Access denied.", "signatureDoesNotMatch")
    return account


def _keys(store: Store, account: str) -> t.Iterator[rsa.RSAPublicKey]:
    for _key, document in store.items("serviceAccountKeys", f"{account}/"):
        key = serialization.load_pem_public_key(document["publicKey"].encode())
        if isinstance(key, rsa.RSAPublicKey) and not document.get("disabled"):
            yield key


def _matches(key: rsa.RSAPublicKey, signature: bytes, text: bytes) -> bool:
    try:
        key.verify(signature, text, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True
