# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All services of the sandbox."""

from __future__ import annotations

import importlib

from gcp_emulator.services.base import Service
from gcp_emulator.services.cloudresourcemanager import ResourceManager
from gcp_emulator.services.iam import Iam
from gcp_emulator.services.iamcredentials import IamCredentials
from gcp_emulator.services.serviceusage import ServiceUsage

_OTHERS = {
    "compute": "Compute",
    "sqladmin": "SqlAdmin",
    "storage": "Storage",
    "servicenetworking": "ServiceNetworking",
    "secretmanager": "SecretManager",
}


def _rest() -> tuple[type[Service], ...]:
    found = []
    for module, name in _OTHERS.items():
        try:
            found.append(getattr(importlib.import_module(f"gcp_emulator.services.{module}"), name))
        except (ImportError, AttributeError):
            continue
    return tuple(found)


ALL: tuple[type[Service], ...] = (Iam, IamCredentials, ResourceManager, ServiceUsage, *_rest())
