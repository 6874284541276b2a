"""A simulator, a client and a reconciler on one clock, which no test has to wait for.

with world(many(450), index_delay=2) as here:
    record = here.apply(*keys(450))
    assert here.writes() == […]
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from enos_ota.enos import Credentials, EnosClient
from enos_ota.plan import Guard, Record, TaskSet, build_plan, days
from enos_ota.reconciler import ApplyOptions, Limits, Reconciler, Stop
from tests.harness.clock import FakeClock
from tests.harness.simulator import JOB, RunningSimulator, running_simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from enos_ota.reconciler.workers import Workers


class World:
    """A simulator, a client and a reconciler on one clock, which no test has to wait for."""

    def __init__(
        self,
        simulator: RunningSimulator,
        clock: FakeClock,
        *,
        client_class: type[EnosClient] = EnosClient,
        before_write: Callable[[], None] = lambda: None,
        markers: Collection[str] = ("Cancelled by user",),
        limits: Limits | None = None,
        workers: Workers | None = None,
    ) -> None:
        self.simulator = simulator
        self.clock = clock
        self.stop = Stop()
        credentials = Credentials(simulator.app_key, simulator.app_secret)
        self.client = client_class(simulator.url, simulator.org_id, credentials, clock=clock, before_write=before_write)
        self.reconciler = Reconciler(
            self.client, markers=markers, limits=limits, clock=clock, workers=workers, stop=self.stop
        )

    def apply(
        self,
        *keys: str,
        previous: Record | None = None,
        job_id: str = JOB,
        guard: Guard | None = None,
        expect_firmware_version: str = "",
        break_glass: str = "",
        **options: Any,
    ) -> Record:
        """The record after a change; `result` has all of it. `options` are those of `ApplyOptions`."""
        task_set = TaskSet(
            "pumps", job_id, keys, guard=guard or Guard(), expect_firmware_version=expect_firmware_version
        )
        plan = build_plan(task_set, previous or Record(), today=days.today(), break_glass=break_glass)
        self.result = self.reconciler.apply(plan, ApplyOptions(**options))
        return self.result.record

    def refresh(self, record: Record) -> Record:
        return self.reconciler.refresh(JOB, record)

    def writes(self) -> list[list[str]]:
        """The keys of each cancelTask that arrived, in order."""
        return [sorted(entry["keys"]) for entry in self.simulator.journal() if entry["operation"] == "cancelTask"]

    def cancelled(self) -> set[str]:
        return {key for key, (_, desc) in self.simulator.states().items() if desc == "Cancelled by user"}


@contextmanager
def world(
    fleet: dict[str, Any] | None = None,
    *,
    client_class: type[EnosClient] = EnosClient,
    before_write: Callable[[], None] = lambda: None,
    markers: Collection[str] = ("Cancelled by user",),
    limits: Limits | None = None,
    workers: Workers | None = None,
    **switches: Any,
) -> Iterator[World]:
    clock = FakeClock()
    with running_simulator(fleet, clock=lambda: int(clock.time() * 1000), **switches) as simulator:
        here = World(
            simulator,
            clock,
            client_class=client_class,
            before_write=before_write,
            markers=markers,
            limits=limits,
            workers=workers,
        )
        with here.client:
            yield here


def fleet_of(*tasks: dict[str, Any], **job: Any) -> dict[str, Any]:
    return {"jobs": [{"jobId": JOB, "name": "Pump", "firmwareVersion": "2.3.0", "tasks": list(tasks), **job}]}


def many(count: int, **status_of: str) -> dict[str, Any]:
    """A fleet of k0000, k0001, …, all init but those named."""
    return fleet_of(
        *({"deviceKey": key, "status": status_of.get(key, "init")} for key in (f"k{n:04}" for n in range(count)))
    )


def keys(count: int) -> list[str]:
    return [f"k{n:04}" for n in range(count)]
