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
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field, path_of
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Resource

from .discovery import Document, Json, document, judge, output_only

ROOT = Path(__file__).parents[2]

# Schemas of resources that are not what a GET of their URL answers.
SCHEMAS = {
    "SqlUser": "User",
    "StorageBucketIamMember": "Policy.bindings",
    "ProjectIamMember": "Binding",
    "IamServiceAccountIamMember": "Binding",
    "SecretManagerIamMember": "Binding",
    "ServiceNetworkingConnection": "Connection",
}
# What no body may have, because verbs of their own change it.
BY_VERB = {"IamServiceAccount": ["disabled: disabled is output-only"]}
# A member is one of the members of a binding.
RENAMED = {"member": "members"}


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
    assert list(disagreements(found, schema, kind.fields)) == BY_VERB.get(kind.__name__, [])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.answers_itself], ids=lambda kind: kind.__name__)
def test_what_is_not_read_again_is_answered_by_each_write(kind: type[Resource]) -> None:
    found, schema = schema_of(kind)
    collection = re.sub(r"{\w+}", "x", kind.collection)
    writes = [found.find("POST", collection), found.find(kind.update_method, f"{collection}/x")]
    assert [method.response for method in writes if method] == [schema, schema]


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
    assert complaint in "\n".join(judge(verb, url, query, body))
