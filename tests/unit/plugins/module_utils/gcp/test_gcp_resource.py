# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Plan, Resource, plan
from requests.exceptions import ReadTimeout

SETTINGS = {
    "tier": Field(),
    "user_labels": Field(type="dict"),
    "networks": Field(type="list", elements="str"),
}


class Thing(Resource):
    """Something regular."""

    service = "things"
    collection = "v1/projects/{project}/things"
    guard_body = "settings.version"
    guard_query: t.ClassVar[dict[str, str]] = {"ifGeneration": "generation"}
    state_path = "state"
    pending = frozenset({"CREATING"})
    leaving = frozenset({"DELETING"})
    fields: t.ClassVar[dict[str, Field]] = {
        "name": Field(required=True),
        "settings": Field(type="dict", options=SETTINGS),
        "region": Field(immutable=True),
        "password": Field(write_only=True, no_log=True),
        "wait": Field(local=True, type="bool", default=True),
    }


class Masked(Thing):
    """The same with an update mask."""

    update_mask = True
    create_query: t.ClassVar[dict[str, str]] = {"thingId": "{name}"}


URL = "v1/projects/p/things/a"
ALL = "v1/projects/p/things"
NOW = {
    "name": "a",
    "settings": {"tier": "small", "version": "7", "userLabels": {"x": "1", "y": "2"}},
    "region": "r",
    "generation": "3",
    "state": "READY",
}
BIG = {**NOW, "settings": {**t.cast(t.Any, NOW["settings"]), "tier": "big"}}


def settings(**values: t.Any) -> t.Any:
    """Parameters of a task that sets these."""
    return {"settings": {"tier": None, "user_labels": None, "networks": None, **values}}


@pytest.mark.parametrize(
    ("params", "current", "expected"),
    [
        pytest.param({"state": "absent"}, None, Plan("none"), id="absent, and it is"),
        pytest.param(
            {"state": "absent"}, NOW, Plan("delete", {"name": "a"}, current=NOW), id="absent, but it is there"
        ),
        pytest.param(
            settings(tier="small"),
            None,
            Plan(
                "create",
                {},
                {"name": "a", "settings": {"tier": "small"}},
                {"name": "a", "settings.tier": "small"},
            ),
            id="new",
        ),
        pytest.param({}, NOW, Plan("none", {"name": "a"}, {"name": "a"}, {}, NOW), id="unset is unmanaged"),
        pytest.param(
            settings(tier="big"),
            NOW,
            Plan(
                "update",
                {"name": "a", "settings": {"tier": "small"}},
                {"name": "a", "settings": {"tier": "big"}},
                {"settings.tier": "big"},
                NOW,
            ),
            id="another value",
        ),
        pytest.param(
            settings(user_labels={"x": "1"}),
            NOW,
            Plan(
                "update",
                {"name": "a", "settings": {"userLabels": {"x": "1", "y": "2"}}},
                {"name": "a", "settings": {"userLabels": {"x": "1"}}},
                {"settings.userLabels": {"x": "1"}},
                NOW,
            ),
            id="a map is exact",
        ),
        pytest.param(
            settings(networks=[]),
            {**NOW, "settings": {"networks": ["n"]}},
            Plan(
                "update",
                {"name": "a", "settings": {"networks": ["n"]}},
                {"name": "a", "settings": {"networks": []}},
                {"settings.networks": []},
                {**NOW, "settings": {"networks": ["n"]}},
            ),
            id="an empty list empties",
        ),
        pytest.param(
            {"password": "secret"},
            NOW,
            Plan("none", {"name": "a"}, {"name": "a"}, {}, NOW),
            id="a secret is not compared",
        ),
        pytest.param(
            {"password": "secret"},
            None,
            Plan("create", {}, {"name": "a"}, {"name": "a", "password": "secret"}),
            id="a secret is sent and not shown",
        ),
    ],
)
def test_a_plan(params: t.Any, current: t.Any, expected: Plan) -> None:
    assert plan(Thing.fields, {"name": "a", "state": "present", **params}, current) == expected


def test_an_error_names_a_resource_as_its_user_does(make: t.Any) -> None:
    thing = make(Thing, name="ü 1")
    assert thing.url.endswith("v1/projects/p/things/%C3%BC%201")
    assert thing.title == "projects/p/things/ü 1"


