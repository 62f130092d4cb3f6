# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Identity and Access Management: service accounts, their keys and policies, and the predefined roles."""

from __future__ import annotations

import base64
import re

from gcp_emulator import accounts, policies, roles
from gcp_emulator.errors import ApiError, Json
from gcp_emulator.services.base import Call, Service, handles, page

# The most keys that one account may have.
KEYS = 10


class Iam(Service):
    """Accounts are found by e-mail address; the front has replaced their numbers and the project ``-``."""

    api = "iam"

    @handles("iam.projects.serviceAccounts.create")
    def create(self, call: Call) -> Json:
        """A new account, usable at once."""
        project, name = call.resource.split("/")[1], call.body.get("accountId", "")
        if not 6 <= len(name) <= 30:  # issue: stratus-red-team#294
            raise ApiError(400, f'The account ID "{name}" does not have a length between 6 and 30.', "badRequest")
        if not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])", name):  # discovery; unverified wording
            raise ApiError(
                400,
                f'The account ID "{name}" must begin with a small letter, and hold small letters, digits and inner '
                "hyphens alone.",
                "badRequest",
            )
        email, wanted = f"{name}@{project}.iam.gserviceaccount.com", call.body.get("serviceAccount", {})
        _check_words(wanted)
        with self.store.lock:
            if self.store.get("serviceAccounts", email):
                # issue: marketing-analytics-jumpstart#200
                message = f"Service account {name} already exists within project projects/{project}."
                info = {
                    "@type": "type.googleapis.com/google.rpc.ResourceInfo",
                    "resourceName": f"projects/{project}/serviceAccounts/{email}",
                }
                raise ApiError(409, message, "alreadyExists", "ALREADY_EXISTS", [info])
            self.cloud.propagation.account_made(email)
            return accounts.create_account(
                self.store, project, email, wanted.get("displayName", ""), wanted.get("description", "")
            )

    @handles("iam.projects.serviceAccounts.get")
    def get(self, call: Call) -> Json:
        """One account."""
        return self._account(call)

    @handles("iam.projects.serviceAccounts.list")
    def list_accounts(self, call: Call) -> Json:
        """The accounts of a project."""
        project = call.resource.split("/")[1]
        found = [account for _email, account in self.store.items("serviceAccounts") if account["projectId"] == project]
        shown, token = page(found, call, 20, 100)  # 20 on a page, 100 at most (discovery)
        return ({"accounts": shown} if shown else {}) | ({"nextPageToken": token} if token else {})

    @handles("iam.projects.serviceAccounts.patch")
    def patch(self, call: Call) -> Json:
        """Change what the mask names."""
        return self._change(call, call.body.get("serviceAccount", {}), call.body.get("updateMask", "").split(","))

    @handles("iam.projects.serviceAccounts.update")
    def update(self, call: Call) -> Json:
        """Change the display name."""
        return self._change(call, call.body, ["displayName"])

    def _change(self, call: Call, wanted: Json, mask: list[str]) -> Json:
        names = {"display_name": "displayName"}
        fields = {names.get(name.strip(), name.strip()) for name in mask} - {""}
        if fields - {"displayName", "description"} or not fields:
            # discovery; unverified wording
            raise ApiError(400, "The update_mask must name display_name or description.", "badRequest")
        _check_words(wanted)
        with self.store.lock:
            account = self._account(call)
            if wanted.get("etag") and wanted["etag"] != account["etag"]:
                # unverified wording
                message = "There were concurrent changes to the service account. Please retry the whole update."
                raise ApiError(409, message, "aborted", "ABORTED")
            account |= {name: wanted.get(name, "") for name in fields} | {"etag": accounts.new_etag()}
            account = {name: value for name, value in account.items() if value != ""}
            self.store.put("serviceAccounts", account["email"], account)
        return account

    @handles("iam.projects.serviceAccounts.disable")
    def disable(self, call: Call) -> Json:
        """From now on its keys and tokens do nothing."""
        account = self._account(call)
        self.store.put("serviceAccounts", account["email"], account | {"disabled": True})
        return {}

    @handles("iam.projects.serviceAccounts.enable")
    def enable(self, call: Call) -> Json:
        """Undo ``disable``."""
        account = self._account(call)
        account.pop("disabled", None)
        self.store.put("serviceAccounts", account["email"], account)
        return {}

    @handles("iam.projects.serviceAccounts.delete")
    def delete(self, call: Call) -> Json:
        """Remove the account, its keys and its policy; what it was bound to keeps a mark of it."""
        with self.store.lock:
            account = self._account(call)
            email = account["email"]
            for key, _document in list(self.store.items("serviceAccountKeys", f"{email}/")):
                self.store.delete("serviceAccountKeys", key)
            self.store.delete("serviceAccounts", email)
            self.store.delete("policies", account["name"])
            policies.bury(self.store, account)
        return {}

    # -- policies ------------------------------------------------------------------------------------------------

    @handles("iam.projects.serviceAccounts.getIamPolicy")
    def get_policy(self, call: Call) -> Json:
        """Who may use the account."""
        return policies.read(self.store, self._policy_of(call), call.first("options.requestedPolicyVersion"))

    @handles("iam.projects.serviceAccounts.setIamPolicy")
    def set_policy(self, call: Call) -> Json:
        """Replace the policy."""
        return policies.replace(self.store, self._policy_of(call), call.body)

    @handles("iam.projects.serviceAccounts.testIamPermissions")
    def test_permissions(self, call: Call) -> Json:
        """Which of these permissions the caller has."""
        name = self._account(call)["name"]
        held = policies.held(self.store, call.principal, name, call.body.get("permissions", []))
        return {"permissions": held} if held else {}

    # -- keys ----------------------------------------------------------------------------------------------------

    @handles("iam.projects.serviceAccounts.keys.create")
    def create_key(self, call: Call) -> Json:
        """A new key. Its private half is in this answer, and nowhere else."""
        bits = {"KEY_ALG_RSA_1024": 1024}.get(call.body.get("keyAlgorithm", ""), 2048)
        form = call.body.get("privateKeyType") or "TYPE_GOOGLE_CREDENTIALS_FILE"
        with self.store.lock:
            account = self._account(call)
            if len(self._keys(account)) >= KEYS:  # issue: google-api-dotnet-client#2027
                raise ApiError(400, "Precondition check failed.", "failedPrecondition", "FAILED_PRECONDITION")
            key, pem = accounts.create_key(self.store, account, bits)
        if form == "TYPE_PKCS12_FILE":
            content = accounts.pkcs12_file(pem)
        else:
            content = accounts.key_file(account, key, pem).encode()
        return key | {"privateKeyType": form, "privateKeyData": base64.b64encode(content).decode()}

    @handles("iam.projects.serviceAccounts.keys.list")
    def list_keys(self, call: Call) -> Json:
        """The keys of an account, without those that Google manages unless they are asked for."""
        types = call.query.get("keyTypes") or ["USER_MANAGED"]
        found = self._keys(self._account(call), tuple(types))
        return {"keys": found} if found else {}

    @handles("iam.projects.serviceAccounts.keys.get")
    def get_key(self, call: Call) -> Json:
        """One key, with its public half if that is asked for."""
        key = self._key(call)
        form = call.first("publicKeyType", "TYPE_NONE")
        if form == "TYPE_X509_PEM_FILE":
            raise ApiError(501, "The sandbox gives public keys as TYPE_RAW_PUBLIC_KEY alone.", "notImplemented")
        raw = {"publicKeyData": base64.b64encode(key["publicKey"].encode()).decode()}
        return _public(key) | (raw if form == "TYPE_RAW_PUBLIC_KEY" else {})

    @handles("iam.projects.serviceAccounts.keys.delete")
    def delete_key(self, call: Call) -> Json:
        """What is signed with it is refused from now on."""
        self._key(call)
        self.store.delete("serviceAccountKeys", self._key_name(call))
        return {}

    @handles("iam.projects.serviceAccounts.keys.disable")
    def disable_key(self, call: Call) -> Json:
        """What is signed with it is refused until it is enabled."""
        self.store.put("serviceAccountKeys", self._key_name(call), self._key(call) | {"disabled": True})
        return {}

    @handles("iam.projects.serviceAccounts.keys.enable")
    def enable_key(self, call: Call) -> Json:
        """Undo ``disable``."""
        key = self._key(call)
        key.pop("disabled", None)
        self.store.put("serviceAccountKeys", self._key_name(call), key)
        return {}

    # -- roles ---------------------------------------------------------------------------------------------------

    @handles("iam.roles.get")
    def get_role(self, call: Call) -> Json:
        """One predefined role."""
        if call.resource not in roles.ROLES:  # unverified wording
            raise ApiError(404, f"The role named {call.resource} was not found.", "notFound")
        return {"name": call.resource, "stage": "GA"}

    @handles("iam.roles.list")
    def list_roles(self, call: Call) -> Json:
        """The predefined roles that the sandbox knows."""
        shown, token = page(sorted(roles.ROLES), call, 300, 1000)  # 300 on a page, 1000 at most (discovery)
        found = [{"name": name, "stage": "GA"} for name in shown]
        return {"roles": found} | ({"nextPageToken": token} if token else {})

    def _policy_of(self, call: Call) -> str:
        email = call.resource.split("/")[3]
        account = self.store.get("serviceAccounts", email)
        if account is None:  # issue: terraform-provider-google#9249
            raise ApiError(404, f"Not found; Gaia id not found for email {email}", "notFound")
        return str(account["name"])

    def _account(self, call: Call) -> Json:
        email = call.resource.split("/")[3]
        account = self.store.get("serviceAccounts", email)
        if account is None:
            if any(value == "-" or value.startswith("projects/-/") for value in call.path.values()):
                # discovery: the wildcard for the project makes a 403 of it; issue: terraform-provider-google#3349
                message = "Permission 'iam.serviceAccounts.get' denied on resource (or it may not exist)."
                raise ApiError(403, message, "forbidden")
            raise ApiError(404, f"Unknown service account: {email}", "notFound")  # issue: magic-modules#14447
        return account

    def _keys(self, account: Json, types: tuple[str, ...] = ("USER_MANAGED",)) -> list[Json]:
        keys = self.store.items("serviceAccountKeys", f"{account['email']}/")
        return [_public(key) for _name, key in keys if key["keyType"] in types]

    @staticmethod
    def _key_name(call: Call) -> str:
        parts = call.resource.split("/")
        return f"{parts[3]}/{parts[5]}"

    def _key(self, call: Call) -> Json:
        self._account(call)
        key = self.store.get("serviceAccountKeys", self._key_name(call))
        if key is None:  # unverified wording
            raise ApiError(404, f"Service account key {call.resource.split('/')[5]} does not exist.", "notFound")
        return key


def _check_words(account: Json) -> None:
    for name, size in (("displayName", 100), ("description", 256)):  # discovery: ServiceAccount; unverified wording
        if len(account.get(name, "").encode()) > size:
            raise ApiError(400, f"The {name} must not be longer than {size} bytes.", "badRequest")


def _public(key: Json) -> Json:
    """A key without what the API never tells."""
    return {name: value for name, value in key.items() if name not in ("publicKey", "privateKey")}
