"""Devices that move on by themselves, the ones that are late, and the retryPolicy; on a clock moved by hand."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from enos_simulator.errors import SetupError
from enos_simulator.movement import Movement
from tests.harness.simulator_harness import Caller, make_caller

JOB = "job"
STEADY = {"push": 0, "begin": 2, "finish": 10, "failures": 0}
RETRIES = {"enableRetry": True, "retryInterval": 30, "retryCount": 2}


def fleet(count: int = 5, movement: object = STEADY, **job: Any) -> dict[str, Any]:
    """A started job of `count` init tasks, a1, a2, …, two of which it pushes at a time."""
    devices = {"count": count, "key": "a{}"}
    told = {"jobId": JOB, "maximumConcurrency": 2, "devices": devices, **job}
    return {"movement": movement, "jobs": [told]}


def statuses(caller: Caller) -> str:
    """The first letter of each task's status, in the order of the ids."""
    return "".join(status[0] for status, _ in caller.states(JOB).values())


def after(caller: Caller, seconds: float) -> str:
    caller.clock.forward(seconds)
    return statuses(caller)


def test_by_default_nothing_moves() -> None:
    caller = make_caller(fleet(movement=False, status="started", retryPolicy=RETRIES))
    assert after(caller, 10_000_000) == "iiiii"


def test_a_started_job_pushes_as_many_as_it_may_and_each_goes_its_way() -> None:
    caller = make_caller(fleet())
    assert [statuses(caller), *(after(caller, seconds) for seconds in (2, 9, 1, 2, 10, 12))] == [
        "ppiii",
        "uuiii",
        "uuiii",
        "ssppi",
        "ssuui",
        "ssssp",
        "sssss",
    ]


def test_what_was_due_long_ago_happened_when_it_was_due() -> None:
    caller = make_caller(fleet(count=3))
    caller.clock.forward(3600)
    began = caller.clock.now - 3600_000
    tasks = list(caller.simulator.job(JOB).tasks())
    assert [(task.status, task.update_time - began) for task in tasks] == [
        ("succeeded", 12_000),
        ("succeeded", 12_000),
        ("succeeded", 24_000),
    ]


def test_no_more_tasks_are_under_way_than_the_job_may_have() -> None:
    caller = make_caller(fleet(count=200, movement=True, maximumConcurrency=7))
    most = 0
    for _ in range(1000):
        caller.clock.forward(1)
        counts = caller.simulator.job(JOB).counts()
        most = max(most, counts["published"] + counts["upgrading"])
    assert (most, caller.simulator.job(JOB).counts()["init"]) == (7, 0)


def test_a_share_of_the_upgrades_fails() -> None:
    caller = make_caller(fleet(count=400, movement={**STEADY, "failures": 0.25}, maximumConcurrency=400))
    caller.clock.forward(100)
    counts = caller.simulator.job(JOB).counts()
    assert counts["failed"] + counts["succeeded"] == 400
    assert 60 < counts["failed"] < 140


def test_the_same_seed_and_clock_move_the_same() -> None:
    def run(times: list[float]) -> list[Any]:
        caller = make_caller(fleet(count=100, movement={"failures": 0.5}, maximumConcurrency=10))
        for seconds in times:
            caller.clock.forward(seconds)
            statuses(caller)
        return list(caller.simulator.job(JOB).tasks())

    # However often somebody looks.
    assert run([100]) == run([1] * 100) == run([37, 63])


def test_after_a_reset_the_same_moves_are_made() -> None:
    caller = make_caller(fleet(count=50, movement=True, maximumConcurrency=10))
    first = after(caller, 30)
    caller.simulator.reset()
    assert after(caller, 30) == first


def test_a_stopped_job_pushes_nothing_while_upgrades_go_on() -> None:
    tasks = [{"deviceKey": "u", "status": "upgrading"}, {"deviceKey": "p", "status": "published"}]
    caller = make_caller(fleet(status="stopped", tasks=tasks))
    assert after(caller, 3600) == "spiiiii"
    caller.call("start", jobId=JOB)
    assert (statuses(caller), after(caller, 2)) == ("sppiiii", "suuiiii")


def test_a_job_that_is_stopped_on_the_way_pushes_no_more() -> None:
    caller = make_caller(fleet())
    assert after(caller, 2) == "uuiii"
    caller.call("stop", jobId=JOB)
    assert after(caller, 3600) == "ssiii"
    caller.call("start", jobId=JOB)
    assert after(caller, 0) == "ssppi"


def test_cancelling_frees_slots_that_fill_again() -> None:
    caller = make_caller(fleet())
    assert statuses(caller) == "ppiii"
    assert caller.cancel(JOB, "a1", "a3") == 0
    assert statuses(caller) == "fpfpi"


