# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The sandbox's server: the APIs behind the proxy, and the metadata server."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ipaddress
import logging
import os
import signal
import socket
import threading
import typing as t

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from gcp_emulator import accounts, certificates, policies
from gcp_emulator.admin import Admin
from gcp_emulator.backends import Databases, Machines
from gcp_emulator.backends.engine import Engine
from gcp_emulator.backends.machines import DockerMachines
from gcp_emulator.backends.objects import DiskObjects
from gcp_emulator.backends.postgres import PostgresServers
from gcp_emulator.backends.remembered import RememberedDatabases, RememberedMachines
from gcp_emulator.cloud import Cloud
from gcp_emulator.front import Front
from gcp_emulator.metadata import MetadataServer
from gcp_emulator.operations import Operations
from gcp_emulator.proxy import Proxy, reset
from gcp_emulator.services import ALL
from gcp_emulator.services.base import Service
from gcp_emulator.services.compute import fabric
from gcp_emulator.settings import Settings
from gcp_emulator.store import Store

LOG = logging.getLogger(__name__)
# Clients keep connections for a minute or two; one that the server closes first costs them a failed request.
KEEP_ALIVE_SECONDS = 150


def prepare(settings: Settings, store: Store) -> None:
    """Have the project, the account that owns it, and its key file."""
    name = settings.project
    if store.get("projects", name) is None:
        accounts.create_project(store, name)
    email = f"sandbox-owner@{name}.iam.gserviceaccount.com"
    account = store.get("serviceAccounts", email)
    if account is None:
        account = accounts.create_account(store, name, email, "Owner of the sandbox's project")
    if not settings.credentials.exists():
        policies.grant(store, f"projects/{name}", "roles/owner", f"serviceAccount:{email}")
        key, pem = accounts.create_key(store, account)
        new = settings.credentials.with_suffix(".new")
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(accounts.key_file(account, key, pem))
        new.replace(settings.credentials)


def register(cloud: Cloud) -> list[Service]:
    """All services, with their actions made known to the operations."""
    services = [service(cloud) for service in ALL]
    for service in services:
        cloud.operations.actions |= service.actions
    return services


class _Protocol(H11Protocol):
    """Connections that the application may end without an answer, by ``abort`` in the scope's state."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # uvicorn narrows it
        """Hand it on."""
        super().connection_made(transport)
        self.app_state = self.app_state | {"abort": functools.partial(reset, transport)}


class _Listener(uvicorn.Server):
    """A uvicorn server that leaves signals to us, because several run in one loop."""

    @contextlib.contextmanager
    def capture_signals(self) -> t.Iterator[None]:
        """Capture none."""
        yield


def _listener(app: ASGIApp, **options: t.Any) -> _Listener:
    return _Listener(
        uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,  # signed URLs and addresses of uploads are credentials
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            **options,
        )
    )


def _listening(address: str, port: int) -> socket.socket:
    """A listening socket. Its protocol is named, because asyncio switches Nagle's algorithm off only then."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((address, port))
    listening.listen(128)
    return listening


def _backends(settings: Settings) -> tuple[Machines, Databases]:
    if settings.apis_only:
        return RememberedMachines(), RememberedDatabases()
    engine = Engine(settings)
    return DockerMachines(engine), PostgresServers(engine)


class Server:
    """One sandbox, as long as it runs."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store(settings.directory / "state.db")
        operations = Operations(self.store, settings.operation_seconds)
        machines, databases = _backends(settings)
        objects = DiskObjects(settings.directory / "objects")
        self.cloud = Cloud(settings, self.store, operations, machines, databases, objects)
        self.services = register(self.cloud)
        self._ready = threading.Event()

    def health(self) -> dict[str, t.Any]:
        """What the proxy tells of the sandbox."""
        return {"directory": str(self.settings.directory.resolve()), "pid": os.getpid(), "ready": self._ready.is_set()}

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        settings = self.settings
        chain, key = certificates.server_files(settings)
        inner = _listening("127.0.0.1", 0)
        front = Front(self.cloud, self.services)
        apis = _listener(front, ssl_certfile=str(chain), ssl_keyfile=str(key))
        internet = ipaddress.IPv4Interface(f"{settings.gateway}/{settings.subnet.partition('/')[2]}")
        admin = Admin(front.faults, front.calls)
        upstream, bypass = settings.upstream_proxy, settings.upstream_bypass
        refusal = functools.partial(fabric.refusal, self.store)
        proxy = Proxy(inner.getsockname(), internet, self.health, upstream, bypass, admin, refusal)
        listening = await proxy.start(settings.address, settings.proxy_port)
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        servers = [asyncio.create_task(apis.serve([inner]))]
        if not settings.apis_only:  # nobody has an address by which it would know them
            metadata = _listener(MetadataServer(self.store))
            servers.append(asyncio.create_task(metadata.serve([_listening(settings.address, settings.metadata_port)])))
        threading.Thread(target=self._wake, name="wake", daemon=True).start()
        waiting = asyncio.create_task(stop.wait())
        done, _pending = await asyncio.wait([waiting, *servers], return_when=asyncio.FIRST_COMPLETED)
        for task in done - {waiting}:
            task.result()
        listening.close()
        self.cloud.operations.stop()
        logging.shutdown()
        # Operations that are under way are resumed at the next start. To wait for their threads, and for clients that
        # wait for them, is of no use.
        os._exit(0)

    def _wake(self) -> None:
        """Bring everything back that ran before, then go on with what was not done."""
        for service in self.services:
            try:
                service.wake()
            except Exception:
                LOG.exception("%s did not come back whole", service.api)
        self.cloud.operations.resume()
        self._ready.set()
        LOG.info("ready")
