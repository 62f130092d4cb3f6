# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A sandbox from outside: it is brought up, looked at and taken away."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import typing as t
import urllib.request
from dataclasses import replace
from pathlib import Path

import gcp_emulator
from gcp_emulator import certificates
from gcp_emulator.backends.engine import Engine, EngineError, say
from gcp_emulator.errors import Json
from gcp_emulator.server import Server, prepare
from gcp_emulator.settings import Settings
from gcp_emulator.store import Store

# How long a sandbox may take to bring back all its machines and databases.
READY_SECONDS = 600
STOP_SECONDS = 20
# What cannot change as long as the sandbox lives.
FIXED = ("name", "project", "subnet", "apis_only")
# What a project's owner would count.
RESOURCES = (
    *("compute.instances", "compute.disks", "compute.addresses", "compute.firewalls", "compute.networks"),
    *("compute.subnetworks", "compute.routers", "connections", "sql.instances"),
    *("sql.databases", "sql.users", "buckets", "serviceAccounts", "serviceAccountKeys", "secrets", "secretVersions"),
)
# All that a sandbox keeps in its directory, but for the engine, which takes itself away.
CONTENTS = (
    *("state.db", "state.db-wal", "state.db-shm", "objects", "ca.pem", "ca-key.pem", "ca-bundle.pem", "server.pem"),
    *("server-key.pem", "credentials.json", "server.pid", "server.log", "settings.json", "lock", "engine.lock"),
)


class SandboxError(Exception):
    """What went wrong, and what to do."""


def default_directory() -> Path:
    """Where the sandbox is, if nobody says."""
    return Path(os.environ.get("GCP_EMULATOR_HOME") or ".sandbox")


# -- the commands ------------------------------------------------------------------------------------------------


def up(directory: Path, changes: Json) -> Settings:
    """Bring the sandbox up, if it is not; go on with the state that it had.

    :param changes: settings by name, where they are not to be what they were.
    :raises SandboxError: it cannot come up.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(directory):
        settings = _settled(directory, changes)
        stale = _stored(directory) not in (None, settings)
        settings.save()
        if _running(directory) and not stale and _health(settings).get("ready"):
            say(f"The sandbox {settings.name} is up")
            return settings
        if _running(directory) and stale:
            _terminate(directory)
        if not settings.apis_only:
            try:
                Engine(settings).ensure()
            except EngineError as error:
                raise SandboxError(str(error)) from error
        if not _running(directory):
            certificates.ensure(settings)
            _prepare(settings)
            say(f"Starting the sandbox {settings.name}")
            _launch(settings)
        _await_ready(settings)
        say(f"The sandbox {settings.name} is up: project {settings.project}, proxy {settings.proxy_url}")
    return settings


def down(directory: Path) -> None:
    """Take the sandbox away with all that is in it; one that is half there, or not at all, is no error.

    :raises SandboxError: something cannot be removed.
    """
    if not directory.is_dir():
        return
    with _locked(directory):
        settings = _stored(directory) or Settings(directory)
        _terminate(directory)
        say(f"Removing what the sandbox {settings.name} runs")
        if not settings.apis_only:
            engine = Engine(settings)
            try:
                engine.cleanup()
                engine.stop()
            except EngineError as error:
                raise SandboxError(str(error)) from error
        for name in CONTENTS:
            path = directory / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # somebody's own files may be in it
        directory.rmdir()


def status(directory: Path) -> Json:
    """Whether the sandbox runs, and what is in it."""
    settings = _stored(directory)
    if settings is None:
        return {"directory": str(directory.resolve()), "exists": False, "running": False, "ready": False}
    health = _health(settings) if _running(directory) else {}
    return {
        "directory": str(directory.resolve()),
        "exists": True,
        "running": bool(_running(directory)),
        "ready": bool(health.get("ready")),
        "pid": health.get("pid"),
        "name": settings.name,
        "project": settings.project,
        "address": settings.address,
        "proxy": settings.proxy_url,
        "subnet": settings.subnet,
        "apis_only": settings.apis_only,
        "log": str(directory.resolve() / "server.log"),
        **_contents(directory),
    }


def environment(directory: Path) -> dict[str, str]:
    """What a shell must export so that any client speaks to the sandbox.

    :raises SandboxError: there is none.
    """
    settings = _stored(directory)
    if settings is None:
        raise SandboxError(f"There is no sandbox in {directory}; bring one up first.")
    settings = replace(settings, directory=directory.resolve())
    bundle, key = str(settings.ca_bundle), str(settings.credentials)
    engine = None if settings.apis_only else Engine(settings)
    return {
        "GCP_PROJECT": settings.project,
        "GCP_EMULATOR_HOME": str(settings.directory),
        "GCP_EMULATOR_ADDRESS": settings.address,
        "HTTPS_PROXY": settings.proxy_url,
        "https_proxy": settings.proxy_url,
        "NO_PROXY": "localhost,127.0.0.1,::1",
        "no_proxy": "localhost,127.0.0.1,::1",
        "REQUESTS_CA_BUNDLE": bundle,
        "SSL_CERT_FILE": bundle,
        "CURL_CA_BUNDLE": bundle,
        "GOOGLE_APPLICATION_CREDENTIALS": key,
        "GOOGLE_CLOUD_PROJECT": settings.project,
        "CLOUDSDK_PROXY_TYPE": "http",
        "CLOUDSDK_PROXY_ADDRESS": settings.address,
        "CLOUDSDK_PROXY_PORT": str(settings.proxy_port),
        "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE": bundle,
        "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE": key,
        "CLOUDSDK_CORE_PROJECT": settings.project,
        **({"DOCKER_HOST": engine.own_url} if engine and engine.own else {}),
    }


def ask(directory: Path, verb: str, path: str, body: Json | None = None) -> Json:
    """What the admin API of the sandbox answers.

    :raises SandboxError: the sandbox does not run, or refuses.
    """
    settings = _stored(directory)
    if settings is None or not _health(settings):
        raise SandboxError(f"No sandbox runs in {directory}; bring it up first.")
    status, answer = _ask(settings, verb, path, body)
    if status != 200:
        raise SandboxError(answer.get("error", f"The sandbox does not answer {verb} {path}."))
    return answer


def exports(directory: Path) -> str:
    """``environment`` as a shell reads it."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment(directory).items())


