"""The simulator as an object: a fleet, the switches, a clock; requests are answered, and a test can turn every knob.

No HTTP in here: `app` puts it behind a server, and a harness can drive it as it is. Not thread-safe; the server calls
it from one thread.
"""

from __future__ import annotations

import random
import time
import uuid
from typing import TYPE_CHECKING, Any

from enos_simulator import jobs as ota
from enos_simulator.codes import RefusedError
from enos_simulator.devices import Devices
from enos_simulator.faults import Faults, parse_fault
from enos_simulator.fleet import FleetError, parse_job, too_many_tasks
from enos_simulator.gateway import Gateway
from enos_simulator.journal import Journal
from enos_simulator.movement import Movement
from enos_simulator.populate import make_apps, make_job, task_values
from enos_simulator.proxy import Proxy
from enos_simulator.store import Store
from enos_simulator.switches import Switches
from enos_simulator.tokens import Tokens
from enos_simulator.twins import set_twin

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from enos_simulator.faults import SetFault
    from enos_simulator.fleet import Fleet, JobSpec
    from enos_simulator.gateway import Reply, Request
    from enos_simulator.journal import Change
    from enos_simulator.storage import Storage
    from enos_simulator.store import JobTasks


def wall_clock() -> int:
    """Unix time in ms."""
    return time.time_ns() // 1_000_000


class UnknownJobError(LookupError):
    """The control API was asked about a job that is not there."""


