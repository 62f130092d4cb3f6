# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The container engine under a sandbox: the machine's own, or one that we start and take away again."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import ipaddress
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

import docker
from docker.errors import DockerException, NotFound
from docker.models.networks import Network
from docker.types import IPAMConfig, IPAMPool

from gcp_emulator.settings import Settings

LABEL = "gcp-emulator"
Filters = dict[str, str | list[str] | bool]
DEFAULT_SOCKET = Path("/var/run/docker.sock")
REQUEST_SECONDS = 300
START_SECONDS = 30
STOP_SECONDS = 20
# Linux takes socket paths of up to 107 bytes and a zero; this is the longest that the daemon makes.
LONGEST_SOCKET = "run/containerd/containerd-debug.sock"
SOCKET_PATH_LIMIT = 107
# What a daemon makes outside its own directories, the innermost first.
TRACES = (
    "/etc/docker/key.json",
    "/etc/docker",
    "/run/containerd/s",
    "/run/containerd",
    "/run/docker/plugins",
    "/run/docker",
    "/opt/containerd/bin",
    "/opt/containerd/lib",
    "/opt/containerd",
)
CGROUPS = Path("/sys/fs/cgroup")
CPU_SHARES = 16 * 1024  # of sixteen processes; more machines than that are not busy at once
FIREWALLS = ("iptables", "ip6tables")
TABLES = ("raw", "mangle", "nat", "filter")


class EngineError(Exception):
    """The engine cannot serve the sandbox; the message says what to do."""


def say(text: str) -> None:
    """Tell whoever waits what goes on."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


def uplink_mtu() -> int:
    """The MTU of the default route's device, in bytes; a bridge with a larger one drops large packets silently."""
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        device, destination, _gateway, _flags, _refs, _use, _metric, mask = line.split()[:8]
        if int(destination, 16) == 0 and int(mask, 16) == 0:
            return min(1500, int(Path(f"/sys/class/net/{device}/mtu").read_text()))
    return 1500


def host_ranges(routes: str) -> dict[ipaddress.IPv4Network, str]:
    """The ranges that the machine has routes to, with the device of each.

    :param routes: the content of ``/proc/net/route``, which writes addresses in the machine's byte order.
    """
    ranges = {}
    for line in routes.splitlines()[1:]:
        fields = line.split()
        destination, mask = (ipaddress.IPv4Address(struct.pack("=I", int(fields[column], 16))) for column in (1, 7))
        if int(mask):
            ranges[ipaddress.IPv4Network(f"{destination}/{mask}")] = fields[0]
    return ranges


def docker_rules(listing: str, others: t.Collection[str] = ()) -> tuple[list[list[str]], list[str]]:
    """What a daemon left in a table: the rules that jump to its chains, as arguments of ``-D``, and its chains.

    :param listing: what ``iptables -t TABLE -S`` prints.
    :param others: chains that were there before it.
    """
    words = [line.split() for line in listing.splitlines()]
    chains = [line[1] for line in words if line[0] == "-N" and line[1].startswith("DOCKER") and line[1] not in others]
    jumps = [line[1:] for line in words if line[0] == "-A" and line[1] not in chains and line[-1] in chains]
    return jumps, chains


def can_be_root() -> bool:
    """Whether this user is root, or becomes it without a password."""
    if os.geteuid() == 0:
        return True
    with contextlib.suppress(FileNotFoundError):
        return subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0
    return False


def as_root(*command: str) -> list[str]:
    """A command as root runs it."""
    return list(command) if os.geteuid() == 0 else ["sudo", "-n", *command]


def _run(*command: str) -> str:
    """Run as root; what it prints, and nothing where it fails."""
    environment = os.environ | {"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin", "LC_ALL": "C"}
    with contextlib.suppress(FileNotFoundError):
        return subprocess.run(as_root(*command), capture_output=True, text=True, env=environment, check=False).stdout
    return ""


