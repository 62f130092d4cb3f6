#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gcp_compute_instance
short_description: Manage a virtual machine of Compute Engine
version_added: 0.1.0
description:
  - Creates, changes, starts, stops and deletes a virtual machine.
  - Tags, labels, metadata, scheduling, external addresses, the size of disks and the protection from deletion are
    changed while the machine runs.
  - Machine type, service account and shielded features are changed while it is stopped, for which
    O(allow_stopping_for_update) must be V(true).
  - The image and the name of a disk matter when the disk is made. A newer image changes nothing about a machine that is
    there.
author:
  - The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.gcp
  - mlops.mlflow.resource
options:
  name:
    description: Name of the machine.
    type: str
    required: true
  zone:
    description: Zone of the machine, such as V(europe-west1-b).
    type: str
    required: true
  machine_type:
    description:
      - Machine type, such as V(e2-small), as name, partial path, URL, or a dictionary that has C(selfLink) or C(name).
      - Required when the machine is made.
    type: raw
  disks:
    description:
      - The disks, all of them. One of them is the boot disk.
      - A disk that exists can be attached to a machine that exists, by its O(disks[].source). One that is no longer in
        the list is detached.
      - Required when the machine is made.
    type: list
    elements: dict
    suboptions:
      auto_delete:
        description: Whether the disk is deleted with the machine.
        type: bool
      boot:
        description: Whether the machine boots from it.
        type: bool
      device_name:
        description: Name of the disk inside the machine.
        type: str
      mode:
        description: Whether the machine may write to it. V(READ_WRITE) if it is not given.
        type: str
        choices: [READ_WRITE, READ_ONLY]
      type:
        description: Whether the disk outlives a stop. V(PERSISTENT) if it is not given.
        type: str
        choices: [PERSISTENT, SCRATCH]
      initialize_params:
        description: How a new disk is made.
        type: dict
        suboptions:
          disk_name:
            description: Name of the disk. The boot disk has the machine's name if it is not given.
            type: str
          disk_size_gb:
            description: Size in GB. A larger value later lets the disk grow, and a smaller one is an error.
            type: int
          disk_type:
            description:
              - Type of the disk, such as V(pd-balanced), as name, partial path, URL, or a dictionary that has
                C(selfLink) or C(name). It cannot be changed later.
            type: raw
          source_image:
            description:
              - The image that the disk is filled with. A path or URL of an image or of a family, or short
                V(debian-cloud/debian-12), which is the newest image of the family C(debian-12) of the project
                C(debian-cloud).
            type: str
      source:
        description: A disk that exists, as name, partial path, URL, or a dictionary that has C(selfLink) or C(name).
        type: raw
  network_interfaces:
    description:
      - The network interfaces, all of them. Only their external addresses can be changed later.
      - Required when the machine is made.
    type: list
    elements: dict
    suboptions:
      network:
        description: The network, as name, partial path, URL, or a dictionary that has C(selfLink) or C(name).
        type: raw
      subnetwork:
        description:
          - The subnetwork of the zone's region, as name, partial path, URL, or a dictionary that has C(selfLink) or
            C(name).
        type: raw
      network_ip:
        description: The internal address. Google Cloud chooses one if it is not given.
        type: str
      access_configs:
        description:
          - The external address, one at most. V([]) is none.
        type: list
        elements: dict
        suboptions:
          name:
            description: Name of the access. V(External NAT) if it is not given.
            type: str
          nat_ip:
            description:
              - A reserved address, as text or as the C(resource) that M(mlops.mlflow.gcp_compute_address) returns.
              - Google Cloud gives one that changes with every start if it is not given.
            type: raw
          type:
            description: Kind of access.
            type: str
            choices: [ONE_TO_ONE_NAT]
          network_tier:
            description: Which network of Google's the address is reached through. V(PREMIUM) if it is not given.
            type: str
            choices: [PREMIUM, STANDARD]
  tags:
    description: Network tags, which firewall rules speak of.
    type: dict
    suboptions:
      items:
        description: The tags, all of them.
        type: list
        elements: str
  labels:
    description: Labels, all of them.
    type: dict
  metadata:
    description: Metadata of the machine, all of it, such as C(ssh-keys) and C(startup-script).
    type: dict
  service_accounts:
    description: The service account that programs on the machine act as, one at most. V([]) is none.
    type: list
    elements: dict
    suboptions:
      email:
        description: E-mail address of the account. V(default) is the project's default account.
        type: str
        required: true
      scopes:
        description: What they may ask for at most, in full or short, such as V(cloud-platform).
        type: list
        elements: str
  scheduling:
    description: What happens to the machine when Google maintains or needs the hardware.
    type: dict
    suboptions:
      automatic_restart:
        description: Whether it is started again when it did not end by itself.
        type: bool
      on_host_maintenance:
        description: Whether it moves or ends when its host is maintained.
        type: str
        choices: [MIGRATE, TERMINATE]
      preemptible:
        description: Whether Google may take it away at any time, after a day at the latest. It cannot be changed later.
        type: bool
      provisioning_model:
        description: Whether Google may take it away at any time (V(SPOT)). It cannot be changed later.
        type: str
        choices: [STANDARD, SPOT]
  shielded_instance_config:
    description: What protects its boot.
    type: dict
    suboptions:
      enable_secure_boot:
        description: Whether only signed software may boot it.
        type: bool
      enable_vtpm:
        description: Whether it has a virtual trusted platform module.
        type: bool
      enable_integrity_monitoring:
        description: Whether its boot is compared with an earlier one.
        type: bool
  deletion_protection:
    description:
      - Whether the machine is protected from deletion.
      - With O(state=absent), V(false) lifts the protection first. Otherwise deleting a protected machine is an error.
    type: bool
  description:
    description: What the machine is for. It cannot be changed later.
    type: str
  status:
    description:
      - Whether the machine runs. It is not managed if this is not given.
      - Say V(RUNNING) together with O(allow_stopping_for_update), so that the next run completes one that was
        interrupted between stop and start.
    type: str
    choices: [RUNNING, TERMINATED]
  allow_stopping_for_update:
    description: Whether a running machine may be stopped, and is started again, for a change that needs it.
    type: bool
    default: false
  wait:
    description:
      - Whether to wait until a new or changed machine is ready.
      - With V(false) the result has what is known so far, and a later run with V(true) waits for it.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Create a machine with a reserved address, which SSH opens to one key
  mlops.mlflow.gcp_compute_instance:
    project: my-project
    zone: europe-west1-b
    name: mlflow
    machine_type: e2-small
    disks:
      - boot: true
        auto_delete: true
        initialize_params:
          source_image: debian-cloud/debian-12
          disk_size_gb: 20
          disk_type: pd-balanced
    network_interfaces:
      - network: default
        access_configs:
          - nat_ip: "{{ address.resource }}"
    tags:
      items: [mlflow]
    metadata:
      ssh-keys: "ansible:{{ lookup('ansible.builtin.file', '~/.ssh/id_ed25519.pub') }}"
    service_accounts:
      - email: mlflow@my-project.iam.gserviceaccount.com
        scopes: [cloud-platform]
    status: RUNNING

