"""A large set with the real `pulumi`: `up`, refresh, preview of a small change, memory."""

from __future__ import annotations

import contextlib
import json
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from benchmarks import fleets, memory, replay
from benchmarks.figures import Figure, Goal, at_most, in_turns, number, typical_difference, typical_ratio
from benchmarks.projects import Project, workshop
from tests.support.simulator import RunningSimulator, simulator_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.figures import Pair
    from tests.support.engine import Result

UP_GOAL: Final = 1.3
UP_GOAL_KEYS: Final = 100_000
"""Of fewer keys nothing is asked: there Pulumi's own start is what counts."""
LINES_GOAL: Final = 40


def measure(count: int, rounds: int) -> Iterator[Figure]:
    """Everything about one set of so many keys, each pair measured so many times."""
    keys = fleets.keys(count)
    with _simulator(count) as simulator:
        recording = replay.record(simulator, keys)
        with workshop(simulator) as projects:
            bench = _Bench(count, simulator, recording, projects.ours(keys), projects.stub(keys), rounds)
            yield from bench.memory()
            yield bench.up()
            yield bench.refresh()
            # One key goes, one comes: what a list would take for a change of all.
            changed = [*keys[1:], *fleets.keys(1, first=count + 1)]
            yield from bench.preview(changed)


@dataclass(frozen=True, slots=True)
class _Bench:
    count: int
    simulator: RunningSimulator
    recording: replay.Recording
    ours: Project
    stub: Project
    rounds: int

    @property
    def name(self) -> str:
        return number(self.count)

    def memory(self) -> Iterator[Figure]:
        """The first `up` of each, which also warms up what is to be warm."""
        with memory.provider_of(self.ours.stack.project) as of_ours:
            self.ours.up()
        replay.check_same(self.simulator, self.recording.change, "`up`")
        self._cancelled_all()
        with memory.provider_of(self.stub.stack.project) as of_stub:
            self.stub.up()
        if of_ours.peak and of_stub.peak:
            yield Figure(
                f"provider's memory, up of {self.name} keys",
                f"{of_ours.peak:.0f} MiB",
                f"the stub's provider, {of_stub.peak:.0f} MiB",
                of_ours.peak / of_stub.peak,
            )

    def up(self) -> Figure:
        """From nothing, against stub and bare loop."""

        def ours() -> float:
            self.simulator.reset()
            self.ours.put_back()
            return self.ours.up()

        pairs, parts = self._against_both(ours, self._stub_up, self.recording.change)
        ratio = typical_ratio(pairs)
        goal = at_most(UP_GOAL, ratio, "ratio {}") if self.count >= UP_GOAL_KEYS else None
        return Figure(f"up of {self.name} keys", _seconds(pairs), parts, ratio, goal)

    def refresh(self) -> Figure:
        """Of a set that is as recorded, against stub and bare loop."""

        def timed(project: Project) -> float:
            return project.timed("refresh", "--yes", "--skip-preview", "--run-program=false")[0]

        pairs, parts = self._against_both(
            partial(timed, self.ours), partial(timed, self.stub), self.recording.refresh, anew=False
        )
        return Figure(f"refresh of {self.name} keys", _seconds(pairs), parts, typical_ratio(pairs))

    def preview(self, changed: Sequence[str]) -> Iterator[Figure]:
        """Of a change by one key, with the refresh that a preview begins with, and without."""
        for project in (self.ours, self.stub):
            project.declare(changed)
        results: list[Result] = []

        def timed(project: Project, *more: str) -> float:
            seconds, result = project.timed("preview", "--diff", *more)
            if project is self.ours:
                results.append(result)
            return seconds

        for how, more in (("", ()), (", --refresh=false", ("--refresh=false",))):
            pairs = in_turns(self.rounds, partial(timed, self.ours, *more), partial(timed, self.stub, *more))
            lines = max(len(result.output.splitlines()) for result in results)
            results.clear()
            yield Figure(
                f"preview --diff, one of {self.name} keys changed{how}",
                f"{_seconds(pairs)}, {lines} lines",
                f"the stub's, {median(pair.theirs for pair in pairs):.1f} s; {typical_difference(pairs):+.1f} s",
                typical_ratio(pairs),
                Goal(f"≤ {LINES_GOAL} lines", lines <= LINES_GOAL),
            )

    def _against_both(
        self,
        ours: Callable[[], float],
        stub: Callable[[], float],
        sent: Sequence[replay.Sent],
        *,
        anew: bool = True,
    ) -> tuple[list[Pair], str]:
        stubs: list[float] = []
        loops: list[float] = []

        def theirs() -> float:
            if anew:
                self.simulator.reset()
            stubs.append(stub())
            loops.append(replay.replay(self.simulator, sent))
            return stubs[-1] + loops[-1]

        pairs = in_turns(self.rounds, ours, theirs)
        return pairs, f"stub {median(stubs):.1f} s + bare loop of {len(sent)} requests {median(loops):.1f} s"

    def _stub_up(self) -> float:
        self.stub.put_back()
        return self.stub.up()

    def _cancelled_all(self) -> None:
        counted = self.ours.stack.resource()["cancelledCount"]
        if counted != self.count:
            raise replay.NotTheSameError(f"{counted} of {self.count} cancelled")


@contextlib.contextmanager
def _simulator(count: int) -> Iterator[RunningSimulator]:
    with tempfile.TemporaryDirectory(prefix="enos-ota-bench-") as folder:
        file = Path(folder) / "fleet.json"  # JSON is YAML
        file.write_text(json.dumps(fleets.fleet(count)), encoding="utf-8")
        with simulator_process("--fleet", str(file)) as simulator:
            yield simulator


def _seconds(pairs: Sequence[Pair]) -> str:
    return f"{median(pair.ours for pair in pairs):.1f} s"
