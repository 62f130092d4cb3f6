# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.modules.gcp_compute_instance import Instance
from ansible_collections.mlops.mlflow.plugins.modules.gcp_iam_service_account import IamServiceAccount

from . import Case, Task, Values

PLACE = {"zone": "europe-west1-b"}
IMAGE = "debian-cloud/debian-12"
BOOT = {"boot": True, "initialize_params": {"source_image": IMAGE, "disk_size_gb": 10}}
LARGER = {"boot": True, "initialize_params": {"source_image": IMAGE, "disk_size_gb": 20, "labels": {"app": "mlflow"}}}
DATA = {"device_name": "data", "initialize_params": {"disk_name": "one-data", "disk_size_gb": 50}}
NIC = {"network": "default"}
OUTSIDE = {"network": "default", "access_configs": [{"network_tier": "PREMIUM"}]}
# What Google changes only while the machine is stopped.
STOPPING = {"allow_stopping_for_update": True}
SPOT = {"scheduling": {"provisioning_model": "SPOT"}}

CASE = Case(
    kind=Instance,
    base={
        "name": "one",
        **PLACE,
        "machine_type": "n2-standard-2",
        "disks": [{"boot": True, "initialize_params": {"source_image": IMAGE}}],
        "network_interfaces": [NIC],
    },
    needs=(Task(IamServiceAccount, {"name": "runner"}),),
    values={
        "machine_type": Values("n2-standard-2", "n2-standard-4", along=STOPPING),
        "disks": Values([BOOT], [LARGER, DATA]),
        "network_interfaces": Values([OUTSIDE], [NIC | {"access_configs": []}]),
        "tags.items": Values(["web", "batch"], ["batch"], empty=[]),
        "labels": Values({"app": "mlflow", "team": "one"}, {"app": "other"}, empty={}),
        "metadata": Values({"a": "1", "startup-script": "#!/bin/sh\n"}, {"a": True}, empty={}),
        "service_accounts": Values(
            [{"email": "default", "scopes": ["cloud-platform"]}],
            [{"email": "runner@test-project.iam.gserviceaccount.com", "scopes": ["logging.write", "monitoring.write"]}],
            empty=[],
            along=STOPPING,
        ),
        "scheduling.automatic_restart": Values(True, False),
        "scheduling.on_host_maintenance": Values("MIGRATE", "TERMINATE"),
        "scheduling.preemptible": Values(True, False, along=STOPPING),
        "scheduling.provisioning_model": Values("SPOT", "STANDARD", along=STOPPING),
        "scheduling.instance_termination_action": Values("STOP", "DELETE", along=SPOT),
        "shielded_instance_config.enable_secure_boot": Values(True, False, along=STOPPING),
        "shielded_instance_config.enable_vtpm": Values(True, False, along=STOPPING),
        "shielded_instance_config.enable_integrity_monitoring": Values(True, False, along=STOPPING),
        "min_cpu_platform": Values("Intel Cascade Lake", "Intel Ice Lake", empty="", along=STOPPING),
        "can_ip_forward": Values(True, False),
        "deletion_protection": Values(True, False),
        "status": Values("RUNNING", "TERMINATED"),
    },
    fixed={
        "reservation_affinity.consume_reservation_type": ("ANY_RESERVATION", "NO_RESERVATION"),
        "hostname": ("one.example.com", "other.example.com"),
        "description": ("for people", "for machines"),
    },
    untabled={
        "name": "it names the resource",
        "zone": "it names the resource",
        "allow_stopping_for_update": "it is for the module alone",
        "wait": "it is for the module alone",
        "reservation_affinity.key": "the sandbox has no reservations; the unit tests have it",
        "reservation_affinity.values": "the sandbox has no reservations; the unit tests have it",
    },
    reads=2,  # the machine does not tell from which image its disk was made; the disk does
)
