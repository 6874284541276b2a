"""What an operator sees while a change takes long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.harness.simulator import JOB
from tests.harness.stack import a_set

if TYPE_CHECKING:
    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack import Stack

SEARCHES = "waiting: the searches of EnOS to show what was cancelled"


def test_a_pause_that_enos_asks_for_is_told(stack: Stack, simulator: RunningSimulator) -> None:
    simulator.fault("throttle", "cancelTask", retryAfter=5, nth=2)
    stack.declare(a_set("dk-01", "dk-07"))
    said = stack.up().output
    assert f"set 'pumps' (job {JOB}): cancelling: 1 of 2 keys" in said
    assert "; waiting: EnOS throttles and asked for a pause, " in said


def test_a_change_that_takes_long_says_how_far_it_is_and_its_lines_do_not_mix_with_those_of_others(
    stack: Stack, simulator: RunningSimulator
) -> None:
    simulator.switch(index_delay=4)
    stack.declare(*(a_set(f"dk-0{number}", name=f"site-{number}") for number in range(1, 7)))
    meanwhile, _, at_the_end = stack.up("--parallel", "8").output.partition("Diagnostics:")
    assert meanwhile.count(f"set 'site-1' (job {JOB}): reading back: 1 of 1 keys"), "shown when it comes"
    lines = [line.strip() for line in at_the_end.splitlines() if "reading back" in line]
    assert all(line.endswith(SEARCHES) for line in lines)
    assert {line.count("set 'site-") for line in lines} == {1}
    assert {line.partition("'")[2][:6] for line in lines} == {f"site-{number}" for number in range(1, 7)}
