# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.modules.gcp_secret_manager import SecretManager

from . import Case, Json, Values


def key(name: str, location: str = "global") -> str:
    """The full name of a key."""
    return f"projects/p/locations/{location}/keyRings/r/cryptoKeys/{name}"


def replica(location: str, name: str = "") -> Json:
    """A place, with a key or without."""
    encryption = {"customer_managed_encryption": {"kms_key_name": key(name, location)}} if name else {}
    return {"location": location, **encryption}


CASE = Case(
    kind=SecretManager,
    base={"name": "one", "value": "correct horse"},
    values={
        "labels": Values({"app": "mlflow", "team": "one"}, {"app": "other"}, empty={}),
        "annotations": Values({"Owner": "a b", "x.y": "1"}, {"Owner": "C"}, empty={}),
        "replication.automatic.customer_managed_encryption.kms_key_name": Values(key("a"), key("b"), empty=""),
        "replication.user_managed.replicas": Values(
            [replica("europe-west1", "a"), replica("europe-west4", "a")],
            [replica("europe-west4", "b"), replica("europe-west1", "a")],
            empty=[replica("europe-west1"), replica("europe-west4")],
        ),
        "version_destroy_ttl": Values(86400, 604800, empty=0),
    },
    fixed={
        "replication.user_managed.replicas": ([replica("europe-west1")], [replica("us-east1")]),
    },
    untabled={
        "name": "it names the resource",
        "value": "it is not in the secret, and never in a diff: test_gcp_secret_manager",
        "old_versions": "it is about versions: test_gcp_secret_manager",
        "versions_kept": "it is about versions: test_gcp_secret_manager",
        "return_value": "it changes the answer alone: test_gcp_secret_manager",
        "version": "it chooses what is answered or destroyed: test_gcp_secret_manager",
    },
    reads=2,  # a secret does not tell its value: that is a resource of its own
)
