# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.modules.gcp_compute_global_address import GlobalAddress
from ansible_collections.mlops.mlflow.plugins.modules.gcp_compute_network import Network
from ansible_collections.mlops.mlflow.plugins.modules.gcp_service_networking_connection import (
    ServiceNetworkingConnection,
)
from ansible_collections.mlops.mlflow.plugins.modules.gcp_sql_instance import SqlInstance

from . import Case, Task, Values


def peered(network: str, *ranges: str) -> tuple[Task, ...]:
    """A network that is peered with Google's services by these ranges."""
    address = {"purpose": "VPC_PEERING", "address_type": "INTERNAL", "prefix_length": 24, "network": network}
    return (
        Task(Network, {"name": network, "auto_create_subnetworks": False}),
        *(Task(GlobalAddress, {"name": name, **address}) for name in ranges),
        Task(ServiceNetworkingConnection, {"network": network, "reserved_peering_ranges": list(ranges)}),
    )


OFFICE = {"name": "office", "value": "198.51.100.0/24"}
HOME = {"name": "home", "value": "203.0.113.7", "expiration_time": "2030-01-01T00:00:00Z"}
CHRISTMAS = {"start_date": "12-15", "end_date": "01-05", "time": "00:00:00"}
SUMMER = {"start_date": "2027-07-01", "end_date": "2027-08-31", "time": "06:00:00"}
REGIONAL = {"settings": {"availability_type": "REGIONAL", "location_preference": {"zone": "europe-west1-b"}}}
BACKED_UP = {"settings": {"backup_configuration": {"enabled": True}}}
WITH_INSIGHTS = {"settings": {"insights_config": {"query_insights_enabled": True}}}
PRIVATE = {"settings": {"ip_configuration": {"private_network": "one"}}}
# A new instance with a policy needs a root password that follows it.
POLICY = {
    "root_password": "Correct-Horse-1",
    "settings": {"password_validation_policy": {"enable_password_policy": True}},
}
FINAL = {"settings": {"final_backup_config": {"enabled": True}}}
KEYS = "projects/p/locations/europe-west1/keyRings/r/cryptoKeys"

