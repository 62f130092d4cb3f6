# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pods: a network namespace that outlives what runs in it, held by a small container of its own."""

from __future__ import annotations

import contextlib
import io
import tarfile
import time
import typing as t

from docker.errors import APIError, NotFound
from docker.models.containers import Container
from docker.models.networks import Network
from docker.types import EndpointConfig

from gcp_emulator.backends.engine import LABEL, Engine, EngineError, Filters, uplink_mtu
from gcp_emulator.backends.images import Images
from gcp_emulator.backends.network import PodNetwork, setup_script
from gcp_emulator.errors import ApiError

PATH_LABEL = f"{LABEL}.path"
ROLE_LABEL = f"{LABEL}.role"
SEGMENT_LABEL = f"{LABEL}.segment"
NET_ROLE = "net"
SCRIPT = "/etc/pod/network"


def archive(path: str, content: bytes, mode: int = 0o644) -> bytes:
    """A tar archive of one file, as the engine takes it for a container's root; folders on the way are made."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo(path.lstrip("/"))
        entry.size, entry.mode, entry.mtime = len(content), mode, int(time.time())
        tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


class Pods:
    """The pods of a sandbox; a pod belongs to the resource of a path."""

    def __init__(self, engine: Engine, images: Images) -> None:
        self.engine, self.images = engine, images

    def find(self, path: str, role: str) -> Container | None:
        """A resource's container of a role, running or not."""
        found = self._containers(**{PATH_LABEL: path, ROLE_LABEL: role})
        return found[0] if found else None

    def labels(self, path: str, role: str) -> dict[str, str]:
        """The labels by which ``find`` finds a container."""
        return self.engine.labels | {PATH_LABEL: path, ROLE_LABEL: role}

    def start(
        self,
        path: str,
        name: str,
        network: PodNetwork,
        *,
        segment: str | None,
        hostname: str,
        hosts: dict[str, str] | None = None,
    ) -> Container:
        """Have the pod of a resource, running, with this network.

        :param name: of its container.
        :param segment: path of the VPC network that it is on, if any. It cannot change.
        :param hosts: further names for its ``/etc/hosts``, with their addresses.
        """
        net = self.find(path, NET_ROLE) or self._create(path, name, network, segment, hostname, hosts or {})
        self.configure(net, network, segment)
        return net

    def configure(self, net: Container, network: PodNetwork, segment: str | None) -> None:
        """Bring the network of a pod in line, and start it if it is not running.

        :raises ApiError: another pod has the external address.
        """
        try:
            self._connect(net, network, segment)
            net.put_archive("/", archive(SCRIPT, setup_script(network, self.engine.settings).encode()))
            if net.status != "running":
                net.start()
        except APIError as error:
            if network.external_ip and "already in use" in str(error.explanation):
                message = f"The external address {network.external_ip} is already in use."
                raise ApiError(400, message, "externalIpAddressInUse") from error
            raise
        # it runs at the start of the pod too: this waits for its end
        code, output = run(net, "flock", SCRIPT, "sh", SCRIPT)
        if code:
            raise EngineError(f"The network of {net.name} cannot be set up: {output}")

    def delete(self, path: str) -> None:
        """Remove a pod, and the segment that it was the last one on."""
        net = self.find(path, NET_ROLE)
        if net is None:
            return
        segment = net.labels.get(SEGMENT_LABEL, "")
        remove(net)
        if segment:
            self._remove_segment(segment)

    def internet_address(self, path: str) -> str | None:
        """The address that a running pod has on the network that plays the Internet."""
        net = self.find(path, NET_ROLE)
        if net is None:
            return None
        endpoint = net.attrs["NetworkSettings"]["Networks"].get(self.engine.internet_name, {})
        return endpoint.get("IPAddress") or None

    def _containers(self, **labels: str) -> list[Container]:
        filters: Filters = {"label": [f"{name}={value}" for name, value in (self.engine.labels | labels).items()]}
        return self.engine.client().containers.list(all=True, filters=filters, ignore_removed=True)

    def _create(
        self,
        path: str,
        name: str,
        network: PodNetwork,
        segment: str | None,
        hostname: str,
        hosts: dict[str, str],
    ) -> Container:
        image = self.images.ensure("net")
        first = self._segment_name(segment) if segment else "none"
        if network.internet:
            first = self.engine.internet_name
        labels = self.labels(path, NET_ROLE) | ({SEGMENT_LABEL: segment} if segment else {})
        with self.engine.segments:  # the container keeps the segment, once it is there
            if segment:
                self._segment(segment)
            return self.engine.client().containers.create(
                image,
                name=name,
                hostname=hostname,
                labels=labels,
                extra_hosts=hosts,
                cap_drop=["ALL"],
                cap_add=["NET_ADMIN"],
                network=first,
                networking_config=(
                    {first: EndpointConfig("1.41", ipv4_address=network.external_ip)} if network.internet else None
                ),
            )

    def _connect(self, net: Container, network: PodNetwork, segment: str | None) -> None:
        """Connect the container to the engine's networks as it must be."""
        net.reload()
        client, internet = self.engine.client(), self.engine.internet_name
        endpoints = net.attrs["NetworkSettings"]["Networks"]
        if segment and self._segment_name(segment) not in endpoints:
            self._segment(segment).connect(net)
        if not network.internet:
            return
        configured = (endpoints.get(internet, {}).get("IPAMConfig") or {}).get("IPv4Address") or None
        if internet in endpoints and configured == network.external_ip:
            return
        between = client.networks.get(internet)
        if internet in endpoints:
            between.disconnect(net)
        between.connect(net, ipv4_address=network.external_ip)

    # --- segments ---

    def _segment_name(self, network: str) -> str:
        return f"gcp-{self.engine.settings.name}-vpc-{network.rpartition('/')[2]}"

    def _segment(self, network: str) -> Network:
        """The bridge that is the wire of a VPC network. The machine has no address on it, so no route to its ranges.

        It is not ``internal``: for such a one the engine drops, where bridges pass the firewall, every packet that is
        not of the range that the engine has chosen.
        """
        client, name = self.engine.client(), self._segment_name(network)
        with self.engine.segments:
            for known in client.networks.list(names=[name]):
                if known.name == name:
                    return known
            return client.networks.create(
                name,
                driver="bridge",
                options={
                    "com.docker.network.bridge.inhibit_ipv4": "true",
                    "com.docker.network.driver.mtu": str(uplink_mtu()),
                },
                labels=self.engine.labels,
            )

    def _remove_segment(self, network: str) -> None:
        client, name = self.engine.client(), self._segment_name(network)
        with self.engine.segments:
            if self._containers(**{SEGMENT_LABEL: network}):
                return
            for known in client.networks.list(names=[name]):
                if known.name == name:
                    known.remove()


def run(container: Container, *command: str) -> tuple[int, str]:
    """Run a command in a container; its exit status, and what it printed."""
    code, output = container.exec_run(list(command))
    return int(code or 0), t.cast(bytes, output).decode(errors="replace")


def log(container: Container, tail: int | t.Literal["all"] = "all") -> str:
    """What a container printed, or the last lines of it."""
    return container.logs(tail=tail).decode(errors="replace")


def remove(container: Container | None) -> None:
    """Remove a container, whatever state it is in."""
    if container is not None:
        with contextlib.suppress(NotFound):
            container.remove(force=True, v=True)


def started_at(container: Container) -> str:
    """When a container was started last; such times sort as text."""
    return t.cast(str, container.attrs["State"]["StartedAt"])
