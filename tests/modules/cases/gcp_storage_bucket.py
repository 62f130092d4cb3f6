# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.modules.gcp_storage_bucket import StorageBucket

from . import Case, Values

DELETE = {"action": {"type": "Delete"}, "condition": {"age_days": 30}}
COLDER = {
    "action": {"type": "SetStorageClass", "storage_class": "COLDLINE"},
    "condition": {
        "num_newer_versions": 2,
        "is_live": False,
        "created_before": "2026-01-31",
        "days_since_noncurrent_time": 0,
        "noncurrent_time_before": "2026-02-28",
        "days_since_custom_time": 7,
        "custom_time_before": "2026-03-31",
        "size_above_bytes": 0,
        "size_below_bytes": 1048576,
        "matches_prefix": ["1/", "2/"],
        "matches_suffix": [".log"],
        "matches_storage_class": ["STANDARD", "NEARLINE"],
    },
}
WEB = {"origin": ["https://a.example", "https://b.example"], "method": ["GET", "HEAD"], "max_age_seconds": 60}
OTHER_WEB = {"origin": ["*"], "method": ["*"], "response_header": ["Content-Type"]}
KEYS = "projects/p/locations/europe-west1/keyRings/r/cryptoKeys"
DUAL = {"location": "EUR4"}

CASE = Case(
    kind=StorageBucket,
    base={"name": "one", "location": "europe-west1"},
    values={
        "storage_class": Values("STANDARD", "NEARLINE"),
        "autoclass.enabled": Values(True, False),
        "autoclass.terminal_storage_class": Values("NEARLINE", "ARCHIVE", along={"autoclass": {"enabled": True}}),
        "versioning.enabled": Values(True, False),
        "uniform_bucket_level_access": Values(True, False),
        "public_access_prevention": Values("enforced", "inherited"),
        "iam_configuration.uniform_bucket_level_access.enabled": Values(True, False),
        "iam_configuration.public_access_prevention": Values("enforced", "inherited"),
        "soft_delete_policy.retention_duration_seconds": Values(604800, 864000, empty=0),
        "retention_policy.retention_period": Values(86400, 60, empty=0),
        "default_event_based_hold": Values(True, False),
        "lifecycle.rule": Values([DELETE], [DELETE, COLDER], empty=[]),
        "cors": Values([WEB], [OTHER_WEB, WEB], empty=[]),
        "logging.log_bucket": Values("logs-one", "logs-two", empty=""),
        "logging.log_object_prefix": Values("a", "b", along={"logging": {"log_bucket": "logs-one"}}),
        "website.main_page_suffix": Values("index.html", "main.html", empty=""),
        "website.not_found_page": Values("404.html", "missing.html", empty=""),
        "encryption.default_kms_key_name": Values(f"{KEYS}/one", f"{KEYS}/two", empty=""),
        "billing.requester_pays": Values(True, False),
        "rpo": Values("ASYNC_TURBO", "DEFAULT", along=DUAL),
        "labels": Values({"app": "mlflow", "team": "one"}, {"app": "other"}, empty={}),
    },
    fixed={
        "location": ("europe-west1", "us-east1"),
        "hierarchical_namespace.enabled": (False, True),
    },
    untabled={
        "name": "it names the resource",
        "force_delete": "only deletion looks at it",
        "custom_placement_config.data_locations": "it needs another location: test_gcp_storage_bucket",
        "retention_policy.is_locked": "it can change in one direction only: test_gcp_storage_bucket",
    },
)
