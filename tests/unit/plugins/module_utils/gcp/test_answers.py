# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whatever an API, or what stands between, answers: it becomes an error that can be told, never a traceback."""

from __future__ import annotations

import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.advice import advice
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError, from_answer, from_operation
from hypothesis import given, settings
from hypothesis import strategies as st

REPRODUCIBLE = settings(derandomize=True, database=None, deadline=None, max_examples=150)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.just("operationInProgress"))
WORDS = "message status reason code details errors metadata requestId violations fieldViolations consumer service"
NAMES = st.sampled_from(f"{WORDS} description field permission errorDetails type subject".split())
JUNK = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4))
ERRORS = st.dictionaries(NAMES, JUNK, max_size=6)


def tell(error: GcpError) -> str:
    """All that is asked of an error."""
    facts = [
        error.conflict,
        error.already_exists,
        error.missing,
        error.service_disabled,
        error.refused,
        error.by_policy,
    ]
    return " ".join([str(error), *advice(error, "a key"), error.switch, *map(str, facts)])


@REPRODUCIBLE
@given(st.sampled_from([200, 400, 403, 404, 409, 412, 429, 500]), JUNK | ERRORS.map(lambda error: {"error": error}))
def test_any_answer_can_be_told(status: int, body: t.Any) -> None:
    assert tell(from_answer(status, body, "the text").during("GET", "https://compute.googleapis.com/x"))


@REPRODUCIBLE
@given(ERRORS)
def test_any_error_of_an_operation_can_be_told(error: dict[str, t.Any]) -> None:
    assert tell(from_operation(error))
