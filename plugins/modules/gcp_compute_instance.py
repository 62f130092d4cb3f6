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
  - Machine type, minimum CPU platform, service account, shielded features and provisioning model are changed while it
    is stopped, for which O(allow_stopping_for_update) must be V(true).
  - What cannot be changed is an error before anything is changed.
  - A run asks for the machine, and once more for its disks only if the task names their type, image or labels, which
    the machine does not tell.
author:
  - The mlops.mlflow authors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow.gcp
  - mlops.mlflow.resource
options:
  name:
    description: Name of the machine. Lower-case letters, digits and hyphens, beginning with a letter.
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
      - The disks, all of them. The first is the boot disk.
      - A disk that is added to the list is attached to a machine that exists, and made first if it has no
        O(disks[].source). One that is no longer in the list is detached, and stays.
      - A disk is known again by O(disks[].boot), O(disks[].device_name), O(disks[].source) or
        O(disks[].initialize_params.disk_name). One that has none of them is an error.
      - Required when the machine is made.
    type: list
    elements: dict
    suboptions:
      auto_delete:
        description: Whether the disk is deleted with the machine.
        type: bool
      boot:
        description: Whether the machine boots from it. It cannot be changed later.
        type: bool
      device_name:
        description:
          - Name of the disk inside the machine, where it is C(/dev/disk/by-id/google-NAME). It cannot be changed later.
        type: str
      mode:
        description: Whether the machine may write to it. V(READ_WRITE) if it is not given. It cannot be changed later.
        type: str
        choices: [READ_WRITE, READ_ONLY]
      type:
        description: Whether the disk outlives a stop. V(PERSISTENT) if it is not given. It cannot be changed later.
        type: str
        choices: [PERSISTENT, SCRATCH]
      initialize_params:
        description: How a new disk is made.
        type: dict
        suboptions:
          disk_name:
            description:
              - Name of the disk. If it is not given, the boot disk has the machine's name, and any other disk that name
                and its device name, such as C(mlflow-data). It cannot be changed later.
              - A disk of this name that exists, and that no machine has, is attached as it is to a machine that exists.
            type: str
          disk_size_gb:
            description:
              - Size in GB. A larger value later lets the disk grow, and a smaller one is an error. The file system
                grows at the next start of the machine, if its image does that.
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
              - It cannot be changed later. A family is no difference for a disk that was made from any of its images,
                however old, nor is anything for a disk whose image is gone.
            type: str
            aliases: [image, image_family]
          labels:
            description: Labels of the disk, all of them.
            type: dict
            version_added: 0.2.0
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
      nic_type:
        description: Kind of the virtual network card. Google Cloud chooses one if it is not given.
        type: str
        choices: [VIRTIO_NET, GVNIC]
        version_added: 0.2.0
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
        aliases: [tag_values]
  labels:
    description: Labels, all of them.
    type: dict
  metadata:
    description:
      - Metadata of the machine, all of it, such as C(ssh-keys) and C(startup-script).
      - A new startup script runs at the next start of the machine.
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
        description:
          - Whether it moves or ends when its host is maintained.
          - An e2 machine moves, V(MIGRATE), unless Google may take it away at any time.
        type: str
        choices: [MIGRATE, TERMINATE]
      preemptible:
        description:
          - Whether Google may take it away at any time, after a day at the latest. V(SPOT) of
            O(scheduling.provisioning_model) is the successor of this.
        type: bool
      provisioning_model:
        description:
          - Whether Google may take it away at any time (V(SPOT)).
          - With a change of it, or of O(scheduling.preemptible), come the defaults of the other model for what the task
            does not say. One that can be taken away does not restart by itself, and ends when its host is maintained;
            another restarts and moves.
        type: str
        choices: [STANDARD, SPOT]
      instance_termination_action:
        description: What becomes of a V(SPOT) machine that Google takes away. V(STOP) if it is not given.
        type: str
        choices: [STOP, DELETE]
        version_added: 0.2.0
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
  min_cpu_platform:
    description:
      - The oldest processors that will do, such as V(Intel Ice Lake). The empty text is any.
      - Not every machine type takes it; those of the family C(e2) do not.
    type: str
    version_added: 0.2.0
  reservation_affinity:
    description: Which reserved capacity the machine may use. It cannot be changed later.
    type: dict
    version_added: 0.2.0
    suboptions:
      consume_reservation_type:
        description: Any that fits, none, or a certain one. V(ANY_RESERVATION) if it is not given.
        type: str
        choices: [ANY_RESERVATION, NO_RESERVATION, SPECIFIC_RESERVATION]
      key:
        description: Label that the reservation has; V(compute.googleapis.com/reservation-name) is its name.
        type: str
      values:
        description: What the label may be, such as the names of reservations.
        type: list
        elements: str
  can_ip_forward:
    description: Whether the machine may send and receive packets that are neither from nor for it, as a router does.
    type: bool
    aliases: [ip_forward]
    version_added: 0.2.0
  hostname:
    description:
      - Its name to itself, in full, such as V(mlflow.example.com). It cannot be changed later.
      - Google Cloud makes one of name, zone and project if it is not given.
    type: str
    version_added: 0.2.0
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
seealso:
  - module: mlops.mlflow.gcp_compute_address
  - module: mlops.mlflow.gcp_compute_subnetwork
  - module: mlops.mlflow.gcp_compute_firewall
  - module: mlops.mlflow.gcp_iam_service_account
  - name: Virtual machines
    description: Reference of the API behind the module.
    link: https://cloud.google.com/compute/docs/reference/rest/v1/instances
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
      - subnetwork: mlflow
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