def test_a_secret_is_sent_again_if_that_is_asked() -> None:
    todo = plan(Thing.fields, {"name": "a", "state": "present", "password": "zebra"}, NOW, resend={"password"})
    assert todo.changes == {"password": "zebra"}
    assert "zebra" not in str(todo.before) + str(todo.after)


def test_a_key_goes_from_a_map_by_null_in_a_merge_patch() -> None:
    params = {"name": "a", "state": "present", **settings(user_labels={"x": "2"})}
    assert plan(Thing.fields, params, NOW, merge_patch=True).changes == {"settings.userLabels": {"x": "2", "y": None}}


@pytest.mark.parametrize(
    ("current", "size", "changes"),
    [
        pytest.param(None, 0, {}, id="a creation leaves it out"),
        pytest.param(None, 5, {"log.size": 5}, id="a creation with a value"),
        pytest.param({}, 0, {}, id="there is none"),
        pytest.param({"log": {"size": "5", "kept": True}}, 0, {"log": None}, id="all of it goes"),
        pytest.param({"log": {"size": "5"}}, 6, {"log.size": 6}, id="another value"),
    ],
)
@pytest.mark.parametrize("merge_patch", [True, False])
def test_what_the_api_has_no_empty_value_for_goes_by_null(
    current: t.Any, size: int, changes: t.Any, merge_patch: bool
) -> None:
    fields = {"log": Field(type="dict", options={"size": Field(type="int", removes="log")})}
    assert plan(fields, {"log": {"size": size}}, current, merge_patch=merge_patch).changes == changes


def test_an_immutable_difference_tells_the_default_that_the_api_leaves_out() -> None:
    fields = {"folders": Field(type="bool", immutable=True, api_default=False), "parts": Field(type="list")}
    with pytest.raises(GcpError, match="folders cannot be changed from False to True"):
        plan(fields, {"folders": True, "parts": ["a"]}, {"parts": ["a"]})


def test_an_immutable_difference_names_option_values_and_the_way_out() -> None:
    with pytest.raises(GcpError, match=r"region cannot be changed from 'r' to 's'.*state: absent"):
        plan(Thing.fields, {"name": "a", "state": "present", "region": "s"}, NOW)


@pytest.mark.parametrize("current", [{"size": 10}, {}], ids=["something", "nothing"])
def test_a_value_that_can_change_in_one_direction_is_an_error_in_the_other(current: t.Any) -> None:
    fields = {"size": Field(type="int", api_default=1, immutable=lambda old, new: new < (old or 1))}
    with pytest.raises(GcpError, match=f"size cannot be changed from {current.get('size', 1)} to 0"):
        plan(fields, {"size": 0}, current)
    assert plan(fields, {"size": 20}, current).changes == {"size": 20}


def test_a_plan_can_leave_changes_to_other_verbs() -> None:
    todo = Plan("update", {"a": 1}, {"a": 2}, {"a": 2, "b.c": 3}, {"a": 1})
    assert todo.without("a", "x") == Plan("update", {"a": 1}, {"a": 2}, {"b.c": 3}, {"a": 1})


@pytest.mark.parametrize(
    ("params", "missing"),
    [
        pytest.param({"region": None, **settings()}, "region and settings.tier", id="unset"),
        pytest.param({"region": "", **settings(tier="x")}, "region", id="empty"),
        pytest.param({"region": "r", "settings": None}, "settings.tier", id="without the group"),
    ],
)
def test_what_a_creation_needs_is_named(make: t.Any, params: t.Any, missing: str) -> None:
    class Needy(Thing):
        """Something that does not make itself."""

        needed = ("region", "settings.tier")

    with pytest.raises(GcpError, match=f"is not there, and cannot be created without {missing}\\.$"):
        make(Needy, name="a", **params).plan(None)
    assert make(Needy, name="a", **params).plan({**NOW, "region": params["region"]}).action != "create"


def test_an_option_of_the_url_may_be_encoded(make: t.Any) -> None:
    class Part(Thing):
        """Something in something else."""

        collection = "v1/{owner}/parts"
        fields: t.ClassVar[dict[str, Field]] = {"owner": Field(url_only=True, encode=str.lower), **Thing.fields}

    assert make(Part, name="a", owner="BIG").url.endswith("/v1/big/parts/a")


