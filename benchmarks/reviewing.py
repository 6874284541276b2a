"""`enos-ota review` with the real `pulumi`, compared with the preview that it runs."""

from __future__ import annotations

import subprocess
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Final

from benchmarks import fleets
from benchmarks.effort import measured
from benchmarks.figures import Figure, in_turns, median_difference, median_ratio, number
from benchmarks.projects import project_factory
from tests.harness.stack import NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.projects import Project

_PREVIEW: Final = ("preview", "--json", "--refresh", "--run-program", "--show-sames", "--show-replacement-steps")
FORMATS: Final = ("markdown", "html", "json")


def measure(keys: int, rounds: int) -> Iterator[Figure]:
    """Measure the first review of a set and one without changes, in all formats, against the preview alone."""
    with fleets.served(keys) as simulator, project_factory(simulator) as made:
        ours = made.ours(fleets.keys(keys))
        for what in ("first review", "review without changes"):
            review(ours)
            pairs = in_turns(rounds, partial(review, ours), partial(preview, ours))
            yield Figure(
                f"{what} of {number(keys)} keys",
                f"{median(pair.ours for pair in pairs):.2f} s",
                f"its preview, {median(pair.theirs for pair in pairs):.2f} s; {median_difference(pairs):+.2f} s",
                median_ratio(pairs),
            )
            ours.up()


def preview(project: Project) -> float:
    """Return the seconds of the preview alone."""
    return project.timed(*_PREVIEW)[0].wall


def review(project: Project) -> float:
    """Return the seconds of the whole review."""
    stack = project.stack
    env = stack.engine.env(stack.project, stack.home, venv=stack.venv, extra=stack.environment())
    also = [word for name in FORMATS for word in ("--also", f"{name}={stack.home / 'review'}.{name}")]
    command = [str(stack.venv / "bin" / "enos-ota"), "review", "--stack", NAME, *also]

    def run() -> None:
        subprocess.run(command, cwd=stack.project, env=env, check=True, capture_output=True)

    return measured(run, project.server).wall
