# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A sandbox of the tests' own, driven through the front door that a user has: make and ansible-playbook."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import threading
import typing as t
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
RECAP = re.compile(r"^(\S+)\s+: (ok=.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Run:
    """How a playbook ended."""

    status: int
    output: str

    @property
    def recap(self) -> dict[str, dict[str, int]]:
        """The counters of PLAY RECAP by host."""
        return {
            host: {key: int(value) for key, value in (pair.split("=") for pair in counters.split())}
            for host, counters in RECAP.findall(self.output)
        }

    @property
    def changed(self) -> dict[str, int]:
        """The number of changed tasks by host; empty where no play ran."""
        return {host: counters["changed"] for host, counters in self.recap.items()}

    @property
    def changed_tasks(self) -> list[str]:
        """The names of the tasks that changed something, without the role."""
        task = ""
        found: list[str] = []
        for line in self.output.splitlines():
            if match := re.match(r"(?:TASK|RUNNING HANDLER) \[(?:[\w.]+ : )?(.*?)\] \*", line):
                task = match[1]
            elif line.startswith("changed: ") and task not in found[-1:]:
                found.append(task)
        return found


class Watch:
    """The arguments of every process of this machine, its containers' too, while it lasts."""

    EVERY_SECONDS = 0.1

    def __init__(self) -> None:
        self._found: set[bytes] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def seen(self) -> str:
        """All of them, a process a line."""
        return "\n".join(line.replace(b"\0", b" ").decode(errors="replace") for line in self._found)

    def _look(self) -> None:
        while not self._over.wait(self.EVERY_SECONDS):
            for process in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):  # it has ended meanwhile
                    self._found.add(process.read_bytes())


class Sandbox:
    """One sandbox, and playbooks run in it."""

    def __init__(self, directory: Path, name: str, subnet: str) -> None:
        self.directory = directory
        self.flags = f"--name {name} --subnet {subnet}"
        self.variables: dict[str, str] = {}
        self.always: tuple[str, ...] = ()
        self.inventory = CHECKOUT / "inventories/sandbox"

    def make(self, target: str) -> Run:
        """Run a target of the Makefile on this sandbox."""
        return self._run(["make", target, f"SANDBOX={self.directory}", f"SANDBOX_FLAGS={self.flags}"], self._clean())

    def up(self) -> None:
        """Start it, and remember what its shell needs."""
        run = self.make("sandbox")
        assert run.status == 0, run.output
        lines = self.make("env").output.splitlines()
        exports = [word for line in lines if line.startswith("export ") for word in shlex.split(line)[1:]]
        values = dict(word.split("=", 1) for word in exports if "=" in word)
        values["PATH"] = values["PATH"].replace("$PATH", os.environ["PATH"])
        self.variables = values

    def down(self) -> None:
        """Remove it."""
        run = self.make("demo-down")
        assert run.status == 0, run.output

    def playbook(self, name: str, *flags: str, **environment: str) -> Run:
        """Run a playbook of the installed collection."""
        return self._run(self._command(name, flags), self.environment | environment)

    def playbook_killed_at(self, name: str, task: str, *flags: str) -> str:
        """Run a playbook, and kill it and all its children without warning when a task begins."""
        process = subprocess.Popen(
            self._command(name, flags),
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert process.stdout is not None
        output = ""
        for line in process.stdout:
            output += line
            if line.startswith("TASK [") and task in line:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return output
        raise AssertionError(f"the task {task!r} was never reached:\n{output}")

    def tasks(self, play: str, variables: dict[str, t.Any]) -> Run:
        """Run a play of the test's own, as text."""
        file = self.directory / "play.yml"
        file.write_text(play)
        command = ["ansible-playbook", "--inventory", str(self.inventory), str(file)]
        run = self._run([*command, "--extra-vars", json.dumps(variables)], self.environment)
        file.unlink()
        return run

    def python(self, *arguments: str) -> Run:
        """Run Python as a user of the sandbox."""
        return self._run(["python", *arguments], self.environment)

    def state(self) -> t.Any:
        """What the project holds, as the sandbox itself tells."""
        run = self.python("-m", "gcp_emulator", "status", "--json")
        assert run.status == 0, run.output
        return json.loads(run.output)

    @property
    def environment(self) -> dict[str, str]:
        """What a shell has after ``eval "$(make env)"``."""
        return self._clean() | self.variables | {"NO_COLOR": "1", "ANSIBLE_NOCOLOR": "1"}

    def _command(self, name: str, flags: tuple[str, ...]) -> list[str]:
        inventory = ["--inventory", str(self.inventory)]
        return ["ansible-playbook", *inventory, f"mlops.mlflow.{name}", *self.always, *flags]

    @staticmethod
    def _clean() -> dict[str, str]:
        return {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}

    @staticmethod
    def _run(command: list[str], environment: dict[str, str]) -> Run:
        done = subprocess.run(
            command,
            cwd=CHECKOUT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Run(done.returncode, done.stdout)
