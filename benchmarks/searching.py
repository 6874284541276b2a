"""Server time of the simulator with a million tasks."""

from __future__ import annotations

import contextlib
import gc
import time
from statistics import median
from typing import TYPE_CHECKING, Final

from benchmarks import fleets
from benchmarks.figures import Figure, at_most, number
from benchmarks.timed import TimedSimulator
from tests.harness.simulator import JOB
from tests.harness.simulator_harness import Caller, Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CALLS: Final = 50
KEYS: Final = 200
GOAL_MS: Final = 10.0
_SMALL: Final = 10_000


def measure(tasks: int) -> Iterator[Figure]:
    """Measure a search and a cancel of 200 keys, against the same in a small fleet."""
    started = time.perf_counter()
    large = _Service(tasks)
    loaded = time.perf_counter() - started
    small = _Service(min(_SMALL, tasks))
    with _frozen():
        yield from _compared(large, small)
    yield Figure(f"simulator, {number(tasks)} tasks: start", f"{loaded:.1f} s")


def _compared(large: _Service, small: _Service) -> Iterator[Figure]:
    for what, call in (("search by", _Service.search), ("cancel of", _Service.cancel)):
        reference, value = (_milliseconds(service, call) for service in (small, large))
        yield Figure(
            f"simulator, {number(large.tasks)} tasks: {what} {KEYS} keys",
            f"{value:.2f} ms",
            f"the same in {number(small.tasks)} tasks, {reference:.2f} ms",
            value / reference,
            at_most(GOAL_MS, value, "server time {} ms"),
        )


@contextlib.contextmanager
def _frozen() -> Iterator[None]:
    """Exempt the loaded fleets from garbage collection, as `enos-ota simulate` does."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


class _Service:
    """A simulator and its caller."""

    def __init__(self, tasks: int) -> None:
        self.tasks = tasks
        clock = Clock()
        self.simulator = TimedSimulator(fleets.fleet(tasks), clock=clock)
        app = self.simulator.fleet.apps[0]
        self._caller = Caller(self.simulator, clock, self.simulator.fleet.orgs[0], app.app_key, app.app_secret)
        self._caller.token()

    def search(self, keys: list[str]) -> None:
        listed = ", ".join(f"'{key}'" for key in keys)
        rows, total = self._caller.find(f"jobId = '{JOB}' and deviceKey in ({listed})")
        if (len(rows), total) != (len(keys), len(keys)):
            raise ValueError(f"found {len(rows)} of {len(keys)} tasks")

    def cancel(self, keys: list[str]) -> None:
        if code := self._caller.cancel(JOB, *keys):
            raise ValueError(f"cancelTask was answered {code}")


def _milliseconds(service: _Service, call: Callable[[_Service, list[str]], None]) -> float:
    """Return the median over many calls, each for keys spread over the fleet."""
    calls = min(CALLS, service.tasks // KEYS)
    apart = service.tasks // KEYS
    all_keys = fleets.keys(service.tasks)
    service.simulator.took.clear()
    for at in range(calls):
        call(service, all_keys[at * apart // calls :: apart][:KEYS])
    return median(service.simulator.took) * 1000
