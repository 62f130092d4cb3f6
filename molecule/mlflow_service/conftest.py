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
def server(cloud: Cloud, host: Host, name: str) -> Server:
    """The server of the host, at the address that it has outside, with the certificate that it made."""
    vm = cloud.get(f"{COMPUTE}/zones/{REGION}-b/instances/{name}")
    address = vm["networkInterfaces"][0]["accessConfigs"][0]["natIP"]
    return Server(name, address, host.check_output("openssl x509 -in /etc/mlflow/tls/server.pem"))