CASE = Case(
    kind=SqlInstance,
    base={
        "name": "one",
        "region": "europe-west1",
        "database_version": "POSTGRES_16",
        "settings": {"tier": "db-custom-1-3840", "edition": "ENTERPRISE"},
    },
    needs=(*peered("one", "one-a", "one-b"), *peered("two", "two-a")),
    values={
        "settings.tier": Values("db-custom-2-7680", "db-custom-4-15360"),
        "settings.availability_type": Values("ZONAL", "REGIONAL"),
        "settings.data_disk_size_gb": Values(10, 20),
        "settings.storage_auto_resize": Values(True, False),
        "settings.storage_auto_resize_limit": Values(100, 200, empty=0),
        "settings.activation_policy": Values("ALWAYS", "NEVER"),
        "settings.location_preference.zone": Values("europe-west1-b", "europe-west1-c"),
        "settings.location_preference.secondary_zone": Values(
            "europe-west1-c", "europe-west1-d", empty="no_secondary_zone", along=REGIONAL
        ),
        "settings.ip_configuration.ipv4_enabled": Values(True, False, along=PRIVATE),
        "settings.ip_configuration.private_network": Values("one", "two"),
        "settings.ip_configuration.ssl_mode": Values("ENCRYPTED_ONLY", "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"),
        "settings.ip_configuration.authorized_networks": Values([OFFICE], [HOME, OFFICE], empty=[]),
        "settings.ip_configuration.allocated_ip_range": Values("one-a", "one-b", along=PRIVATE),
        "settings.ip_configuration.enable_private_path_for_google_cloud_services": Values(True, False, along=PRIVATE),
        "settings.connector_enforcement": Values("REQUIRED", "NOT_REQUIRED"),
        "settings.backup_configuration.enabled": Values(True, False),
        "settings.backup_configuration.start_time": Values("03:00", "04:30", along=BACKED_UP),
        "settings.backup_configuration.point_in_time_recovery_enabled": Values(True, False, along=BACKED_UP),
        "settings.backup_configuration.location": Values("eu", "europe-west4", along=BACKED_UP),
        "settings.backup_configuration.transaction_log_retention_days": Values(3, 7, along=BACKED_UP),
        "settings.backup_configuration.backup_retention_settings.retained_backups": Values(8, 30, along=BACKED_UP),
        "settings.database_flags": Values(
            [{"name": "max_connections", "value": "50"}, {"name": "log_connections", "value": "on"}],
            [{"name": "log_connections", "value": "on"}, {"name": "work_mem", "value": "8192"}],
            empty=[],
        ),
        "settings.user_labels": Values({"app": "mlflow", "team": "one"}, {"app": "other"}, empty={}),
        "settings.deletion_protection_enabled": Values(True, False),
        "settings.maintenance_window.day": Values(1, 7),
        "settings.maintenance_window.hour": Values(4, 0),
        "settings.maintenance_window.update_track": Values("canary", "week5"),
        "settings.deny_maintenance_periods": Values([CHRISTMAS], [SUMMER], empty=[]),
        "settings.insights_config.query_insights_enabled": Values(True, False),
        "settings.insights_config.query_plans_per_minute": Values(10, 20, empty=0, along=WITH_INSIGHTS),
        "settings.insights_config.query_string_length": Values(256, 4500, along=WITH_INSIGHTS),
        "settings.insights_config.record_application_tags": Values(True, False, along=WITH_INSIGHTS),
        "settings.insights_config.record_client_address": Values(True, False, along=WITH_INSIGHTS),
        "settings.password_validation_policy.enable_password_policy": Values(True, False, along=POLICY),
        "settings.password_validation_policy.min_length": Values(8, 12, empty=0, along=POLICY),
        "settings.password_validation_policy.complexity": Values(
            "COMPLEXITY_DEFAULT", "COMPLEXITY_UNSPECIFIED", along=POLICY
        ),
        "settings.password_validation_policy.reuse_interval": Values(3, 5, empty=0, along=POLICY),
        "settings.password_validation_policy.disallow_username_substring": Values(True, False, along=POLICY),
        "settings.password_validation_policy.password_change_interval": Values(
            "3600s", "86400s", empty="0s", along=POLICY
        ),
        "settings.final_backup_config.enabled": Values(True, False),
        "settings.final_backup_config.retention_days": Values(7, 30, along=FINAL),
        "settings.retain_backups_on_delete": Values(True, False),
    },
    fixed={
        "region": ("europe-west1", "us-central1"),
        "database_version": ("POSTGRES_16", "POSTGRES_15"),
        "settings.data_disk_type": ("PD_HDD", "PD_SSD"),
        "disk_encryption_configuration.kms_key_name": (f"{KEYS}/one", f"{KEYS}/two"),
    },
    untabled={
        "name": "it is the resource",
        "settings.edition": "goes with the tier alone, see test_gcp_sql_instance.py",
        "settings.data_cache_config.data_cache_enabled": "of ENTERPRISE_PLUS alone, see test_gcp_sql_instance.py",
        "settings.backup_configuration.backup_retention_settings.retention_unit": "there is one unit",
        "allow_major_version_upgrade": "lets database_version go up, see test_gcp_sql_instance.py",
        "maintenance_version": "a new instance has the newest, see test_gcp_sql_instance.py",
        "root_password": "creation alone, never told, see test_gcp_sql_instance.py",
        "enable_final_backup": "only deletion looks at it, see test_gcp_sql_instance.py",
        "final_backup_ttl_days": "only deletion looks at it, see test_gcp_sql_instance.py",
        "final_backup_expiry_time": "only deletion looks at it, see test_gcp_sql_instance.py",
        "final_backup_description": "only deletion looks at it, see test_gcp_sql_instance.py",
        "wait": "changes when the module returns, not what it does",
    },
)
