#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_sql_instance
short_description: Manage a Cloud SQL instance
description:
  - Creates, reconfigures and deletes a Cloud SQL instance, which is a managed PostgreSQL, MySQL or SQL Server.
  - An update sends only the settings that differ, and is refused by Cloud SQL when somebody else changed them
    meanwhile;
    it is then planned again.
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
      - Database and its major version, such as V(POSTGRES_16).
      - It cannot be changed later by this module.
      - Needed to create an instance.
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
        description: Type of the data disk. Cloud SQL refuses to change it later.
        type: str
        choices: [PD_SSD, PD_HDD, HYPERDISK_BALANCED]
      storage_auto_resize:
        description: Whether the disk grows by itself when it runs full.
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
                V(projects/my-project/global/networks/default).
              - It takes a name, a path, a URL, or the result of a task that has C(selfLink).
              - The network must be peered first, see M(mlops.mlflow.gcp_service_networking_connection).
            type: raw
          ssl_mode:
            description: Which connections are taken.
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
            description: For how many days the logs of point-in-time recovery are kept.
            type: int
      database_flags:
        description: Flags of the database. The list is the whole list. Some flags restart the instance.
        type: list
        elements: dict
        suboptions:
          name:
            description: Name of the flag, such as V(max_connections).
            type: str
            required: true
          value:
            description: Value of the flag. Boolean flags take V(on) and V(off); quote them.
            type: str
      user_labels:
        description: Labels. They are exact when given; a label that is left out goes.
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
  wait:
    description:
      - Whether to wait until the instance is made, changed or deleted, which can take many minutes.
      - With V(false) the operation is started and the module returns at once. The same task with V(true) waits for
        it later,
        as it does for an instance that is still being made by a run that was interrupted.
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
        private_network: projects/my-project/global/networks/default
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

- name: Stop an instance
  mlops.mlflow.gcp_sql_instance:
    project: my-project
    name: mlflow
    settings:
      activation_policy: NEVER

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
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.sql import SqlInstanceResource

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
            "value": Field(required=True, canonical=network_range),
            "expiration_time": Field(),
        },
    ),
    "allocated_ip_range": Field(),
}
BACKUP_CONFIGURATION = {
    "enabled": Field(type="bool"),
    "start_time": Field(),
    "point_in_time_recovery_enabled": Field(type="bool"),
    "location": Field(),
    "transaction_log_retention_days": Field(type="int"),
}
INSIGHTS_CONFIG = {
    "query_insights_enabled": Field(type="bool"),
    "query_plans_per_minute": Field(type="int"),
    "query_string_length": Field(type="int"),
    "record_application_tags": Field(type="bool"),
    "record_client_address": Field(type="bool"),
}
SETTINGS = {
    "tier": Field(),
    "edition": Field(choices=["ENTERPRISE", "ENTERPRISE_PLUS"], api_default="ENTERPRISE"),
    "availability_type": Field(choices=["ZONAL", "REGIONAL"], api_default="ZONAL"),
    "data_disk_size_gb": Field(type="int"),
    "data_disk_type": Field(choices=["PD_SSD", "PD_HDD", "HYPERDISK_BALANCED"]),
    "storage_auto_resize": Field(type="bool", api_default=True),
    "activation_policy": Field(choices=["ALWAYS", "NEVER"], api_default="ALWAYS"),
    "location_preference": Field(type="dict", options={"zone": Field()}),
    "ip_configuration": Field(type="dict", options=IP_CONFIGURATION),
    "backup_configuration": Field(type="dict", options=BACKUP_CONFIGURATION),
    "database_flags": Field(type="list", elements="dict", options={"name": Field(required=True), "value": Field()}),
    "user_labels": Field(type="dict"),
    "deletion_protection_enabled": Field(type="bool"),
    "maintenance_window": Field(
        type="dict",
        options={
            "day": Field(type="int"),
            "hour": Field(type="int"),
            "update_track": Field(choices=["canary", "stable", "week5"]),
        },
    ),
    "insights_config": Field(type="dict", options=INSIGHTS_CONFIG),
}


class SqlInstance(SqlInstanceResource):
    """What the options are; how they are planned is in the base."""

    fields = {
        "name": Field(required=True),
        "region": Field(immutable=True),
        "database_version": Field(immutable=True),
        "settings": Field(type="dict", options=SETTINGS),
        "wait": Field(local=True, type="bool", default=True),
    }


def main() -> None:
    """Run the module."""
    run(SqlInstance)


if __name__ == "__main__":
    main()
