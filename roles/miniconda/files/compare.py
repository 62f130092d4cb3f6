# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compare a conda environment with the packages that are asked of it; the Python of the environment runs this.

    python - '{"packages": [...], "pip_packages": [...]}'

prints what is to do as JSON: what conda and pip have to install, and what they have to remove because the list that was
written when the environment was last changed has it, and today's has not. What nobody listed stays.
"""

from __future__ import annotations

import json
import platform
import re
import sys
from importlib import metadata
from pathlib import Path

META = Path(sys.prefix, "conda-meta")
RECORD = META / "miniconda-role"
# conda's way to write a package: the channel, the name, what it says of the version and the build.
SPEC = re.compile(r"(?:\S+::)?(?P<name>[A-Za-z0-9_.-]+)\s*(?P<version>[^\s=]*(?:={0,2}[^\s=]+)?).*")
# What makes it an environment of ours.
KEPT = {"python", "pip"}


def plain(name: str) -> str:
    """A project's name as it is compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def conda_name(spec: str) -> str:
    """The package that a conda specification is about."""
    match = SPEC.fullmatch(spec)
    return match["name"].lower() if match else spec


def pip_name(requirement: str) -> str:
    """The project that a requirement is about."""
    match = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", requirement)
    return plain(match[0]) if match else requirement


def fits(version: str, specifier: str) -> bool:
    """Whether a version is within what was asked, as far as Python's rules for versions can tell."""
    from pip._vendor.packaging.specifiers import InvalidSpecifier, SpecifierSet
    from pip._vendor.packaging.version import InvalidVersion, Version

    try:
        found = Version(version)
        return SpecifierSet(specifier).contains(found, prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return True  # only conda can tell, and did when it installed it


def conda_fits(spec: str, installed: dict[str, str]) -> bool:
    """Whether a package that conda installed is what a specification says."""
    name = conda_name(spec)
    if name not in installed:
        return False
    match = SPEC.fullmatch(spec)
    version = match["version"] if match else ""
    if version.startswith("=") and not version.startswith("=="):
        version = f"={version}" if version.endswith("*") else f"={version}.*"  # =1.2 is any 1.2
    elif version[:1].isdigit():
        version = f"=={version}"
    return fits(installed[name], version)


def pip_fits(text: str, installed: dict[str, str], asked: list[str]) -> bool:
    """Whether a project is installed as a requirement says."""
    from pip._vendor.packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return text in asked  # an archive's path or address: what it holds is only known when it is installed
    if requirement.marker and not requirement.marker.evaluate():
        return True
    name = plain(requirement.name)
    if name not in installed:
        return False
    return text in asked if requirement.url or requirement.extras else fits(installed[name], str(requirement.specifier))


def removable(names: set[str], needs: dict[str, set[str]]) -> list[str]:
    """Those that no package needs which stays."""
    while True:
        needed = {name for name in names if any(name in of for who, of in needs.items() if who not in names)}
        if not needed:
            return sorted(names)
        names = names - needed


def is_described(project: metadata.Distribution) -> bool:
    """Whether a package says what it is. Without that, Python's releases have nothing, or an error."""
    try:
        return bool(project.metadata)
    except FileNotFoundError:
        return False


def main(wanted: dict[str, list[str]]) -> dict[str, object]:
    """The plan."""
    records = [json.loads(file.read_text(encoding="utf-8")) for file in META.glob("*.json")]
    conda = {record["name"]: record["version"] for record in records}
    # One that says nothing of itself is what an interrupted pip left.
    projects = [project for project in metadata.distributions() if is_described(project)]
    pip = {plain(project.metadata["Name"]): project.version for project in projects}
    # conda's packages and pip's may need each other, mostly under one name.
    needs: dict[str, set[str]] = {}
    for record in records:
        needs.setdefault(plain(record["name"]), set()).update(plain(conda_name(spec)) for spec in record["depends"])
    for project in projects:
        required = {pip_name(text) for text in project.requires or [] if "extra ==" not in text}
        needs.setdefault(plain(project.metadata["Name"]), set()).update(required)

    asked = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {"packages": [], "pip_packages": []}
    left = {conda_name(spec) for spec in asked["packages"]} - {conda_name(spec) for spec in wanted["packages"]} - KEPT
    pip_left = {pip_name(text) for text in asked["pip_packages"]} - {pip_name(text) for text in wanted["pip_packages"]}
    going = removable({plain(name) for name in left & set(conda)} | (pip_left - KEPT) & set(pip), needs)
    lacking = [spec for spec in ["pip", *wanted["packages"]] if not conda_fits(spec, conda)]
    pip_lacking = [text for text in wanted["pip_packages"] if not pip_fits(text, pip, asked["pip_packages"])]
    return {
        "python": platform.python_version(),
        "remove": sorted(name for name in left & set(conda) if plain(name) in going),
        # All of them, so that what is added does not change what is there already beyond its list.
        "install": ["pip", *wanted["packages"]] if lacking else [],
        "pip_remove": sorted(name for name in pip_left if name in going),
        "pip_install": wanted["pip_packages"] if pip_lacking else [],
    }


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