def test_what_is_missing_is_created_and_read(http: t.Any, run: t.Any) -> None:
    http.will_answer(404).when("GET", URL, NOW).when("POST", ALL, {"name": "operations/1", "done": True})
    result = run(Thing, name="a", password="secret", **settings(tier="small"))
    assert result["changed"]
    assert result["resource"] == NOW
    assert http.writes == [("POST", ALL, {"name": "a", "settings": {"tier": "small"}, "password": "secret"}, {})]
    assert "secret" not in str(result["diff"])


def test_the_second_run_changes_nothing(http: t.Any, run: t.Any) -> None:
    http.when("GET", URL, NOW)
    assert not run(Thing, name="a", **settings(tier="small", user_labels={"y": 2, "x": 1}))["changed"]
    assert http.writes == []


def test_an_update_sends_what_differs_and_the_guards(http: t.Any, run: t.Any) -> None:
    http.when("GET", URL, NOW, BIG).when("PATCH", URL, {})
    result = run(Thing, name="a", **settings(tier="big"))
    assert http.writes == [("PATCH", URL, {"settings": {"tier": "big", "version": "7"}}, {"ifGeneration": "3"})]
    assert result["diff"]["before"]["settings"] == {"tier": "small"}
    assert result["diff"]["after"]["settings"] == {"tier": "big"}
    assert result["resource"] == BIG


def test_an_update_may_name_its_fields(http: t.Any, run: t.Any) -> None:
    http.when("GET", URL, NOW, BIG).when("PATCH", URL, {})
    run(Masked, name="a", **settings(tier="big", user_labels={}))
    assert http.writes[0].query["updateMask"] == "settings.tier,settings.userLabels"
    assert http.writes[0].body["settings"]["userLabels"] == {}


def test_a_create_may_carry_the_name_in_its_query(http: t.Any, run: t.Any) -> None:
    http.will_answer(404).when("GET", URL, NOW).when("POST", ALL, {})
    run(Masked, name="a")
    assert http.writes[0].query == {"thingId": "a"}


def test_a_resource_is_deleted(http: t.Any, run: t.Any) -> None:
    http.when("GET", URL, NOW).when("DELETE", URL, {})
    result = run(Thing, name="a", state="absent")
    assert (result["changed"], result["resource"]) == (True, {})
    assert http.writes == [("DELETE", URL, None, {})]


def test_what_has_gone_meanwhile_is_deleted(http: t.Any, run: t.Any) -> None:
    http.when("GET", URL, NOW)
    assert run(Thing, name="a", state="absent")["changed"]


def test_absent_with_a_refusal_is_an_error(http: t.Any, run: t.Any) -> None:
    http.when("GET", URL, {"error": {"message": "no permission"}}, status_code=403)
    with pytest.raises(GcpError, match="no permission"):
        run(Thing, name="a", state="absent")


@pytest.mark.parametrize(
    ("current", "options", "resource"),
    [
        (None, settings(tier="small"), {"name": "a", "settings": {"tier": "small"}}),
        (NOW, settings(tier="big"), BIG),
        (NOW, {"state": "absent"}, {}),
    ],
)
def test_check_mode_tells_the_same_and_writes_nothing(
    http: t.Any, run: t.Any, current: t.Any, options: t.Any, resource: t.Any
) -> None:
    if current:
        http.when("GET", URL, current)
    predicted = run(Thing, True, name="a", **options)
    assert predicted["resource"] == resource
    assert http.writes == []
    http.when("POST", ALL, {}).when("PATCH", URL, {}).when("DELETE", URL, {})
    if not current:
        http.will_answer(404)
        http.when("GET", URL, NOW)
    actual = run(Thing, name="a", **options)
    assert (predicted["changed"], predicted["diff"]) == (actual["changed"], actual["diff"])


def test_check_mode_predicts_that_a_key_goes_from_a_map(http: t.Any, run: t.Any) -> None:
    http.when("GET", URL, NOW)
    predicted = run(Thing, True, name="a", password="zebra", **settings(user_labels={"x": "1"}))["resource"]
    assert predicted["settings"] == {"tier": "small", "version": "7", "userLabels": {"x": "1"}}
    assert "zebra" not in str(predicted)


