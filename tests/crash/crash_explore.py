"""Scenarios, and all the ways in which their runs can end: how many were tried, and what was found."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field
from io import StringIO
from typing import TYPE_CHECKING, TypeAlias

from tests.crash.crash_line import Fault
from tests.crash.crash_world import Overtaken, Schedule, World

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tests.harness.invariants import Wrong

Story: TypeAlias = Callable[[World], None]
Schedules: TypeAlias = "Callable[[World], Iterable[Schedule]]"
"""From what happened in an undisturbed run to what is to go wrong in others."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What an operator does, and on which fleet.

    Attributes:
        name: For people.
        fleet: Its jobs, as `make_fleet` takes them.
        story: What happens; `World.finish` comes after it.
    """

    name: str
    fleet: str
    story: Story


@dataclass(frozen=True, slots=True)
class Found:
    """A schedule under which something was wrong."""

    scenario: str
    switches: Mapping[str, object]
    schedule: Schedule
    wrongs: tuple[str, ...]
    kinds: frozenset[Wrong]

    def __str__(self) -> str:
        return f"{self.scenario} {dict(self.switches)} {self.schedule}:\n    " + "\n    ".join(self.wrongs)


@dataclass(slots=True)
class Explored:
    """How many schedules were run, and what was found."""

    schedules: int = 0
    found: list[Found] = field(default_factory=list)

    def add(self, other: Explored) -> None:
        """Count another exploration in."""
        self.schedules += other.schedules
        self.found += other.found

    def kinds(self) -> set[Wrong]:
        """The kinds of violation that were found."""
        return {kind for found in self.found for kind in found.kinds}

    def __str__(self) -> str:
        shown = "\n".join(str(found) for found in self.found[:5])
        return f"{len(self.found)} of {self.schedules} schedules went wrong:\n{shown}"


def run(scenario: Scenario, schedule: Schedule, switches: Mapping[str, object]) -> World:
    """Run one scenario under one schedule to its end."""
    world = World(scenario.fleet, schedule, switches=switches)
    with redirect_stdout(StringIO()), world:
        with suppress(Overtaken):
            scenario.story(world)
        world.finish()
    return world


def explore(scenario: Scenario, switches: Mapping[str, object], schedules: Schedules) -> Explored:
    """Run a scenario undisturbed, and then under every schedule that the undisturbed run gives rise to."""
    explored = Explored()
    first = run(scenario, Schedule(), switches)
    _note(explored, scenario, first)
    if not explored.found:
        for schedule in schedules(first):
            _note(explored, scenario, run(scenario, schedule, switches))
    return explored


def _note(explored: Explored, scenario: Scenario, world: World) -> None:
    explored.schedules += 1
    if wrong := world.violations:
        texts = tuple(dict.fromkeys(map(str, wrong)))
        kinds = frozenset(one.wrong for one in wrong)
        explored.found.append(Found(scenario.name, world.switches, world.schedule, texts, kinds))


def undisturbed(_: World) -> Iterable[Schedule]:
    """Nothing goes wrong."""
    return ()


def kills(world: World) -> Iterator[Schedule]:
    """Killed at every tick: before each request, after its processing, after its answer, in waits, before each save."""
    return (Schedule(kill_at=tick) for tick in range(1, len(world.ticks) + 1))


def double_kills(world: World) -> Iterator[Schedule]:
    """Killed at a tick, and in the run that comes after at one of the next ticks."""
    count = len(world.ticks)
    return (
        Schedule(kill_at=tick, kill_again_at=later)
        for tick in range(1, count + 1)
        for later in range(tick + 1, tick + count + 1)
    )


def orphans(world: World) -> Iterator[Schedule]:
    """Orphaned at every tick, but for the moment between the look at the engine and the sending: that gap remains."""
    return (Schedule(orphan_at=tick) for tick, what in enumerate(world.ticks, start=1) if what != "before cancelTask")


def interrupts(world: World) -> Iterator[Schedule]:
    """Interrupted at every tick."""
    return (Schedule(interrupt_at=tick) for tick in range(1, len(world.ticks) + 1))


def faults(world: World) -> Iterator[Schedule]:
    """Each fault at each request."""
    return (Schedule(fault_at=number, fault=fault) for number in range(1, len(world.requests) + 1) for fault in Fault)


def only(schedules: Schedules, *kinds: Fault) -> Schedules:
    """Those with one of these faults."""
    return lambda world: (one for one in schedules(world) if one.fault in kinds)


def throttled_orphans(world: World) -> Iterator[Schedule]:
    """Each cancelTask throttled, and orphaned in the wait after that."""
    for number, operation in enumerate(world.requests, start=1):
        if operation == "cancelTask":
            sent = [tick for tick, what in enumerate(world.ticks, start=1) if what == "cancelTask processed"]
            nth = world.requests[:number].count(operation)
            # After "processed" comes "answered", and then the client waits.
            yield Schedule(fault_at=number, fault=Fault.THROTTLED, orphan_at=sent[nth - 1] + 2)


def sampled(schedules: Schedules, most: int, seed: str) -> Callable[[World], Sequence[Schedule]]:
    """At most so many of these schedules, drawn by a fixed seed."""

    def draw(world: World) -> Sequence[Schedule]:
        every = list(schedules(world))
        return every if len(every) <= most else random.Random(seed).sample(every, most)  # noqa: S311 - repeatable

    return draw
