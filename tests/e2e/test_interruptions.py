"""`pulumi` or a part of it is interrupted or killed while sets are being cancelled; the next run converges.

Nothing here waits for a device or a search to come round: a search that lags behind does so for ten minutes, and a
request that hangs hangs as long. That a run ends at all shows that it did not wait for them.
"""

from __future__ import annotations

import os
import signal
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from tests.harness.simulator import JOB
from tests.harness.stack import NAME, a_set, recorded, sent

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack import Running, Stack

CANCELLED = ("failed", "Cancelled by user")
TEN_MINUTES = 600
PROVIDER = "-m pulumi.dynamic"
"""The process that could send. The official language host stays after a kill -9 of `pulumi`, and harms nobody."""
UP = ("up", "--yes", "--skip-preview")


def searches_lag_behind(simulator: RunningSimulator) -> None:
    """A change that has sent everything waits to see it."""
    simulator.switch(index_delay=TEN_MINUTES)


def the_second_cancel_hangs(simulator: RunningSimulator) -> None:
    simulator.fault("latency", "cancelTask", seconds=TEN_MINUTES, nth=2)


def arrived(simulator: RunningSimulator, operation: str, count: int) -> Callable[[], bool]:
    return lambda: simulator.counters().get(operation, 0) >= count


def cancelled(simulator: RunningSimulator) -> set[str]:
    return {key for key, state in simulator.states().items() if state == CANCELLED} - {"dk-11"}  # it always was


def no_device_twice(simulator: RunningSimulator) -> bool:
    keys = list(chain.from_iterable(sent(simulator)))
    return len(keys) == len(set(keys))


# Ctrl-C, and what a CI system does


def test_ctrl_c_ends_a_change_that_waits_for_searches_records_what_was_sent_and_is_quiet(
    stack_of_each_sdk: Stack, simulator: RunningSimulator
) -> None:
    stack = stack_of_each_sdk
    searches_lag_behind(simulator)
    stack.declare(a_set("dk-01", "dk-02", "dk-08"))
    with stack.running(*UP) as run:
        run.until(arrived(simulator, "cancelTask", 1))
        run.interrupt(signal.SIGINT)
        ended = run.end()
        assert run.left_over() == []
    assert ended.code != 0
    assert "error: update canceled" in ended.output
    assert recorded(stack) == {
        "dk-01": "pending init, cancel accepted",
        "dk-02": "pending init, cancel accepted",
        "dk-08": "too late upgrading",
    }
    assert "the run was interrupted, so nothing more was sent" in stack.resource()["problem"]

    # What was sent is taken over; there is nothing to send.
    simulator.switch(index_delay=0)
    stack.up()
    assert stack.resource()["cancelledCount"] == 2
    assert stack.resource()["problem"] == ""
    assert sent(simulator) == [["dk-01", "dk-02"]]
    stack.stands()


def test_pulumi_cancel_does_not_stop_an_up_that_is_running(stack: Stack, simulator: RunningSimulator) -> None:
    """It only takes the lock away from it: the devices are cancelled all the same."""
    simulator.fault("throttle", "cancelTask", retryAfter=1)
    stack.declare(a_set("dk-01", "dk-02"))
    with stack.running(*UP) as run:
        run.until(arrived(simulator, "cancelTask", 1))
        stack.run("cancel", "--yes")
        assert cancelled(simulator) == set()
        simulator.clear_faults()
        ended = run.end()
    assert ended.code == 0
    assert cancelled(simulator) == {"dk-01", "dk-02"}


def test_a_ci_system_that_gives_up_does_not_wait_for_a_request_that_hangs_and_the_next_up_sends_just_the_rest(
    stack: Stack, simulator: RunningSimulator
) -> None:
    """SIGTERM to `pulumi` alone."""
    the_second_cancel_hangs(simulator)
    stack.config["enos:batchSize"] = 1
    stack.declare(a_set("dk-01", "dk-02", "dk-03", "dk-07"))
    with stack.running(*UP) as run:
        run.until(arrived(simulator, "cancelTask", 2))
        run.interrupt(signal.SIGTERM)
        ended = run.end()
        assert run.left_over() == []
    assert ended.code != 0
    assert sent(simulator) == [["dk-07"], ["dk-01"]]
    assert set(recorded(stack)) == {"dk-01", "dk-02", "dk-03", "dk-07"}
    assert {text.split()[0] for text in recorded(stack).values()} == {"pending"}, "what was not read is not claimed"

    simulator.clear_faults()
    assert stack.diff() == ["+ dk-02", "+ dk-03"]
    stack.up()
    assert sent(simulator)[2:] == [["dk-02"], ["dk-03"]]
    assert stack.resource()["cancelledCount"] == 4
    assert recorded(stack) == {"dk-07": "cancelled published"}, "that it had been told is not forgotten"
    stack.stands()


