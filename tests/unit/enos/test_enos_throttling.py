"""Many threads on a service that throttles: all get through, soon, and with few requests refused."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Any

import pytest

from enos_ota.enos import Credentials, EnosClient, Throttled
from enos_simulator.fleet import parse_fleet
from enos_simulator.simulator import Simulator
from tests.harness.in_process import GATEWAY, InProcessAdapter
from tests.harness.lockstep import Lockstep
from tests.harness.simulator import JOB, SMALL_FLEET

if TYPE_CHECKING:
    from collections.abc import Callable

    from enos_simulator.gateway import Reply, Request

THREADS = 8


class World:
    """A client of a simulator some way off, with a token at hand and no other past."""

    def __init__(self, round_trip: float = 0.1, **settings: Any) -> None:
        self.clock = Lockstep()
        fleet = parse_fleet(SMALL_FLEET)
        rng = random.Random(1)  # noqa: S311 - repeatable, nothing to guard
        self.simulator = Simulator(fleet, clock=lambda: int(self.clock.time() * 1000), rng=rng)
        self.answers: list[tuple[float, int]] = []
        """When each request was answered, and with what HTTP status."""

        def before(_: Request) -> None:
            self.clock.sleep(round_trip / 2)

        def after(_: Request, reply: Reply) -> None:
            self.answers.append((self.clock.monotonic(), reply.http))
            self.clock.sleep(round_trip / 2)

        adapter = InProcessAdapter(self.simulator, before=before, after=after, sleep=self.clock.sleep)
        app = fleet.apps[0]
        credentials = Credentials(app.app_key, app.app_secret)
        self.client = EnosClient(
            GATEWAY,
            fleet.orgs[0],
            credentials,
            clock=self.clock,
            random=rng.random,
            adapter=lambda: adapter,
            **settings,
        )
        self.client.get_job(JOB)
        self.clock.sleep(3600)
        self.answers.clear()
        self._began = self.clock.monotonic()

    @property
    def refused(self) -> int:
        return [http for _, http in self.answers].count(429)

    @property
    def seconds(self) -> float:
        return self.clock.monotonic() - self._began

    def run(self, calls: int, threads: int = THREADS, call: Callable[[], object] | None = None) -> list[Exception]:
        """Let each thread make so many calls; what went wrong."""

        def work() -> None:
            for _ in range(calls):
                (call or self.read)()

        return [outcome for outcome in self.clock.run([work] * threads) if outcome is not None]

    def read(self) -> None:
        self.client.get_job(JOB)


@pytest.mark.parametrize("round_trip", [0.02, 0.1, 0.5], ids=lambda seconds: f"round trip {seconds} s")
@pytest.mark.parametrize("retry_after", [None, 1, 2], ids=lambda seconds: f"Retry-After {seconds}")
def test_all_calls_get_through_a_service_that_takes_five_a_second(round_trip: float, retry_after: int | None) -> None:
    world = World(round_trip)
    world.simulator.change_switches({"throttle": 5, "throttle_retry_after": retry_after or 0})

    failures = world.run(100)

    ideal = THREADS * 100 / 5
    assert failures == []
    assert world.seconds <= 1.25 * ideal
    assert world.refused <= 0.04 * THREADS * 100


def test_writes_get_through_as_well_and_none_is_made_twice() -> None:
    world = World()
    world.simulator.change_switches({"throttle": 5, "repeat_cancel": "ok"})

    failures = world.run(10, call=lambda: world.client.cancel_tasks(JOB, ["dk-01"]))

    done = [entry for entry in world.simulator.journal.entries if entry.code == 0]
    assert (failures, len(done)) == ([], 80)


def test_a_limit_that_is_set_is_kept_even_where_more_would_be_taken() -> None:
    world = World(max_requests_per_second=4)
    world.simulator.change_switches({"throttle": 5})

    failures = world.run(10)

    assert (failures, world.refused) == ([], 0)
    assert world.seconds >= (THREADS * 10 - 1) / 4


def test_a_single_refusal_costs_little() -> None:
    world = World(0.02)
    world.simulator.add_fault("throttle get nth=3")

    failures = world.run(50)

    assert failures == []
    assert world.seconds <= 45


def test_a_limit_that_is_lifted_is_noticed() -> None:
    world = World(0.02)
    world.simulator.change_switches({"throttle": 5})
    world.run(20)
    slow = world.seconds
    world.simulator.change_switches({"throttle": "off"})

    world.run(200)

    assert world.seconds - slow <= 60


def test_a_service_that_throttles_everything_is_given_up_by_all_threads_after_two_minutes() -> None:
    world = World()
    world.simulator.add_fault("throttle any")

    failures = world.run(1)

    assert {type(failure) for failure in failures} == {Throttled}
    assert len(failures) == THREADS
    assert 100 <= world.seconds <= 120
    assert len(world.answers) <= 30


def test_the_errors_of_a_standstill_have_its_length_and_the_unsent_call() -> None:
    world = World()
    world.simulator.change_switches({"gateway_form": "envelope"})
    world.simulator.add_fault("throttle any")

    sent, *unsent = sorted((str(failure) for failure in world.run(1)), key=len, reverse=True)

    assert re.fullmatch(
        rf"EnOS refused get \(job {JOB}\): 429 API rate limit exceeded \(requestId \S+\)\. It was not processed\."
        r" Try again later, or set enos:maxRequestsPerSecond\. No request succeeded for 1\d\d s\. Tried \d+ times\.",
        sent,
    )
    assert {re.sub(r"1\d\d s", "… s", text) for text in unsent} == {
        f"get (job {JOB}) was not sent. No request succeeded for … s."
        " Try again later, or set enos:maxRequestsPerSecond."
    }


def test_after_a_standstill_calls_fail_unsent_while_the_pause_lasts() -> None:
    world = World()
    world.simulator.add_fault("throttle any")
    world.run(1)
    world.answers.clear()

    failures = world.run(1) + world.run(1)

    assert [type(failure) for failure in failures] == [Throttled] * 2 * THREADS
    assert world.answers == []


def test_after_a_standstill_one_request_checks_whether_it_is_over() -> None:
    world = World()
    world.simulator.add_fault("throttle any")
    world.run(1)
    world.simulator.faults.clear()
    world.clock.sleep(world.client.pause().seconds)

    assert world.run(1) == []


def test_after_a_standstill_that_lasts_one_request_a_pause_is_lost() -> None:
    world = World()
    world.simulator.add_fault("throttle any")
    world.run(1)
    world.answers.clear()

    for _ in range(3):
        world.clock.sleep(world.client.pause().seconds)
        world.run(1)

    assert len(world.answers) == 3


def test_an_old_standstill_does_not_shorten_the_next() -> None:
    world = World()
    world.simulator.add_fault("throttle any")
    world.run(1)
    world.clock.sleep(600)
    began = world.seconds

    failures = world.run(1)

    assert len(failures) == THREADS
    assert world.seconds - began >= 100


def test_calls_succeed_when_a_standstill_ends_in_time() -> None:
    world = World()
    world.simulator.add_fault("throttle any times=10")

    failures = world.run(10)

    assert failures == []
