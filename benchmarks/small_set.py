"""A small set with the real `pulumi`: what a person waits for beyond Pulumi itself."""

from __future__ import annotations

from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Final

from benchmarks import fleets
from benchmarks.figures import Figure, at_most, in_turns, typical_difference, typical_ratio
from benchmarks.projects import workshop
from tests.harness.simulator import running_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.projects import Project

KEYS: Final = 10
GOAL: Final = 0.5
"""Seconds."""


def measure(rounds: int) -> Iterator[Figure]:
    """`up` of 10 keys from nothing, against an empty program, and against one with a stub."""
    keys = fleets.keys(KEYS)
    with running_simulator(fleets.fleet(KEYS)) as simulator, workshop(simulator) as projects:
        ours = projects.ours(keys)

        def from_nothing(project: Project) -> float:
            simulator.reset()
            project.put_back()
            return project.up().wall

        for what, other in (("an empty program", projects.empty()), ("one resource of a stub", projects.stub(keys))):
            from_nothing(ours)
            from_nothing(other)
            pairs = in_turns(rounds, partial(from_nothing, ours), partial(from_nothing, other))
            more = typical_difference(pairs)
            yield Figure(
                f"up of {KEYS} keys, against {what}",
                f"{median(pair.ours for pair in pairs):.2f} s",
                f"{what}, {median(pair.theirs for pair in pairs):.2f} s; {more:+.2f} s",
                typical_ratio(pairs),
                at_most(GOAL, more, "{} s more"),
            )