def test_a_slot_stays_free_for_a_while() -> None:
    caller = make_caller(fleet(movement={**STEADY, "push": 3}))
    assert (statuses(caller), after(caller, 2.9), after(caller, 0.1)) == ("iiiii", "iiiii", "ppiii")


def test_what_is_cancelled_before_it_begins_never_begins() -> None:
    caller = make_caller(fleet(count=2))
    assert statuses(caller) == "pp"
    caller.cancel(JOB, "a1", "a2")
    assert after(caller, 3600) == "ff"


def test_what_a_colleague_retries_is_pushed_again() -> None:
    caller = make_caller(fleet(count=3))
    caller.cancel(JOB, "a1")
    assert statuses(caller) == "fpp"
    caller.simulator.retry_as_colleague(JOB, ["a1"])
    assert after(caller, 12) == "pss"


def test_a_task_that_is_set_continues_from_there() -> None:
    caller = make_caller(fleet(count=2))
    caller.simulator.set_tasks(JOB, ["a1"], "upgrading")
    assert (after(caller, 9.9), after(caller, 0.1)) == ("uu", "su")


def test_a_task_that_changed_meanwhile_is_left_alone() -> None:
    caller = make_caller(fleet(count=1))
    assert after(caller, 2) == "u"
    caller.simulator.set_tasks(JOB, ["a1"], "failed", "unplugged")
    caller.clock.forward(3600)
    assert caller.states(JOB)["a1"] == ("failed", "unplugged")


def test_a_job_that_is_added_moves_too() -> None:
    caller = make_caller({"movement": STEADY})
    caller.simulator.add_job({"jobId": JOB, "status": "started", "devices": {"count": 2, "key": "n{}"}})
    assert after(caller, 2) == "uu"


def test_a_job_that_is_deleted_moves_no_more() -> None:
    caller = make_caller(fleet())
    caller.simulator.delete_job(JOB)
    caller.clock.forward(100)
    assert caller.simulator.jobs() == []


def test_movement_is_turned_on_and_off() -> None:
    caller = make_caller(fleet(movement=False))
    caller.simulator.movement = Movement.parse(STEADY)
    assert after(caller, 2) == "uuiii"
    caller.simulator.movement = Movement(moving=False)
    assert after(caller, 3600) == "uuiii"
    caller.simulator.movement = Movement.parse(STEADY)
    assert after(caller, 10) == "ssppi"


def test_a_push_that_was_under_way_when_movement_was_turned_off_is_not_missed_later() -> None:
    caller = make_caller(fleet(movement={**STEADY, "push": 3}))
    caller.simulator.movement = Movement(moving=False)
    caller.simulator.movement = Movement.parse({**STEADY, "push": 3})
    assert (after(caller, 2.9), after(caller, 0.1)) == ("iiiii", "ppiii")


def test_searches_see_moves_after_the_delay() -> None:
    caller = make_caller(fleet(count=1), index_delay=2)
    seen = []
    for seconds in (0, 1.9, 0.1, 2):
        caller.clock.forward(seconds)
        seen.append(caller.find(f"jobId = '{JOB}'")[0][0]["status"])
    assert seen == ["init", "init", "published", "upgrading"]


def test_a_failed_upgrade_is_retried_by_the_policy_as_often_as_it_says() -> None:
    caller = make_caller(fleet(count=1, movement={**STEADY, "failures": 1}, retryPolicy=RETRIES))
    told = [after(caller, seconds) for seconds in (12, 29.9, 0.1, 12, 30, 12, 3600)]
    assert told == ["f", "f", "p", "f", "p", "f", "f"]


def test_without_a_policy_a_failed_upgrade_stays_failed() -> None:
    caller = make_caller(fleet(count=1, movement={**STEADY, "failures": 1}, retryPolicy={"enableRetry": False}))
    assert after(caller, 3600) == "f"


def test_a_policy_in_texts_is_understood_as_one_in_numbers() -> None:
    policy = {"enableRetry": "true", "retryInterval": "30", "retryCount": "1"}
    caller = make_caller(fleet(count=1, movement={**STEADY, "failures": 1}, retryPolicy=policy))
    assert [after(caller, seconds) for seconds in (12, 30, 3600)] == ["f", "p", "f"]


def test_a_policy_without_numbers_retries_once_after_a_minute() -> None:
    caller = make_caller(fleet(count=1, movement={**STEADY, "failures": 1}, retryPolicy={"enableRetry": True}))
    assert [after(caller, seconds) for seconds in (12, 59, 1, 3600)] == ["f", "f", "p", "f"]


@pytest.mark.parametrize(("switch", "movement", "told"), [("off", False, "f"), ("on", False, "p"), ("on", STEADY, "p")])
def test_cancelled_tasks_are_retried_only_if_the_switch_says_so(switch: str, movement: object, told: str) -> None:
    caller = make_caller(fleet(count=1, movement=movement, retryPolicy=RETRIES), auto_retry_cancelled=switch)
    caller.cancel(JOB, "a1")
    assert (after(caller, 29.9), after(caller, 0.1)) == ("f", told)


