"""The two state machines: what cancelTask, retryTask, start and stop refuse, in which order, and what they change."""

from __future__ import annotations

import pytest

from tests.harness.simulator import JOB, SMALL_FLEET
from tests.harness.simulator_harness import NOW, Caller, make_caller

CANCELLED = ("failed", "Cancelled by user")


@pytest.fixture
def caller() -> Caller:
    return make_caller(SMALL_FLEET)


@pytest.mark.parametrize("key", ["dk-01", "dk-07"])
def test_init_and_published_tasks_can_be_cancelled(caller: Caller, key: str) -> None:
    assert (caller.cancel(JOB, key), caller.states(JOB)[key]) == (0, CANCELLED)


def test_a_cancelled_task_looks_as_inferred(caller: Caller) -> None:
    caller.clock.forward(5)
    caller.cancel(JOB, "dk-07")
    (row,), _ = caller.find("deviceKey = 'dk-07'")
    fields = ("status", "desc", "progress", "updateTime")
    assert [row[name] for name in fields] == ["failed", "Cancelled by user", 0, NOW + 5000]


def test_cancelling_answers_nothing_about_single_devices(caller: Caller) -> None:
    envelope = caller.call("cancelTask", {"deviceKeys": ["dk-01"]}, jobId=JOB)
    assert (envelope["code"], envelope["msg"], envelope["data"]) == (0, "OK", None)


@pytest.mark.parametrize("key", ["dk-08", "dk-09", "dk-10", "dk-11"])
def test_one_task_that_cannot_be_cancelled_refuses_the_whole_call(caller: Caller, key: str) -> None:
    before = caller.states(JOB)
    assert (caller.cancel(JOB, "dk-01", key), caller.states(JOB)) == (24620, before)


def test_in_partial_mode_the_others_are_cancelled_and_the_call_is_refused_nevertheless() -> None:
    caller = make_caller(SMALL_FLEET, cancel_mode="partial")
    before = caller.states(JOB)
    assert caller.cancel(JOB, "dk-01", "dk-08", "dk-02") == 24620
    assert caller.states(JOB) == before | {"dk-01": CANCELLED, "dk-02": CANCELLED}


def test_a_key_twice_counts_once(caller: Caller) -> None:
    assert caller.cancel(JOB, "dk-01", "dk-01") == 0
    assert len(caller.simulator.journal.entries[0].changes) == 1


def test_cancelling_again_is_accepted_if_the_switch_says_so_and_changes_nothing() -> None:
    caller = make_caller(SMALL_FLEET, repeat_cancel="ok")
    before = caller.states(JOB)
    assert (caller.cancel(JOB, "dk-11", "dk-01"), caller.cancel(JOB, "dk-10")) == (0, 24620)
    assert caller.states(JOB) == before | {"dk-01": CANCELLED}


def test_a_key_without_a_task_refuses_the_call(caller: Caller) -> None:
    before = caller.states(JOB)
    assert (caller.cancel(JOB, "dk-01", "dk-99"), caller.states(JOB)) == (99400, before)


def test_a_key_without_a_task_is_passed_over_if_the_switch_says_so() -> None:
    caller = make_caller(SMALL_FLEET, unknown_key="ignore")
    assert (caller.cancel(JOB, "dk-01", "dk-99"), caller.cancel(JOB, "dk-99")) == (0, 0)
    assert caller.states(JOB)["dk-01"] == CANCELLED


@pytest.mark.parametrize("operation", ["cancelTask", "retryTask"])
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"deviceKeys": None},
        {"deviceKeys": []},
        {"deviceKeys": "dk-01"},
        {"deviceKeys": {"dk-01": 1}},
        {"deviceKeys": ["dk-01", 2]},
        {"deviceKeys": ["dk-01", ""]},
        {"deviceKeys": ["dk-01", None]},
    ],
)
def test_device_keys_must_be_a_list_of_texts(caller: Caller, operation: str, body: object) -> None:
    envelope = caller.call(operation, body, jobId=JOB)
    assert (envelope["code"], envelope["msg"].startswith("Invalid Argument deviceKeys:")) == (99400, True)


def test_a_call_may_carry_as_many_keys_as_the_switch_says_duplicates_not_counted() -> None:
    caller = make_caller(SMALL_FLEET, max_keys=2)
    assert caller.cancel(JOB, "dk-01", "dk-02", "dk-03") == 99400
    assert caller.cancel(JOB, "dk-01", "dk-02", "dk-02") == 0


