# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an environment may look like, and which channels are Anaconda's."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

ROLE = pathlib.Path(__file__).parents[4] / "roles" / "miniconda"


def value(name: str, **variables: t.Any) -> t.Any:
    """A variable of the role, as a play would have it."""
    loader = DataLoader()
    internal = loader.load_from_file(str(ROLE / "vars/main.yml"), trusted_as_template=True)
    return Templar(loader=loader, variables=internal | variables).template(internal[name])


@pytest.mark.parametrize(
    ("environment", "faults"),
    [
        ({}, []),
        ({"python_version": "3.12.4"}, []),
        ({"packages": ["numpy=2.3", "conda-forge::gcc_linux-64", "python-dateutil", "numpy >=2,<3"]}, []),
        ({"pip_packages": ["mlflow[auth]==3.17.2", "git+ssh://git@example.com/a.git", "/srv/a.whl"]}, []),
        ({"state": "absent", "python_version": None}, []),
        ({"name": "base"}, ["name has to be a plain name"]),
        ({"name": "../x"}, ["name has to be a plain name"]),
        ({"name": "a\n"}, ["name has to be a plain name"]),
        ({"name": ".a"}, ["name has to be a plain name"]),
        ({"python_version": "3"}, ["python_version is 3, and has to be"]),
        ({"python_version": 3.1}, ["python_version is 3.1, and has to be"]),
        ({"python_version": "2.7"}, ["python_version is 2.7, and has to be"]),
        ({"packages": ["python=3.10"]}, ["packages has python=3.10"]),
        ({"packages": ["python"]}, ["packages has python,"]),
        ({"packages": ["conda-forge::python >3"]}, ["packages has conda-forge::python >3"]),
        ({"packages": ["--force"]}, ["packages has --force"]),
        ({"pip_packages": ["--index-url=https://example.com"]}, ["pip_packages has --index-url=https://example.com"]),
        ({"pip_packages": ["a @ https://me:canary@example.com/a.whl"]}, ["pip_packages has a password in a URL"]),
    ],
)
def test_the_form_of_an_environment(environment: dict[str, t.Any], faults: list[str]) -> None:
    found = value("__miniconda_environment_faults", item={"name": "train", "python_version": "3.11"} | environment)
    assert len(found) == len(faults), found
    assert [fault for fault, text in zip(faults, found, strict=True) if not text.startswith(fault)] == [], found
    assert "canary" not in str(found)


@pytest.mark.parametrize(
    ("channel", "has_terms"),
    [
        ("defaults", True),
        ("anaconda", True),
        ("pkgs/main", True),
        ("https://repo.anaconda.com/pkgs/r", True),
        ("https://repo.anaconda.cloud/repo/main", True),
        ("conda-forge", False),
        ("https://conda.anaconda.org/conda-forge", False),
        ("file:///srv/channel", False),
        ("https://example.com/defaults", False),
    ],
)
def test_channels_of_anaconda_are_known(channel: str, has_terms: bool) -> None:
    assert value("__miniconda_anaconda_channels", miniconda_channels=[channel]) == ([channel] if has_terms else [])