def _alive(pid: int) -> bool:
    """Whether a process runs; a zombie that nobody has reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Engine:
    """A connection to the engine, and the sandbox's place in it. All that is made there carries ``labels``.

    An engine that listens in the sandbox's engine directory is preferred, then the one that ``DOCKER_HOST`` named when
    the sandbox was made, then the machine's own; where none answers, one is started in that directory. Several
    sandboxes may share it.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.directory = settings.engine_directory.resolve()
        self.labels = {LABEL: str(settings.directory.resolve())}
        self._client: docker.DockerClient | None = None
        self._connecting = threading.Lock()
        # held while networks come and go: the engine would make two of one name
        self.segments = threading.RLock()

    @property
    def own_url(self) -> str:
        """The address of an engine of our own, as DOCKER_HOST takes it."""
        return f"unix://{self.directory}/docker.sock"

    @property
    def own(self) -> bool:
        """Whether the engine is, or was, one of our own."""
        return (self.directory / "daemon.json").exists()

    @property
    def _cgroup(self) -> str:
        return f"{LABEL}-{hashlib.sha256(str(self.directory).encode()).hexdigest()[:8]}"

    @property
    def internet_name(self) -> str:
        """The name of the network that plays the Internet."""
        return f"gcp-{self.settings.name}-internet"

    def ensure(self) -> None:
        """Have an engine, and in it the network that plays the Internet.

        :raises EngineError: there is no engine and none can be started, or the network cannot be had.
        """
        self.client()
        self._ensure_internet()

    def client(self) -> docker.DockerClient:
        """The connection; made, and the engine started, where there is none yet.

        :raises EngineError: there is no engine, and none can be started.
        """
        with self._connecting:
            if self._client is None:
                self._client = self._reach() or self._start()
            return self._client

    def cleanup(self) -> None:
        """Remove every container, volume and network of this sandbox."""
        # an engine of our own that has died is started again: what it ran must not outlive it
        client = self.client() if self.own else self._client or self._reach()
        if client is None:
            return
        mine: Filters = {"label": f"{LABEL}={self.labels[LABEL]}"}
        for container in client.containers.list(all=True, filters=mine, ignore_removed=True):
            with contextlib.suppress(NotFound):
                container.remove(force=True, v=True)
        for volume in client.volumes.list(filters=mine):
            volume.remove(force=True)
        for network in client.networks.list(filters=mine):
            network.remove()

    def stop(self) -> None:
        """Stop an engine of our own and take away all that it left, unless another sandbox still uses it."""
        if not self.own:
            return
        with self._locked():
            if self._used():
                return
            self._client = None
            say("Stopping the container engine")
            for file in ("docker.pid", "run/containerd/containerd.pid"):
                self._terminate(self.directory / file)
            self._remove_mounts()
            self._restore_host()
            _run("rm", "-rf", str(self.directory))

    # --- finding and starting ---

    def _reach(self) -> docker.DockerClient | None:
        """The first engine that answers."""
        if self.own and (client := self._connect(self.own_url)):
            return client
        configured = self.settings.docker_host
        if configured and configured != self.own_url:
            if client := self._connect(configured):
                return client
            raise EngineError(
                f"No container engine answers at DOCKER_HOST={configured}, which this sandbox was made with: start it. "
                f"If it is gone for ever, and what it ran with it, remove {self.settings.directory} and begin anew."
            )
        if self.own:
            return None
        if DEFAULT_SOCKET.exists() and not os.access(DEFAULT_SOCKET, os.R_OK | os.W_OK):
            raise EngineError(
                f"This user may not use {DEFAULT_SOCKET}: add it to the group docker and log in again, or run as root."
            )
        return self._connect(f"unix://{DEFAULT_SOCKET}")

    @staticmethod
    def _connect(url: str) -> docker.DockerClient | None:
        """A client of the engine at this address; None if it is not there."""
        try:
            client = docker.DockerClient(base_url=url, timeout=REQUEST_SECONDS)
            client.ping()
        except DockerException:
            return None
        return client

    def _start(self) -> docker.DockerClient:
        longest = str(self.directory / LONGEST_SOCKET)
        if len(longest.encode()) > SOCKET_PATH_LIMIT:
            raise EngineError(
                f"The engine's socket {longest} has a path of {len(longest.encode())} bytes, and "
                f"{SOCKET_PATH_LIMIT} are the limit (108 with the closing zero): use a shorter directory."
            )
        daemon = Path("/usr/sbin/dockerd")
        if not daemon.exists():
            daemon = Path("/usr/bin/dockerd")
        if not daemon.exists():
            raise EngineError(
                "No container engine answers and none is installed: run scripts/system-packages.sh, or install Docker."
            )
        if not can_be_root():
            raise EngineError(
                "No container engine answers, and starting one takes root: run as root, allow sudo without a password, "
                "or start Docker yourself."
            )
        self.directory.mkdir(parents=True, exist_ok=True)
        with self._locked():
            return self._connect(self.own_url) or self._launch(daemon)

    def _launch(self, daemon: Path) -> docker.DockerClient:
        say("Starting a container engine")
        self._record_host()
        # a daemon that was killed leaves these, and a number that is taken again stops the next one
        for name in ("docker.pid", "run/containerd/containerd.pid"):
            pid = self._pid(self.directory / name)
            if pid is None or not _alive(pid):
                _run("rm", "-f", str(self.directory / name))
        config = self.directory / "daemon.json"
        config.write_text(
            json.dumps(
                {
                    "data-root": str(self.directory / "data"),
                    "exec-root": str(self.directory / "run"),
                    "pidfile": str(self.directory / "docker.pid"),
                    "hosts": [self.own_url],
                    "group": str(os.getgid()),
                    "bridge": "none",  # everything is on networks of its own
                    # below a group of our own, which can be taken away without a look at anybody else's
                    "exec-opts": ["native.cgroupdriver=cgroupfs"],
                    "cgroup-parent": f"/{self._cgroup}",
                    "mtu": uplink_mtu(),
                    "log-level": "warn",
                },
                indent=2,
            )
        )
        log = self.directory / "dockerd.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                as_root(str(daemon), "--config-file", str(config)),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env=os.environ | {"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/bin:/bin"},
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            if client := self._connect(self.own_url):
                self._weigh()
                return client
            time.sleep(0.2)
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise EngineError(f"The container engine does not start:\n{tail}")

    def _weigh(self) -> None:
        """Let each machine weigh as much as a process of the host; else all of them together would weigh as one."""
        cpu = CGROUPS / "cpu"
        if (cpu / "cpu.shares").exists():  # version 2 weighs groups by groups
            _run("mkdir", "--parents", str(cpu / self._cgroup))
            _run("sh", "-c", f"echo {CPU_SHARES} > {cpu / self._cgroup / 'cpu.shares'}")

    # --- stopping ---

    @contextlib.contextmanager
    def _locked(self) -> t.Iterator[None]:
        """One start or stop at a time, whichever sandbox wants it."""
        with self._lock.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @property
    def _lock(self) -> Path:
        # Beside the directory, which a stop removes: else who starts meanwhile would find a lock that nobody holds.
        return self.directory.with_name(f"{self.directory.name}.lock")

    def _used(self) -> bool:
        """Whether a sandbox still has something in the engine of our own."""
        client = self._connect(self.own_url)
        if client is None:
            return False
        filters: Filters = {"label": LABEL}
        return bool(client.containers.list(all=True, filters=filters) or client.networks.list(filters=filters))

    @staticmethod
    def _pid(file: Path) -> int | None:
        text = _run("cat", str(file)).strip()
        return int(text) if text.isdigit() else None

    def _terminate(self, file: Path) -> None:
        """End the process of a pid file, by force after a while; only one that is of this engine."""
        pid = self._pid(file)
        if pid is None or str(self.directory) not in _run("cat", f"/proc/{pid}/cmdline"):
            return
        for sent in (signal.SIGTERM, signal.SIGKILL):
            _run("kill", f"-{int(sent)}", str(pid))
            deadline = time.monotonic() + STOP_SECONDS
            while _alive(pid) and time.monotonic() < deadline:
                time.sleep(0.1)

    def _remove_mounts(self) -> None:
        points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        for point in reversed(points):
            if Path(point).is_relative_to(self.directory):
                _run("umount", "--lazy", point)

    def _record_host(self) -> None:
        """Note what the machine was like before the first start, so that the last stop can bring it back."""
        file = self.directory / "host.json"
        if file.exists():
            return
        policies, chains = {}, {}
        for firewall in FIREWALLS:
            rules = _run(firewall, "-S", "FORWARD").splitlines()
            policies[firewall] = rules[0].split()[2] if rules else None
            chains[firewall] = {table: docker_rules(_run(firewall, "-t", table, "-S"))[1] for table in TABLES}
        record = {
            "forwarding": Path("/proc/sys/net/ipv4/ip_forward").read_text().strip(),
            "policies": policies,
            "chains": chains,
            "traces": [path for path in TRACES if not Path(path).exists()],
        }
        file.write_text(json.dumps(record, indent=2))

    def _restore_host(self) -> None:
        file = self.directory / "host.json"
        if not file.exists():
            return
        before = json.loads(file.read_text())
        for firewall, policy in before["policies"].items():
            for table in TABLES:
                self._remove_chains(firewall, table, before["chains"][firewall][table])
            if policy:
                _run(firewall, "-P", "FORWARD", policy)
        _run("sysctl", "-q", "-w", f"net.ipv4.ip_forward={before['forwarding']}")
        for group in CGROUPS.glob(f"**/{self._cgroup}"):
            _run("find", str(group), "-depth", "-type", "d", "-exec", "rmdir", "{}", ";")
        for path in before["traces"]:
            _run("rm", "--dir", path)  # a folder that somebody else uses by now is not empty

    @staticmethod
    def _remove_chains(firewall: str, table: str, others: list[str]) -> None:
        jumps, chains = docker_rules(_run(firewall, "-t", table, "-S"), others)
        for jump in jumps:
            _run(firewall, "-t", table, "-D", *jump)
        for flag in ("-F", "-X"):
            for chain in chains:
                _run(firewall, "-t", table, flag, chain)

    # --- the network that plays the Internet ---

    def _ensure_internet(self) -> None:
        client, wanted = self.client(), ipaddress.ip_network(self.settings.subnet)
        if wanted.prefixlen != 24:
            raise EngineError(f"--subnet {wanted}: a range of 256 addresses (/24) is needed.")
        networks = client.networks.list()
        known = next((network for network in networks if network.name == self.internet_name), None)
        if known is None:
            self._check_overlap(wanted, networks)
            pool = IPAMPool(
                subnet=str(wanted),
                gateway=self.settings.address,
                # those that ask for no address get one here: VMs without an external address
                iprange=f"{wanted.network_address + 240}/28",
            )
            client.networks.create(
                self.internet_name,
                driver="bridge",
                ipam=IPAMConfig(pool_configs=[pool]),
                options={"com.docker.network.driver.mtu": str(uplink_mtu())},
                labels=self.labels,
            )
        elif (owner := known.attrs["Labels"].get(LABEL)) != self.labels[LABEL]:
            raise EngineError(
                f"The sandbox of {owner} is called {self.settings.name} too: give this one another name with --name."
            )
        elif str(wanted) not in _subnets(known):
            raise EngineError(f"The sandbox runs with another --subnet than {wanted}: take it down first.")
        with socket.socket() as probe:
            try:
                probe.bind((self.settings.address, 0))
            except OSError as error:
                raise EngineError(
                    f"{self.settings.address} is not an address of this machine ({error.strerror}): the container "
                    "engine must run on it, with its bridges in plain sight (not remote, rootless or desktop)."
                ) from error

    @staticmethod
    def _check_overlap(wanted: ipaddress.IPv4Network | ipaddress.IPv6Network, networks: list[Network]) -> None:
        for network in networks:
            for subnet in _subnets(network):
                if ipaddress.ip_network(subnet).overlaps(wanted):
                    raise EngineError(
                        f"{wanted} overlaps the container network {network.name} ({subnet}): choose another --subnet."
                    )
        for known, device in host_ranges(Path("/proc/net/route").read_text()).items():
            if known.overlaps(wanted):
                raise EngineError(
                    f"{wanted} overlaps the route to {known} by {device} of this machine: choose another --subnet."
                )


def _subnets(network: Network) -> list[str]:
    return [pool["Subnet"] for pool in network.attrs["IPAM"]["Config"] or [] if "Subnet" in pool]
