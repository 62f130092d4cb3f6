#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_iam_service_account_key
short_description: Manage a key of a service account in a file
description:
  - Creates a key of a service account and writes it to a file that its owner alone can read.
  - The file is left alone for as long as the key in it exists, is enabled, and has not expired. When the key is of no
    use any more, or older than O(max_age_days), a new one takes its place.
  - A file that is no key, or that is the key of another service account, is never touched. It is an error.
  - The private key stands in the file and nowhere else, neither in the result nor in a diff.
  - A key file is a password that does not expire. On Google Cloud a virtual machine has credentials without one.
version_added: 0.1.0
author:
  - The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.gcp
  - mlops.mlflow.resource
options:
  service_account:
    description:
      - Service account, by its ID, by its e-mail address, or by the
        RV(mlops.mlflow.gcp_iam_service_account#module:resource) of a former task.
    type: raw
    required: true
  path:
    description:
      - File of the key. Its directory must exist.
      - Its mode is C(0600). A file that others may read or write is closed to them, which is a change.
      - With O(state=absent) the key and the file are deleted.
    type: path
    required: true
  max_age_days:
    description:
      - Days after which the key is replaced. The new key is made and stands in the file before the old one is deleted.
      - Google Cloud refuses the old key from then on, so whatever has read it must read the file again.
      - A run that is interrupted in between leaves the old key, which O(exclusive=true) deletes in the next run.
      - If it is not given, a key is used however old it is. RV(age_days) tells its age.
    type: int
    version_added: 0.2.0
  exclusive:
    description:
      - Whether the key in the file is the only one that the account has. All other keys that people made are deleted,
        also those that others use. The diff names them.
      - O(state=absent) does not look at it.
    type: bool
    default: false
    version_added: 0.2.0
  key_algorithm:
    description:
      - Algorithm of a new key. Google Cloud chooses V(KEY_ALG_RSA_2048) if it is not given.
      - It cannot be changed later. Where the key in the file has another one, it is an error.
    type: str
    choices: [KEY_ALG_RSA_1024, KEY_ALG_RSA_2048]
  private_key_type:
    description:
      - Format of the file. JSON is the only one that tells which key it is, which is what makes a second run change
        nothing.
    type: str
    choices: [TYPE_GOOGLE_CREDENTIALS_FILE]
    default: TYPE_GOOGLE_CREDENTIALS_FILE
seealso:
  - module: mlops.mlflow.gcp_iam_service_account
  - module: mlops.mlflow.gcp_iam_service_account_iam_member
"""

EXAMPLES = r"""
- name: Create a key for a program that runs outside of Google Cloud
  mlops.mlflow.gcp_iam_service_account_key:
    project: my-project
    service_account: mlflow-client
    path: /etc/mlflow/client.json

- name: Replace the key each quarter, and let no other key of the account live
  mlops.mlflow.gcp_iam_service_account_key:
    project: my-project
    service_account: mlflow-client
    path: /etc/mlflow/client.json
    max_age_days: 90
    exclusive: true
  notify: Restart the client

- name: Delete the key and its file
  mlops.mlflow.gcp_iam_service_account_key:
    project: my-project
    service_account: mlflow-client
    path: /etc/mlflow/client.json
    state: absent
"""

RETURN = r"""
resource:
  description: The key as the API answers it, without the private key.
  returned: success
  type: dict
  sample:
    name: projects/my-project/serviceAccounts/mlflow-client@my-project.iam.gserviceaccount.com/keys/0123456789abcdef
    keyAlgorithm: KEY_ALG_RSA_2048
    keyOrigin: GOOGLE_PROVIDED
    keyType: USER_MANAGED
    validAfterTime: '2026-01-01T00:00:00Z'
    validBeforeTime: '9999-12-31T23:59:59Z'
age_days:
  description: How many whole days ago the key was made, or null where there is none.
  returned: success
  type: int
  sample: 42
"""

import base64
import contextlib
import dataclasses
import json
import os
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError, Json
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.module import run
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Plan, Resource
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.rules import at_least
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.service_accounts import (
    account_email,
    age_in_days,
    is_usable,
)
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.session import Session

OWNER_ONLY = 0o600  # the mode of the file
OTHERS = 0o077  # what of a mode is for others


class IamServiceAccountKey(Resource):
    """A key: its name is the server's choice, and stands in the file."""

    service = "iam"
    collection = "v1/projects/{project}/serviceAccounts/{service_account}/keys"
    item = "{key_id}"
    fields = {
        "service_account": Field(url_only=True, required=True, type="raw"),
        "path": Field(local=True, required=True, type="path"),
        "max_age_days": Field(local=True, type="int", must=at_least(1)),
        "exclusive": Field(local=True, type="bool", default=False),
        "key_algorithm": Field(immutable=True, choices=["KEY_ALG_RSA_1024", "KEY_ALG_RSA_2048"]),
        "private_key_type": Field(
            write_only=True, choices=["TYPE_GOOGLE_CREDENTIALS_FILE"], default="TYPE_GOOGLE_CREDENTIALS_FILE"
        ),
    }

    def __init__(self, session: Session, params: Json) -> None:
        email = account_email(params["service_account"], params["project"])
        super().__init__(session, params | {"service_account": email, "key_id": ""})
        self.path = Path(params["path"])
        self.surplus: list[str] = []  # names of the keys that are to go, once the one in the file is there

    def key_id_in_file(self) -> str:
        """The ID of the key in the file, or nothing if there is no file."""
        try:
            key = json.loads(self.path.read_text(encoding="utf-8"))
            owner, key_id = key["client_email"], key["private_key_id"]
            if not key_id:
                raise ValueError("it has no ID")
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise GcpError(f"path: {self.path} cannot be read: {error.strerror}.") from error
        except (ValueError, KeyError, TypeError):
            raise GcpError(f"path: {self.path} is not a key of a service account, and is left alone.") from None
        if owner != self.params["service_account"]:
            raise GcpError(
                f"path: {self.path} is a key of {owner}, not of {self.params['service_account']}, and is left alone: "
                "choose another path, or delete that key first."
            )
        return str(key_id)

    def read(self) -> Json | None:
        """The key in the file; one that is of no use counts as none, unless it is to be deleted."""
        key_id = self.params["key_id"] = self.key_id_in_file()
        if self.params["state"] == "absent":
            return (self.session.get(self.url) or {}) if key_id else None
        if self.params["exclusive"]:
            keys = list(self.session.listed(self.parent, "keys", {"keyTypes": "USER_MANAGED"}))
        else:
            keys = [key for key in [self.session.get(self.url) if key_id else None] if key]
        mine = next((key for key in keys if key_id and key["name"].endswith(f"/{key_id}")), None)
        usable = mine if mine and is_usable(mine) else None
        outdated = usable is not None and self.is_outdated(usable)
        used = None if outdated else usable
        surplus = [key["name"] for key in keys if key is not used and (self.params["exclusive"] or outdated)]
        self.surplus += [name for name in surplus if name not in self.surplus]
        return used

    def is_outdated(self, key: Json) -> bool:
        """Whether a key is older than the task has it."""
        days = self.params["max_age_days"]
        return days is not None and age_in_days(key) >= days

    def plan(self, current: Json | None) -> Plan:
        """Plan the key, the mode of its file, and the keys that are to go."""
        plan = super().plan(current)
        if self.params["state"] == "absent":
            return plan
        before, after = dict(plan.before), dict(plan.after)
        if self.surplus:
            before["surplusKeys"] = list(self.surplus)
        if current is not None and (mode := self.path.stat().st_mode & 0o777) & OTHERS:
            before["mode"], after["mode"] = f"{mode:04o}", f"{OWNER_ONLY:04o}"
        action = "update" if plan.action == "none" and before != after else plan.action
        return dataclasses.replace(plan, action=action, before=before, after=after)

    def create(self, plan: Plan) -> Json:
        """Create a key and write it; the file is opened first, so that a key is not made in vain."""
        with self.told("written"):
            descriptor, temporary = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)  # mode 0600
        try:
            with os.fdopen(descriptor, "wb") as file:
                key = self.request_key(plan)
                with self.told("written", key):
                    file.write(base64.b64decode(key.pop("privateKeyData")))
                    file.flush()
                    os.fsync(file.fileno())
            with self.told("written", key):
                Path(temporary).replace(self.path)
        finally:
            Path(temporary).unlink(missing_ok=True)
        self.delete_surplus()
        return key

    @contextlib.contextmanager
    def told(self, what: str, key: Json | None = None) -> t.Iterator[None]:
        """Tell what the machine refuses. A new key that cannot be kept is deleted, because nobody could ever use it."""
        try:
            yield
        except OSError as error:
            if key:
                self.request("DELETE", f"{self.host}/v1/{key['name']}")
            raise GcpError(f"path: {self.path} cannot be {what}: {error.strerror}.") from error

    def request_key(self, plan: Plan) -> Json:
        """Ask for a key, once: a key whose answer was lost is of no use, and another one would be left over with it."""
        try:
            return self.request("POST", self.parent, plan.body)
        except GcpError as error:
            if error.ambiguous:
                error.ambiguous, error.patience = False, 0
                error.note(
                    f"A key may have been made all the same: look at the keys of {self.params['service_account']}."
                )
            if error.canonical in {"FAILED_PRECONDITION", "RESOURCE_EXHAUSTED"}:
                error.note("An account has at most 10 keys: delete one. An organization may also forbid new ones.")
            raise

    def update(self, _plan: Plan) -> Json:
        """Close the file to others, and delete the keys that are to go."""
        with self.told("closed to others"):
            self.path.chmod(OWNER_ONLY)
        self.delete_surplus()
        return {}

    def delete_surplus(self) -> None:
        """Delete keys beside the one in the file."""
        while self.surplus:
            name = self.surplus[0]
            try:
                self.remove(f"{self.host}/v1/{name}")
            except GcpError as error:
                raise error.note(f"The key in {self.path} can be used. {name} is still there.") from error.__cause__
            self.surplus.pop(0)

    def delete(self, plan: Plan) -> Json:
        """Delete the key, and the file then."""
        answer = super().delete(plan)
        with self.told("deleted"):
            self.path.unlink(missing_ok=True)
        return answer

    def results(self, current: Json | None) -> Json:
        """How old the key is."""
        return {"age_days": None if current is None else age_in_days(current)}


def main() -> None:
    run(IamServiceAccountKey)


if __name__ == "__main__":
    main()
