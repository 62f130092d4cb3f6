# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Projects, service accounts and their keys, as documents of the store."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import secrets

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from google.auth import crypt

from gcp_emulator.errors import Json
from gcp_emulator.store import Store

# What is enabled in a new project.
DEFAULT_SERVICES = tuple(
    f"{name}.googleapis.com"
    for name in (
        *("analyticshub", "bigquery", "cloudapis", "cloudresourcemanager", "cloudtrace", "datastore", "iam"),
        *("iamcredentials", "logging", "monitoring", "oauth2", "servicemanagement", "serviceusage", "sql-component"),
        *("storage", "storage-api", "storage-component"),
    )
)
NEVER = "9999-12-31T23:59:59Z"
SYSTEM_MANAGED = "SYSTEM_MANAGED"


def timestamp(time: datetime.datetime | None = None) -> str:
    """A time as the younger APIs write it; now, if none is given."""
    return (time or datetime.datetime.now(datetime.UTC)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def new_etag() -> str:
    """An etag that was never given before."""
    return base64.b64encode(secrets.token_bytes(9)).decode()


def create_project(store: Store, name: str, services: tuple[str, ...] = DEFAULT_SERVICES) -> Json:
    """An empty project with billing; its number follows from its id, so that a new sandbox has the same."""
    project = {
        "projectId": name,
        "projectNumber": str(10**11 + int(hashlib.sha256(name.encode()).hexdigest(), 16) % (9 * 10**11)),
        "name": name,
        "lifecycleState": "ACTIVE",
        "createTime": timestamp(),
        "services": sorted(services),
        "billing": True,
    }
    store.put("projects", name, project)
    return project


def project_id(store: Store, reference: str) -> str:
    """The id of a project given by id or number; what is unknown stays as it is."""
    if not reference.isdigit():
        return reference
    found = (name for name, project in store.items("projects") if project["projectNumber"] == reference)
    return next(found, reference)


def create_account(store: Store, project: str, email: str, display_name: str = "", description: str = "") -> Json:
    """A service account."""
    number = str(secrets.randbelow(9 * 10**20) + 10**20)
    account = {
        "name": f"projects/{project}/serviceAccounts/{email}",
        "projectId": project,
        "uniqueId": number,
        "email": email,
        "etag": new_etag(),
        "oauth2ClientId": number,
    }
    account |= {"displayName": display_name} if display_name else {}
    account |= {"description": description} if description else {}
    store.put("serviceAccounts", email, account)
    return account


def default_compute_account(project: Json) -> str:
    """The account as which a VM runs that names none."""
    return f"{project['projectNumber']}-compute@developer.gserviceaccount.com"


def create_key(store: Store, account: Json, bits: int = 2048, key_type: str = "USER_MANAGED") -> tuple[Json, str]:
    """A key, as the API tells of it, and its private half in PEM.

    Only the public half is stored; but for a key that Google manages, with which it signs for the account.
    """
    private = rsa.generate_private_key(65537, bits)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    name = secrets.token_hex(20)
    key = {
        "name": f"{account['name']}/keys/{name}",
        "validAfterTime": timestamp()[:19] + "Z",
        "validBeforeTime": NEVER,
        "keyAlgorithm": f"KEY_ALG_RSA_{bits}",
        "keyOrigin": "GOOGLE_PROVIDED",
        "keyType": key_type,
    }
    hidden = {"privateKey": pem} if key_type == SYSTEM_MANAGED else {}
    store.put("serviceAccountKeys", f"{account['email']}/{name}", key | hidden | {"publicKey": public.decode()})
    return key, pem


def key_file(account: Json, key: Json, pem: str) -> str:
    """The JSON file that a person downloads for a key."""
    email = account["email"]
    quoted = email.replace("@", "%40")
    values = {
        "type": "service_account",
        "project_id": account["projectId"],
        "private_key_id": key["name"].rpartition("/")[2],
        "private_key": pem,
        "client_email": email,
        "client_id": account["uniqueId"],
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": "https://oauth2.googleapis.com/token",
        "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
        "client_x509_cert_url": f"https://www.googleapis.com/robot/v1/metadata/x509/{quoted}",
        "universe_domain": "googleapis.com",
    }
    return json.dumps(values, indent=2) + "\n"


def pkcs12_file(pem: str) -> bytes:
    """The older form of a key file, under the password that Google has for all of them."""
    private = serialization.load_pem_private_key(pem.encode(), None)
    if not isinstance(private, rsa.RSAPrivateKey):
        raise TypeError("service account keys are RSA keys")
    protection = serialization.BestAvailableEncryption(b"notasecret")
    return pkcs12.serialize_key_and_certificates(b"privatekey", private, None, None, protection)


def signer(store: Store, account: Json) -> crypt.RSASigner:
    """What signs for an account whose own keys nobody holds, such as that of a VM."""
    with store.lock:
        keys = store.items("serviceAccountKeys", f"{account['email']}/")
        key = next((key for _name, key in keys if key["keyType"] == SYSTEM_MANAGED), None)
        if key is None:
            key, pem = create_key(store, account, key_type=SYSTEM_MANAGED)
        else:
            pem = key["privateKey"]
    made: crypt.RSASigner = crypt.RSASigner.from_string(pem, key["name"].rpartition("/")[2])
    return made
