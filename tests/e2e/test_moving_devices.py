"""Devices do not wait for a run to end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.harness.simulator import JOB
from tests.harness.stack import a_set, recorded, sent, touched

if TYPE_CHECKING:
    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack import Stack


def test_a_device_that_begins_while_it_is_about_to_be_cancelled_is_too_late_and_spoils_nothing(
    stack: Stack, simulator: RunningSimulator
) -> None:
    """EnOS refuses the whole batch for it; the others of the batch are cancelled by another."""
    stack.declare(a_set("dk-01", "dk-02", "dk-03"))
    simulator.fault("latency", "searchTask", seconds=3, times=1)
    with stack.running("up", "--yes", "--skip-preview") as run:
        run.until(lambda: "searchTask" in simulator.counters())  # it has read them, and does not know yet
        simulator.set_tasks(JOB, ["dk-02"], "upgrading")
        ended = run.end()
    assert ended.code == 0
    assert "1 key too late to cancel (dk-02 upgrading)" in ended.output
    assert sent(simulator) == [["dk-01", "dk-02", "dk-03"], ["dk-01", "dk-03"]]
    assert touched(simulator) == [["dk-01", "dk-03"]]
    assert recorded(stack) == {"dk-02": "too late upgrading"}