def test_a_cancelled_task_without_a_policy_stays_cancelled_whatever_the_switch() -> None:
    caller = make_caller(fleet(count=1), auto_retry_cancelled="on")
    caller.cancel(JOB, "a1")
    assert after(caller, 3600) == "f"


def test_a_cancelled_task_is_retried_under_its_own_status_too() -> None:
    caller = make_caller(fleet(count=1, movement=False, retryPolicy=RETRIES), auto_retry_cancelled="on")
    caller.simulator.change_switches({"cancelledAs": "canceled"})
    caller.cancel(JOB, "a1")
    assert (statuses(caller), after(caller, 30)) == ("c", "p")


def test_the_policy_of_a_stopped_job_waits_for_its_start() -> None:
    caller = make_caller(fleet(count=1, movement=False, retryPolicy=RETRIES), auto_retry_cancelled="on")
    caller.cancel(JOB, "a1")
    caller.call("stop", jobId=JOB)
    assert after(caller, 3600) == "f"
    caller.call("start", jobId=JOB)
    assert statuses(caller) == "p"


@pytest.mark.parametrize("movement", [False, STEADY])
def test_a_published_task_that_was_cancelled_may_upgrade_nevertheless(movement: object) -> None:
    tasks = [{"deviceKey": "p", "status": "published"}]
    caller = make_caller(fleet(movement=movement, tasks=tasks, devices=[]), cancel_published="late", late_after=7)
    caller.cancel(JOB, "p")
    told = [caller.states(JOB)["p"]]
    for seconds in (6.9, 0.1, 6.9, 0.1):
        caller.clock.forward(seconds)
        told.append(caller.states(JOB)["p"])
    cancelled, under_way = ("failed", "Cancelled by user"), ("upgrading", "downloading")
    assert told == [cancelled, cancelled, under_way, under_way, ("succeeded", "upgrading firmware finished")]


@pytest.mark.parametrize(("switch", "status"), [("stops", "published"), ("late", "init"), ("late", "failed")])
def test_no_other_cancelled_task_is_late(switch: str, status: str) -> None:
    tasks = [{"deviceKey": "p", "status": status, "desc": "" if status != "failed" else "Cancelled by user"}]
    caller = make_caller(fleet(movement=False, tasks=tasks, devices=[]), cancel_published=switch)
    caller.cancel(JOB, "p")
    caller.clock.forward(3600)
    assert caller.states(JOB)["p"] == ("failed", "Cancelled by user")


def test_a_late_device_continues_in_a_stopped_job() -> None:
    tasks = [{"deviceKey": "p", "status": "published"}]
    caller = make_caller(fleet(movement=False, tasks=tasks, devices=[]), cancel_published="late")
    caller.cancel(JOB, "p")
    caller.call("stop", jobId=JOB)
    assert (after(caller, 5), after(caller, 5)) == ("u", "s")


def test_only_tasks_under_way_are_touched() -> None:
    caller = make_caller(fleet(count=1000, movement=STEADY, maximumConcurrency=3))
    caller.clock.forward(12 * 10)
    held = caller.simulator.job(JOB)
    assert Counter(task.update_time == 1_700_000_000_000 for task in held.tasks())[True] > 900
    assert len(caller.simulator._devices._events) <= 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("on", Movement()),
        ("off", Movement(moving=False)),
        ("on begin=2 finish=0.5-3 failures=0.1", Movement(begin=(2, 2), finish=(0.5, 3), failures=0.1)),
        (True, Movement()),
        ({"push": 4}, Movement(push=(4, 4))),
    ],
)
def test_a_movement_is_a_text_a_mapping_or_on_and_off(text: object, expected: Movement) -> None:
    assert Movement.parse(text) == expected


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("", "moving: Input should be a valid boolean"),
        ("begin=2", "moving: Input should be a valid boolean"),
        ("on fast", "movement: 'fast' is not a setting (name=value)"),
        ("on speed=2", "speed: Extra inputs are not permitted"),
        ({"begin": [3, 1]}, "begin: the first number must not be greater than the second"),
        ({"begin": [1, 2, 3]}, "begin: Tuple should have at most 2 items"),
        ({"finish": -1}, "finish[0]: Input should be greater than or equal to 0"),
        ({"failures": 2}, "failures: Input should be less than or equal to 1"),
        ([], "movement: Input should be a valid dictionary"),
    ],
)
def test_a_wrong_movement_is_named_with_what_is_wrong(data: object, why: str) -> None:
    with pytest.raises(SetupError) as caught:
        Movement.parse(data)
    assert str(caught.value)[: len(why)] == why
