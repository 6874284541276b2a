"""Processing time of client and reconciler: no sockets, no Pulumi, one request at a time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks import fleets
from benchmarks.figures import Figure, number
from benchmarks.timed import TimedSimulator
from enos_ota.enos import Credentials, EnosClient
from enos_ota.reconciler import Reconciler
from tests.harness.in_process import GATEWAY, InProcessAdapter
from tests.harness.simulator import JOB

if TYPE_CHECKING:
    from collections.abc import Iterator


def measure(count: int) -> Iterator[Figure]:
    """Measure a change and a refresh of a set; the reference is the simulator's own time."""
    simulator = TimedSimulator(fleets.fleet(count))
    adapter = InProcessAdapter(simulator)
    app = simulator.fleet.apps[0]
    credentials = Credentials(app.app_key, app.app_secret)
    with EnosClient(GATEWAY, simulator.fleet.orgs[0], credentials, adapter=lambda: adapter) as client:
        reconciler = Reconciler(client)
        started = time.perf_counter()
        record = fleets.apply(reconciler, fleets.keys(count))
        yield _figure(f"client and reconciler alone, {number(count)} keys: change", started, simulator, count)
        if record.cancelled_count != count:
            raise ValueError(f"{record.cancelled_count} of {count} cancelled: {record.problem}")
        simulator.took.clear()
        started = time.perf_counter()
        reconciler.refresh(JOB, record)
        yield _figure(f"client and reconciler alone, {number(count)} keys: refresh", started, simulator, count)


def _figure(what: str, started: float, simulator: TimedSimulator, count: int) -> Figure:
    took, server = time.perf_counter() - started, sum(simulator.took)
    own = took - server
    return Figure(
        what,
        f"{own:.2f} s = {number(round(count / own))} keys/s",
        f"the simulator's own time for the same requests, {server:.2f} s",
        own / server,
    )
