"""A large set with the real `pulumi`: `up`, refresh, preview of a small change, memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Final

from benchmarks import fleets, memory, replay
from benchmarks.figures import Figure, Goal, Pair, at_most, in_turns, median_difference, median_ratio, number
from benchmarks.projects import Project, project_factory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.effort import Effort
    from tests.harness.engine import Result
    from tests.harness.simulator import RunningSimulator

UP_GOAL: Final = 1.3
UP_GOAL_KEYS: Final = 100_000
"""The goal applies from this size: with fewer keys Pulumi's own start dominates."""
LINES_GOAL: Final = 40


def measure(count: int, rounds: int) -> Iterator[Figure]:
    """Measure one set of `count` keys, each pair `rounds` times."""
    keys = fleets.keys(count)
    with fleets.served(count) as simulator:
        recording = replay.record(simulator, keys)
        with project_factory(simulator) as projects:
            bench = _Bench(count, simulator, recording, projects.ours(keys), projects.stub(keys), rounds)
            yield from bench.memory()
            yield from bench.up()
            yield from bench.refresh()
            # Remove one key and add one: the worst case for a diff of a list.
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
        """Measure the memory of the first `up`, which also warms the caches."""
        with memory.provider_of(self.ours.stack.project) as of_ours:
            self.ours.up()
        replay.check_same(self.simulator, self.recording.change, "`up`")
        self._check_cancelled()
        with memory.provider_of(self.stub.stack.project) as of_stub:
            self.stub.up()
        if of_ours.peak and of_stub.peak:
            yield Figure(
                f"provider's memory, up of {self.name} keys",
                f"{of_ours.peak:.0f} MiB",
                f"the stub's provider, {of_stub.peak:.0f} MiB",
                of_ours.peak / of_stub.peak,
            )

    def up(self) -> Iterator[Figure]:
        """Measure `up` of an empty stack, against stub and bare loop."""

        def ours() -> Effort:
            self.simulator.reset()
            self.ours.restore_state()
            return self.ours.up()

        def stub() -> Effort:
            self.simulator.reset()
            self.stub.restore_state()
            return self.stub.up()

        limit = UP_GOAL if self.count >= UP_GOAL_KEYS else None
        yield from self._against_both(f"up of {self.name} keys", ours, stub, self.recording.change, limit)

    def refresh(self) -> Iterator[Figure]:
        """Measure a refresh without drift, against stub and bare loop."""

        def timed(project: Project) -> Effort:
            return project.timed("refresh", "--yes", "--skip-preview", "--run-program=false")[0]

        yield from self._against_both(
            f"refresh of {self.name} keys",
            partial(timed, self.ours),
            partial(timed, self.stub),
            self.recording.refresh,
        )

    def preview(self, changed: Sequence[str]) -> Iterator[Figure]:
        """Measure a preview of a one-key change, with and without its refresh."""
        for project in (self.ours, self.stub):
            project.declare(changed)
        results: list[Result] = []

        def timed(project: Project, *more: str) -> float:
            took, result = project.timed("preview", "--diff", *more)
            if project is self.ours:
                results.append(result)
            return took.wall

        for how, more in (("", ()), (", --refresh=false", ("--refresh=false",))):
            pairs = in_turns(self.rounds, partial(timed, self.ours, *more), partial(timed, self.stub, *more))
            lines = max(len(result.output.splitlines()) for result in results)
            results.clear()
            yield Figure(
                f"preview --diff, one of {self.name} keys changed{how}",
                f"{_seconds(pairs)}, {lines} lines",
                f"the stub's, {median(pair.theirs for pair in pairs):.1f} s; {median_difference(pairs):+.1f} s",
                median_ratio(pairs),
                Goal(f"≤ {LINES_GOAL} lines", lines <= LINES_GOAL),
            )

    def _against_both(
        self,
        what: str,
        ours: Callable[[], Effort],
        stub: Callable[[], Effort],
        sent: Sequence[replay.Sent],
        limit: float | None = None,
    ) -> Iterator[Figure]:
        efforts: list[Effort] = []
        stubs: list[Effort] = []
        loops: list[Effort] = []

        def measure_ours() -> float:
            efforts.append(ours())
            return efforts[-1].wall

        def measure_reference() -> float:
            stubs.append(stub())
            loops.append(replay.replay(self.simulator, sent))
            return (stubs[-1] + loops[-1]).wall

        pairs = in_turns(self.rounds, measure_ours, measure_reference)
        ratio = median_ratio(pairs)
        yield Figure(
            what,
            _seconds(pairs),
            f"stub {median(one.wall for one in stubs):.1f} s + "
            f"bare loop of {len(sent)} requests {median(one.wall for one in loops):.1f} s",
            ratio,
            None if limit is None else at_most(limit, ratio, "ratio {}"),
        )
        used = [
            Pair(one.processors, (other + loop).processors)
            for one, other, loop in zip(efforts, stubs, loops, strict=True)
        ]
        yield Figure(
            f"{what}: processor time, simulator's included",
            _seconds(used),
            f"stub {median(one.processors for one in stubs):.1f} s + "
            f"bare loop {median(one.processors for one in loops):.1f} s",
            median_ratio(used),
        )

    def _check_cancelled(self) -> None:
        counted = self.ours.stack.resource()["cancelledCount"]
        if counted != self.count:
            raise replay.MismatchError(f"{counted} of {self.count} cancelled")


def _seconds(pairs: Sequence[Pair]) -> str:
    return f"{median(pair.ours for pair in pairs):.1f} s"
