# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The images of VMs, databases and their network, built when they are needed and kept for the next time."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import typing as t
from dataclasses import dataclass
from pathlib import Path

from docker.errors import APIError, DockerException, ImageNotFound

from gcp_emulator.backends.engine import Engine, EngineError, as_root, can_be_root, say
from gcp_emulator.backends.images import host

REPOSITORY = "gcp-emulator"
DIRECTORY = Path(__file__).parent
DEBIAN = {"bullseye": "11", "bookworm": "12", "trixie": "13"}
# What the root file system of a release takes while it is made, with room to spare.
BOOTSTRAP_BYTES = 2**30
# Which release of Debian carries which major version of PostgreSQL.
POSTGRES = {"13": "bullseye", "15": "bookworm", "17": "trixie"}


@dataclass(frozen=True)
class Recipe:
    """An image: the folder that makes it, the release of Debian that it stands on, and arguments of its build."""

    folder: str
    release: str
    arguments: tuple[tuple[str, str], ...] = ()


RECIPES: dict[str, Recipe] = {
    **{f"debian-{number}": Recipe("guest", release) for release, number in DEBIAN.items()},
    **{f"postgres-{v}": Recipe("postgres", release, (("VERSION", v),)) for v, release in POSTGRES.items()},
    "net": Recipe("net", "bookworm"),
}


def cache_directory() -> Path:
    """Where images outlive the engine."""
    return Path(os.environ.get("GCP_EMULATOR_CACHE") or Path.home() / ".cache" / "gcp-emulator")


