# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What images are built from, and what they take over from this machine."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from gcp_emulator.backends.images import RECIPES, Recipe, context, tag
from gcp_emulator.backends.images.host import ONE_LINE_SOURCES, SOURCES, carried, substitute

DEB822 = """\
# a comment that names bookworm
Types: deb
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main contrib

Types: deb
URIs: http://other.example/tools
Suites: bookworm
Components: stable

Types: deb
URIs: http://other.example/main
Suites: nodistro
Components: main
"""


def test_sources_in_stanzas_name_the_other_release() -> None:
    assert substitute(DEB822, "bookworm", "trixie") == (
        "Types: deb\nURIs: http://mirror.example/debian\nSuites: trixie trixie-updates\nComponents: main\n\n"
        "Types: deb\nURIs: http://mirror.example/debian-security\nSuites: trixie-security\nComponents: main contrib\n"
    )


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("deb http://mirror.example/debian bookworm main", "deb http://mirror.example/debian bullseye main\n"),
        (
            "deb [signed-by=/k.gpg] http://mirror.example/s bookworm-security main contrib",
            "deb [signed-by=/k.gpg] http://mirror.example/s bullseye-security main contrib\n",
        ),
        ("deb http://other.example/tools bookworm stable", ""),
        ("deb http://other.example/tools nodistro main", ""),
        ("deb-src http://mirror.example/debian bookworm main", ""),
        ("# deb http://mirror.example/debian bookworm main", ""),
        ("", ""),
    ],
)
def test_sources_in_lines_name_the_other_release(line: str, kept: str) -> None:
    assert substitute(line, "bookworm", "bullseye") == kept


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """The root of a Debian machine that has one of everything."""
    for name, text in {
        "etc/os-release": "ID=debian\nVERSION_CODENAME=bookworm\n",
        SOURCES: DEB822,
        "etc/pip.conf": "[global]\n",
        "etc/apt/apt.conf.d/10proxy": 'Acquire::http::Proxy "http://proxy.example";\n',
        "etc/apt/apt.conf.d/20other": 'APT::Install-Recommends "false";\n',
        "usr/local/share/ca-certificates/own.crt": "certificate\n",
        "usr/local/share/ca-certificates/readme.txt": "no certificate\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_certificates_settings_and_sources_are_carried_and_nothing_else(machine: Path) -> None:
    assert set(carried("trixie", machine)) == {
        SOURCES,
        "etc/pip.conf",
        "etc/apt/apt.conf.d/10proxy",
        "usr/local/share/ca-certificates/own.crt",
    }


def test_sources_in_lines_silence_the_images_own(machine: Path) -> None:
    (machine / SOURCES).unlink()
    (machine / "etc/apt/sources.list").write_text("deb http://mirror.example/debian bookworm main\n")
    files = carried("trixie", machine)
    assert files[SOURCES] == b""
    assert files[ONE_LINE_SOURCES] == b"deb http://mirror.example/debian trixie main\n"


def test_a_machine_that_is_not_debian_has_no_sources_to_carry(machine: Path) -> None:
    (machine / "etc/os-release").write_text("ID=fedora\n")
    assert SOURCES not in carried("trixie", machine)


def test_a_bare_machine_carries_nothing(tmp_path: Path) -> None:
    assert carried("trixie", tmp_path) == {}


def test_the_same_input_gives_the_same_tag() -> None:
    recipe = RECIPES["net"]
    archives = [context(recipe, {"etc/pip.conf": b"1"}) for _ in range(2)]
    assert tag("net", recipe, archives[0]) == tag("net", recipe, archives[1])


@pytest.mark.parametrize(
    ("recipe", "files"),
    [
        pytest.param(Recipe("net", "bookworm"), {"etc/pip.conf": b"2"}, id="what_is_carried"),
        pytest.param(Recipe("net", "trixie"), {"etc/pip.conf": b"1"}, id="the_release"),
        pytest.param(Recipe("net", "bookworm", (("VERSION", "15"),)), {"etc/pip.conf": b"1"}, id="an_argument"),
        pytest.param(Recipe("postgres", "bookworm"), {"etc/pip.conf": b"1"}, id="the_folder"),
    ],
)
def test_whatever_changes_an_image_changes_its_tag(recipe: Recipe, files: dict[str, bytes]) -> None:
    known = RECIPES["net"]
    before = tag("net", known, context(known, {"etc/pip.conf": b"1"}))
    assert tag("net", recipe, context(recipe, files)) != before


@pytest.mark.parametrize("name", RECIPES)
def test_programs_in_an_image_may_be_run(name: str) -> None:
    with tarfile.open(fileobj=io.BytesIO(context(RECIPES[name], {}))) as archive:
        programs = [entry for entry in archive.getmembers() if "bin/" in entry.name or entry.name in ("pod", "server")]
        assert programs
        assert all(entry.mode == 0o755 for entry in programs)