def test_check_mode_takes_what_a_disabled_api_hides_as_absent(http: t.Any, make: t.Any) -> None:
    from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import reconcile

    details = [{"reason": "SERVICE_DISABLED"}]
    http.when("GET", URL, {"error": {"message": "Things API is disabled", "details": details}}, status_code=403)
    thing = make(Thing, name="a")
    assert reconcile(thing, check_mode=True)["diff"]["after"] == {"name": "a"}
    assert "things.googleapis.com is not enabled" in thing.warnings[0]
    with pytest.raises(GcpError, match="gcp_serviceusage_service"):
        reconcile(thing)


@pytest.mark.parametrize("failure", [(503, {}), ReadTimeout("slow")])
def test_a_create_that_was_received_is_not_repeated(http: t.Any, run: t.Any, failure: t.Any) -> None:
    http.will_answer(404)
    _ = http.will_raise(failure) if isinstance(failure, Exception) else http.will_answer(*failure)
    http.when("GET", URL, NOW)
    assert run(Thing, name="a")["changed"]
    assert len(http.writes) == 1


def test_a_create_that_was_not_received_is_repeated_after_looking(http: t.Any, run: t.Any) -> None:
    http.will_answer(404).will_raise(ReadTimeout("slow")).will_answer(404).will_answer(200).will_answer(200, NOW)
    assert run(Thing, name="a")["resource"] == NOW
    assert [request.method for request in http.requests] == ["GET", "POST", "GET", "POST", "GET"]


def test_a_create_that_comes_second_becomes_an_update(http: t.Any, run: t.Any) -> None:
    exists = {"error": {"message": "The thing already exists", "status": "ALREADY_EXISTS"}}
    http.will_answer(404).will_answer(409, exists).when("GET", URL, NOW, BIG).when("PATCH", URL, {})
    run(Thing, name="a", **settings(tier="big"))
    assert [request.method for request in http.writes] == ["POST", "PATCH"]


def test_a_name_that_is_reserved_is_an_error_after_some_looks(http: t.Any, run: t.Any) -> None:
    http.when("POST", ALL, {"error": {"message": "The thing already exists"}}, status_code=409)
    with pytest.raises(GcpError, match="already exists"):
        run(Thing, name="a")
    assert 1 < len(http.writes) < 10


@pytest.mark.parametrize(
    ("status", "error"),
    [(412, {"message": "no match"}), (409, {"message": "x", "status": "ABORTED"}), (400, {"message": "etag mismatch"})],
)
def test_a_change_by_somebody_else_leads_to_another_plan(http: t.Any, run: t.Any, status: int, error: t.Any) -> None:
    later = {**NOW, "settings": {"tier": "small", "version": "8"}, "generation": "4"}
    http.will_answer(200, NOW).will_answer(status, {"error": error})
    http.when("GET", URL, later, BIG).when("PATCH", URL, {})
    run(Thing, name="a", **settings(tier="big"))
    assert http.writes[1].body["settings"]["version"] == "8"
    assert http.writes[1].query == {"ifGeneration": "4"}


def test_a_conflict_that_never_ends_is_an_error(http: t.Any, run: t.Any) -> None:
    http.when("GET", URL, NOW).when("PATCH", URL, {"error": {"message": "no match"}}, status_code=412)
    with pytest.raises(GcpError, match="no match"):
        run(Thing, name="a", **settings(tier="big"))


def test_an_operation_that_was_too_early_is_begun_again(http: t.Any, run: t.Any) -> None:
    early = {"name": "operations/1", "done": True, "error": {"code": 9, "message": "The network is not ready"}}
    http.will_answer(404).will_answer(200, early).will_answer(404).will_answer(200, {}).when("GET", URL, NOW)
    assert run(Thing, name="a")["resource"] == NOW


