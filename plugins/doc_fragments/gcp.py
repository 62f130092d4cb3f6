# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options, requirements and attributes that every module of the collection has."""

from __future__ import annotations


class ModuleDocFragment:
    """The project, and who the module is to Google Cloud."""

    DOCUMENTATION = r"""
options:
  project:
    description:
      - ID of the Google Cloud project.
      - If it is not given, the environment variable E(GCP_PROJECT) is used.
    type: str
    required: true
  auth_kind:
    description:
      - Which credential is used.
      - V(application) is what Google's libraries find by themselves (the application default credentials), namely the
        file that E(GOOGLE_APPLICATION_CREDENTIALS) names, what C(gcloud auth application-default login) left, or the
        machine's own service account.
      - V(serviceaccount) is the key of a service account, in O(service_account_file) or O(service_account_contents).
      - V(accesstoken) is O(access_token).
      - V(machineaccount) is the service account of the machine that the module runs on, by its metadata server.
      - A credential option that belongs to another kind is an error, because it would be ignored.
      - If it is not given, the environment variable E(GCP_AUTH_KIND) is used.
    type: str
    choices: [application, machineaccount, serviceaccount, accesstoken]
    default: application
  service_account_file:
    description:
      - Path of the JSON key of a service account, for O(auth_kind=serviceaccount).
      - If it is not given, the environment variable E(GCP_SERVICE_ACCOUNT_FILE) is used.
      - Mutually exclusive with O(service_account_contents).
    type: path
  service_account_contents:
    description:
      - The JSON key of a service account itself, as text or as a dictionary, for O(auth_kind=serviceaccount).
      - If it is not given, the environment variable E(GCP_SERVICE_ACCOUNT_CONTENTS) is used.
      - Mutually exclusive with O(service_account_file).
    type: jsonarg
  service_account_email:
    description:
      - Which of the machine's service accounts is used, for O(auth_kind=machineaccount). Default is the default one.
      - If it is not given, the environment variable E(GCP_SERVICE_ACCOUNT_EMAIL) is used.
    type: str
  access_token:
    description:
      - OAuth 2.0 access token, for O(auth_kind=accesstoken), such as C(gcloud auth print-access-token) prints.
      - If it is not given, the environment variable E(GCP_ACCESS_TOKEN) is used.
    type: str
  scopes:
    description:
      - OAuth 2.0 scopes that are asked for.
      - If they are not given, the environment variable E(GCP_SCOPES) is used, in which commas separate them.
    type: list
    elements: str
    default: ["https://www.googleapis.com/auth/cloud-platform"]
  impersonate_service_account:
    description:
      - E-mail address of a service account to act as. The credential must have the role
        C(roles/iam.serviceAccountTokenCreator) on it.
      - If it is not given, the environment variable E(GCP_IMPERSONATE_SERVICE_ACCOUNT) is used.
    type: str
requirements:
  - google-auth >= 2.40
  - requests >= 2.32
attributes:
  check_mode:
    description: Predicts the change without making it.
    support: full
  diff_mode:
    description: Shows what the task manages, before and after, in the words of Google's API. Secrets are left out.
    support: full
  idempotent:
    description: A second run with the same options changes nothing.
    support: full
  action_group:
    description: Use C(group/mlops.mlflow.gcp) in C(module_defaults) to state the project and the credential once.
    support: full
    membership:
      - mlops.mlflow.gcp
notes:
  - An option that is not given is not managed, and keeps the value that it has in Google Cloud.
    A list or a map that is given is the whole list or map, and V([]) or V({}) empties it.
  - A task that fails answers C(msg), with Google's own words and what to do, and if Google told them C(status) (of
    HTTP), C(reason) (such as V(SERVICE_DISABLED)) and C(request_id), under which Google's support finds the request.
    Of an operation that failed, the latter is its name.
  - Two runs at once on the same resource end in the state of one of them. A run that somebody else comes between again
    and again fails, and says so.
  - Where Google Cloud is reached through a proxy, set E(HTTPS_PROXY), and E(REQUESTS_CA_BUNDLE) if the proxy has a
    CA of its own.
"""
