# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Our descriptions of the resources agree with those which Google publishes."""

from __future__ import annotations

import functools
import importlib
import inspect
import re
import typing as t
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field, Leaf, leaves, nest, path_of
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Resource, reconcile
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.session import Deadline, Session

from .discovery import Document, Json, document, output_only
from .network import Google

ROOT = Path(__file__).parents[2]

# Schemas of resources that are not what a GET of their URL answers.
SCHEMAS = {
    "SqlUser": "User",
    "StorageBucketIamMember": "Policy.bindings",
    "ProjectIamMember": "Binding",
    "ServiceNetworkingConnection": "Connection",
}
# A member is one of the members of a binding.
RENAMED = {"member": "members"}
# A password that is always set is always a change.
NEVER_THE_SAME = {"SqlUser"}
# All that there is about them is fixed once they are made.
NEVER_UPDATED = {"SqlDatabase", "StorageBucketIamMember", "ProjectIamMember", "IamServiceAccountKey", "ProjectService"}
# What a resource tells after a write and no task says: a machine runs, a disk (the same document here) has a size.
TOLD: Json = {"status": "RUNNING", "sizeGb": "7"}
# What a resource has before an update, so that the update needs each of its verbs.
EXISTING: Json = {
    "status": "RUNNING",
    "sizeGb": "5",
    "metageneration": "1",
    "labelFingerprint": "abc=",
    "disks": [
        {"boot": True, "deviceName": "boot", "source": "projects/my-project/zones/europe-west1-b/disks/boot"},
        {"deviceName": "data", "source": "projects/my-project/zones/europe-west1-b/disks/data"},
    ],
    "networkInterfaces": [
        {
            "name": "nic0",
            "network": "projects/my-project/global/networks/text",
            "subnetwork": "projects/my-project/regions/europe-west1/subnetworks/text",
            "networkIP": "text",
            "accessConfigs": [{"name": "old", "natIP": "198.51.100.1"}],
        }
    ],
}


def kinds() -> list[type[Resource]]:
    """The resource of each module."""
    names = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py"))
    modules = [importlib.import_module(f"ansible_collections.mlops.mlflow.plugins.modules.{name}") for name in names]
    return [
        kind
        for module in modules
        for _name, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Resource) and kind.__module__ == module.__name__
    ]


KINDS = kinds()


def sample(name: str, field: Field) -> t.Any:
    """A value that an option takes."""
    argument = field.argument
    if name in SAMPLES:
        return SAMPLES[name]
    if argument.get("choices"):
        return argument["choices"][-1]
    if field.options:
        inner = {option: sample(option, suboption) for option, suboption in field.options.items()}
        return [inner] if field.type == "list" else inner
    return {"int": 7, "bool": True, "dict": {"key": "text"}, "list": ["text"]}.get(field.type, "text")


SAMPLES: Json = {
    "database_version": "POSTGRES_16",
    "name": "thing-one",
    "names": ["run.googleapis.com"],
    "member": "user:jane@example.com",
    "region": "europe-west1",
    "service": "servicenetworking.googleapis.com",
    "service_account": "thing-one",
    "version": "latest",
    "status": "RUNNING",
    "wait": True,
    "zone": "europe-west1-b",
}


def parameters(kind: type[Resource], state: str, path: Path) -> Json:
    """A task that sets every option of a module."""
    options = {name: sample(name, field) for name, field in kind.fields.items()}
    return options | {"project": "my-project", "state": state, "timeout": 60, "path": str(path)}


def is_mutable(leaf: Leaf) -> bool:
    """Whether an update may change it."""
    return not (leaf.field.immutable or leaf.option.split(".")[0] in ("name", "host", "role", "member", "condition"))


def run(kind: type[Resource], google: Google, params: Json) -> Json:
    """Reconcile without ever waiting."""
    return reconcile(kind(Session(google, Deadline(60, now=lambda: 0, sleep=lambda _seconds: None)), params))


def schema_of(kind: type[Resource]) -> tuple[Document, Json]:
    """The document and the schema of a module's resource."""
    found = document(kind.service, kind.version)
    if kind.__name__ in SCHEMAS:
        name, *steps = SCHEMAS[kind.__name__].split(".")
        return found, functools.reduce(
            lambda schema, step: schema["properties"][step], steps, found.content["schemas"][name]
        )
    template = f"{kind.collection}/{kind.item}"
    method = found.find("GET", re.sub(r"{\w+}", "x", template))
    assert method, f"There is no GET {template}"
    assert method.response
    return found, method.response


