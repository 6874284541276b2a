"""Simulator: an EnOS Connection Service as an object, without HTTP. Not thread-safe."""

from __future__ import annotations

import dataclasses
import random
import time
from typing import TYPE_CHECKING, Any

from enos_simulator.builder import make_job, task_values
from enos_simulator.devices import Devices
from enos_simulator.environment import Environment
from enos_simulator.errors import BusinessError, SetupError
from enos_simulator.faults import Fault, Faults
from enos_simulator.fleet import JobSpec
from enos_simulator.gateway import Gateway
from enos_simulator.jobs import OtaJobs
from enos_simulator.movement import Movement
from enos_simulator.proxy import Proxy
from enos_simulator.store import Store
from enos_simulator.switches import Switches
from enos_simulator.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from enos_simulator.faults import ActiveFault
    from enos_simulator.fleet import Fleet
    from enos_simulator.gateway import Reply, Request
    from enos_simulator.journal import Change, Journal
    from enos_simulator.storage import Storage
    from enos_simulator.store import JobTasks


def wall_clock() -> int:
    """Return the Unix time in ms."""
    return time.time_ns() // 1_000_000


class UnknownJobError(LookupError):
    """The control API has no job of this id."""


class Simulator:
    """An EnOS Connection Service.

    It begins, also after `reset`, with the fleet, whose switches and movement can be replaced and faults extended.
    `clock`: Unix time in ms; a seeded `rng` makes a run repeatable; a state in `storage` replaces everything else.
    """

    def __init__(
        self,
        fleet: Fleet,
        switches: Switches | None = None,
        clock: Callable[[], int] = wall_clock,
        rng: random.Random | None = None,
        *,
        faults: Sequence[Fault] = (),
        movement: Movement | None = None,
        storage: Storage | None = None,
    ) -> None:
        self.fleet = fleet
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311 - no secrets
        self._seed = self._rng.getrandbits(64)
        self._initial_movement = movement or fleet.movement
        self._initial_faults = (*fleet.faults, *faults)
        self._initial_switches = switches or fleet.switches
        self._storage = storage
        if storage is None or storage.fleet is None:
            self.reset()
        else:
            self._restore(storage)

    @property
    def switches(self) -> Switches:
        """The current switches."""
        return self._environment.switches

    @property
    def journal(self) -> Journal:
        """Counts and entries since the last reset."""
        return self._environment.journal

    def reset(self) -> None:
        """Restore the start: fleet, switches, faults, movement, journal, counters; earlier tokens become invalid."""
        self._assemble(self._initial_switches)
        if self._storage:
            self._storage.clear(self.fleet)
            self._store.listeners.append(self._storage)
        for spec in self.fleet.jobs:
            self._add(spec, "started")
        self._devices.movement = self._initial_movement
        for fault in self._initial_faults:
            self.faults.add(fault)
        self.save()

    def _restore(self, storage: Storage) -> None:
        self._assemble(Switches.parse(storage.read("switches")))
        for job_tasks in storage.jobs():
            self._store.add(job_tasks)
        self._store.listeners.append(storage)
        self._devices.movement = Movement.parse(storage.read("movement"))
        for fault in storage.read("faults"):
            self.faults.restore(fault)

    def _assemble(self, switches: Switches) -> None:
        self._environment = environment = Environment(self._clock, self._rng, switches)
        self._store = Store(environment)
        self._devices = Devices(self._store, environment, self._random_source("devices"))
        self._tokens = Tokens(self.fleet, environment)
        self._ota = OtaJobs(self._store, environment)
        self.faults = Faults(self._random_source("faults"))
        gateway = Gateway(self._tokens, self._ota, frozenset(self.fleet.orgs), environment)
        self._proxy = Proxy(gateway, self.faults, environment)

    def save(self) -> None:
        """Write all changes so far to the storage, if there is one. `answer` includes this."""
        if self._storage:
            self._storage.write("switches", self.switches.model_dump(by_alias=True))
            self._storage.write("faults", [one.as_json() for one in self.faults.active])
            self._storage.write("movement", self.movement.model_dump())
            self._storage.commit()

    def answer(self, request: Request) -> Reply:
        """Answer a request of the EnOS API; `Reply.kind` tells the server which fault to apply to the answer."""
        self._devices.catch_up()
        reply = self._proxy.answer(request)
        self.save()
        return reply

    def add_fault(self, data: object) -> ActiveFault:
        """Set a fault, given as a mapping or a text. Raises SetupError."""
        return self.faults.add(Fault.parse(data))

    def change_switches(self, values: Mapping[str, object]) -> None:
        """Set some switches. Raises SetupError."""
        self._devices.catch_up()
        self._environment.switches = self.switches.changed(values)
        self._store.settle()
        for job_tasks in self._store.jobs():
            self._add_shared_key(job_tasks)

    @property
    def movement(self) -> Movement:
        """How devices work on their tasks."""
        return self._devices.movement

    @movement.setter
    def movement(self, new: Movement) -> None:
        self._devices.movement = new

    def jobs(self) -> list[JobTasks]:
        """Return all jobs with their current tasks."""
        self._devices.catch_up()
        return self._store.jobs()

    def job(self, job_id: str) -> JobTasks:
        """Return one job with its current tasks. Raises UnknownJobError."""
        self._devices.catch_up()
        job_tasks = self._store.find(job_id)
        if job_tasks is None:
            known = ", ".join(job_tasks.job.job_id for job_tasks in self._store.jobs()[:5]) or "none"
            raise UnknownJobError(f"no job {job_id}; the jobs are: {known}")
        return job_tasks

    def add_job(self, data: object) -> JobTasks:
        """Add a job, in the form that `jobs` of a fleet has; the switch `job_initial` sets the default status."""
        spec = JobSpec.parse(data)
        if self._store.find(spec.job_id):
            raise SetupError([f"jobId: job {spec.job_id} exists"])
        if spec.org_id is not None and spec.org_id not in self.fleet.orgs:
            raise SetupError([f"orgId: no organization {spec.org_id}"])
        self._devices.catch_up()
        return self._add(spec, self.switches.job_initial)

    def delete_job(self, job_id: str) -> None:
        """Delete a job with its tasks, whatever its status. Raises UnknownJobError."""
        self._store.delete(self.job(job_id))

    def set_job(self, job_id: str, status: str) -> None:
        """Set a job's status, `started` or `stopped`. Raises UnknownJobError."""
        self._store.set_job(self.job(job_id), status=status)

    def set_tasks(
        self, job_id: str, keys: Collection[str], status: str, desc: str | None = None, progress: int | None = None
    ) -> int:
        """Set the tasks of some device keys, whatever their status; return their number.

        `status` is one of EnOS's, or `cancelled`; desc and progress default to those of the status. Raises
        UnknownJobError, or ValueError for an unknown status or a key without a task; then nothing changed.
        """
        job_tasks = self.job(job_id)
        status, desc, progress = task_values(status, desc, progress, self.switches)
        missing = [key for key in keys if not job_tasks.places(key)]
        if missing:
            raise ValueError(f"deviceKeys: no task in job {job_id} for {', '.join(missing[:5])}")
        tasks = [job_tasks.task(place) for key in dict.fromkeys(keys) for place in job_tasks.places(key)]
        return len(self._ota.change(job_tasks, tasks, status=status, desc=desc, progress=progress))

    def retry_as_colleague(self, job_id: str, keys: Sequence[str]) -> None:
        """Retry tasks as another user of EnOS; raises BusinessError where retryTask refuses it."""
        job_tasks = self.job(job_id)
        refusal: BusinessError | None = None
        changes: tuple[Change, ...] = ()
        try:
            changes = self._ota.retry_task(job_tasks.job.org_id, job_id, {"deviceKeys": list(keys)}).changes
        except BusinessError as error:
            refusal = error
        self.journal.record(
            time=self._clock(),
            operation="retryTask",
            by="control",
            org_id=job_tasks.job.org_id,
            job_id=job_id,
            keys=tuple(keys),
            code=int(refusal.code) if refusal else 0,
            msg=refusal.msg if refusal else "OK",
            request_id=self._environment.new_id(),
            changes=changes,
        )
        if refusal:
            raise refusal

    def expire_tokens(self) -> int:
        """Expire every token; return how many there were."""
        return self._tokens.expire()

    def info(self) -> dict[str, Any]:
        """Return the numbers of jobs and tasks."""
        job_tasks = self._store.jobs()
        return {"jobs": len(job_tasks), "tasks": sum(len(one.indexed_tasks) for one in job_tasks)}

    def _add(self, spec: JobSpec, status: str) -> JobTasks:
        job_tasks = make_job(spec, self.fleet.orgs[0], status, self.switches)
        self._store.add(job_tasks)
        self._add_shared_key(job_tasks)
        return job_tasks

    def _add_shared_key(self, job_tasks: JobTasks) -> None:
        """With `same_key_two_products`, give a job a second task for one of its device keys, under another product.

        The key is that of the first task that waits, or else of the first task. A device key is unique within its
        product only [D]; which task a call means that names the key alone is unknown [U].
        """
        if self.switches.same_key_two_products == "off" or job_tasks.has_shared_key:
            return
        tasks = list(job_tasks.tasks())
        if not tasks:
            return
        first = next((task for task in tasks if task.status in {"init", "published"}), tasks[0])
        # A job with several products names none [D].
        self._store.set_job(job_tasks, info={**job_tasks.job.info, "productKey": None})
        self._store.append(
            job_tasks, dataclasses.replace(first, place=len(tasks), product_key=f"{first.product_key}-2")
        )

    def _random_source(self, name: str) -> random.Random:
        """Return a random source for one part, the same after each reset: other parts do not shift its numbers."""
        return random.Random(f"{self._seed} {name}")  # noqa: S311 - no secrets
