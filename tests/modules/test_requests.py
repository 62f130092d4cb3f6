# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every request of every test here is judged by Google's documents when the test ends; this is about the judge."""

from __future__ import annotations

import pytest

from .cases import Case, all_cases
from .cloud import Cloud
from .test_fields import is_question, prepare

BUCKETS = "https://storage.googleapis.com/storage/v1/b"


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in all_cases().items()])
def test_what_a_module_sends_is_known_to_the_documents_and_to_the_emulator(cloud: Cloud, case: Case) -> None:
    prepare(cloud, case)
    with cloud.recorded() as sent:
        cloud.run(case.kind, case.base)
        cloud.run(case.kind, {**case.base, "state": "absent"})
    assert any(request.method != "GET" and not is_question(request.path) for request in sent)
    assert cloud.objections() == []


@pytest.mark.parametrize(
    ("method", "url", "query", "body", "objection"),
    [
        ("GET", f"{BUCKETS}/one/colours", {}, None, "There is no GET"),
        ("GET", f"{BUCKETS}/one", {"colour": "red"}, None, "has no query parameter colour"),
        ("PATCH", f"{BUCKETS}/one", {}, {"colour": "red"}, "has no field colour"),
        ("GET", f"{BUCKETS}/one/notificationConfigs", {}, None, "is not emulated"),
    ],
)
def test_a_request_that_is_wrong_or_unanswered_is_told(
    cloud: Cloud, method: str, url: str, query: dict[str, str], body: object, objection: str
) -> None:
    cloud.request(method, url, json=body, params=query)
    assert objection in " ".join(cloud.objections())
    cloud.requests.clear()
