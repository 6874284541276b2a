"""The simulator without sockets answers a client as the one behind HTTP does."""

from __future__ import annotations

import random
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from enos_ota.enos import (
    AnswerLost,
    Credentials,
    EnosClient,
    EnosError,
    InvalidAnswer,
    JobNotFound,
    ServerError,
    Timeout,
)
from enos_simulator.fleet import parse_fleet
from enos_simulator.simulator import Simulator
from tests.harness.clock import FakeClock
from tests.harness.in_process import GATEWAY, InProcessAdapter, connection_closed
from tests.harness.simulator import JOB, SMALL_FLEET, running_simulator

if TYPE_CHECKING:
    from collections.abc import Callable

    from enos_simulator.gateway import Reply, Request


USUAL = Timeout(connect=5, read=30)


class KilledError(BaseException):
    """The end of a process."""


class World:
    """A client, a simulator and nothing between them."""

    def __init__(
        self,
        before: Callable[[Request], None] | None = None,
        after: Callable[[Request, Reply], None] | None = None,
        timeout: Timeout = USUAL,
        **switches: object,
    ) -> None:
        self.clock = FakeClock()
        fleet = parse_fleet(SMALL_FLEET | {"switches": switches})
        rng = random.Random(1)  # noqa: S311 - repeatable, nothing to guard
        self.simulator = Simulator(fleet, clock=lambda: int(self.clock.now * 1000), rng=rng)
        self.adapter = InProcessAdapter(self.simulator, before=before, after=after, sleep=self.clock.sleep)
        app = fleet.apps[0]
        self.client = EnosClient(
            GATEWAY,
            fleet.orgs[0],
            Credentials(app.app_key, app.app_secret),
            clock=self.clock,
            timeout=timeout,
            adapter=lambda: self.adapter,
        )

    @property
    def codes(self) -> list[int | None]:
        return [entry.code for entry in self.simulator.journal.entries]


def test_reads_and_writes_reach_the_simulator() -> None:
    world = World()

    job = world.client.get_job(JOB)
    waiting = sorted(task.device_key for task in world.client.search_tasks(JOB, device_keys=["dk-01", "dk-07"]))
    world.client.cancel_tasks(JOB, waiting)

    assert (job.firmware_version, waiting, world.codes) == ("2.3.0", ["dk-01", "dk-07"], [0])


@pytest.mark.parametrize("business_http", [200, 400])
def test_refusals_have_their_names(business_http: int) -> None:
    with pytest.raises(JobNotFound):
        World(business_http=business_http).client.get_job("nowhere")


def test_threads_are_answered_one_after_the_other() -> None:
    world = World()

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda number: world.client.cancel_tasks(JOB, [f"dk-{number:02}"]), range(1, 7)))

    assert world.codes == [0] * 6


def test_what_is_raised_before_processing_keeps_a_request_from_arriving() -> None:
    def die(request: Request) -> None:
        if request.parameter("action") == "cancelTask":
            raise KilledError

    world = World(before=die)

    with pytest.raises(KilledError):
        world.client.cancel_tasks(JOB, ["dk-01"])

    assert world.codes == []


def test_what_is_raised_after_processing_keeps_an_answer_from_being_seen() -> None:
    def die(request: Request, reply: Reply) -> None:
        if request.parameter("action") == "cancelTask" and reply.http:
            raise KilledError

    world = World(after=die)

    with pytest.raises(KilledError):
        world.client.cancel_tasks(JOB, ["dk-01"])

    assert world.codes == [0]


def test_a_connection_closed_after_processing_is_a_lost_answer() -> None:
    def close(request: Request, _: Reply) -> None:
        if request.parameter("action") == "cancelTask":
            raise connection_closed()

    world = World(after=close)

    with pytest.raises(AnswerLost):
        world.client.cancel_tasks(JOB, ["dk-01"])

    assert world.codes == [0]


@pytest.mark.parametrize(
    ("what", "settings", "error"),
    [
        ("close-before", {}, AnswerLost),
        ("close-after", {}, AnswerLost),
        ("truncate", {}, AnswerLost),
        ("cut", {}, InvalidAnswer),
        ("latency", {"seconds": 1}, AnswerLost),
        ("html", {}, ServerError),
        ("html", {"status": 200}, InvalidAnswer),
        ("error", {}, ServerError),
        ("error", {"envelope": False}, ServerError),
    ],
)
def test_a_fault_is_the_same_error_with_and_without_sockets(
    what: str, settings: dict[str, object], error: type[EnosError]
) -> None:
    timeout = Timeout(connect=5, read=0.5 if what == "latency" else 30)
    world = World(timeout=timeout)
    world.simulator.add_fault({"what": what, "operations": ["cancelTask"], **settings})
    with pytest.raises(EnosError) as without:
        world.client.cancel_tasks(JOB, ["dk-01"])

    with running_simulator(clock=lambda: int(world.clock.now * 1000)) as simulator:
        simulator.fault(what, "cancelTask", **settings)
        credentials = Credentials(simulator.app_key, simulator.app_secret)
        with (
            EnosClient(simulator.url, simulator.org_id, credentials, clock=world.clock, timeout=timeout) as client,
            pytest.raises(EnosError) as behind_http,
        ):
            client.cancel_tasks(JOB, ["dk-01"])

    assert type(without.value) is error
    assert text_of(without.value, GATEWAY) == text_of(behind_http.value, simulator.url)


def text_of(error: EnosError, gateway: str) -> str:
    return re.sub(r" \(requestId [^)]*\)", "", str(error).replace(gateway, "https://…"))


def test_an_answer_that_is_late_takes_its_time() -> None:
    world = World()
    world.simulator.add_fault("latency get seconds=7")

    world.client.get_job(JOB)

    assert world.clock.sleeps == [7]


def test_a_throttled_answer_has_the_time_to_wait() -> None:
    world = World()
    world.simulator.add_fault("throttle get nth=1 retryAfter=3")

    world.client.get_job(JOB)

    assert world.clock.sleeps == [3]
