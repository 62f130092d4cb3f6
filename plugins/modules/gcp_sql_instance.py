#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_sql_instance
short_description: Manage a Cloud SQL instance
description:
  - Creates, reconfigures and deletes a Cloud SQL instance, which is a managed PostgreSQL, MySQL or SQL Server.
  - An update sends only the settings that differ, and is refused by Cloud SQL when somebody else changed them
    meanwhile; it is then planned again.
  - Nothing is ever replaced. What Cloud SQL cannot change in place is an error that names both values.
  - Replicas, clones, restores and Private Service Connect are not managed, nor is what SQL Server alone has, such as a
    time zone and Active Directory. An instance that has them is left as it is.
  - Cloud SQL works on one operation of an instance at a time. Where another one runs, the module waits for its turn.
version_added: 0.1.0
author:
  - The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.gcp
  - mlops.mlflow.resource
options:
  name:
    description:
      - Name of the instance, without the project.
      - The name of a deleted instance cannot be used again for a week. The module says so when that is the reason
        of a refusal.
    type: str
    required: true
  region:
    description: Region of the instance, such as V(europe-west1). It cannot be changed later.
    type: str
  database_version:
    description:
      - Database and its major version, such as V(POSTGRES_16). Needed to create an instance.
      - A higher major version is an upgrade in place, which needs O(allow_major_version_upgrade). Any other change is
        an error.
    type: str
  allow_major_version_upgrade:
    description:
      - Whether a higher O(database_version) may be brought about by upgrading the instance in place.
      - The database is down for minutes, and there is no way back but a backup. With V(false), a higher version is an
        error.
    type: bool
    default: false
    version_added: 0.2.0
  maintenance_version:
    description:
      - Maintenance version that the instance is to have at least, such as V(POSTGRES_17_4.R20250302.00_04). One that is
        older than this is updated, with a restart, instead of waiting for O(settings.maintenance_window).
      - RV(resource) tells what there is in C(availableMaintenanceVersions). A new instance has the newest anyway.
    type: str
    version_added: 0.2.0
  root_password:
    description:
      - Password of the first user, which is C(postgres) on PostgreSQL. It is set when the instance is created, and
        never compared, returned or shown. To change it later use M(mlops.mlflow.gcp_sql_user).
      - With O(settings.password_validation_policy) a new instance needs one that follows the policy.
    type: str
    version_added: 0.2.0
  disk_encryption_configuration:
    description: With what the data is encrypted at rest. Without it, with keys of Google's.
    type: dict
    version_added: 0.2.0
    suboptions:
      kms_key_name:
        description:
          - Key in Cloud KMS, in the region of the instance, such as
            V(projects/my-project/locations/europe-west1/keyRings/sql/cryptoKeys/mlflow).
          - It cannot be changed later.
        type: str
  settings:
    description:
      - Settings of the instance. What is left out stays as it is.
    type: dict
    suboptions:
      tier:
        description:
          - Machine type, such as V(db-f1-micro) or V(db-custom-2-7680). Needed to create an instance.
          - A change restarts the instance.
        type: str
      edition:
        description: Edition of Cloud SQL, which decides about the tiers that can be had.
        type: str
        choices: [ENTERPRISE, ENTERPRISE_PLUS]
      availability_type:
        description: Whether the instance lives in one zone, or in two with automatic failover.
        type: str
        choices: [ZONAL, REGIONAL]
      data_disk_size_gb:
        description:
          - Size of the data disk in GB.
          - A disk can grow, and cannot shrink. A disk that has grown by itself, because
            O(settings.storage_auto_resize) is on, is no difference.
        type: int
      data_disk_type:
        description:
          - Type of the data disk. It cannot be changed later.
          - Which types can be had depends on the tier. The others are refused.
        type: str
        choices: [PD_SSD, PD_HDD, HYPERDISK_BALANCED]
      storage_auto_resize:
        description: Whether the disk grows by itself when it runs full.
        type: bool
      storage_auto_resize_limit:
        description: Size in GB up to which the disk grows by itself. V(0) is no limit.
        type: int
        version_added: 0.2.0
      data_cache_config:
        description: Cache on local disks, which O(settings.edition=ENTERPRISE_PLUS) can have.
        type: dict
        version_added: 0.2.0
        suboptions:
          data_cache_enabled:
            description: Whether there is one. A change restarts the instance.
            type: bool
      activation_policy:
        description: V(ALWAYS) runs the instance, V(NEVER) stops it.
        type: str
        choices: [ALWAYS, NEVER]
      location_preference:
        description: Where in the region the instance is.
        type: dict
        suboptions:
          zone:
            description: Zone, such as V(europe-west1-b). A change moves the instance there, with a restart.
            type: str
          secondary_zone:
            description:
              - Zone to which an instance that is V(REGIONAL) fails over.
              - V(no_secondary_zone) leaves the choice to Cloud SQL again.
            type: str
            version_added: 0.2.0
      ip_configuration:
        description: How the instance is reached.
        type: dict
        suboptions:
          ipv4_enabled:
            description: Whether the instance has a public address.
            type: bool
          private_network:
            description:
              - VPC network on which the instance has a private address, such as
                V(projects/my-project/global/networks/mlflow).
              - It takes a name, a path, a URL, or the result of a task that has C(selfLink).
              - The network must be peered first, see M(mlops.mlflow.gcp_service_networking_connection).
              - It can be changed, and cannot be removed.
            type: raw
          ssl_mode:
            description: Which connections are taken. It has taken the place of C(require_ssl).
            type: str
            choices: [ALLOW_UNENCRYPTED_AND_ENCRYPTED, ENCRYPTED_ONLY, TRUSTED_CLIENT_CERTIFICATE_REQUIRED]
          authorized_networks:
            description:
              - Networks that may connect to the public address. The list is the whole list; an empty one closes the
                address.
            type: list
            elements: dict
            suboptions:
              name:
                description: What the network is.
                type: str
              value:
                description: Network in CIDR notation, such as V(198.51.100.0/24).
                type: str
                required: true
              expiration_time:
                description: When the entry ends, as in V(2030-01-01T00:00:00Z).
                type: str
          allocated_ip_range:
            description: Name of the allocated range that the private address comes from.
            type: str
          enable_private_path_for_google_cloud_services:
            description: Whether services of Google, such as BigQuery, reach the private address.
            type: bool
            version_added: 0.2.0
      connector_enforcement:
        description:
          - Whether nothing but the connectors of Cloud SQL, such as its Auth Proxy, may connect. V(REQUIRED) shuts out
            all others, those from authorized networks too.
        type: str
        choices: [NOT_REQUIRED, REQUIRED]
        version_added: 0.2.0
      backup_configuration:
        description: Daily backups.
        type: dict
        suboptions:
          enabled:
            description: Whether backups are made.
            type: bool
          start_time:
            description: When a backup may begin, V(HH:MM) in UTC.
            type: str
          point_in_time_recovery_enabled:
            description: Whether the instance can be restored to any second of the last days. It needs backups.
            type: bool
          location:
            description: Where backups are kept, such as V(eu) or V(europe-west1).
            type: str
          transaction_log_retention_days:
            description:
              - For how many days the logs of point-in-time recovery are kept, from V(1) to V(7), and to V(35) with
                O(settings.edition=ENTERPRISE_PLUS).
            type: int
          backup_retention_settings:
            description: How many daily backups are kept.
            type: dict
            version_added: 0.2.0
            suboptions:
              retained_backups:
                description: Number of backups, from V(1) to V(365).
                type: int
              retention_unit:
                description: What is counted.
                type: str
                choices: [COUNT]
      database_flags:
        description:
          - Flags of the database. The list is the whole list, in any order; an empty one sets all back to the defaults.
          - Some flags restart the instance. A flag that there is not, or a value that it does not take, is refused.
        type: list
        elements: dict
        suboptions:
          name:
            description: Name of the flag, such as V(max_connections).
            type: str
            required: true
          value:
            description:
              - Value of the flag. Boolean flags take V(on) and V(off), which YAML makes V(true) and V(false) of, unless
                they are quoted; both are understood.
            type: str
      user_labels:
        description:
          - Labels. They are exact when given; a label that is left out goes.
          - Labels that begin with C(password-version-) are those of M(mlops.mlflow.gcp_sql_user), and stay.
        type: dict
      deletion_protection_enabled:
        description:
          - Whether the instance refuses to be deleted.
          - To delete a protected instance, set it to V(false) in the task that has O(state=absent).
        type: bool
      maintenance_window:
        description: When Cloud SQL may restart the instance for maintenance.
        type: dict
        suboptions:
          day:
            description: Day of the week, from V(1) for Monday to V(7) for Sunday.
            type: int
          hour:
            description: Hour of the day in UTC, from V(0) to V(23).
            type: int
          update_track:
            description: How early maintenance comes.
            type: str
            choices: [canary, stable, week5]
      deny_maintenance_periods:
        description: When there is no maintenance at all. The list is the whole list, of one period at most.
        type: list
        elements: dict
        version_added: 0.2.0
        suboptions:
          start_date:
            description: First day, as V(2026-12-15), or V(12-15) for each year.
            type: str
            required: true
          end_date:
            description: Last day, in the same form, at most 90 days later.
            type: str
            required: true
          time:
            description: Time of day in UTC at which it begins and ends, as V(00:00:00).
            type: str
            required: true
      insights_config:
        description: Query Insights.
        type: dict
        suboptions:
          query_insights_enabled:
            description: Whether queries are sampled.
            type: bool
          query_plans_per_minute:
            description: How many query plans a minute are kept.
            type: int
          query_string_length:
            description: How many bytes of a query are kept, from V(256) to V(4500).
            type: int
          record_application_tags:
            description: Whether tags that the application puts into its queries are kept.
            type: bool
          record_client_address:
            description: Whether addresses of clients are kept.
            type: bool
      password_validation_policy:
        description: What the passwords of users must be.
        type: dict
        version_added: 0.2.0
        suboptions:
          enable_password_policy:
            description: Whether the policy is in force.
            type: bool
          min_length:
            description: How many characters a password has at least.
            type: int
          complexity:
            description:
              - V(COMPLEXITY_DEFAULT) asks for a small letter, a capital letter, a digit and another character.
                V(COMPLEXITY_UNSPECIFIED) does not.
            type: str
            choices: [COMPLEXITY_UNSPECIFIED, COMPLEXITY_DEFAULT]
          reuse_interval:
            description: How many of the last passwords cannot be used again.
            type: int
          disallow_username_substring:
            description: Whether the name of the user may not be in the password.
            type: bool
          password_change_interval:
            description: How long a password cannot be changed again, in seconds such as V(3600s).
            type: str
      final_backup_config:
        description: Backup that is made when the instance is deleted, by whomever, and that outlives it.
        type: dict
        version_added: 0.2.0
        suboptions:
          enabled:
            description: Whether there is one.
            type: bool
          retention_days:
            description: For how many days it is kept, from V(1) to V(365).
            type: int
      retain_backups_on_delete:
        description: Whether the backups of the instance outlive it.
        type: bool
        version_added: 0.2.0
  enable_final_backup:
    description:
      - Whether to make a backup before the instance is deleted, which outlives it. Only O(state=absent) looks at it.
      - Where it is not given, O(settings.final_backup_config) of the instance decides.
    type: bool
    version_added: 0.2.0
  final_backup_ttl_days:
    description: For how many days this backup is kept, from V(1) to V(365). Google's default is 30.
    type: int
    version_added: 0.2.0
  final_backup_expiry_time:
    description: Until when this backup is kept, as in V(2030-01-01T00:00:00Z), instead of O(final_backup_ttl_days).
    type: str
    version_added: 0.2.0
  final_backup_description:
    description: What is written on this backup.
    type: str
    version_added: 0.2.0
  wait:
    description:
      - Whether to wait until the instance is made, changed or deleted, which can take many minutes.
      - With V(false) the operation is started and the module returns at once. The same task with V(true) waits for
        it later, as it does for an instance that is still being made by a run that was interrupted.
    type: bool
    default: true
