# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the emulator answers is what Google publishes: each method is in a discovery document, and is found there."""

from __future__ import annotations

import re
import typing as t

import pytest
from gcp_emulator.discovery import Apis
from gcp_emulator.services import ALL

from .discovery import DOCUMENTS, Json, document, walk


def handled() -> dict[str, str]:
    """The methods that the emulator has, and the service that answers each."""
    return {
        method: service.api
        for service in ALL
        for name in dir(service)
        for method in getattr(getattr(service, name), "handled_methods", ())
    }


def published(api: str) -> t.Iterator[tuple[str, Json, Json]]:
    """The methods of all versions of an API that Google publishes."""
    for version in [path.name.split(".")[1] for path in DOCUMENTS.iterdir() if path.name.startswith(f"{api}.v")]:
        content = document(api, version).content
        yield from ((method["id"], method, content) for method in walk(content))


HANDLED = handled()


@pytest.fixture(scope="module")
def apis() -> Apis:
    """The documents as the emulator reads them."""
    return Apis()


@pytest.mark.parametrize("api", sorted(set(HANDLED.values())))
def test_each_method_is_one_that_google_publishes(api: str) -> None:
    known = {name for name, _method, _content in published(api)}
    assert {method for method, owner in HANDLED.items() if owner == api} - known == set()


@pytest.mark.parametrize("api", sorted(set(HANDLED.values())))
def test_each_method_is_found_by_its_verb_and_path(apis: Apis, api: str) -> None:
    served = {method.id for version in apis.named(api) for method in version.methods.values()}
    lost = []
    for name, method, content in published(api):
        if name not in HANDLED or name not in served:
            continue
        if content["version"] not in {version.version for version in apis.named(api)}:
            continue
        path = re.sub(r"{\+?\w+}", "x1", str(method.get("flatPath") or method["path"]))
        route = apis.find(method["httpMethod"], f"{api}.googleapis.com", f"/{content['servicePath']}{path}")
        if route.method.id != name:
            lost.append((name, route.method.id))
    assert lost == []