class Simulator:
    """An EnOS Connection Service.

    Args:
        fleet: What there is at the start and after `reset`.
        switches: How it behaves at the start and after `reset`; default: as the fleet says.
        clock: Unix time in ms.
        rng: Source of request ids, tokens, and all that goes by chance; a seeded one makes a run repeatable.
        faults: Faults at the start and after `reset`, beside those of the fleet; each as `parse_fault` takes it.
        movement: How devices move at the start and after `reset`; default: as the fleet says.
        storage: Where the state is kept; what is there already is taken up, instead of what the rest describes.

    Raises:
        FaultError: A fault is not one.
        StorageError: What is kept cannot be taken up.
    """

    def __init__(
        self,
        fleet: Fleet,
        switches: Switches | None = None,
        clock: Callable[[], int] = wall_clock,
        rng: random.Random | None = None,
        *,
        faults: Sequence[object] = (),
        movement: Movement | None = None,
        storage: Storage | None = None,
    ) -> None:
        self.fleet = fleet
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311 - ids of a simulator, nothing to guard
        self._seed = self._rng.getrandbits(64)
        self._first_movement = movement or Movement.parse(fleet.movement)
        self._first_faults = [parse_fault(one) for one in (*fleet.faults, *faults)]
        self._first_switches = switches or Switches().changed(fleet.switches)
        self._storage = storage
        if storage is None or storage.fleet is None:
            self.reset()
        else:
            self._take_up(storage)

    def reset(self) -> None:
        """Back to the start: fleet, switches, faults, movement, journal, counters; tokens given out so far are void."""
        self.switches = self._first_switches
        self._assemble()
        if self._storage:
            self._storage.clear(self.fleet)
            self._store.listeners.append(self._storage)
        for spec in self.fleet.jobs:
            self._add(spec, "started")
        self._devices.movement = self._first_movement
        for fault in self._first_faults:
            self._faults.add(fault)
        self.save()

    def _take_up(self, storage: Storage) -> None:
        state = storage.state()
        self.switches = Switches().changed(state.switches)
        self._assemble()
        for held in storage.jobs():
            self._store.take(held)
        self._store.listeners.append(storage)
        self._devices.movement = Movement.parse(state.movement)
        for fault in state.faults:
            self._faults.restore(fault)

    def _assemble(self) -> None:
        self.journal = Journal()
        self._store = Store(self._clock, lambda: self.switches.index_delay)
        self._devices = Devices(
            self._store, switches=lambda: self.switches, clock=self._clock, rng=self._source("devices")
        )
        self._tokens = Tokens(
            make_apps(self.fleet),
            lifetime=self.fleet.token_seconds,
            switches=lambda: self.switches,
            clock=self._clock,
            new_text=self._new_id,
        )
        self._ota = ota.OtaJobs(self._store, switches=lambda: self.switches, clock=self._clock, random=self._rng)
        gateway = Gateway(
            tokens=self._tokens,
            jobs=self._ota,
            orgs=frozenset(self.fleet.orgs),
            journal=self.journal,
            switches=lambda: self.switches,
            clock=self._clock,
            new_id=self._new_id,
        )
        self._faults = Faults(self._source("faults"))
        self._proxy = Proxy(
            gateway,
            self._faults,
            journal=self.journal,
            switches=lambda: self.switches,
            clock=self._clock,
            new_id=self._new_id,
        )

    def save(self) -> None:
        """Let everything so far survive a restart, if there is where to keep it. `answer` does so by itself."""
        if self._storage:
            self._storage.keep("switches", self.switches.as_json())
            self._storage.keep("faults", [one.as_json() for one in self._faults.all()])
            self._storage.keep("movement", self.movement.as_json())
            self._storage.commit()

    def answer(self, request: Request) -> Reply:
        """Answer a request of the EnOS API; `Reply.kind` tells of a fault that the answer is to suffer."""
        self._devices.catch_up()
        reply = self._proxy.answer(request)
        self.save()
        return reply

    def add_fault(self, data: object) -> SetFault:
        """Set a fault, given as a mapping or a text. Raises FaultError."""
        return self._faults.add(parse_fault(data))

    def faults(self) -> list[SetFault]:
        """The faults that are set, with how often each fired."""
        return self._faults.all()

    def clear_faults(self, number: int | None = None) -> int:
        """Take back the fault of this number, or all; how many there were."""
        return self._faults.clear(number)

    def change_switches(self, values: Mapping[str, object]) -> None:
        """Set some switches. Raises SwitchError."""
        self._devices.catch_up()
        self.switches = self.switches.changed(values)
        self._store.settle()
        for held in self._store.jobs():
            set_twin(self._store, held, there=self.switches.same_key_two_products == "on")

    @property
    def movement(self) -> Movement:
        """How devices move by themselves."""
        return self._devices.movement

    @movement.setter
    def movement(self, new: Movement) -> None:
        self._devices.movement = new

    def jobs(self) -> list[JobTasks]:
        """All jobs, with their tasks as they are by now."""
        self._devices.catch_up()
        return self._store.jobs()

    def job(self, job_id: str) -> JobTasks:
        """One job, with its tasks as they are by now. Raises UnknownJobError."""
        self._devices.catch_up()
        held = self._store.find(job_id)
        if held is None:
            known = ", ".join(held.job.job_id for held in self._store.jobs()[:5]) or "none"
            raise UnknownJobError(f"no job {job_id}; there are: {known}")
        return held

    def add_job(self, data: object) -> JobTasks:
        """Add a job, written as under `jobs` in a fleet; its status is by default that of `job_initial`.

        Raises:
            FleetError: With all that is wrong with it.
        """
        spec = parse_job(data)
        if self._store.find(spec.job_id):
            raise FleetError([f"jobId: job {spec.job_id} exists"])
        if spec.org_id is not None and spec.org_id not in self.fleet.orgs:
            raise FleetError([f"orgId: no organisation {spec.org_id}"])
        if problems := too_many_tasks(self.info()["tasks"] + spec.size):
            raise FleetError(problems)
        self._devices.catch_up()
        return self._add(spec, self.switches.job_initial)

    def delete_job(self, job_id: str) -> None:
        """Delete a job with its tasks, started or not. Raises UnknownJobError."""
        self._store.delete(self.job(job_id))

    def set_job(self, job_id: str, status: str) -> None:
        """Set a job's status, `started` or `stopped`. Raises UnknownJobError, ValueError."""
        if status not in {"started", "stopped"}:
            raise ValueError(f"status: a job is started or stopped, not {status!r}")
        self._store.set_job(self.job(job_id), status=status)

    def set_tasks(
        self, job_id: str, keys: Collection[str], status: str, desc: str | None = None, progress: int | None = None
    ) -> int:
        """Set the tasks of some device keys, whatever they are now; how many there were.

        `status` is one of EnOS's, or `cancelled`; desc and progress default to what usually goes with it.

        Raises:
            UnknownJobError: No such job.
            ValueError: Unknown status, or a key without a task; nothing was changed.
        """
        held = self.job(job_id)
        values = task_values(status, desc, progress, self.switches)
        missing = [key for key in keys if not held.places(key)]
        if missing:
            raise ValueError(f"deviceKeys: no task in job {job_id} for {', '.join(missing[:5])}")
        tasks = [held.task(place) for key in dict.fromkeys(keys) for place in held.places(key)]
        new_status, new_desc, new_progress = values
        return len(self._ota.change(held, tasks, status=new_status, desc=new_desc, progress=new_progress))

    def retry_as_colleague(self, job_id: str, keys: Sequence[str]) -> None:
        """Someone else retries these keys: the rules of retryTask hold, and the journal says `by: control`.

        Raises:
            UnknownJobError: No such job.
            RefusedError: As retryTask would refuse it.
        """
        held = self.job(job_id)
        refusal: RefusedError | None = None
        changes: tuple[Change, ...] = ()
        try:
            changes = self._ota.retry_task(held.job.org_id, job_id, {"deviceKeys": list(keys)}).changes
        except RefusedError as error:
            refusal = error
        self.journal.record(
            time=self._clock(),
            operation="retryTask",
            by="control",
            org_id=held.job.org_id,
            job_id=job_id,
            keys=tuple(keys),
            code=int(refusal.code) if refusal else 0,
            msg=refusal.msg if refusal else "OK",
            request_id=self._new_id(),
            changes=changes,
        )
        if refusal:
            raise refusal

    def expire_tokens(self) -> int:
        """End every token now; how many there were."""
        return self._tokens.expire()

    def info(self) -> dict[str, Any]:
        """Counts for people and for health checks."""
        held = self._store.jobs()
        return {"jobs": len(held), "tasks": sum(len(one.rows) for one in held)}

    def _add(self, spec: JobSpec, status: str) -> JobTasks:
        held = self._store.add(*make_job(spec, self.fleet.orgs[0], spec.status or status, self.switches))
        set_twin(self._store, held, there=self.switches.same_key_two_products == "on")
        return held

    def _source(self, name: str) -> random.Random:
        """A source of chance of its own, begun anew at each reset: what it decides depends on nothing else."""
        return random.Random(f"{self._seed} {name}")  # noqa: S311 - repeatable, nothing to guard

    def _new_id(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
