# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How one sandbox is set up. Stored beside its state, so that every command finds it again."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """
    ``directory``: where everything of this sandbox lives. ``project``: the empty project that it offers. ``apis_only``:
    nothing stands behind the APIs, so that no container engine is needed, and the proxy listens on the loopback
    address. ``subnet``: the range that plays the Internet; its first address is the sandbox's own, where the proxy and
    the metadata server listen. ``operation_seconds``: how long an operation takes at least. ``engine``: where a
    container engine of our own lives, if several sandboxes share one. ``docker_host``: the engine that the environment
    named when the sandbox was made, "" if none. ``upstream_proxy``: through which the machine reaches the real
    Internet, "" if directly; ``upstream_bypass``: the names that it reaches without, as NO_PROXY has them.
    ``account_propagation_seconds``: how long a new service account is unknown to IAM and Compute.
    ``service_propagation_seconds``: how long an API that was enabled says that it is not. ``quotas``: limits by metric
    of Compute, such as ``FIREWALLS`` or ``europe-west1/CPUS``.
    """

    directory: Path
    name: str = "demo"
    project: str = "mlflow-sandbox"
    subnet: str = "198.18.77.0/24"
    proxy_port: int = 3128
    metadata_port: int = 3180
    operation_seconds: float = 0.3
    engine: Path | None = None
    docker_host: str = ""
    upstream_proxy: str = ""
    upstream_bypass: str = ""
    apis_only: bool = False
    account_propagation_seconds: float = 0
    service_propagation_seconds: float = 0
    quotas: dict[str, float] = field(default_factory=dict)

    @property
    def engine_directory(self) -> Path:
        """Where an engine of our own lives."""
        return self.engine or self.directory / "engine"

    @property
    def address(self) -> str:
        """Where the proxy listens: the sandbox's own address, which host and VMs reach alike, if there can be VMs."""
        return "127.0.0.1" if self.apis_only else self.gateway

    @property
    def gateway(self) -> str:
        """The first address of the network that plays the Internet."""
        return self.subnet.rsplit(".", 1)[0] + ".1"

    @property
    def proxy_url(self) -> str:
        """What HTTPS_PROXY is set to."""
        return f"http://{self.address}:{self.proxy_port}"

    @property
    def ca_bundle(self) -> Path:
        """The system's certificates and the sandbox's own, in one file."""
        return self.directory / "ca-bundle.pem"

    @property
    def credentials(self) -> Path:
        """The key file of the service account that owns the project."""
        return self.directory / "credentials.json"

    @property
    def file(self) -> Path:
        """Where these settings are stored."""
        return self.directory / "settings.json"

    def save(self) -> None:
        """Write them to the sandbox's directory, for its owner alone: a proxy's URL may hold a password."""
        values = dataclasses.asdict(self) | {
            "directory": str(self.directory),
            "engine": str(self.engine) if self.engine else None,
        }
        self.file.touch(mode=0o600)
        self.file.write_text(json.dumps(values, indent=2) + "\n")

    @classmethod
    def load(cls, directory: Path) -> Settings:
        """Read what ``save`` wrote."""
        values = json.loads((directory / "settings.json").read_text())
        engine = values["engine"] and Path(values["engine"])
        return cls(**values | {"directory": directory, "engine": engine})
