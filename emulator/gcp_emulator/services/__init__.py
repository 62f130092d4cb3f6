# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All services of the sandbox."""

from __future__ import annotations

from gcp_emulator.services.base import Service
from gcp_emulator.services.cloudresourcemanager import ResourceManager
from gcp_emulator.services.compute import Compute
from gcp_emulator.services.iam import Iam
from gcp_emulator.services.iamcredentials import IamCredentials
from gcp_emulator.services.secretmanager import SecretManager
from gcp_emulator.services.servicenetworking import ServiceNetworking
from gcp_emulator.services.serviceusage import ServiceUsage
from gcp_emulator.services.sqladmin import SqlAdmin
from gcp_emulator.services.storage import Storage

# In the order in which they wake: networks and machines before the databases that are reached over them.
ALL: tuple[type[Service], ...] = (
    Compute,
    ServiceNetworking,
    SqlAdmin,
    Storage,
    SecretManager,
    Iam,
    IamCredentials,
    ResourceManager,
    ServiceUsage,
)