seealso:
  - module: mlops.mlflow.gcp_sql_database
  - module: mlops.mlflow.gcp_sql_user
  - module: mlops.mlflow.gcp_service_networking_connection
  - name: Cloud SQL
    description: Reference of the API behind the module.
    link: https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/instances
"""

EXAMPLES = r"""
- name: Start to make a PostgreSQL instance that is reached over a private address only
  mlops.mlflow.gcp_sql_instance:
    project: my-project
    name: mlflow
    region: europe-west1
    database_version: POSTGRES_16
    settings: &settings
      tier: db-custom-1-3840
      edition: ENTERPRISE
      ip_configuration:
        ipv4_enabled: false
        private_network: projects/my-project/global/networks/mlflow
      backup_configuration:
        enabled: true
        point_in_time_recovery_enabled: true
      deletion_protection_enabled: true
    wait: false

- name: Do something else, and wait for the instance afterwards
  mlops.mlflow.gcp_sql_instance:
    project: my-project
    name: mlflow
    region: europe-west1
    database_version: POSTGRES_16
    settings: *settings

- name: Resize an instance, and touch nothing else
  mlops.mlflow.gcp_sql_instance:
    project: my-project
    name: mlflow
    settings:
      tier: db-custom-2-7680

- name: Allow one network, and no other, to reach the public address
  mlops.mlflow.gcp_sql_instance:
    project: my-project
    name: mlflow
    settings:
      ip_configuration:
        authorized_networks:
          - name: office
            value: 198.51.100.0/24