def disagreements(found: Document, schema: Json, fields: dict[str, Field]) -> t.Iterator[str]:
    """What the options of a table, or of a suboption, say and the schema does not."""
    for name, field in fields.items():
        if field.local or (field.url_only and not field.options):
            continue
        path, here = path_of(name, field), schema
        for step in path.split("."):
            child = found.step(here, RENAMED.get(step, step))
            if child is None:
                yield f"{name}: there is no {step} in {path}"
                break
            if output_only(child):
                yield f"{name}: {path} is output-only"
            here = found.resolve(child)
        else:
            here = found.elements(here)
            if "enum" in here and (unknown := set(field.argument.get("choices", [])) - set(here["enum"])):
                yield f"{name}: {sorted(unknown)} are not among the values of {path}"
            yield from (f"{name}.{fault}" for fault in disagreements(found, here, field.options))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_option_is_a_field_that_a_caller_may_set(kind: type[Resource]) -> None:
    found, schema = schema_of(kind)
    assert list(disagreements(found, schema, kind.fields)) == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_request_is_one_that_the_documents_know(kind: type[Resource], tmp_path: Path) -> None:
    present = parameters(kind, "present", tmp_path / "file")
    wanted = nest({leaf.path: leaf.value for leaf in leaves(kind.fields, present)})
    fixed = nest({leaf.path: leaf.value for leaf in leaves(kind.fields, present) if not is_mutable(leaf)})
    google = Google(TOLD | wanted)

    assert run(kind, google, present)["changed"], "created"
    if kind.__name__ not in NEVER_THE_SAME:
        assert not run(kind, google, present)["changed"], "the same again"
    if kind.__name__ not in NEVER_UPDATED:
        google.stored = EXISTING | fixed
        assert run(kind, google, present)["changed"], "updated"
    google.stored = EXISTING | fixed
    assert run(kind, google, present | {"state": "absent"})["changed"], "deleted"
    assert google.complaints == []


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        pytest.param({"colour": Field()}, "colour: there is no colour in colour", id="an unknown field"),
        pytest.param({"settings": Field("settings.colour")}, "no colour in settings.colour", id="an unknown path"),
        pytest.param({"create_time": Field()}, "createTime is output-only", id="an output"),
        pytest.param(
            {"settings": Field(type="dict", options={"edition": Field(choices=["BEST"])})},
            "settings.edition: ['BEST'] are not among the values",
            id="an unknown choice of a suboption",
        ),
    ],
)
def test_the_documents_disagree(fields: dict[str, Field], complaint: str) -> None:
    sql = document("sqladmin", "v1")
    assert complaint in "\n".join(disagreements(sql, sql.content["schemas"]["DatabaseInstance"], fields))


BUCKET = "https://storage.googleapis.com/storage/v1/b/a-bucket"
INSTANCE = "https://sqladmin.googleapis.com/v1/projects/my-project/instances/an-instance"


@pytest.mark.parametrize(
    ("verb", "url", "query", "body", "complaint"),
    [
        pytest.param("PATCH", BUCKET, [], {"colour": "red"}, "has no field colour", id="an unknown field"),
        pytest.param("PATCH", BUCKET, ["colour"], {}, "has no query parameter colour", id="an unknown parameter"),
        pytest.param("POST", f"{BUCKET}/..", [], {}, "There is no POST", id="an unknown path"),
        pytest.param(
            "POST", BUCKET.rpartition("/")[0], [], {}, "needs the query parameter project", id="one is missing"
        ),
        pytest.param("PATCH", INSTANCE, [], {"settings": {"tier": True}}, "not of the type string", id="another type"),
        pytest.param("PATCH", INSTANCE, [], {"createTime": "now"}, "createTime is output-only", id="an output"),
        pytest.param("PATCH", INSTANCE, [], {"settings": {"edition": "BEST"}}, "'BEST' is not one of", id="a choice"),
        pytest.param("DELETE", INSTANCE, [], {"name": "x"}, "takes no body", id="a body for nobody"),
    ],
)
def test_the_documents_complain(verb: str, url: str, query: list[str], body: Json, complaint: str) -> None:
    google = Google({})
    google.request(verb, url, json=body, params=dict.fromkeys(query, "x"))
    assert complaint in "\n".join(google.complaints)
