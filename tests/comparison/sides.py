# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The two collections: where theirs comes from, what each says of its modules, and playbooks run with either."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import typing as t
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

from ansible.module_utils import basic

from .sandbox import Json, Sandbox, Traffic

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[1]
TREE = CHECKOUT / ".cache/tree"
CRASH = "Task failed: Module failed: "


@dataclass(frozen=True)
class Side:
    """A collection. ``word`` is in the names of what its tasks create, so that the two do not meet."""

    collection: str
    word: str


THEIRS = Side("google.cloud", "theirs")
OURS = Side("mlops.mlflow", "ours")


def fetch(version: str, directory: Path) -> Path:
    """google.cloud as PyPI's package ``ansible`` carries it, unpacked as it is; the folder that Ansible searches.

    The package asks for a newer Python than the collection in it, which it is not installed for here.
    """
    place = directory / f"ansible-{version}"
    if not place.is_dir():
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory) as temporary:
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
            pip += ["--only-binary=:all:", "--python-version=3.12", f"--dest={temporary}", f"ansible=={version}"]
            subprocess.run(pip, check=True)
            unpacked = Path(temporary, "unpacked")
            with zipfile.ZipFile(next(Path(temporary).glob("*.whl"))) as wheel:
                wheel.extractall(unpacked, (n for n in wheel.namelist() if n.startswith("ansible_collections/google/")))
            shutil.move(unpacked, place)
    return place


def version_of(side: Side, path: Path) -> str:
    """The version that a collection says it has."""
    folder = path / "ansible_collections" / side.collection.replace(".", "/")
    manifest = folder / "MANIFEST.json"
    if manifest.exists():
        return str(json.loads(manifest.read_text())["collection_info"]["version"])
    lines = (folder / "galaxy.yml").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith("version:"))


# -- what modules say of themselves --------------------------------------------------------------------------------


class ToldError(Exception):
    """A module has said what we want to know."""


def declared(side: Side, path: Path) -> dict[str, Json]:
    """What each module that writes gives to AnsibleModule: argument_spec, supports_check_mode, mutually_exclusive."""

    def tell(_self: t.Any, *arguments: t.Any, **rules: t.Any) -> t.NoReturn:
        raise ToldError({"argument_spec": arguments[0]} | rules if arguments else rules)

    # Python finds both collections as parts of one package.
    sys.path.append(str(path))
    folder = path / "ansible_collections" / side.collection.replace(".", "/") / "plugins/modules"
    found = {}
    for name in sorted(file.stem for file in folder.glob("gcp_*.py") if not file.stem.endswith("_info")):
        module = importlib.import_module(f"ansible_collections.{side.collection}.plugins.modules.{name}")
        with mock.patch.object(basic.AnsibleModule, "__init__", tell):
            try:
                module.main()
            except ToldError as told:
                found[name] = told.args[0]
    return found


def option_names(argument_spec: Json, path: str = "") -> set[str]:
    """Every name that a task may give, dotted through suboptions."""
    names = set()
    for name, option in argument_spec.items():
        names |= {f"{path}{each}" for each in (name, *option.get("aliases", ()))}
        names |= option_names(option.get("options") or {}, f"{path}{name}.")
    return names


# -- playbooks -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What a task answered: "changed", "ok", "failed" or "skipped"."""

    task: str
    status: str
    seconds: float
    result: Json
    traffic: Traffic

    @property
    def message(self) -> str:
        """What it says, without what Ansible puts before the words of a Python exception."""
        return str(self.result.get("msg", "")).removeprefix(CRASH)

    @property
    def crashed(self) -> bool:
        """Whether it ended with an exception of Python, and not with words of its own."""
        return self.status == "failed" and str(self.result.get("msg", "")).startswith(CRASH)


@dataclass
class Run:
    """A playbook that has ended."""

    answers: list[Answer] = field(default_factory=list)
    output: str = ""


class Player:
    """Runs tasks with ``ansible-playbook`` in the sandbox.

    :param theirs: the folder in which google.cloud is.
    :param directory: where plays and records are written.
    """

    def __init__(self, sandbox: Sandbox, theirs: Path, directory: Path) -> None:
        self.sandbox, self.directory = sandbox, directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)  # keys are among what is written
        self._environment = {
            "ANSIBLE_COLLECTIONS_PATH": f"{theirs}:{TREE}",
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback_plugins"),
            "ANSIBLE_CALLBACKS_ENABLED": "record",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_DEPRECATION_WARNINGS": "0",
            "GCP_AUTH_KIND": "application",
            "COMPARISON_LOG": str(sandbox.log),
        }

    def play(self, name: str, tasks: list[Json], variables: Json, flags: t.Sequence[str] = ()) -> Run:
        """Run tasks on this machine; one that fails does not keep the next from running."""
        play, record = self.directory / f"{name}.json", self.directory / f"{name}.answers"
        shared = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable} | variables
        plays = [{"hosts": "localhost", "gather_facts": False, "ignore_errors": True, "vars": shared, "tasks": tasks}]
        play.write_text(json.dumps(plays, indent=1))
        record.unlink(missing_ok=True)
        done = subprocess.run(
            ["ansible-playbook", "--inventory", "localhost,", *flags, str(play)],
            env=os.environ | self._environment | {"COMPARISON_RECORD": str(record)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            umask=0o022,  # everybody's default, which is what a file without a mode of its own gets
            check=False,
        )
        if not record.exists():
            raise RuntimeError(f"{name}: ansible-playbook ended with {done.returncode}:\n{done.stdout}")
        documents = [json.loads(line) for line in record.read_text().splitlines()]
        return Run([self._answer(document) for document in documents], done.stdout)

    def _answer(self, document: Json) -> Answer:
        traffic = self.sandbox.traffic(*document["log"])
        return Answer(document["task"], document["status"], document["seconds"], document["result"], traffic)


def tasks_for(side: Side, text: str) -> str:
    """The text of tasks with a collection's modules: nothing but the collection's name differs."""
    return text.replace(f"{OURS.collection}.gcp_", f"{side.collection}.gcp_")
