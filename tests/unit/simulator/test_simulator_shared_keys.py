"""The switch `same-key-two-products`: each job holds one of its device keys under a second product too."""

from __future__ import annotations

import pytest

from tests.harness.simulator import JOB, SMALL_FLEET
from tests.harness.simulator_harness import Caller, make_caller


@pytest.fixture
def caller() -> Caller:
    return make_caller(SMALL_FLEET, same_key_two_products="on")


def products(caller: Caller, key: str = "dk-01") -> list[tuple[str, str]]:
    rows, total = caller.find(f"jobId = '{JOB}' and deviceKey = '{key}'")
    assert len(rows) == total
    return [(row["productKey"], row["status"]) for row in rows]


def test_the_first_device_that_waits_is_there_twice_under_two_products(caller: Caller) -> None:
    assert products(caller) == [("Pk12aB34", "init"), ("Pk12aB34-2", "init")]
    assert products(caller, "dk-02") == [("Pk12aB34", "init")]
    assert caller.simulator.job(JOB).counts()["init"] == 7


def test_of_a_job_in_which_nothing_waits_it_is_the_first_device() -> None:
    tasks = [{"deviceKey": "a", "status": "succeeded"}, {"deviceKey": "b", "status": "failed"}]
    caller = make_caller({"jobs": [{"jobId": JOB, "tasks": tasks}]}, same_key_two_products="on")
    assert [status for _, status in products(caller, "a")] == ["succeeded", "succeeded"]


def test_a_job_without_tasks_gets_none() -> None:
    caller = make_caller({"jobs": [{"jobId": JOB}]}, same_key_two_products="on")
    assert caller.find(f"jobId = '{JOB}'") == ([], 0)


def test_the_job_names_no_product(caller: Caller) -> None:
    assert caller.call("get", jobId=JOB)["data"]["productKey"] is None


def test_a_call_with_the_key_means_both(caller: Caller) -> None:
    assert caller.cancel(JOB, "dk-01") == 0
    assert [status for _, status in products(caller)] == ["failed", "failed"]


@pytest.mark.parametrize("count", [511, 512, 513, 1024])
def test_pages_and_totals_stay_right_where_a_block_of_the_index_ends(count: int) -> None:
    caller = make_caller({"jobs": [{"jobId": JOB, "devices": {"count": count, "key": "k{}"}}]})
    caller.simulator.change_switches({"sameKeyTwoProducts": "on"})
    keys = [
        row["deviceKey"]
        for page in range(1, count // 200 + 2)
        for row in caller.find(f"jobId = '{JOB}' and status = 'init'", page)[0]
    ]
    assert keys == [f"k{number}" for number in range(1, count + 1)] + ["k1"]


def test_turned_on_again_it_adds_no_third_task(caller: Caller) -> None:
    for value in ("off", "on"):
        caller.simulator.change_switches({"sameKeyTwoProducts": value})
    assert len(products(caller)) == 2


def test_it_is_turned_on_before_searches_see_the_last_change() -> None:
    caller = make_caller(SMALL_FLEET, index_delay=2)
    caller.cancel(JOB, "dk-01")
    caller.simulator.change_switches({"sameKeyTwoProducts": "on"})
    caller.clock.forward(2)
    assert products(caller) == [("Pk12aB34", "failed")]
    assert products(caller, "dk-02") == [("Pk12aB34", "init"), ("Pk12aB34-2", "init")]


def test_a_job_that_is_added_has_it_too(caller: Caller) -> None:
    caller.simulator.add_job({"jobId": "new", "devices": {"count": 2, "key": "n{}"}})
    assert len(list(caller.simulator.job("new").tasks())) == 3


def test_where_devices_move_the_second_moves_too() -> None:
    movement = {"push": 0, "begin": 1, "finish": 1, "failures": 0}
    caller = make_caller({"movement": movement, **SMALL_FLEET}, same_key_two_products="on")
    caller.clock.forward(10)
    assert [status for _, status in products(caller)] == ["succeeded", "succeeded"]