def test_an_interrupt_ends_six_sets_at_once_and_saves_each(stack: Stack, simulator: RunningSimulator) -> None:
    """More than Pulumi's server for dynamic providers has threads for."""
    searches_lag_behind(simulator)
    names = {f"site-{number}": f"dk-0{number}" for number in range(1, 7)}
    stack.declare(*(a_set(key, name=name) for name, key in names.items()))
    with stack.running(*UP, "--parallel", "8") as run:
        run.until(arrived(simulator, "cancelTask", 6))
        run.interrupt(signal.SIGINT)
        assert run.end().code != 0
        assert run.left_over() == []
    assert sorted(stack.resources()) == sorted(names)
    assert {name: recorded(stack, name) for name in names} == {
        name: {key: "pending init, cancel accepted"} for name, key in names.items()
    }
    for name in names:
        assert "the run was interrupted, so nothing more was sent" in stack.resource(name)["problem"]

    simulator.switch(index_delay=0)
    stack.up()
    assert no_device_twice(simulator)
    assert cancelled(simulator) == set(names.values())
    assert [each["outputs"]["cancelledCount"] for each in stack.resources().values()] == [1] * 6


def test_ctrl_c_while_a_set_is_read_changes_nothing(stack: Stack, simulator: RunningSimulator) -> None:
    stack.declare(a_set("dk-01", "dk-02"))
    stack.up()
    before = stack.resource()
    simulator.retry(JOB, ["dk-02"])
    simulator.fault("latency", "searchTask", seconds=TEN_MINUTES)
    reads = simulator.counters()["searchTask"]
    with stack.running(*UP) as run:
        run.until(arrived(simulator, "searchTask", reads + 1))
        run.interrupt(signal.SIGINT)
        assert run.end().code != 0
        assert run.left_over() == []
    assert stack.resource() == before
    assert sent(simulator) == [["dk-01", "dk-02"]]


# kill -9 of pulumi


def test_after_kill_9_the_processes_end_by_themselves_and_a_cancel_of_the_lock_and_an_up_converge(
    stack: Stack, simulator: RunningSimulator
) -> None:
    searches_lag_behind(simulator)
    stack.declare(a_set("dk-01", "dk-02"))
    with stack.running(*UP) as run:
        run.until(arrived(simulator, "cancelTask", 1))
        assert run.provider()
        run.process.kill()
        run.process.wait()
        assert run.left_over(PROVIDER) == []
    simulator.switch(index_delay=0)
    assert stack.resources() == {}, "it was killed before it could record anything"

    assert stack.preview().ops == {"pumps": "create"}
    assert "pulumi cancel" in stack.up(code=None).output
    stack.run("cancel", "--yes", NAME)
    stack.up()
    assert stack.resource()["cancelledCount"] == 2
    assert cancelled(simulator) == {"dk-01", "dk-02"}
    assert sent(simulator) == [["dk-01", "dk-02"]], "what was cancelled before is adopted, not sent again"
    stack.stands()


def test_what_an_engine_that_was_killed_left_behind_sends_nothing_that_is_no_longer_declared(
    stack: Stack, simulator: RunningSimulator
) -> None:
    """After kill -9 of `pulumi` the key is un-declared, then `pulumi cancel` and `up`: the orphan is about to send."""
    stack.declare(a_set("dk-01"))
    stack.up()
    stack.declare(a_set("dk-01", "dk-02"))
    # Read, find dk-02 waiting, send: in between it is held for long enough for everything below.
    simulator.fault("latency", "searchTask", seconds=8, times=1)
    reads = simulator.counters()["searchTask"]
    with stack.running(*UP, "--refresh=false") as run:
        run.until(arrived(simulator, "searchTask", reads + 1))
        assert run.provider()
        run.process.kill()
        run.process.wait()

        stack.declare(a_set("dk-01"))
        stack.run("cancel", "--yes", NAME)
        stack.up()
        assert run.left_over(PROVIDER) == [], "whoever could still send is gone"
    assert sent(simulator) == [["dk-01"]]
    assert simulator.states()["dk-02"] == ("init", "")
    stack.stands()


# kill -9 of one of the processes that pulumi started


def provider(run: Running) -> int:
    return run.provider()


def language_host(run: Running) -> int:
    return run.host()


def program(run: Running) -> int:
    return run.program()


@pytest.mark.parametrize("victim", [provider, language_host, program])
def test_after_kill_9_of_a_part_the_run_fails_and_the_next_up_converges(
    stack: Stack, simulator: RunningSimulator, victim: Callable[[Running], int]
) -> None:
    """Both sets have sent everything and wait to see it; what dies has told nobody yet."""
    searches_lag_behind(simulator)
    simulator.add_job({"jobId": "other", "status": "started", "tasks": [{"deviceKey": "v-1", "status": "init"}]})
    stack.declare(a_set("dk-01", "dk-02", "dk-07"), a_set("v-1", name="valves", job_id="other"))
    with stack.running(*UP) as run:
        run.until(arrived(simulator, "cancelTask", 3))
        os.kill(victim(run), signal.SIGKILL)
        simulator.switch(index_delay=0)
        assert run.end().code != 0
        assert run.left_over() == []

    stack.up()
    assert no_device_twice(simulator)
    assert cancelled(simulator) == {"dk-01", "dk-02", "dk-07"}
    assert simulator.states("other") == {"v-1": CANCELLED}
    assert {name: each["outputs"]["cancelledCount"] for name, each in stack.resources().items()} == {
        "pumps": 3,
        "valves": 1,
    }