- name: Give it another machine type, stopping it for that
  mlops.mlflow.gcp_compute_instance:
    project: my-project
    zone: europe-west1-b
    name: mlflow
    machine_type: e2-standard-2
    allow_stopping_for_update: true
    status: RUNNING

- name: Let its boot disk grow
  mlops.mlflow.gcp_compute_instance:
    project: my-project
    zone: europe-west1-b
    name: mlflow
    disks:
      - boot: true
        initialize_params:
          disk_size_gb: 50

- name: Take its external address away
  mlops.mlflow.gcp_compute_instance:
    project: my-project
    zone: europe-west1-b
    name: mlflow
    network_interfaces:
      - network: default
        access_configs: []

- name: Stop it for the night
  mlops.mlflow.gcp_compute_instance:
    project: my-project
    zone: europe-west1-b
    name: mlflow
    status: TERMINATED

- name: Delete it, although it is protected
  mlops.mlflow.gcp_compute_instance:
    project: my-project
    zone: europe-west1-b
    name: mlflow
    deletion_protection: false
    state: absent
"""

RETURN = r"""
resource:
  description: The machine as Google Cloud answers it.
  returned: success
  type: dict
  sample:
    name: mlflow
    status: RUNNING
    machineType: https://www.googleapis.com/compute/v1/projects/my-project/zones/europe-west1-b/machineTypes/e2-small
    networkInterfaces:
      - name: nic0
        networkIP: 10.132.0.2
        accessConfigs: [{name: External NAT, natIP: 203.0.113.7, type: ONE_TO_ONE_NAT}]
    tags: {items: [mlflow], fingerprint: 6smc4R4d39I=}