@pytest.mark.parametrize(("state", "left"), [("CREATING", NOW), ("DELETING", None)])
def test_what_an_earlier_run_began_is_waited_for(http: t.Any, run: t.Any, state: str, left: t.Any) -> None:
    begun = {**NOW, "state": state}
    http.will_answer(200, begun).will_answer(200, begun)
    _ = http.will_answer(200, left) if left else http.will_answer(404)
    http.when("GET", URL, NOW).when("POST", ALL, {})
    assert run(Thing, name="a")["changed"] is (left is None)


def test_waiting_for_an_earlier_run_ends_with_the_deadline(http: t.Any, run: t.Any) -> None:
    http.when("GET", URL, {**NOW, "state": "CREATING"})
    with pytest.raises(GcpError, match=r"things/a is still CREATING after 1200 s"):
        run(Thing, name="a")


def test_wait_false_begins_and_does_not_wait(http: t.Any, run: t.Any) -> None:
    begun = {**NOW, "state": "CREATING"}
    http.will_answer(404).when("POST", ALL, {"name": "operations/1"}).when("GET", URL, begun)
    result = run(Thing, name="a", wait=False)
    assert (result["changed"], result["resource"]) == (True, begun)
    again = run(Thing, name="a", wait=False, **settings(tier="big"))
    assert (again["changed"], again["resource"]) == (False, begun)
    assert len(http.writes) == 1


def test_what_is_new_may_be_seen_late(http: t.Any, run: t.Any) -> None:
    http.will_answer(404).will_answer(200).will_answer(404).will_answer(404).when("GET", URL, NOW)
    assert run(Thing, name="a")["resource"] == NOW


@pytest.mark.parametrize(
    ("message", "option"),
    [
        ("Invalid value for field 'resource.settings.tier': 'huge'.", "settings.tier"),
        ("Invalid value for field 'region': 'nowhere'. Unknown region.", "region, which is 'nowhere'"),
        ("Invalid value for field 'resource.settings.networks[0]': 'x'", "settings.networks"),
    ],
)
def test_an_error_about_a_field_names_the_option(http: t.Any, run: t.Any, message: str, option: str) -> None:
    http.will_answer(404).will_answer(400, {"error": {"message": message}})
    with pytest.raises(GcpError, match=f"Check the option {option}"):
        run(Thing, name="a", region="nowhere", **settings(tier="huge"))


def test_an_error_about_a_secret_does_not_tell_it(http: t.Any, run: t.Any) -> None:
    http.will_answer(404).will_answer(400, {"error": {"message": "Invalid value for field 'password'"}})
    with pytest.raises(GcpError, match=r"Check the option password\.") as caught:
        run(Thing, name="a", password="s3cret")
    assert "s3cret" not in str(caught.value)


def test_an_error_about_the_name_in_the_url_names_the_option(http: t.Any, run: t.Any) -> None:
    http.will_answer(400, {"error": {"message": "Invalid value for field 'thing': 'A b'. Must be a match of regex"}})
    with pytest.raises(GcpError, match="Check the option name, which is 'A b'"):
        run(Thing, name="A b")


def test_an_error_about_what_an_option_refers_to_names_the_option(http: t.Any, run: t.Any) -> None:
    http.will_answer(404).will_answer(404, {"error": {"message": "The resource 'projects/q/n/x' was not found"}})
    with pytest.raises(GcpError, match=r"Check the option settings\.networks, which refers to it"):
        run(Thing, name="a", **settings(networks=["https://host/v1/projects/q/n/x"]))


@pytest.mark.parametrize(("options", "empty"), [({"name": ""}, "name"), ({"name": "a", "project": ""}, "project")])
def test_an_empty_name_is_not_taken_for_the_collection(http: t.Any, run: t.Any, options: t.Any, empty: str) -> None:
    with pytest.raises(GcpError, match=f"The option {empty} is empty"):
        run(Thing, state="absent", **options)
    assert http.requests == []


def test_a_name_cannot_leave_its_place_in_the_url(make: t.Any) -> None:
    url = "https://things.googleapis.com/v1/projects/p/things"
    assert make(Thing, name="../x?y#z").url == f"{url}/..%2Fx%3Fy%23z"
    assert make(Thing, name="a@b").url == f"{url}/a@b"


