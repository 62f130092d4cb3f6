# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Google's authorization server: access tokens, identity tokens, and whose they are."""

from __future__ import annotations

import base64
import datetime
import hashlib
import re
import secrets
import time
import typing as t
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import crypt, exceptions, jwt

from gcp_emulator.errors import ApiError, Json
from gcp_emulator.store import Store

CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
LIFETIME = 3599
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"

_CREDENTIALS = (
    "Expected OAuth 2 access token, login cookie or other valid authentication credential. "
    "See https://developers.google.com/identity/sign-in/web/devconsole-project."
)


@dataclass(frozen=True)
class Identity:
    """A caller. ``scopes``: what the token may be used for; None is everything."""

    principal: str
    scopes: frozenset[str] | None = None


def issue(store: Store, principal: str, scopes: t.Iterable[str] | None = None, seconds: int = LIFETIME) -> str:
    """A new access token; those that have expired are forgotten meanwhile."""
    now = time.time()
    for key, old in list(store.items("tokens")):
        if (old.get("expires") or now) < now:
            store.delete("tokens", key)
    token = f"ya29.c.{secrets.token_urlsafe(48)}"
    document: Json = {"principal": principal, "expires": now + seconds}
    # A new account of the same name is another identity (documentation).
    if account := store.get("serviceAccounts", principal):
        document["account"] = account["uniqueId"]
    store.put("tokens", token, document | ({"scopes": sorted(scopes)} if scopes is not None else {}))
    return token


def authenticate(store: Store, authorization: str, api: str = "") -> Identity | None:
    """Whose an ``Authorization`` header is; None for an empty one.

    :raises ApiError: 401, as Google words it, if the token is unknown or expired.
    """
    if not authorization:
        return None
    scheme, _space, token = authorization.partition(" ")
    found = _of_token(store, token.strip()) if scheme.lower() == "bearer" else None
    if found is None:
        if api == "storage":
            raise ApiError(401, "Invalid Credentials", "authError")
        raise _unauthenticated(
            f"Request had invalid authentication credentials. {_CREDENTIALS}",
            "authError",
            "ACCESS_TOKEN_TYPE_UNSUPPORTED",
        )
    return found


def missing() -> ApiError:
    """The refusal of a request without any credential."""
    return _unauthenticated(
        f"Request is missing required authentication credential. {_CREDENTIALS}", "required", "CREDENTIALS_MISSING"
    )


def _unauthenticated(message: str, reason: str, info: str) -> ApiError:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": info, "domain": "googleapis.com"}]
    return ApiError(401, message, reason, "UNAUTHENTICATED", details)


def _of_token(store: Store, token: str) -> Identity | None:
    known = store.get("tokens", token)
    if known is not None and not known.get("refresh"):
        scopes = frozenset(known["scopes"]) if "scopes" in known else None
        account = store.get("serviceAccounts", known["principal"]) or {}
        acting = not account.get("disabled", False) and account.get("uniqueId") == known.get("account")
        alive = known["expires"] > time.time() and acting
        return Identity(known["principal"], scopes) if alive else None
    if token.count(".") == 2:  # a service account may sign its own token, without asking for one
        try:
            claims = verify(store, token)
        except ValueError:
            return None
        scope = claims.get("scope")
        return Identity(claims["iss"], frozenset(scope.split()) if scope else None)
    return None


def verify(store: Store, token: str) -> Json:
    """The claims of a JWT that a service account signed.

    :raises ValueError: if it is not signed by a live key of an account that may act, or is out of date.
    """
    try:
        header, claims = jwt.decode_header(token), jwt.decode(token, verify=False)
        key = store.get("serviceAccountKeys", f"{claims['iss']}/{header['kid']}")
        account = store.get("serviceAccounts", claims["iss"])
        if key is None or account is None or key.get("disabled") or account.get("disabled"):
            raise ValueError("Invalid JWT Signature.")
        return dict(jwt.decode(token, certs={header["kid"]: key["publicKey"]}, clock_skew_in_seconds=300))
    except (KeyError, TypeError, exceptions.GoogleAuthError) as error:
        raise ValueError(str(error)) from error


# -- the endpoints -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reply:
    """An answer of the authorization server, whose errors have a shape of their own."""

    status: int
    body: Json


_TOKEN = re.compile(r"/(oauth2/v\d/)?token|/o/oauth2/token")
_TOKENINFO = re.compile(r"/(oauth2/v\d/)?tokeninfo")
_USERINFO = re.compile(r"/(oauth2/)?v\d/userinfo|/userinfo/v2/me")
_CERTIFICATES = re.compile(r"/oauth2/v1/certs")
_ROBOT = re.compile(r"/robot/v1/metadata/x509/(?P<email>[^/]+)")
_HOSTS = ("oauth2.googleapis.com", "www.googleapis.com", "accounts.google.com", "openidconnect.googleapis.com")


