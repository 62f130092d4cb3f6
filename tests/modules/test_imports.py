# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A module that only refuses its options costs no more than Ansible itself: nothing slow is loaded before its need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

MODULES = sorted(path.stem for path in (Path(__file__).parents[2] / "plugins/modules").glob("*.py"))
# What loads in less than a millisecond each; everything else is loaded where it is used.
CHEAP = {"_uuid", "uuid", "base64", "binascii"}

RUN_ALL = """
import contextlib, importlib, io, json, sys
import ansible.module_utils.basic
from ansible.module_utils.testing import patch_module_args

before, failures = set(sys.modules), {}
for name in sys.argv[1:]:
    module = importlib.import_module(f"ansible_collections.mlops.mlflow.plugins.modules.{name}")
    output = io.StringIO()
    with patch_module_args({"project": "My Project"}), contextlib.redirect_stdout(output):
        with contextlib.suppress(SystemExit):
            module.main()
    failures[name] = json.loads(output.getvalue()).get("msg", "")
loaded = sorted(name for name in set(sys.modules) - before if not name.startswith("ansible"))
print(json.dumps({"loaded": loaded, "failures": failures}))
"""


def test_nothing_slow_is_loaded_before_it_is_needed() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", RUN_ALL, *MODULES],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(ran.stdout)
    assert [name for name, message in told["failures"].items() if not message] == [], "each refuses its options"
    assert set(told["loaded"]) - CHEAP == set()
