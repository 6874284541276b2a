"""`index-delay`: searches lag behind changes, everything else does not."""

from __future__ import annotations

import pytest

from tests.harness.simulator import JOB, SMALL_FLEET
from tests.harness.simulator_harness import Caller, make_caller


@pytest.fixture
def caller() -> Caller:
    return make_caller(SMALL_FLEET, index_delay=2)


def waiting(caller: Caller) -> int:
    return caller.find(f"jobId = '{JOB}' and status = 'init'")[1]


def test_a_search_sees_a_change_after_the_delay_and_not_before(caller: Caller) -> None:
    caller.cancel(JOB, "dk-01")
    caller.clock.forward(1.999)
    before = waiting(caller)
    caller.clock.forward(0.001)
    assert (before, waiting(caller)) == (6, 5)


def test_a_search_by_key_lags_too(caller: Caller) -> None:
    caller.cancel(JOB, "dk-01")
    (row,), _ = caller.find("deviceKey = 'dk-01'")
    assert row["status"] == "init"


def test_the_calls_themselves_know_at_once(caller: Caller) -> None:
    assert [caller.cancel(JOB, "dk-01"), caller.cancel(JOB, "dk-01"), caller.retry(JOB, "dk-01")] == [0, 24620, 0]


def test_the_control_api_knows_at_once(caller: Caller) -> None:
    caller.cancel(JOB, "dk-01", "dk-02")
    assert caller.states(JOB)["dk-01"] == ("failed", "Cancelled by user")
    assert caller.simulator.job(JOB).counts()["init"] == 4


def test_changes_become_visible_in_their_order(caller: Caller) -> None:
    caller.cancel(JOB, "dk-01")
    caller.clock.forward(1)
    caller.retry(JOB, "dk-01")
    caller.clock.forward(1)
    between = (waiting(caller), caller.states(JOB)["dk-01"])
    caller.clock.forward(1)
    assert (between, waiting(caller)) == ((5, ("init", "")), 6)
    assert caller.simulator.job(JOB).counts()["init"] == 6


def test_get_shows_the_current_job_and_search_the_indexed_one(caller: Caller) -> None:
    caller.call("stop", jobId=JOB)
    got = caller.call("get", jobId=JOB)["data"]["status"]
    searched = caller.call("search", {})["data"][0]["status"]
    caller.clock.forward(2)
    assert (got, searched, caller.call("search", {})["data"][0]["status"]) == ("stopped", "started", "stopped")


def test_the_tasks_of_a_deleted_job_are_found_for_a_while(caller: Caller) -> None:
    caller.simulator.delete_job(JOB)
    before = waiting(caller)
    caller.clock.forward(2)
    assert (before, waiting(caller)) == (6, 0)


def test_a_job_that_comes_back_is_not_swept_away_with_the_old_one(caller: Caller) -> None:
    caller.simulator.delete_job(JOB)
    caller.simulator.add_job({"jobId": JOB, "tasks": [{"deviceKey": "new"}]})
    caller.clock.forward(2)
    assert caller.find(f"jobId = '{JOB}'")[0][0]["deviceKey"] == "new"


def test_without_delay_everything_is_visible_at_once(caller: Caller) -> None:
    caller.cancel(JOB, "dk-01")
    caller.simulator.change_switches({"index_delay": 0})
    assert waiting(caller) == 5