- name: Set flags, a window for maintenance, none before Christmas, and who may see queries
  mlops.mlflow.gcp_sql_instance:
    project: my-project
    name: mlflow
    settings:
      database_flags:
        - {name: max_connections, value: "200"}
        - {name: cloudsql.iam_authentication, value: "on"}
      maintenance_window: {day: 7, hour: 4, update_track: stable}
      deny_maintenance_periods:
        - {start_date: 12-15, end_date: 01-05, time: "00:00:00"}
      insights_config:
        query_insights_enabled: true
        record_client_address: false

- name: Close the public address to everybody, and take all labels away
  mlops.mlflow.gcp_sql_instance:
    project: my-project
    name: mlflow
    settings:
      ip_configuration:
        authorized_networks: []
      user_labels: {}

- name: Ask for good passwords
  mlops.mlflow.gcp_sql_instance:
    project: my-project
    name: mlflow
    settings:
      password_validation_policy:
        enable_password_policy: true
        min_length: 16
        complexity: COMPLEXITY_DEFAULT

- name: Upgrade PostgreSQL, although the database is down meanwhile
  mlops.mlflow.gcp_sql_instance:
    project: my-project
    name: mlflow
    database_version: POSTGRES_17
    allow_major_version_upgrade: true

- name: Stop an instance
  mlops.mlflow.gcp_sql_instance:
    project: my-project
    name: mlflow
    settings:
      activation_policy: NEVER

