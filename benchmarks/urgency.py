"""Time that a large set needs at a low rate limit, in simulated time."""

from __future__ import annotations

import random
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeVar

from benchmarks import fleets
from benchmarks.figures import Figure, at_most, number
from benchmarks.timed import TimedSimulator
from enos_ota.enos import Credentials, EnosClient
from enos_ota.reconciler import Reconciler
from tests.harness.in_process import GATEWAY, InProcessAdapter
from tests.harness.lockstep import Lockstep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from enos_simulator.gateway import Reply, Request

T = TypeVar("T")

RATE: Final = 5
"""Requests per second that EnOS accepts."""
ROUND_TRIP: Final = 0.1
"""Seconds of a round trip to EnOS."""
CONCURRENCY: Final = 8
GOAL: Final = 150.0
"""Seconds for `GOAL_KEYS`; there is no goal for fewer keys."""
GOAL_KEYS: Final = 80_000


def measure(count: int) -> Iterator[Figure]:
    """Measure with a rate set, with EnOS throttling too, and with an adaptive rate alone."""
    for how, rate, throttle in (
        (f"maxRequestsPerSecond {RATE}", RATE, "off"),
        (f"maxRequestsPerSecond {RATE}, throttle {RATE}", RATE, RATE),
        (f"throttle {RATE}, adaptive rate", None, RATE),
    ):
        run = _Run(count, rate=rate, throttle=throttle)
        batches = -(-count // 200)
        bare = batches / RATE
        yield Figure(
            f"{number(count)} keys, {how}: last cancelTask accepted",
            f"{run.cancelled_after:.0f} s simulated, end at {run.ended_after:.0f} s, {run.refused} refused",
            f"{batches} cancelTasks at {RATE} a second, {bare:.0f} s",
            run.cancelled_after / bare,
            at_most(GOAL, run.cancelled_after, "{} s") if count >= GOAL_KEYS else None,
        )


class _Run:
    """One change: simulated seconds, and the number of throttled requests."""

    def __init__(self, count: int, *, rate: float | None, throttle: object) -> None:
        self._clock = clock = Lockstep()
        simulator = TimedSimulator(fleets.fleet(count), clock=lambda: int(clock.time() * 1000))
        simulator.change_switches({"throttle": throttle})
        self.cancelled_after = 0.0
        self.refused = 0
        adapter = InProcessAdapter(simulator, before=self._before_request, after=self._after_request, sleep=clock.sleep)
        app = simulator.fleet.apps[0]
        client = EnosClient(
            GATEWAY,
            simulator.fleet.orgs[0],
            Credentials(app.app_key, app.app_secret),
            max_requests_per_second=rate,
            clock=clock,
            random=random.Random(1).random,  # noqa: S311 - no secrets
            adapter=lambda: adapter,
        )
        reconciler = Reconciler(client, clock=clock, workers=LockstepPool(clock, CONCURRENCY))
        with client:
            record = fleets.apply(reconciler, fleets.keys(count))
        self.ended_after = clock.monotonic()
        if record.cancelled_count != count:
            raise ValueError(f"{record.cancelled_count} of {count} cancelled: {record.problem}")

    def _before_request(self, _: Request) -> None:
        self._clock.sleep(ROUND_TRIP / 2)

    def _after_request(self, request: Request, reply: Reply) -> None:
        self._clock.sleep(ROUND_TRIP / 2)
        self.refused += reply.http == HTTPStatus.TOO_MANY_REQUESTS
        if request.parameter("action") == "cancelTask" and reply.body.get("code") == 0:
            self.cancelled_after = self._clock.monotonic()


class LockstepPool:
    """Workers on a simulated clock, which moves on when all of them wait."""

    def __init__(self, clock: Lockstep, size: int) -> None:
        self.size = size
        self._clock = clock

    def run(self, calls: Sequence[Callable[[], T]], carry_on: Callable[[], bool]) -> list[T | None]:
        """Run calls; see `enos_ota.reconciler.workers`."""
        results: list[Any] = [None] * len(calls)
        todo = iter(enumerate(calls))  # only one of the threads runs at a time

        def work() -> None:
            for place, call in todo:
                if not carry_on():
                    return
                results[place] = call()

        for outcome in self._clock.run([work] * min(self.size, len(calls))):
            if isinstance(outcome, BaseException):
                raise outcome
        return results
