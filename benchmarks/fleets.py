"""Fleets of any size, and the keys of their devices."""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from enos_ota.plan import Record, TaskSet, build_plan, days
from tests.harness.simulator import JOB, simulator_process

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from enos_ota.reconciler import Reconciler
    from tests.harness.simulator import RunningSimulator

PUBLISHED: Final = 300
"""Published tasks: EnOS's default maximumConcurrency [D]."""

SPARE: Final = 1_000
"""Tasks that no set declares at first."""


def fleet(count: int) -> dict[str, Any]:
    """Return a fleet with a started job: tasks for `count` keys and `SPARE` more; the first ones are published."""
    published = min(PUBLISHED, count // 2)
    tasks = count + SPARE
    devices = {"key": "pump-{:07d}", "count": tasks, "states": {"published": published, "init": tasks - published}}
    return {
        "jobs": [{"jobId": JOB, "name": "Pump", "firmwareVersion": "2.3.0", "status": "started", "devices": [devices]}]
    }


@contextlib.contextmanager
def served(count: int) -> Iterator[RunningSimulator]:
    """Run a simulator with this fleet in its own process."""
    with tempfile.TemporaryDirectory(prefix="enos-ota-bench-") as folder:
        file = Path(folder) / "fleet.json"  # JSON is YAML
        file.write_text(json.dumps(fleet(count)), encoding="utf-8")
        with simulator_process("--fleet", str(file)) as simulator:
            yield simulator


def keys(count: int, first: int = 1) -> list[str]:
    """Return keys of this fleet, in order."""
    return list(_keys(count, first))


def apply(reconciler: Reconciler, device_keys: Collection[str]) -> Record:
    """Cancel the tasks of these keys."""
    task_set = TaskSet("pumps", JOB, tuple(device_keys))
    return reconciler.apply(build_plan(task_set, Record(), today=days.today())).record


def _keys(count: int, first: int) -> Iterator[str]:
    return (f"pump-{number:07d}" for number in range(first, first + count))