def test_the_text_of_a_cancelled_task_goes_by_its_switch() -> None:
    caller = make_caller(SMALL_FLEET, cancelled_marker="用户取消")
    caller.cancel(JOB, "dk-01")
    assert (caller.states(JOB)["dk-01"], caller.states(JOB)["dk-11"]) == (
        ("failed", "用户取消"),
        ("failed", "用户取消"),
    )


def test_a_cancelled_task_can_have_a_status_of_its_own() -> None:
    caller = make_caller(SMALL_FLEET, cancelled_as="canceled")
    caller.cancel(JOB, "dk-01")
    assert caller.states(JOB)["dk-01"] == ("canceled", "")
    assert (caller.cancel(JOB, "dk-01"), caller.retry(JOB, "dk-01")) == (24620, 0)


def test_one_key_under_two_products_means_both_tasks() -> None:
    tasks = [{"deviceKey": "dk", "productKey": product} for product in ("P1", "P2", "P3")]
    caller = make_caller({"jobs": [{"jobId": "j", "tasks": tasks}]})
    caller.cancel("j", "dk")
    rows, total = caller.find("deviceKey in ('dk')")
    assert (total, {(row["productKey"], row["desc"]) for row in rows}) == (
        3,
        {(product, "Cancelled by user") for product in ("P1", "P2", "P3")},
    )


@pytest.mark.parametrize("key", ["dk-10", "dk-11"])
def test_failed_and_cancelled_tasks_can_be_retried(caller: Caller, key: str) -> None:
    assert (caller.retry(JOB, key), caller.states(JOB)[key]) == (0, ("init", ""))


def test_one_task_that_cannot_be_retried_refuses_the_whole_call(caller: Caller) -> None:
    before = caller.states(JOB)
    assert (caller.retry(JOB, "dk-10", "dk-01"), caller.states(JOB)) == (24621, before)


def test_where_a_retry_leads_goes_by_its_switch() -> None:
    caller = make_caller(SMALL_FLEET, retry_to="published")
    caller.retry(JOB, "dk-11")
    assert caller.states(JOB)["dk-11"] == ("published", "")


@pytest.mark.parametrize("operation", ["cancelTask", "retryTask"])
def test_the_job_is_looked_at_before_the_tasks(caller: Caller, operation: str) -> None:
    body = {"deviceKeys": ["dk-09", "dk-99"]}
    unknown = caller.call(operation, body, jobId="nope")
    caller.simulator.set_job(JOB, "stopped")
    stopped = caller.call(operation, body, jobId=JOB)
    caller.simulator.set_job(JOB, "started")
    told = [(one["code"], one["msg"]) for one in (unknown, stopped, caller.call(operation, body, jobId=JOB))]
    assert told == [
        (24404, "Job not found"),
        (24617, "Job not running"),
        (99400, "Invalid Argument deviceKeys:device dk-99 has no task in the job"),
    ]


@pytest.mark.parametrize("operation", ["get", "cancelTask", "retryTask", "start", "stop"])
def test_a_job_of_another_organisation_is_not_found(operation: str) -> None:
    fleet = {"orgs": ["o1", "o2"], "jobs": [{"jobId": "j", "orgId": "o2", "tasks": [{"deviceKey": "a"}]}]}
    envelope = make_caller(fleet).call(operation, {"deviceKeys": ["a"]}, jobId="j")
    assert envelope["code"] == 24404


@pytest.mark.parametrize("operation", ["get", "cancelTask", "retryTask", "start", "stop"])
def test_a_job_id_is_mandatory(caller: Caller, operation: str) -> None:
    assert caller.call(operation, {"deviceKeys": ["dk-01"]})["code"] == 99400


def test_a_job_is_started_and_stopped_once(caller: Caller) -> None:
    codes = [caller.call(operation, jobId=JOB)["code"] for operation in ("start", "stop", "stop", "start")]
    assert codes == [24615, 0, 24616, 0]


def test_stopping_leaves_the_tasks_as_they_are_and_lets_none_be_cancelled(caller: Caller) -> None:
    before = caller.states(JOB)
    caller.call("stop", jobId=JOB)
    assert (caller.cancel(JOB, "dk-01"), caller.states(JOB)) == (24617, before)


def test_a_deleted_job_is_not_found_and_its_tasks_are_gone(caller: Caller) -> None:
    caller.simulator.delete_job(JOB)
    assert (caller.call("get", jobId=JOB)["code"], caller.cancel(JOB, "dk-01")) == (24404, 24404)
    assert caller.find(f"jobId = '{JOB}'") == ([], 0)
