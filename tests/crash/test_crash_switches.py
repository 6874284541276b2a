"""The same whichever way EnOS turns out to behave where its documentation is silent.

Bounded, so that it stays within minutes on one core:

- each switch at each other value: two scenarios killed at many points and some of their requests gone wrong, the others
  cut off or disturbed at a few points; the scenario of 205 keys is left to `test_crash_points`;
- each pair of the first ten switches: two scenarios, cut off and disturbed at a few points.

The draws have a fixed seed, so they are the same each time; CRASH_FACTOR=3 draws three times as many. Left out is
`auth=legacy`, which the client does not speak. Where a whole job has to be paged, so are pages of 3 rows, and a random
order, in which rows are missed by chance [I].
"""

from __future__ import annotations

import os
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from tests.crash.crash_explore import Explored, explore, faults, interrupts, kills, orphans, sampled
from tests.crash.crash_scenarios import CREATE, HEAL, LARGE, QUOTED, SCENARIOS
from tests.crash.crash_switches import named, pairs, single

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.crash.crash_explore import Schedules
    from tests.crash.crash_world import Schedule, World
    from tests.harness.explored import Note

FACTOR = int(os.environ.get("CRASH_FACTOR", "1"))
IN_DEPTH = (CREATE, HEAL)
MANY = 20 * FACTOR
"""Kills of a scenario in depth; with CRASH_FACTOR=3 nearly all of them, but for switches that make many requests."""
A_FEW = 3 * FACTOR


def together(*several: Schedules) -> Schedules:
    def schedules(world: World) -> Iterable[Schedule]:
        return chain.from_iterable(each(world) for each in several)

    return schedules


def is_hopeless_for_paging(switches: Mapping[str, object]) -> bool:
    """Whether a job of 208 tasks cannot be paged through reliably, or only in a hundred requests."""
    return switches.get("task_order") == "random" or switches.get("max_page") == 3


@pytest.mark.parametrize("switches", single(), ids=named)
def test_each_switch_alone(switches: Mapping[str, object], note: Note) -> None:
    explored = Explored()
    for scenario in SCENARIOS:
        if scenario is LARGE or (scenario is QUOTED and is_hopeless_for_paging(switches)):
            continue
        seed = f"{switches}{scenario.name}"
        schedules = (
            together(sampled(kills, MANY, seed), sampled(orphans, A_FEW, seed), sampled(faults, 3 * A_FEW, seed))
            if scenario in IN_DEPTH
            else sampled(together(kills, orphans, interrupts, faults), A_FEW, seed)
        )
        explored.add(explore(scenario, switches, schedules))
    assert not explored.found, str(explored)
    note(explored.schedules, "with one switch")


@pytest.mark.parametrize("switches", pairs(), ids=named)
def test_each_pair_of_the_first_ten(switches: Mapping[str, object], note: Note) -> None:
    explored = Explored()
    for scenario in (CREATE, HEAL):
        seed = f"{switches}{scenario.name}"
        schedules = together(
            sampled(kills, A_FEW, seed),
            sampled(together(orphans, interrupts), A_FEW, seed),
            sampled(faults, A_FEW, seed),
        )
        explored.add(explore(scenario, switches, schedules))
    assert not explored.found, str(explored)
    note(explored.schedules, "with a pair of switches")
