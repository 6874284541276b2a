"""A small set with the real `pulumi`, compared with Pulumi alone."""

from __future__ import annotations

from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Final

from benchmarks import fleets
from benchmarks.figures import Figure, at_most, in_turns, median_difference, median_ratio
from benchmarks.projects import project_factory
from tests.harness.simulator import running_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.projects import Project

KEYS: Final = 10
GOAL: Final = 0.5
"""Seconds."""


def measure(rounds: int) -> Iterator[Figure]:
    """Measure `up` of 10 keys on an empty stack, against an empty program and a stub."""
    keys = fleets.keys(KEYS)
    with running_simulator(fleets.fleet(KEYS)) as simulator, project_factory(simulator) as projects:
        ours = projects.ours(keys)

        def up_of_empty_stack(project: Project) -> float:
            simulator.reset()
            project.restore_state()
            return project.up().wall

        for what, other in (("an empty program", projects.empty()), ("one resource of a stub", projects.stub(keys))):
            up_of_empty_stack(ours)
            up_of_empty_stack(other)
            pairs = in_turns(rounds, partial(up_of_empty_stack, ours), partial(up_of_empty_stack, other))
            more = median_difference(pairs)
            yield Figure(
                f"up of {KEYS} keys, against {what}",
                f"{median(pair.ours for pair in pairs):.2f} s",
                f"{what}, {median(pair.theirs for pair in pairs):.2f} s; {more:+.2f} s",
                median_ratio(pairs),
                at_most(GOAL, more, "{} s more"),
            )