- name: Delete an instance, and keep a last backup of it for 90 days
  mlops.mlflow.gcp_sql_instance:
    project: my-project
    name: mlflow
    state: absent
    enable_final_backup: true
    final_backup_ttl_days: 90

- name: Delete an instance with all its databases, although it is protected
  mlops.mlflow.gcp_sql_instance:
    project: my-project
    name: mlflow
    state: absent
    settings:
      deletion_protection_enabled: false
"""

RETURN = r"""
resource:
  description: The instance as the API answers it.
  returned: success
  type: dict
  sample:
    name: mlflow
    state: RUNNABLE
    databaseVersion: POSTGRES_16
    region: europe-west1
    connectionName: my-project:europe-west1:mlflow
    ipAddresses:
      - {type: PRIVATE, ipAddress: 10.77.0.3}
    settings: {tier: db-custom-1-3840, settingsVersion: '1'}
"""

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field, network_range
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.module import run
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.rules import (
    DURATION,
    KMS_KEY,
    LABELS,
    NETWORK_RANGE,
    at_least,
    between,
    matching,
)
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.sql import SqlInstanceResource, any_zone, on_or_off

NAME = matching(
    r"[a-z]([a-z0-9-]{0,96}[a-z0-9])?",
    "lower-case letters, digits and hyphens, beginning with a letter and not ending with a hyphen",
)
MAINTENANCE = matching(r".+\.R\d{8}\.\w+", "a maintenance version, such as POSTGRES_17_4.R20250302.00_04")
DATE = matching(r"(\d{4}-)?\d{2}-\d{2}", "a date, such as 2026-12-15 or 12-15")
MOMENT = matching(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "a time, such as 2030-01-01T00:00:00Z")
DAY_TIME = matching(r"\d{2}:\d{2}:\d{2}", "a time of day, such as 00:00:00")
START = matching(r"([01]\d|2[0-3]):[0-5]\d", "a time of day, such as 03:00")

IP_CONFIGURATION = {
    "ipv4_enabled": Field(type="bool"),
    "private_network": Field(refers="projects/{project}/global/networks/{value}"),
    "ssl_mode": Field(
        choices=["ALLOW_UNENCRYPTED_AND_ENCRYPTED", "ENCRYPTED_ONLY", "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"]
    ),
    "authorized_networks": Field(
        type="list",
        elements="dict",
        options={
            "name": Field(),
            "value": Field(required=True, canonical=network_range, must=NETWORK_RANGE),
            "expiration_time": Field(must=MOMENT),
        },
    ),
    "allocated_ip_range": Field(),
    "enable_private_path_for_google_cloud_services": Field(type="bool"),
}
BACKUP_CONFIGURATION = {
    "enabled": Field(type="bool"),
    "start_time": Field(must=START),
    "point_in_time_recovery_enabled": Field(type="bool"),
    "location": Field(),
    "transaction_log_retention_days": Field(type="int", must=between(1, 35)),
    "backup_retention_settings": Field(
        type="dict",
        options={
            "retained_backups": Field(type="int", must=between(1, 365)),
            "retention_unit": Field(choices=["COUNT"]),
        },
    ),
}
MAINTENANCE_WINDOW = {
    "day": Field(type="int", must=between(1, 7)),
    "hour": Field(type="int", must=between(0, 23)),
    "update_track": Field(choices=["canary", "stable", "week5"]),
}
INSIGHTS_CONFIG = {
    "query_insights_enabled": Field(type="bool"),
    "query_plans_per_minute": Field(type="int", must=at_least(0)),
    "query_string_length": Field(type="int", must=at_least(256)),
    "record_application_tags": Field(type="bool"),
    "record_client_address": Field(type="bool"),
}
PASSWORD_VALIDATION_POLICY = {
    "enable_password_policy": Field(type="bool", no_log=False),
    "min_length": Field(type="int", must=at_least(0)),
    "complexity": Field(choices=["COMPLEXITY_UNSPECIFIED", "COMPLEXITY_DEFAULT"], api_default="COMPLEXITY_UNSPECIFIED"),
    "reuse_interval": Field(type="int", must=at_least(0)),
    "disallow_username_substring": Field(type="bool"),
    "password_change_interval": Field(must=DURATION, api_default="0s", no_log=False),
}
SETTINGS = {
    "tier": Field(),
    "edition": Field(choices=["ENTERPRISE", "ENTERPRISE_PLUS"], api_default="ENTERPRISE"),
    "availability_type": Field(choices=["ZONAL", "REGIONAL"], api_default="ZONAL"),
    "data_disk_size_gb": Field(type="int", must=at_least(10)),
    "data_disk_type": Field(choices=["PD_SSD", "PD_HDD", "HYPERDISK_BALANCED"], immutable=True),
    "storage_auto_resize": Field(type="bool", api_default=True),
    "storage_auto_resize_limit": Field(type="int", must=at_least(0)),
    "data_cache_config": Field(type="dict", options={"data_cache_enabled": Field(type="bool")}),
    "activation_policy": Field(choices=["ALWAYS", "NEVER"], api_default="ALWAYS"),
    "location_preference": Field(type="dict", options={"zone": Field(), "secondary_zone": Field(canonical=any_zone)}),
    "ip_configuration": Field(type="dict", options=IP_CONFIGURATION),
    "connector_enforcement": Field(choices=["NOT_REQUIRED", "REQUIRED"], api_default="NOT_REQUIRED"),
    "backup_configuration": Field(type="dict", options=BACKUP_CONFIGURATION),
    "database_flags": Field(
        type="list", elements="dict", options={"name": Field(required=True), "value": Field(encode=on_or_off)}
    ),
    "user_labels": Field(type="dict", must=LABELS),
    "deletion_protection_enabled": Field(type="bool"),
    "maintenance_window": Field(type="dict", options=MAINTENANCE_WINDOW),
    "deny_maintenance_periods": Field(
        type="list",
        elements="dict",
        options={
            "start_date": Field(required=True, must=DATE),
            "end_date": Field(required=True, must=DATE),
            "time": Field(required=True, must=DAY_TIME),
        },
    ),
    "insights_config": Field(type="dict", options=INSIGHTS_CONFIG),
    "password_validation_policy": Field(type="dict", options=PASSWORD_VALIDATION_POLICY, no_log=False),
    "final_backup_config": Field(
        type="dict",
        options={"enabled": Field(type="bool"), "retention_days": Field(type="int", must=between(1, 365))},
    ),
    "retain_backups_on_delete": Field(type="bool"),
}


class SqlInstance(SqlInstanceResource):
    """What the options are; how they are planned is in the base."""

    fields = {
        "name": Field(required=True, must=NAME),
        "region": Field(immutable=True),
        "database_version": Field(),
        "allow_major_version_upgrade": Field(local=True, type="bool", default=False),
        "maintenance_version": Field(must=MAINTENANCE),
        "root_password": Field(write_only=True, no_log=True),
        "disk_encryption_configuration": Field(
            type="dict", options={"kms_key_name": Field(immutable=True, must=KMS_KEY, no_log=False)}
        ),
        "settings": Field(type="dict", options=SETTINGS),
        "enable_final_backup": Field(local=True, type="bool"),
        "final_backup_ttl_days": Field(local=True, type="int", must=between(1, 365)),
        "final_backup_expiry_time": Field(local=True, must=MOMENT),
        "final_backup_description": Field(local=True),
        "wait": Field(local=True, type="bool", default=True),
    }
    rules = {
        "mutually_exclusive": [("final_backup_ttl_days", "final_backup_expiry_time")],
        "required_by": {
            "final_backup_ttl_days": "enable_final_backup",
            "final_backup_expiry_time": "enable_final_backup",
            "final_backup_description": "enable_final_backup",
        },
    }


def main() -> None:
    run(SqlInstance)


if __name__ == "__main__":
    main()
