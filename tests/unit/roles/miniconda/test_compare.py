# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is to do to an environment, concluded from what is in it and what is asked."""

from __future__ import annotations

import json
import pathlib
import typing as t
from importlib import metadata

import pytest
from ansible_collections.mlops.mlflow.roles.miniconda.files import compare

# What conda installed: the version, and what each needs.
CONDA: dict[str, tuple[str, list[str]]] = {
    "python": ("3.11.9", []),
    "pip": ("25.1", ["python >=3.9"]),
    "numpy": ("2.3.1", ["python >=3.11", "libblas"]),
    "pandas": ("2.2.0", ["numpy >=1.26"]),
    "libblas": ("3.9.0", []),
    "openssl": ("1.1.1w", []),
}
# What Python sees, that of conda among it.
PROJECTS: dict[str, tuple[str, list[str]]] = {
    "pip": ("25.1", []),
    "numpy": ("2.3.1", []),
    "pandas": ("2.2.0", ["numpy>=1.26"]),
    "Flask": ("3.1.0", ["Werkzeug>=3", 'asgiref; extra == "async"']),
    "Werkzeug": ("3.1.3", []),
    "ruamel.yaml": ("0.18.6", []),
    "asgiref": ("3.8.1", []),
}


class Project(t.NamedTuple):
    """A distribution, as far as the tool reads it."""

    metadata: dict[str, str]
    version: str
    requires: list[str]


@pytest.fixture
def environment(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """An environment with those packages; returns its record."""
    for name, (version, depends) in CONDA.items():
        package = {"name": name, "version": version, "depends": depends}
        (tmp_path / f"{name}-{version}-0.json").write_text(json.dumps(package))
    projects = [Project({"Name": name}, version, requires) for name, (version, requires) in PROJECTS.items()]
    monkeypatch.setattr(compare, "META", tmp_path)
    monkeypatch.setattr(compare, "RECORD", tmp_path / "miniconda-role")
    monkeypatch.setattr(metadata, "distributions", lambda: projects)
    return tmp_path / "miniconda-role"


@pytest.mark.parametrize(
    ("spec", "fits"),
    [
        ("numpy", True),
        ("NumPy", True),
        ("conda-forge::numpy", True),
        ("numpy=2", True),
        ("numpy=2.3", True),
        ("numpy=2.3.*", True),
        ("numpy=2.3.1=py311_0", True),
        ("numpy==2.3.1", True),
        ("numpy 2.3.*", True),
        ("numpy >=2,<3", True),
        ("numpy>=2.3.1", True),
        ("numpy=2.2", False),
        ("numpy==2.3", False),
        ("numpy 2.2.*", False),
        ("numpy<2", False),
        ("numpy!=2.3.1", False),
        ("openssl=1.1.1w", True),  # no version by Python's rules
        ("scipy", False),
        ("flask", False),  # pip's, not conda's
    ],
)
def test_a_package_is_installed_by_conda_if_it_is_missing_or_another_version(
    environment: pathlib.Path, spec: str, fits: bool
) -> None:
    plan = compare.main({"packages": [spec, "libblas"], "pip_packages": []})
    assert plan["install"] == ([] if fits else ["pip", spec, "libblas"])
    assert (plan["remove"], plan["pip_install"], plan["pip_remove"]) == ([], [], [])


@pytest.mark.parametrize(
    ("requirement", "fits"),
    [
        ("flask", True),
        ("Flask~=3.1", True),
        ("ruamel_yaml==0.18.6", True),
        ("flask<3", False),
        ("flask==3.1.1", False),
        ("scipy", False),
        ("scipy; python_version < '3'", True),
        ("flask[async]", False),  # only pip knows what that takes, and has not been asked yet
        ("https://example.com/flask-3.1.0.whl", False),
        ("flask @ https://example.com/flask-3.1.0.whl", False),
    ],
)
def test_a_requirement_is_installed_by_pip_if_what_is_there_does_not_meet_it(
    environment: pathlib.Path, requirement: str, fits: bool
) -> None:
    plan = compare.main({"packages": [], "pip_packages": [requirement]})
    assert plan["pip_install"] == ([] if fits else [requirement])


@pytest.mark.parametrize(
    "requirement",
    ["flask[async]", "https://example.com/flask-3.1.0.whl", "flask @ https://example.com/flask-3.1.0.whl"],
)
def test_what_only_pip_can_judge_is_installed_once(environment: pathlib.Path, requirement: str) -> None:
    wanted = {"packages": [], "pip_packages": [requirement]}
    environment.write_text(json.dumps(wanted))
    assert compare.main(wanted)["pip_install"] == []


@pytest.mark.parametrize(
    ("asked", "wanted", "gone"),
    [
        pytest.param(["pandas"], [], ["pandas"], id="nobody needs it"),
        pytest.param(["numpy"], [], [], id="another one needs it"),
        pytest.param(["numpy", "pandas"], [], ["numpy", "pandas"], id="both go"),
        pytest.param(["numpy", "pandas"], ["pandas"], [], id="one that stays needs it"),
        pytest.param(["pandas=2.1"], ["pandas"], [], id="another version is no other package"),
        pytest.param(["scipy"], [], [], id="it is gone already"),
        pytest.param(["python", "pip"], [], [], id="without these it is no environment"),
    ],
)
def test_what_conda_had_to_install_goes_unless_it_is_needed(
    environment: pathlib.Path, asked: list[str], wanted: list[str], gone: list[str]
) -> None:
    environment.write_text(json.dumps({"packages": asked, "pip_packages": []}))
    assert compare.main({"packages": wanted, "pip_packages": []})["remove"] == gone


@pytest.mark.parametrize(
    ("asked", "wanted", "gone"),
    [
        pytest.param(["flask==3.1.0"], [], ["flask"], id="nobody needs it"),
        pytest.param(["werkzeug"], [], [], id="another one needs it"),
        pytest.param(["Flask", "Werkzeug"], [], ["flask", "werkzeug"], id="both go"),
        pytest.param(["asgiref"], [], ["asgiref"], id="an extra that nobody asked for needs it"),
        pytest.param(["ruamel.yaml"], ["ruamel_yaml"], [], id="another spelling is no other project"),
    ],
)
def test_what_pip_had_to_install_goes_unless_it_is_needed(
    environment: pathlib.Path, asked: list[str], wanted: list[str], gone: list[str]
) -> None:
    environment.write_text(json.dumps({"packages": [], "pip_packages": asked}))
    assert compare.main({"packages": [], "pip_packages": wanted})["pip_remove"] == gone


def test_what_nobody_listed_stays(environment: pathlib.Path) -> None:
    plan = compare.main({"packages": [], "pip_packages": []})
    assert {key: value for key, value in plan.items() if key != "python"} == {
        "remove": [],
        "install": [],
        "pip_remove": [],
        "pip_install": [],
    }


def test_what_an_interrupted_pip_left_without_metadata_is_not_installed(
    environment: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site/idna-3.7.dist-info").mkdir(parents=True)
    left = metadata.Distribution.discover(path=[str(tmp_path / "site")])
    monkeypatch.setattr(metadata, "distributions", lambda: left)
    assert compare.main({"packages": [], "pip_packages": ["idna"]})["pip_install"] == ["idna"]