def test_what_is_in_the_way_is_named_at_once(http: t.Any, run: t.Any) -> None:
    text = "The resource 'projects/p/disks/a' already exists"
    http.when("POST", ALL, {"error": {"message": text}}, status_code=409)
    with pytest.raises(GcpError, match="projects/p/disks/a is in the way"):
        run(Thing, name="a")
    assert len(http.writes) == 1


def test_what_somebody_else_deleted_is_made_anew(http: t.Any, run: t.Any) -> None:
    http.will_answer(200, NOW).will_answer(404).will_answer(404).will_answer(404).will_answer(200)
    http.when("GET", URL, BIG)
    assert run(Thing, name="a", **settings(tier="big"))["changed"]
    assert [request.method for request in http.writes] == ["PATCH", "POST"]


def test_what_a_write_refers_to_and_is_not_there_is_an_error_at_once(http: t.Any, run: t.Any) -> None:
    missing = {"error": {"message": "The resource 'projects/q/networks/n' was not found"}}
    http.when("GET", URL, NOW).when("PATCH", URL, missing, status_code=404)
    with pytest.raises(GcpError, match="networks/n"):
        run(Thing, name="a", **settings(tier="big"))
    assert len(http.writes) == 1


def test_a_deletion_that_comes_second_is_done(http: t.Any, run: t.Any) -> None:
    gone = {"name": "operations/1", "done": True, "error": {"code": 5, "message": "It was not found."}}
    http.will_answer(200, NOW).will_answer(200, gone)
    assert run(Thing, name="a", state="absent")["changed"]


def test_a_conflict_that_does_not_end_says_that_somebody_else_is_there(http: t.Any, run: t.Any) -> None:
    http.when("GET", URL, NOW).when("PATCH", URL, {"error": {"message": "no match"}}, status_code=412)
    with pytest.raises(GcpError, match=r"Somebody else changed projects/p/things/a each of the 9 times"):
        run(Thing, name="a", **settings(tier="big"))


@pytest.mark.parametrize(
    ("status", "message"), [(501, "not implemented"), (412, "Constraint constraints/gcp.resourceLocations violated")]
)
def test_what_asking_again_does_not_help_is_asked_once(http: t.Any, run: t.Any, status: int, message: str) -> None:
    http.when("GET", URL, NOW).when("PATCH", URL, {"error": {"message": message}}, status_code=status)
    with pytest.raises(GcpError, match=message):
        run(Thing, name="a", **settings(tier="big"))
    assert len(http.writes) == 1


def test_a_new_account_that_may_not_be_told_of_yet_is_waited_for(http: t.Any, run: t.Any) -> None:
    hidden = {"error": {"message": "Permission 'iam.serviceAccounts.get' denied on resource (or it may not exist)."}}
    http.will_answer(404).will_answer(200).will_answer(403, hidden).will_answer(403, hidden)
    http.when("GET", URL, NOW)
    assert run(Thing, name="a")["resource"] == NOW
    http.will_answer(403, hidden)
    with pytest.raises(GcpError, match="may not exist"):
        run(Thing, name="a")


def test_what_is_created_and_gone_again_is_told_soon(http: t.Any, run: t.Any, clock: t.Any) -> None:
    http.when("POST", ALL, {})
    with pytest.raises(GcpError, match=r"was created, but could not be read for \d+ s.*somebody else deleted it"):
        run(Thing, name="a")
    assert 60 <= clock.time < 70


class Telling(Thing):
    """Its writes answer what has become of it."""

    answers_itself = True


def test_what_a_write_answers_is_not_read_again(http: t.Any, run: t.Any) -> None:
    http.will_answer(404).will_answer(200, NOW)
    assert run(Telling, name="a")["resource"] == NOW
    http.will_answer(200, NOW).will_answer(200, BIG)
    assert run(Telling, name="a", **settings(tier="big"))["resource"] == BIG
    assert [request.method for request in http.requests] == ["GET", "POST", "GET", "PATCH"]


def test_a_write_that_fails_is_told_although_the_reading_after_it_fails_too(http: t.Any, run: t.Any) -> None:
    http.will_answer(200, NOW).will_answer(404, {"error": {"message": "The resource 'a/b' was not found"}})
    http.will_answer(403, {"error": {"message": "not any more"}})
    with pytest.raises(GcpError, match="a/b"):
        run(Thing, name="a", **settings(tier="big"))