def context(recipe: Recipe, carried: t.Mapping[str, bytes]) -> bytes:
    """What an image is built from, as a tar archive; the same input gives the same bytes.

    :param carried: files of this machine, which stand below ``host/`` there.
    """
    files = {str(f.relative_to(DIRECTORY / recipe.folder)): f for f in (DIRECTORY / recipe.folder).rglob("*")}
    contents = {
        name: (file.read_bytes(), file.stat().st_mode & 0o100) for name, file in files.items() if file.is_file()
    }
    contents |= {f"host/{name}": (content, 0) for name, content in carried.items()}
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        folder = tarfile.TarInfo("host")  # also where nothing is carried
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(folder)
        for name, (content, executable) in sorted(contents.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755 if executable else 0o644
            tar.addfile(entry, io.BytesIO(content))
    return archive.getvalue()


def tag(name: str, recipe: Recipe, archive: bytes) -> str:
    """The image's tag, which changes with whatever it is made from."""
    digest = hashlib.sha256(archive)
    digest.update(repr((recipe.release, recipe.arguments)).encode())
    return f"{REPOSITORY}/{name}:{digest.hexdigest()[:12]}"


class Images:
    """Builds on demand. Different images may be built at once; the same one is built once, whoever asks."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._cache = cache_directory()

    def ensure(self, name: str) -> str:
        """Have an image.

        :param name: ``debian-12``, ``postgres-17`` or ``net``; a key of ``RECIPES``.
        :returns: its tag.
        :raises EngineError: it can be neither loaded nor built.
        """
        recipe = RECIPES[name]
        archive = context(recipe, host.carried(recipe.release))
        wanted = tag(name, recipe, archive)
        if self._present(wanted):
            return wanted
        with self._locked(name):
            if not self._present(wanted) and not self._load(wanted):
                self._build(wanted, recipe, archive)
                self._save(wanted)
        return wanted

    @contextlib.contextmanager
    def _locked(self, name: str) -> t.Iterator[None]:
        self._cache.mkdir(parents=True, exist_ok=True)
        with (self._cache / f"{name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _present(self, wanted: str) -> bool:
        try:
            self._engine.client().images.get(wanted)
        except ImageNotFound:
            return False
        return True

    def _file(self, wanted: str) -> Path:
        return self._cache / f"{wanted.rpartition('/')[2].replace(':', '-')}.tar"

    def _load(self, wanted: str) -> bool:
        """Take it from the cache, if it is there and whole."""
        file = self._file(wanted)
        if not file.exists():
            return False
        say(f"Loading image {wanted}")
        with file.open("rb") as stream, contextlib.suppress(APIError):
            self._engine.client().images.load(stream)
        return self._present(wanted)

    def _save(self, wanted: str) -> None:
        """Keep it for the next engine, which an engine of our own will have; the machine's own keeps it itself."""
        if not self._engine.own:
            return
        file = self._file(wanted)
        for old in self._cache.glob(f"{file.name.rpartition('-')[0]}-{'?' * 12}.tar"):
            old.unlink()
        part = file.with_suffix(".part")
        with part.open("wb") as stream:
            for chunk in self._engine.client().images.get(wanted).save(named=wanted):
                stream.write(chunk)
        part.rename(file)

    def _build(self, wanted: str, recipe: Recipe, archive: bytes) -> None:
        base = self._base(recipe.release)
        say(f"Building image {wanted}")
        output = []
        for line in self._engine.client().api.build(
            fileobj=io.BytesIO(archive),
            custom_context=True,
            tag=wanted,
            buildargs={"BASE": base, **dict(recipe.arguments)},
            network_mode="host",
            rm=True,
            forcerm=True,
            decode=True,
        ):
            output.append(line.get("stream", ""))
            if "error" in line:
                tail = "\n".join("".join(output).splitlines()[-20:])
                raise EngineError(f"Image {wanted} cannot be built: {line['error']}\n{tail}")

    def _base(self, release: str) -> str:
        """Debian's own image where a registry answers, else one that is made from Debian's packages."""
        client = self._engine.client()
        official, own = f"debian:{DEBIAN[release]}", f"{REPOSITORY}/base:{release}"
        for known in (own, official):
            if self._present(known):
                return known
        try:
            client.images.pull("debian", tag=DEBIAN[release])
        except DockerException:
            pass  # no registry, or none that has it
        else:
            return official
        with self._locked(f"base-{release}"):
            if not self._present(own):
                self._import(own, release)
        return own

    def _import(self, own: str, release: str) -> None:
        tarball = self._cache / f"base-{release}.tar"
        if not tarball.exists():
            self._bootstrap(release, tarball)
        say(f"Importing image {own}")
        repository, _, version = own.partition(":")
        self._engine.client().api.import_image_from_file(str(tarball), repository=repository, tag=version)
        if not self._present(own):
            tarball.unlink()
            raise EngineError(f"The base image of Debian {release} cannot be imported: try again.")

    def _bootstrap(self, release: str, tarball: Path) -> None:
        """Make the root file system of a release, in memory where there is some."""
        say(f"No registry has an image of Debian {release}: making one from its packages")
        memory = Path("/dev/shm")  # noqa: S108 (a folder with a name of its own is made in it)
        roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > BOOTSTRAP_BYTES
        part = tarball.with_suffix(".part")
        with tempfile.TemporaryDirectory(dir=memory if roomy else None) as work:
            Path(work).chmod(0o755)  # apt fetches as a user of its own
            carried = host.carried(release)
            sources = []
            for name in (host.SOURCES, host.ONE_LINE_SOURCES):
                if text := carried.get(name):
                    sources.append(Path(work) / Path(name).name)
                    sources[0].write_bytes(text)
            command = ["env", f"TMPDIR={work}", "mmdebstrap", "--quiet", "--format=tar", "--variant=minbase"]
            command += ["--include=ca-certificates", release, str(part), *map(str, sources)]
            if can_be_root():  # without, it takes user namespaces, which not every machine has
                command = as_root(*command)
            made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode == 127:
            raise EngineError("No registry answers and mmdebstrap is not installed: run scripts/system-packages.sh.")
        if made.returncode:
            raise EngineError(f"mmdebstrap {release} failed:\n{made.stderr[-2000:]}")
        part.rename(tarball)
