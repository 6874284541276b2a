"""Wherever a run is cut off or a request goes wrong, the next run makes it good; nothing is sent that may not be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.crash.crash_explore import (
    Scenario,
    double_kills,
    explore,
    faults,
    interrupts,
    kills,
    orphans,
    sampled,
    throttled_orphans,
)
from tests.crash.crash_scenarios import LARGE, SCENARIOS

if TYPE_CHECKING:
    from tests.crash.crash_explore import Schedules
    from tests.harness.explored import Note

every_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name.replace(" ", "-"))

MOST_OF_LARGE = 20
"""The scenario of 205 keys has more than a thousand schedules of a tenth of a second: so many of a kind are drawn."""
TWICE = 15
"""Of the pairs of ticks at which a run and the one after it are killed: so many are drawn for a scenario."""


def bounded(schedules: Schedules, scenario: Scenario) -> Schedules:
    return sampled(schedules, MOST_OF_LARGE, scenario.name) if scenario is LARGE else schedules


@every_scenario
def test_killed_at_any_point_the_next_run_makes_it_good(scenario: Scenario, note: Note) -> None:
    explored = explore(scenario, {}, bounded(kills, scenario))
    assert not explored.found, str(explored)
    note(explored.schedules, "killed")


@every_scenario
def test_killed_twice_the_next_run_makes_it_good(scenario: Scenario, note: Note) -> None:
    explored = explore(scenario, {}, sampled(double_kills, TWICE, scenario.name))
    assert not explored.found, str(explored)
    note(explored.schedules, "killed twice")


@every_scenario
def test_an_orphan_sends_nothing(scenario: Scenario, note: Note) -> None:
    explored = explore(scenario, {}, bounded(orphans, scenario))
    assert not explored.found, str(explored)
    note(explored.schedules, "orphaned")


@every_scenario
def test_orphaned_while_it_waits_out_a_throttled_write_it_sends_nothing(scenario: Scenario, note: Note) -> None:
    explored = explore(scenario, {}, bounded(throttled_orphans, scenario))
    assert not explored.found, str(explored)
    note(explored.schedules, "orphaned in a wait")


@every_scenario
def test_interrupted_it_sends_nothing_more_and_the_next_run_makes_it_good(scenario: Scenario, note: Note) -> None:
    explored = explore(scenario, {}, bounded(interrupts, scenario))
    assert not explored.found, str(explored)
    note(explored.schedules, "interrupted")


@every_scenario
def test_whatever_happens_to_one_request_the_next_run_makes_it_good(scenario: Scenario, note: Note) -> None:
    explored = explore(scenario, {}, bounded(faults, scenario))
    assert not explored.found, str(explored)
    note(explored.schedules, "one request gone wrong")
