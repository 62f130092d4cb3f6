# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The servers, as their clients reach them."""

from __future__ import annotations

import pytest
from cloud import COMPUTE, REGION, Cloud, Host, Server


@pytest.fixture
def name(host: Host) -> str:
    """The name of the host, under which its clients call it."""
    found: str = host.backend.hostname
    return found


@pytest.fixture
def address(cloud: Cloud, name: str) -> str:
    """The address that the host has outside."""
    found: str = cloud.get(f"{COMPUTE}/zones/{REGION}-b/instances/{name}")["networkInterfaces"][0]["accessConfigs"][0][
        "natIP"
    ]
    return found


@pytest.fixture
def server(host: Host, name: str, address: str) -> Server:
    """The server of the host, with the certificate that it made."""
    return Server(name, address, host.check_output("openssl x509 -in /etc/mlflow/tls/server.pem"))