- name: Add a disk for data, which stays when the machine goes
  mlops.mlflow.gcp_compute_instance:
    project: my-project
    zone: europe-west1-b
    name: mlflow
    disks:
      - boot: true
      - device_name: data
        auto_delete: false
        initialize_params:
          disk_name: mlflow-data
          disk_size_gb: 100
          disk_type: pd-balanced
          labels:
            service: mlflow

- name: Let Google take the machine away when it needs the room, and keep its disks then
  mlops.mlflow.gcp_compute_instance:
    project: my-project
    zone: europe-west1-b
    name: training
    scheduling:
      provisioning_model: SPOT
      instance_termination_action: STOP
    allow_stopping_for_update: true
    status: RUNNING

- name: Take its external address away
  mlops.mlflow.gcp_compute_instance:
    project: my-project
    zone: europe-west1-b
    name: mlflow
    network_interfaces:
      - subnetwork: mlflow
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
        networkIP: 10.80.0.2
        accessConfigs: [{name: External NAT, natIP: 203.0.113.7, type: ONE_TO_ONE_NAT}]
    tags: {items: [mlflow], fingerprint: 6smc4R4d39I=}
"""

import re

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.compute import IN_ZONE, NETWORK, SUBNETWORK
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
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.rules import (
    ADDRESS,
    LABELS,
    RESOURCE_NAME,
    Rule,
    at_least,
    matching,
)

METADATA = Rule(
    lambda value: all(re.fullmatch(r"[A-Za-z0-9_-]{1,128}", str(key)) for key in value),
    "a map whose keys are 1 to 128 letters, digits, hyphens and underscores",
)
ACCOUNT = matching(r"default|[^@\s]+@[^@\s]+", "default, or the e-mail address of a service account")

INITIALIZE_PARAMS = {
    "disk_name": Field(must=RESOURCE_NAME, computed=True),
    "disk_size_gb": Field(type="int", must=at_least(1), computed=True),
    "disk_type": Field(refers=f"{IN_ZONE}/diskTypes/{{value}}", computed=True),
    "source_image": Field(encode=image, aliases=["image", "image_family"], computed=True),
    "labels": Field(type="dict", must=LABELS, computed=True),
}
DISK = {
    "auto_delete": Field(type="bool", computed=True),
    "boot": Field(type="bool", computed=True),
    "device_name": Field(computed=True),
    "mode": Field(choices=["READ_WRITE", "READ_ONLY"], computed=True, api_default="READ_WRITE"),
    "type": Field(choices=["PERSISTENT", "SCRATCH"], computed=True, api_default="PERSISTENT"),
    "initialize_params": Field(type="dict", options=INITIALIZE_PARAMS, computed=True),  # the disk knows most of them
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
    "network_ip": Field("networkIP", must=ADDRESS, computed=True),
    "nic_type": Field(choices=["VIRTIO_NET", "GVNIC"], computed=True),
    "access_configs": Field(type="list", elements="dict", options=ACCESS_CONFIG, computed=True),
}
TAGS = Field(type="list", elements="str", must=RESOURCE_NAME, aliases=["tag_values"])
SERVICE_ACCOUNT = {
    "email": Field(required=True, must=ACCOUNT, canonical=account),
    "scopes": Field(type="list", elements="str", encode=scope),
}
SCHEDULING = {
    "automatic_restart": Field(type="bool"),
    "on_host_maintenance": Field(choices=["MIGRATE", "TERMINATE"]),
    "preemptible": Field(type="bool"),
    "provisioning_model": Field(choices=["STANDARD", "SPOT"], api_default="STANDARD"),
    "instance_termination_action": Field(choices=["STOP", "DELETE"]),
}
SHIELDED = {
    "enable_secure_boot": Field(type="bool"),
    "enable_vtpm": Field(type="bool"),
    "enable_integrity_monitoring": Field(type="bool"),
}
RESERVATIONS = ["ANY_RESERVATION", "NO_RESERVATION", "SPECIFIC_RESERVATION"]
RESERVATION_AFFINITY = {
    "consume_reservation_type": Field(choices=RESERVATIONS, immutable=True, api_default="ANY_RESERVATION"),
    "key": Field(immutable=True, no_log=False),
    "values": Field(type="list", elements="str", immutable=True),
}


class Instance(InstanceResource):
    """What the options are; how each is changed is in the base."""

    fields = {
        "name": Field(required=True, must=RESOURCE_NAME),
        "zone": Field(url_only=True, required=True),
        "machine_type": Field(refers=f"{IN_ZONE}/machineTypes/{{value}}"),
        "disks": Field(type="list", elements="dict", options=DISK),
        "network_interfaces": Field(type="list", elements="dict", options=NETWORK_INTERFACE, ordered=True),
        "tags": Field(type="dict", options={"items": TAGS}),
        "labels": Field(type="dict", must=LABELS),
        "metadata": Field(type="dict", must=METADATA, encode=metadata_items, canonical=metadata_values),
        "service_accounts": Field(type="list", elements="dict", options=SERVICE_ACCOUNT),
        "scheduling": Field(type="dict", options=SCHEDULING),
        "shielded_instance_config": Field(type="dict", options=SHIELDED),
        "min_cpu_platform": Field(),
        "reservation_affinity": Field(type="dict", options=RESERVATION_AFFINITY),
        "can_ip_forward": Field(type="bool", aliases=["ip_forward"]),
        "hostname": Field(immutable=True),
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
