# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""APIs of a project: many at once, those that depend on others, and those that do not exist."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.modules.gcp_serviceusage_service import ServiceusageService
from gcp_emulator.discovery import known_services

from .cases import Json
from .cloud import Cloud

COMPUTE, CONTAINER, LOGIN, RUN = (f"{name}.googleapis.com" for name in ("compute", "container", "oslogin", "run"))


def have(cloud: Cloud, *names: str, **options: t.Any) -> Json:
    """Run the module as a check and in earnest; the result."""
    task = {"names": list(names), **options}
    promise = cloud.run(ServiceusageService, task, check_mode=True)
    result = cloud.run(ServiceusageService, task)
    assert (promise["changed"], promise["diff"]) == (result["changed"], result["diff"])
    return result


def enabled(cloud: Cloud) -> set[str]:
    """What the project has enabled."""
    return set((cloud.emulator.cloud.store.get("projects", cloud.project) or {})["services"])


def test_many_apis_are_enabled_at_once(cloud: Cloud) -> None:
    wanted = sorted(known_services() - enabled(cloud))[:45]
    with cloud.recorded() as sent:
        result = cloud.run(ServiceusageService, {"names": wanted})
    assert result["diff"]["before"] == {}
    assert result["diff"]["after"] == dict.fromkeys(wanted, "ENABLED")
    batches = [len(request.body["serviceIds"]) for request in sent if request.method == "POST"]
    assert batches == [20, 20, 5]
    assert not have(cloud, *wanted)["changed"]


def test_nothing_is_enabled_where_one_name_is_wrong(cloud: Cloud) -> None:
    before = enabled(cloud)
    with pytest.raises(GcpError, match=r"nothing\.googleapis\.com.*Check the names of the APIs"):
        cloud.run(ServiceusageService, {"names": [RUN, "nothing.googleapis.com"]})
    assert enabled(cloud) == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "compute"}, "The option name is 'compute', but must be the name of an API"),
        ({"names": [RUN, "Compute Engine"]}, r"The option names\[1\] is 'Compute Engine'"),
        ({"names": []}, "The option names is empty"),
    ],
)
def test_what_is_no_name_is_refused_before_anything_is_asked(cloud: Cloud, options: Json, words: str) -> None:
    with cloud.recorded() as sent, pytest.raises(GcpError, match=words):
        cloud.run(ServiceusageService, options)
    assert sent == []


def test_an_api_that_others_depend_on_stays_unless_they_go_too(cloud: Cloud) -> None:
    have(cloud, CONTAINER)
    assert {COMPUTE, LOGIN} <= enabled(cloud), "what it needs comes with it"
    with pytest.raises(GcpError, match=f"depended on by .*{CONTAINER}.*set disable_dependent_services=true"):
        cloud.run(ServiceusageService, {"name": COMPUTE, "state": "absent"})
    assert {COMPUTE, CONTAINER} <= enabled(cloud)
    result = have(cloud, COMPUTE, state="absent", disable_dependent_services=True)
    assert result["diff"] == {"before": {COMPUTE: "ENABLED"}, "after": {}}
    assert not {COMPUTE, CONTAINER} & enabled(cloud)


@pytest.mark.parametrize("options", [{}, {"disable_dependent_services": True}], ids=["in order", "together"])
def test_apis_that_depend_on_each_other_are_disabled_in_any_order(cloud: Cloud, options: Json) -> None:
    have(cloud, CONTAINER)
    assert have(cloud, LOGIN, COMPUTE, CONTAINER, RUN, state="absent", **options)["changed"]
    assert not {LOGIN, COMPUTE, CONTAINER} & enabled(cloud)
    assert not have(cloud, LOGIN, COMPUTE, CONTAINER, RUN, state="absent", **options)["changed"]


def test_an_api_that_somebody_else_disabled_meanwhile_is_no_error(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    have(cloud, RUN)
    disable = ServiceusageService.disable_one

    def overtaken(self: ServiceusageService, name: str) -> None:
        monkeypatch.setattr(ServiceusageService, "disable_one", disable)
        cloud.run(ServiceusageService, {"name": name, "state": "absent"})
        disable(self, name)

    monkeypatch.setattr(ServiceusageService, "disable_one", overtaken)
    assert cloud.run(ServiceusageService, {"name": RUN, "state": "absent"})["changed"]
    assert RUN not in enabled(cloud)