def respond(store: Store, host: str, path: str, form: dict[str, str], authorization: str) -> Reply | None:
    """The answer of the authorization server; None if the request is for somebody else.

    :param path: unquoted.
    :param form: the parameters, be they in the query or in the body.
    """
    if host not in _HOSTS:
        return None
    if _TOKEN.fullmatch(path):
        return _token(store, form)
    if _TOKENINFO.fullmatch(path):
        return _tokeninfo(store, form)
    if _USERINFO.fullmatch(path):
        return _userinfo(store, authorization)
    if _CERTIFICATES.fullmatch(path):
        return Reply(200, {key: document["certificate"] for key, document in [_signing_key(store)]})
    if robot := _ROBOT.fullmatch(path):
        keys = store.items("serviceAccountKeys", f"{robot['email']}/")
        return Reply(200, {name.rpartition("/")[2]: key["publicKey"] for name, key in keys})
    return None


def _invalid_grant(description: str) -> Reply:
    return Reply(400, {"error": "invalid_grant", "error_description": description})


def _token(store: Store, form: dict[str, str]) -> Reply:
    grant = form.get("grant_type", "")
    if grant == "refresh_token":
        known = store.get("tokens", form.get("refresh_token", ""))
        if known is None or not known.get("refresh"):
            return _invalid_grant("Bad Request")
        return _granted(store, known["principal"], None)
    if grant != JWT_BEARER:
        return Reply(400, {"error": "unsupported_grant_type", "error_description": f"Invalid grant_type: {grant}"})
    try:
        claims = verify(store, form.get("assertion", ""))
    except ValueError as error:
        late = any(words in str(error) for words in ("expired", "too early"))
        return _invalid_grant(
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
            "Check your iat and exp values in the JWT claim."
            if late
            else "Invalid JWT Signature."
        )
    if audience := claims.get("target_audience"):
        return Reply(200, {"id_token": identity_token(store, claims["iss"], audience)})
    if not claims.get("scope"):
        return Reply(
            400, {"error": "invalid_scope", "error_description": "Invalid OAuth scope or ID token audience provided."}
        )
    return _granted(store, claims["iss"], claims["scope"].split())


def _granted(store: Store, principal: str, scopes: list[str] | None) -> Reply:
    token = issue(store, principal, scopes)
    return Reply(200, {"access_token": token, "expires_in": LIFETIME, "token_type": "Bearer"})


def _tokeninfo(store: Store, form: dict[str, str]) -> Reply:
    if "id_token" in form:
        key, document = _signing_key(store)
        try:
            return Reply(200, dict(jwt.decode(form["id_token"], certs={key: document["certificate"]})))
        except (ValueError, exceptions.GoogleAuthError):
            return Reply(400, {"error": "invalid_token", "error_description": "Invalid Value"})
    token = form.get("access_token", "")
    found = _of_token(store, token)
    if found is None:
        return Reply(400, {"error": "invalid_token", "error_description": "Invalid Value"})
    expires = (store.get("tokens", token) or {}).get("expires", time.time() + LIFETIME)
    number = unique_id(store, found.principal)
    return Reply(
        200,
        {
            "azp": number,
            "aud": number,
            "scope": " ".join(sorted(found.scopes if found.scopes is not None else {CLOUD_PLATFORM})),
            "exp": str(int(expires)),
            "expires_in": str(max(0, int(expires - time.time()))),
            "access_type": "online",
            "email": found.principal,
            "email_verified": "true",
        },
    )


def _userinfo(store: Store, authorization: str) -> Reply:
    scheme, _space, token = authorization.partition(" ")
    found = _of_token(store, token) if scheme.lower() == "bearer" else None
    if found is None:
        return Reply(401, {"error": "invalid_request", "error_description": "Invalid Credentials"})
    number = unique_id(store, found.principal)
    return Reply(200, {"sub": number, "id": number, "email": found.principal, "email_verified": True})


def unique_id(store: Store, principal: str) -> str:
    """The number by which Google knows an account."""
    account = store.get("serviceAccounts", principal)
    return account["uniqueId"] if account else str(int(hashlib.sha256(principal.encode()).hexdigest(), 16))[:21]


# -- identity tokens ---------------------------------------------------------------------------------------------


def identity_token(store: Store, principal: str, audience: str, further: Json | None = None, email: bool = True) -> str:
    """An identity token, signed by the sandbox's own Google, whose certificate is at ``/oauth2/v1/certs``."""
    key, document = _signing_key(store)
    number, now = unique_id(store, principal), int(time.time())
    claims: Json = {
        "iss": "https://accounts.google.com",
        "aud": audience,
        "azp": number,
        "sub": number,
        "iat": now,
        "exp": now + 3600,
    }
    claims |= {"email": principal, "email_verified": True} if email else {}
    signer = crypt.RSASigner.from_string(document["privateKey"], key)
    return str(jwt.encode(signer, claims | (further or {})).decode())


def _signing_key(store: Store) -> tuple[str, Json]:
    """The key that signs identity tokens, made once."""
    with store.lock:
        for found in store.items("signingKeys"):
            return found
        private = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "federated-signon.system.gserviceaccount.com")])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=3650))
            .sign(private, hashes.SHA256())
        )
        key = base64.b16encode(certificate.fingerprint(hashes.SHA1())).decode().lower()  # noqa: S303 - a name, no proof
        document = {
            "privateKey": private.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ).decode(),
            "certificate": certificate.public_bytes(serialization.Encoding.PEM).decode(),
        }
        store.put("signingKeys", key, document)
    return key, document
