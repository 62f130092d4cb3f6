# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is true of the collection as a whole, and what people forget."""

from __future__ import annotations

import ast
import importlib
import typing as t
from pathlib import Path
from unittest import mock

import pytest
import yaml

Json = dict[str, t.Any]

ROOT = Path(__file__).parents[2]
MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py"))
ROLES = sorted(path.name for path in (ROOT / "roles").glob("*") if path.is_dir())
# By the first word of a module's name, which is its action group too: the fragments that it extends, and what takes its
# argument_spec.
KINDS = {
    "gcp": (["mlops.mlflow.gcp", "mlops.mlflow.resource"], "gcp.module.Module"),
    "mlflow": (["mlops.mlflow.mlflow"], "mlflow.module.AnsibleModule"),
}
DOCUMENTED = ("type", "required", "choices", "elements", "default", "aliases")
COLLECTION = "ansible_collections.mlops.mlflow.plugins"


def kind_of(module: str) -> str:
    """The first word of its name."""
    return module.partition("_")[0]


def documentation(module: str) -> Json:
    """The DOCUMENTATION of a module, with the options of its fragments."""
    own: Json = yaml.safe_load(importlib.import_module(f"{COLLECTION}.modules.{module}").DOCUMENTATION)
    for name in own["extends_documentation_fragment"]:
        fragment = importlib.import_module(f"{COLLECTION}.doc_fragments.{name.rpartition('.')[2]}")
        shared = yaml.safe_load(fragment.ModuleDocFragment.DOCUMENTATION).get("options", {})
        own["options"] = shared | own.get("options", {})
    return own


def argument_spec(module: str) -> Json:
    """The argument_spec that a module gives to Ansible."""

    class ToldError(Exception):
        """The module has said what we want to know."""

    def tell(argument_spec: Json, **_rules: t.Any) -> t.NoReturn:
        raise ToldError(argument_spec)

    imported = importlib.import_module(f"{COLLECTION}.modules.{module}")
    taker = f"{COLLECTION}.module_utils.{KINDS[kind_of(module)][1]}"
    with mock.patch(taker, tell), pytest.raises(ToldError) as told:
        imported.main()
    return t.cast(Json, told.value.args[0])


def comparable(options: Json, children: str) -> Json:
    """Options of either kind in one form, without what only one of them can say."""
    return {
        name: {
            key: sorted(option[key], key=str) if key in ("choices", "aliases") else option[key]
            for key in DOCUMENTED
            if option.get(key) not in (None, False, [])
        }
        | {"type": option.get("type", "str")}
        | ({"options": comparable(option[children], children)} if option.get(children) else {})
        for name, option in options.items()
    }


def lines_of_code(path: Path) -> int:
    """Lines of a module that are code: no documentation, no comments, nothing empty."""
    source = path.read_text()
    texts = [
        node
        for node in ast.walk(ast.parse(source))
        if (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        or (
            isinstance(node, ast.Assign)
            and getattr(node.targets[0], "id", "") in ("DOCUMENTATION", "EXAMPLES", "RETURN")
        )
    ]
    prose = {line for node in texts for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
    return sum(
        1
        for number, line in enumerate(source.splitlines(), 1)
        if number not in prose and line.strip() and not line.strip().startswith("#")
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_action_group_names_every_module_of_its_kind(kind: str) -> None:
    runtime = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())
    assert sorted(runtime["action_groups"][kind]) == [module for module in MODULES if kind_of(module) == kind]


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_of_a_kind(module: str) -> None:
    assert kind_of(module) in KINDS


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_unit_tests(module: str) -> None:
    assert (ROOT / f"tests/unit/plugins/modules/test_{module}.py").is_file()


@pytest.mark.parametrize("module", MODULES)
def test_the_documented_options_are_those_that_the_module_takes(module: str) -> None:
    assert comparable(documentation(module)["options"], "suboptions") == comparable(argument_spec(module), "options")


@pytest.mark.parametrize("module", MODULES)
def test_every_option_is_described(module: str) -> None:
    def undescribed(options: Json, path: str = "") -> list[str]:
        own = [f"{path}{name}" for name, option in options.items() if not option.get("description")]
        return own + [
            found
            for name, option in options.items()
            for found in undescribed(option.get("suboptions", {}), f"{path}{name}.")
        ]

    assert undescribed(documentation(module)["options"]) == []


@pytest.mark.parametrize("module", MODULES)
def test_a_module_extends_the_shared_documentation(module: str) -> None:
    assert set(KINDS[kind_of(module)][0]) <= set(documentation(module)["extends_documentation_fragment"])


@pytest.mark.parametrize("module", MODULES)
def test_a_module_documents_itself_under_its_own_name(module: str) -> None:
    document = documentation(module)
    assert document["module"] == module
    assert document["version_added"]
    assert document["author"]


@pytest.mark.parametrize("module", MODULES)
def test_each_example_uses_the_module_with_options_that_it_has(module: str) -> None:
    tasks = yaml.safe_load(importlib.import_module(f"{COLLECTION}.modules.{module}").EXAMPLES)
    calls = [task[f"mlops.mlflow.{module}"] for task in tasks if f"mlops.mlflow.{module}" in task]
    assert calls
    assert {option for call in calls for option in call} <= set(documentation(module)["options"])
    assert all(task["name"] for task in tasks)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_short(module: str) -> None:
    assert lines_of_code(ROOT / f"plugins/modules/{module}.py") <= 150


@pytest.mark.parametrize("role", ROLES)
def test_the_defaults_of_a_role_are_those_of_its_argument_specs(role: str) -> None:
    defaults = yaml.safe_load((ROOT / f"roles/{role}/defaults/main.yml").read_text()) or {}
    specs = yaml.safe_load((ROOT / f"roles/{role}/meta/argument_specs.yml").read_text())["argument_specs"]
    options = specs["main"].get("options", {})
    public = {name: value for name, value in defaults.items() if not name.startswith("__")}
    # A template is no number: the description says where such a default comes from.
    computed = {name for name, value in public.items() if options[name]["type"] == "int" and "{{" in str(value)}
    told = {name: option["default"] for name, option in options.items() if "default" in option}
    assert told == {name: value for name, value in public.items() if name not in computed}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_is_documented(role: str) -> None:
    specs = yaml.safe_load((ROOT / f"roles/{role}/meta/argument_specs.yml").read_text())["argument_specs"]
    options = specs["main"].get("options", {})
    assert specs["main"]["short_description"]
    assert [name for name, option in options.items() if not option.get("description")] == []
    assert (ROOT / f"roles/{role}/README.md").is_file()


def test_the_inventories_have_the_same_keys() -> None:
    google, sandbox = (
        yaml.safe_load((ROOT / f"inventories/{name}/group_vars/all.yml").read_text()) for name in ("gcp", "sandbox")
    )
    assert list(google) == list(sandbox)
