"""A change ends before it is through: the run says why, what is left is pending, and the next `up` sends just that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.harness.simulator import JOB
from tests.harness.stack import a_set, diagnostics, recorded, sent, touched

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.harness.engine import Result
    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack import Stack

OTHER_JOB = "65a1b2c3d4e5f60718293a4c"
HELD_UP = 3
"""Seconds that an answer is held back, for the test to change something before the next request."""


def about_pumps(ended: Result, level: str) -> list[str]:
    begins = f"{level}: set 'pumps' (job {JOB}): "
    return [text.removeprefix(begins) for text in diagnostics(ended) if text.startswith(begins)]


def up_and_meanwhile(stack: Stack, simulator: RunningSimulator, change: Callable[[], None]) -> Result:
    """An `up` of a published and two waiting tasks; the change is made between their two cancelTasks."""
    simulator.add_job({"jobId": OTHER_JOB, "status": "started", "tasks": [{"deviceKey": "v-1", "status": "init"}]})
    stack.declare(a_set("dk-01", "dk-02", "dk-07"), a_set("v-1", name="valves", job_id=OTHER_JOB))
    simulator.fault("latency", "cancelTask", seconds=HELD_UP)
    with stack.running("up", "--yes", "--skip-preview") as run:
        run.until(lambda: ["dk-07"] in sent(simulator))
        change()
        simulator.clear_faults()
        return run.end()


def test_the_deadline_of_a_change_leaves_the_rest_pending(stack: Stack, simulator: RunningSimulator) -> None:
    """EnOS asks for a pause that the deadline does not leave; what was sent before is read back all the same."""
    stack.config["enos-ota:deadline"] = 6
    stack.declare(a_set("dk-01", "dk-02", "dk-07"))
    simulator.fault("throttle", "cancelTask", retryAfter=30, nth=2)
    ended = stack.up(code=1)
    assert about_pumps(ended, "error") == [
        "the deadline of 6 s for one set is over (1 cancelled, 2 pending (dk-01 init, dk-02 init); "
        "`pulumi up` sends just these as soon as it can)"
    ]
    assert touched(simulator) == [["dk-07"]]

    assert stack.diff() == ["+ dk-01", "+ dk-02"]
    stack.up()
    assert touched(simulator) == [["dk-07"], ["dk-01", "dk-02"]]
    assert recorded(stack) == {"dk-07": "cancelled published"}
    stack.stands()


def test_a_run_that_is_throttled_out_says_so_and_what_to_do(stack: Stack, simulator: RunningSimulator) -> None:
    """EnOS asks for a longer pause than a run is worth."""
    stack.declare(a_set("dk-01", "dk-02"))
    simulator.switch(gateway_form="envelope")
    simulator.fault("throttle", "cancelTask", retryAfter=3600)
    ended = stack.up(code=1)
    (told,) = about_pumps(ended, "error")
    assert told.startswith("EnOS kept throttling: EnOS refused cancelTask (2 devices of job ")
    assert "429 API rate limit exceeded (requestId " in told
    assert "It was not processed. Try again later, or set enos:maxRequestsPerSecond." in told
    assert told.endswith(
        "(0 cancelled, 2 pending (dk-01 init, dk-02 init); `pulumi up` sends just these as soon as it can)"
    )
    assert touched(simulator) == []

    simulator.clear_faults()
    stack.up()
    assert touched(simulator) == [["dk-01", "dk-02"]]
    assert stack.resource()["problem"] == ""


def test_a_job_that_is_stopped_half_way_keeps_the_rest_until_it_is_started_again(
    stack: Stack, simulator: RunningSimulator
) -> None:
    ended = up_and_meanwhile(stack, simulator, lambda: simulator.set_job(JOB, "stopped"))
    assert ended.code == 1
    (told,) = about_pumps(ended, "error")
    assert told.startswith("the job was stopped meanwhile: EnOS refused cancelTask (2 devices of job ")
    assert "24617 Job not running (requestId " in told
    assert told.endswith(
        "(1 cancelled, 2 pending (dk-01 init, dk-02 init); `pulumi up` sends just these as soon as it can)"
    )
    assert stack.resource("valves")["cancelledCount"] == 1, "another job's set is not concerned"

    # While the job is stopped that is no failure any more.
    held = stack.up()
    assert any(text.startswith("2 keys held (dk-01 init, dk-02 init)") for text in about_pumps(held, "warning"))
    simulator.set_job(JOB, "started")
    assert stack.diff() == ["+ dk-01", "+ dk-02"]
    stack.up()
    assert touched(simulator)[-1] == ["dk-01", "dk-02"]
    assert stack.resource()["cancelledCount"] == 3


def test_a_job_that_is_deleted_half_way_leaves_a_set_to_retire(stack: Stack, simulator: RunningSimulator) -> None:
    ended = up_and_meanwhile(stack, simulator, lambda: simulator.delete_job(JOB))
    assert ended.code == 1
    (told,) = about_pumps(ended, "error")
    assert told.startswith("the job was deleted meanwhile: EnOS refused cancelTask (2 devices of job ")
    assert "24404 Job not found (requestId " in told
    assert stack.resource("valves")["cancelledCount"] == 1, "another job's set is not concerned"

    again = stack.up()
    (told,) = about_pumps(again, "warning")
    assert told.startswith("job deleted: retire this set; last seen: ")
    stack.stands()