def serve(directory: Path) -> None:
    """Be the server, in the foreground.

    :raises SandboxError: another one runs already, or there is no sandbox.
    """
    settings = _stored(directory)
    if settings is None:
        raise SandboxError(f"There is no sandbox in {directory}; bring one up first.")
    pid_file = (directory / "server.pid").open("a")  # held open, and with it the lock, as long as the server lives
    try:
        fcntl.flock(pid_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise SandboxError(f"The sandbox in {directory} runs already.") from error
    pid_file.truncate(0)
    pid_file.write(f"{os.getpid()}\n")
    pid_file.flush()
    Server(settings).run()


# -- settings ----------------------------------------------------------------------------------------------------


def _stored(directory: Path) -> Settings | None:
    try:
        return Settings.load(directory)
    except FileNotFoundError:
        return None


def _settled(directory: Path, changes: Json) -> Settings:
    """The settings to run with: what is stored, what is asked for, and how this machine reaches the Internet."""
    old = _stored(directory)
    for name in FIXED:
        if old and changes.get(name, getattr(old, name)) != getattr(old, name):
            raise SandboxError(
                f"The sandbox in {directory} has the {name} {getattr(old, name)!r}, which cannot become "
                f"{changes[name]!r}. Take it down first, or give another --directory."
            )
    settings = replace(old or Settings(directory, docker_host=os.environ.get("DOCKER_HOST", "")), **changes)
    if settings.apis_only and not old and "proxy_port" not in changes:
        settings = replace(settings, proxy_port=_free_port(settings.address))
    proxies = urllib.request.getproxies_environment()
    proxy = proxies.get("https", proxies.get("all", ""))
    if proxy.rstrip("/") == settings.proxy_url:  # set for this very sandbox: what was before it is stored
        return settings
    return replace(settings, upstream_proxy=proxy, upstream_bypass=proxies.get("no", "") if proxy else "")


def _free_port(address: str) -> int:
    with socket.create_server((address, 0)) as probe:
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _locked(directory: Path) -> t.Iterator[None]:
    """One command at a time."""
    with (directory / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# -- the process -------------------------------------------------------------------------------------------------


def _running(directory: Path) -> int | None:
    """The server's process; None if none runs. Its lock tells, which dies with it however it dies."""
    try:
        with (directory / "server.pid").open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return int(file.read() or 0) or None
    except FileNotFoundError:
        pass
    return None


def _prepare(settings: Settings) -> None:
    old = os.umask(0o077)
    try:
        store = Store(settings.directory / "state.db")
    finally:
        os.umask(old)
    prepare(settings, store)
    store.close()


def _launch(settings: Settings) -> None:
    directory = settings.directory.resolve()
    command = [sys.executable, "-m", "gcp_emulator", "serve", "--directory", str(directory)]
    with os.fdopen(os.open(directory / "server.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=_clean_environment(settings),
            start_new_session=True,
        )


def _clean_environment(settings: Settings) -> dict[str, str]:
    """The environment without what leads back to the sandbox itself, and with this very package."""
    package = str(Path(gcp_emulator.__file__).parents[1].resolve())
    values = dict(os.environ)
    values["PYTHONPATH"] = os.pathsep.join(filter(None, [package, values.get("PYTHONPATH")]))
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        if values.get(name, "").rstrip("/") == settings.proxy_url:
            del values[name]
    for name in certificates.VARIABLES:
        if values.get(name) and Path(values[name]).resolve() == settings.ca_bundle.resolve():
            del values[name]
    return values


def _await_ready(settings: Settings) -> None:
    deadline = time.monotonic() + READY_SECONDS
    begun = time.monotonic()
    while time.monotonic() < deadline:
        if _health(settings).get("ready"):
            return
        if not _running(settings.directory) and time.monotonic() - begun > 5:  # an interpreter takes a moment to start
            break
        time.sleep(0.1)
    log = settings.directory / "server.log"
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
    raise SandboxError(f"The sandbox's server did not come up. {log} ends so:\n{tail}")


def _ask(settings: Settings, verb: str, path: str, body: Json | None = None) -> tuple[int, Json]:
    """What the server answers at the proxy's own port: status and JSON; (0, {}) if it does not."""
    connection = http.client.HTTPConnection(settings.address, settings.proxy_port, timeout=5)
    try:
        connection.request(verb, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    except (OSError, ValueError, http.client.HTTPException):
        return 0, {}
    finally:
        connection.close()


def _health(settings: Settings) -> Json:
    """What the server says of itself; nothing if it does not answer, or if another sandbox has its address."""
    answer = _ask(settings, "GET", "/health")[1]
    return answer if answer.get("directory") == str(settings.directory.resolve()) else {}


def _terminate(directory: Path) -> None:
    """End the server; one that does not listen is killed, which harms no state."""
    for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, STOP_SECONDS)):
        pid = _running(directory)
        if pid is None:
            return
        os.kill(pid, number)
        deadline = time.monotonic() + seconds
        while _running(directory) and time.monotonic() < deadline:
            time.sleep(0.05)
    raise SandboxError(f"The server {_running(directory)} does not end.")


def _contents(directory: Path) -> Json:
    """The main things that are in the sandbox."""
    if not (directory / "state.db").exists():
        return {}
    store = Store(directory / "state.db")
    try:
        return {
            "instances": {key: value["status"] for key, value in store.items("compute.instances")},
            "databases": {key: value["state"] for key, value in store.items("sql.instances")},
            "resources": {kind: [key for key, _value in store.items(kind)] for kind in RESOURCES},
        }
    finally:
        store.close()


def describe(found: Json) -> str:
    """``status`` for people."""
    if not found["exists"]:
        return f"no sandbox in {found['directory']}\n"
    kind = "sandbox of the APIs alone," if found["apis_only"] else "sandbox"
    state = "up" if found["ready"] else "starting" if found["running"] else "stopped"
    lines = [f"{kind} {found['name']} in {found['directory']}: {state}"]
    lines += [f"  {name}: {found[name]}" for name in ("project", "proxy", "subnet", "log")]
    for kind in ("instances", "databases"):
        lines += [f"  {key}: {value}" for key, value in found.get(kind, {}).items()]
    lines += [f"  gs://{bucket}" for bucket in found.get("resources", {}).get("buckets", [])]
    return "\n".join(lines) + "\n"