"""

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.compute import NETWORK, PROJECT
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.instance import (
    InstanceResource,
    account,
    external_address,
    image,
    metadata_items,
    metadata_values,
    scope,
)
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.module import run

IN_ZONE = f"{PROJECT}/zones/{{zone}}"
SUBNETWORK = f"{PROJECT}/regions/{{region}}/subnetworks/{{value}}"

INITIALIZE_PARAMS = {
    "disk_name": Field(),
    "disk_size_gb": Field(type="int"),
    "disk_type": Field(refers=f"{IN_ZONE}/diskTypes/{{value}}"),
    "source_image": Field(encode=image),
}
DISK = {
    "auto_delete": Field(type="bool", computed=True),
    "boot": Field(type="bool", computed=True),
    "device_name": Field(computed=True),
    "mode": Field(choices=["READ_WRITE", "READ_ONLY"], computed=True, api_default="READ_WRITE"),
    "type": Field(choices=["PERSISTENT", "SCRATCH"], computed=True, api_default="PERSISTENT"),
    "initialize_params": Field(type="dict", write_only=True, options=INITIALIZE_PARAMS),  # the disk knows them
    "source": Field(refers=f"{IN_ZONE}/disks/{{value}}", computed=True),
}
ACCESS_CONFIG = {
    "name": Field(computed=True),
    "nat_ip": Field("natIP", type="raw", encode=external_address, computed=True),
    "type": Field(choices=["ONE_TO_ONE_NAT"], computed=True, api_default="ONE_TO_ONE_NAT"),
    "network_tier": Field(choices=["PREMIUM", "STANDARD"], computed=True, api_default="PREMIUM"),
}
NETWORK_INTERFACE = {
    "network": Field(refers=NETWORK, computed=True),
    "subnetwork": Field(refers=SUBNETWORK, computed=True),
    "network_ip": Field("networkIP", computed=True),
    "access_configs": Field(type="list", elements="dict", options=ACCESS_CONFIG, computed=True),
}
SERVICE_ACCOUNT = {
    "email": Field(required=True, canonical=account),
    "scopes": Field(type="list", elements="str", encode=scope),
}
SCHEDULING = {
    "automatic_restart": Field(type="bool"),
    "on_host_maintenance": Field(choices=["MIGRATE", "TERMINATE"]),
    "preemptible": Field(type="bool", immutable=True),
    "provisioning_model": Field(choices=["STANDARD", "SPOT"], immutable=True, api_default="STANDARD"),
}
SHIELDED = {
    "enable_secure_boot": Field(type="bool"),
    "enable_vtpm": Field(type="bool"),
    "enable_integrity_monitoring": Field(type="bool"),
}


class Instance(InstanceResource):
    """What the options are; how each is changed is in the base."""

    fields = {
        "name": Field(required=True),
        "zone": Field(url_only=True, required=True),
        "machine_type": Field(refers=f"{IN_ZONE}/machineTypes/{{value}}"),
        "disks": Field(type="list", elements="dict", options=DISK),
        "network_interfaces": Field(type="list", elements="dict", options=NETWORK_INTERFACE, ordered=True),
        "tags": Field(type="dict", options={"items": Field(type="list", elements="str")}),
        "labels": Field(type="dict"),
        "metadata": Field(type="dict", encode=metadata_items, canonical=metadata_values),
        "service_accounts": Field(type="list", elements="dict", options=SERVICE_ACCOUNT),
        "scheduling": Field(type="dict", options=SCHEDULING),
        "shielded_instance_config": Field(type="dict", options=SHIELDED),
        "deletion_protection": Field(type="bool"),
        "description": Field(immutable=True),
        "status": Field(local=True, choices=["RUNNING", "TERMINATED"]),
        "allow_stopping_for_update": Field(local=True, type="bool", default=False),
        "wait": Field(local=True, type="bool", default=True),
    }


def main() -> None:
    run(Instance)


if __name__ == "__main__":
    main()
