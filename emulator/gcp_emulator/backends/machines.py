# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Virtual machines: containers that boot systemd, each in a pod that holds its network."""

from __future__ import annotations

import time
import typing as t

from docker.models.containers import Container
from docker.types import LogConfig

from gcp_emulator.backends import Machine
from gcp_emulator.backends.engine import Engine
from gcp_emulator.backends.images import RECIPES, Images
from gcp_emulator.backends.network import METADATA_ADDRESS, PodNetwork
from gcp_emulator.backends.pods import NET_ROLE, Pods, archive, log, remove, run, started_at
from gcp_emulator.errors import ApiError, not_found

ROLE = "vm"
CERTIFICATE = "/usr/local/share/ca-certificates/gcp-emulator.crt"
BOOT_SECONDS = 120
SHUTDOWN_SECONDS = 30
CPU_PERIOD = 100_000  # microseconds
# A reboot from inside is an exit to the engine.
RESTART: t.Any = {"Name": "unless-stopped"}
# Google keeps as much of what a VM's console prints.
CONSOLE_SIZE = "1m"


def pod_network(machine: Machine) -> PodNetwork:
    """The network of a machine's pod."""
    return PodNetwork(
        internal_ip=machine.internal_ip,
        ranges=machine.subnet_ranges,
        internet=True,
        external_ip=machine.external_ip,
        firewall=machine.firewall,
        nat=machine.nat,
        google_access=machine.google_access,
    )


def limits(machine: Machine, processors: int) -> dict[str, t.Any]:
    """The limits of a machine as the engine takes them; never more processors than there are."""
    return {
        "cpu_period": CPU_PERIOD,
        "cpu_quota": int(min(machine.vcpus, processors) * CPU_PERIOD),
        "mem_limit": machine.memory_mb * 1024 * 1024,
        "memswap_limit": machine.memory_mb * 1024 * 1024,
    }


class DockerMachines:
    """Virtual machines in the container engine.

    A VM with an external address reaches the metadata server from it; one without has an address of the last sixteen of
    the sandbox's subnet for that, which ``metadata_address`` tells. By Cloud NAT it goes out from there as well, not
    from an address of the gateway's: of those, the sandbox knows whom they belong to, and nothing more.
    """

    def __init__(self, engine: Engine, images: Images | None = None) -> None:
        self._engine = engine
        self._images = images or Images(engine)
        self._pods = Pods(engine, self._images)

    def start(self, machine: Machine) -> None:
        """Make the machine if it is not there, bring its limits, addresses, routes and firewall in line, boot it.

        :raises ApiError: its image is none of ours, its external address is taken, or it does not boot.
        """
        known = self._pods.find(machine.path, ROLE)
        image = None if known else self._image(machine)
        name = f"gcp-{self._engine.settings.name}-{machine.zone}-{machine.name}"
        net = self._pods.start(
            machine.path,
            f"{name}.net",
            pod_network(machine),
            segment=machine.network,
            hostname=machine.name,
            hosts={
                machine.name: machine.internal_ip,
                f"{machine.name}.{machine.zone}.c.{machine.project}.internal": machine.internal_ip,
                "metadata.google.internal": METADATA_ADDRESS,
                "metadata": METADATA_ADDRESS,
            },
        )
        vm = known or self._create(machine, name, net, str(image))
        vm.update(**self._limits(machine))
        net.reload()
        if vm.status == "running" and started_at(vm) < started_at(net):
            vm.stop(timeout=SHUTDOWN_SECONDS)  # it is in a network namespace that is no more
            vm.reload()
        if vm.status != "running":
            self._trust(vm)
            vm.start()
        self._await_boot(vm)

    def configure(self, machine: Machine) -> None:
        """Bring addresses, routes, limits and firewall of a machine that may be running in line."""
        net, vm = self._pods.find(machine.path, NET_ROLE), self._pods.find(machine.path, ROLE)
        if vm is not None:
            vm.update(**self._limits(machine))
        if net is not None and net.status == "running":
            self._pods.configure(net, pod_network(machine), machine.network)

    def stop(self, path: str) -> None:
        """Shut it down and keep its disk."""
        for container in (self._pods.find(path, ROLE), self._pods.find(path, NET_ROLE)):
            if container is not None:
                container.stop(timeout=SHUTDOWN_SECONDS)

    def reset(self, path: str) -> None:
        """Power it off and on, without a shutdown."""
        vm = self._pods.find(path, ROLE)
        if vm is None:
            raise not_found(path)
        if vm.status == "running":
            vm.restart(timeout=0)
            self._await_boot(vm)

    def delete(self, path: str) -> None:
        """Remove it and its disk."""
        remove(self._pods.find(path, ROLE))
        self._pods.delete(path)

    def running(self, path: str) -> bool:
        """Whether it is booted."""
        vm = self._pods.find(path, ROLE)
        return vm is not None and vm.status in ("running", "restarting")

    def serial_output(self, path: str) -> str:
        """What its console printed."""
        vm = self._pods.find(path, ROLE)
        return "" if vm is None else log(vm)

    def metadata_address(self, path: str) -> str:
        """The address from which it asks the metadata server, once it has been started."""
        if (address := self._pods.internet_address(path)) is None:
            raise not_found(path)
        return address

    def _image(self, machine: Machine) -> str:
        recipe = RECIPES.get(machine.image)
        if recipe is None or recipe.folder != "guest":
            guests = ", ".join(name for name, known in RECIPES.items() if known.folder == "guest")
            raise ApiError(400, f"The sandbox has no image '{machine.image}' to boot; it has {guests}.", "invalid")
        return self._images.ensure(machine.image)

    def _limits(self, machine: Machine) -> dict[str, t.Any]:
        return limits(machine, self._engine.client().info()["NCPU"])

    def _create(self, machine: Machine, name: str, net: Container, image: str) -> Container:
        return self._engine.client().containers.create(
            image,
            name=name,
            labels=self._pods.labels(machine.path, ROLE),
            network_mode=f"container:{net.id}",
            # systemd wants nearly everything; these two the machine itself may not have, or only it should use
            cap_add=["ALL"],
            cap_drop=["SYS_RESOURCE", "SYS_MODULE"],
            security_opt=["seccomp=unconfined", "apparmor=unconfined"],
            cgroupns="private",
            tmpfs={"/run": "exec", "/run/lock": ""},
            tty=True,  # the console
            log_config=LogConfig(type="json-file", config={"max-size": CONSOLE_SIZE}),
            restart_policy=RESTART,
            **self._limits(machine),
        )

    def _trust(self, vm: Container) -> None:
        """Put the sandbox's certificate authority where the boot takes it into the system's bundle."""
        certificate = self._engine.settings.directory / "ca.pem"
        vm.put_archive("/", archive(CERTIFICATE, certificate.read_bytes()))

    def _await_boot(self, vm: Container) -> None:
        deadline = time.monotonic() + BOOT_SECONDS
        while time.monotonic() < deadline:
            vm.reload()
            if vm.status == "running":
                _code, output = run(vm, "systemctl", "is-system-running")
                if output.strip() in ("running", "degraded"):
                    return
            time.sleep(0.2)
        raise ApiError(
            500, f"{vm.name} has not booted within {BOOT_SECONDS} s; its console tells more.", "internalError"
        )
