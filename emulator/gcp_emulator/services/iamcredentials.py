# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""IAM Service Account Credentials: tokens and signatures in the name of a service account."""

from __future__ import annotations

import base64
import datetime
import json
import re

from google.auth import jwt

from gcp_emulator import accounts, tokens
from gcp_emulator.errors import ApiError, Json
from gcp_emulator.services.base import Call, Service, handles

# The longest life of a token, in seconds.
LIFETIME = 3600


class IamCredentials(Service):
    """The front has checked that the caller may act in this account's name."""

    api = "iamcredentials"

    @handles("iamcredentials.projects.serviceAccounts.generateAccessToken")
    def generate_access_token(self, call: Call) -> Json:
        """An access token of the account."""
        account = self._account(call)
        scopes = call.body.get("scope", [])
        if not scopes:  # unverified wording
            raise ApiError(400, "Request contains an invalid argument: a scope is required.", "badRequest")
        lifetime = re.fullmatch(r"(\d+)(\.\d+)?s", call.body.get("lifetime") or f"{LIFETIME}s")
        if lifetime is None or not 0 < int(lifetime[1]) <= LIFETIME:  # discovery; unverified wording
            raise ApiError(400, f"The lifetime must be between 1s and {LIFETIME}s.", "badRequest")
        seconds = int(lifetime[1])
        end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
        token = tokens.issue(self.store, account["email"], scopes, seconds)
        return {"accessToken": token, "expireTime": end.strftime("%Y-%m-%dT%H:%M:%SZ")}

    @handles("iamcredentials.projects.serviceAccounts.generateIdToken")
    def generate_id_token(self, call: Call) -> Json:
        """An identity token of the account."""
        account = self._account(call)
        email = bool(call.body.get("includeEmail"))
        if not call.body.get("audience"):  # discovery; unverified wording
            raise ApiError(400, "Request contains an invalid argument: an audience is required.", "badRequest")
        return {"token": tokens.identity_token(self.store, account["email"], call.body["audience"], email=email)}

    @handles("iamcredentials.projects.serviceAccounts.signBlob")
    def sign_blob(self, call: Call) -> Json:
        """A signature by the key that Google manages for the account."""
        signer = accounts.signer(self.store, self._account(call))
        signature = signer.sign(base64.b64decode(call.body.get("payload", "")))
        return {"keyId": signer.key_id, "signedBlob": base64.b64encode(signature).decode()}

    @handles("iamcredentials.projects.serviceAccounts.signJwt")
    def sign_jwt(self, call: Call) -> Json:
        """A JWT with these claims, signed likewise."""
        signer = accounts.signer(self.store, self._account(call))
        try:
            claims = json.loads(call.body.get("payload", ""))
        except ValueError as error:  # unverified wording
            raise ApiError(400, "The payload is not a JSON object of claims.", "badRequest") from error
        return {"keyId": signer.key_id, "signedJwt": jwt.encode(signer, claims).decode()}

    @handles("iamcredentials.projects.serviceAccounts.getAllowedLocations")
    def get_allowed_locations(self, _call: Call) -> Json:
        """Nothing is bound to a place here."""
        return {"locations": [], "encodedLocations": "0x0"}

    def _account(self, call: Call) -> Json:
        account = self.store.get("serviceAccounts", call.resource.split("/")[3])
        if account is None:  # issue: terraform-provider-google#9249
            raise ApiError(404, "Not found; Gaia id not found for email " + call.resource.split("/")[3], "notFound")
        if account.get("disabled"):  # unverified wording
            raise ApiError(400, "The service account is disabled.", status="FAILED_PRECONDITION")
        if call.body.get("delegates"):
            raise ApiError(501, "The sandbox does not have delegation through other accounts.", "notImplemented")
        return account
