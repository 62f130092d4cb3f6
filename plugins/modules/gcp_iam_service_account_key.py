#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_iam_service_account_key
short_description: Manage a key of a service account in a file
description:
  - Creates a key of a service account and writes it to a file that its owner alone can read.
  - The file is left alone for as long as the key in it exists and is enabled. When the key is gone or disabled, a
    new one takes its place.
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
      - Its mode is C(0600). With O(state=absent) the key and the file are deleted.
    type: path
    required: true
  key_algorithm:
    description: Algorithm of a new key. Google Cloud chooses V(KEY_ALG_RSA_2048).
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
"""

EXAMPLES = r"""
- name: Create a key for a program that runs outside of Google Cloud
  mlops.mlflow.gcp_iam_service_account_key:
    project: my-project
    service_account: mlflow-client
    path: /etc/mlflow/client.json

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
"""

import base64
import json
import os
import tempfile
from pathlib import Path

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError, Json
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.iam import account_email
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.module import run
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Plan, Resource
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.session import Session


class IamServiceAccountKey(Resource):
    """A key: its name is the server's choice, and stands in the file."""

    service = "iam"
    collection = "v1/projects/{project}/serviceAccounts/{service_account}/keys"
    item = "{key_id}"
    fields = {
        "service_account": Field(url_only=True, required=True, type="raw"),
        "path": Field(local=True, required=True, type="path"),
        "key_algorithm": Field(immutable=True, choices=["KEY_ALG_RSA_1024", "KEY_ALG_RSA_2048"]),
        "private_key_type": Field(
            write_only=True, choices=["TYPE_GOOGLE_CREDENTIALS_FILE"], default="TYPE_GOOGLE_CREDENTIALS_FILE"
        ),
    }

    def __init__(self, session: Session, params: Json) -> None:
        email = account_email(params["service_account"], params["project"])
        super().__init__(session, params | {"service_account": email, "key_id": ""})
        self.path = Path(params["path"])

    def key_id_in_file(self) -> str | None:
        """The ID of the key in the file, or None if there is no file."""
        try:
            key = json.loads(self.path.read_text(encoding="utf-8"))
            owner, key_id = key["client_email"], key["private_key_id"]
        except FileNotFoundError:
            return None
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
        """The key in the file; a file whose key is of no use counts as none, unless it is to be deleted."""
        if (key_id := self.key_id_in_file()) is None:
            return None
        self.params["key_id"] = key_id
        key = self.session.get(self.url)
        if self.params["state"] == "absent":
            return key or {}
        return None if key is None or key.get("disabled") else key

    def create(self, plan: Plan) -> Json:
        """Create a key and write it; the file is opened first, so that a key is not made in vain."""
        try:
            descriptor, temporary = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)  # mode 0600
        except OSError as error:
            raise GcpError(f"path: {self.path} cannot be written: {error.strerror}.") from error
        try:
            with os.fdopen(descriptor, "wb") as file:
                key = self.request_key(plan)
                file.write(base64.b64decode(key.pop("privateKeyData")))
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(self.path)
        finally:
            Path(temporary).unlink(missing_ok=True)
        return key

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
            raise

    def delete(self, plan: Plan) -> Json:
        """Delete the key, and the file then."""
        answer = super().delete(plan)
        self.path.unlink(missing_ok=True)
        return answer


def main() -> None:
    """Run the module."""
    run(IamServiceAccountKey)


if __name__ == "__main__":
    main()
