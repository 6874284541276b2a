"""A world in which a run can end anywhere: the real provider, reconciler, client and simulator, one thread.

Time stands still but for waits and a few ms a request. Everything a provider process does that somebody else could
notice is a *tick*. A schedule says at which tick the process is killed, or becomes an orphan, and which request goes
wrong. After a kill a new process goes on from the saved state, as `pulumi cancel` and another `pulumi up` would.

    world = World(fleet, Schedule(kill_at=7))
    with world:
        world.up({"pump": a_set("pump", JOB, "dk-01", "dk-02")})
        world.finish()
    assert not world.violations
"""

from __future__ import annotations

import json
import os
import random
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from enos_ota.engine import liveness
from enos_ota.engine.properties import record_of, rows
from enos_ota.enos import EnosClient
from enos_ota.plan import RecordedJobStatus
from enos_ota.plan.guard import BREAK_GLASS
from enos_ota.provider import CancelledTaskSetProvider, ProviderSession
from enos_ota.reconciler import Limits, Reconciler, SerialWorkers, Stop
from enos_simulator.fleet import parse_fleet
from enos_simulator.simulator import Simulator, UnknownJobError
from tests.crash.crash_line import TO_THE_FLEET, TO_THE_ROWS, Adapter, Fault, operation_of
from tests.crash.in_process_provider import InProcessProvider
from tests.harness import invariants
from tests.harness.clock import FakeClock
from tests.harness.engine_model import EngineModel, Resource
from tests.harness.invariants import Arrival, Guarded, Moment, Violation, Wrong
from tests.harness.servicer import ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from typing_extensions import Self

    from enos_ota.settings import Connection
    from enos_simulator.gateway import Reply, Request
    from enos_simulator.store import JobTasks

GATEWAY: Final = "http://127.0.0.1:1"
"""A loopback address: for any other each client would read certificates, which takes longer than a whole run."""
ORG: Final = "o16172478070561926"
MARKERS: Final = ("Cancelled by user", "用户已取消")
PROCESSES: Final = 12
"""How many provider processes a world can have. Each has an application of its own: so the journal tells them apart."""
_REQUEST_TAKES: Final = 0.005


@dataclass(frozen=True, slots=True)
class Schedule:
    """What goes wrong. Ticks and requests are counted from 1 over a whole world, preparations left out; 0: never.

    Attributes:
        kill_at: The tick at which engine and provider are killed.
        kill_again_at: The same once more, later.
        orphan_at: The tick at which the engine is killed; its provider goes on after another run has finished.
        interrupt_at: The tick at which the run is interrupted, as by Ctrl-C: it may end, and save what it did.
        fault_at: The request that `fault` happens to.
        fault: What happens to it.
    """

    kill_at: int = 0
    kill_again_at: int = 0
    orphan_at: int = 0
    interrupt_at: int = 0
    fault_at: int = 0
    fault: Fault | None = None

    def __str__(self) -> str:
        parts = [f"killed at tick {self.kill_at}"] * bool(self.kill_at)
        parts += [f"again at {self.kill_again_at}"] * bool(self.kill_again_at)
        parts += [f"orphaned at tick {self.orphan_at}"] * bool(self.orphan_at)
        parts += [f"interrupted at tick {self.interrupt_at}"] * bool(self.interrupt_at)
        parts += [f"request {self.fault_at} {self.fault.value}"] if self.fault else []
        return ", ".join(parts) or "undisturbed"


class Killed(BaseException):
    """kill -9: nothing may catch this."""


class Overtaken(Exception):  # noqa: N818 - no error: the scenario ends here
    """An orphan was overtaken by other runs, so what the scenario had in mind next makes no sense any more."""


@dataclass(eq=False)
class Process:
    """A provider's process, and the engine that started it."""

    number: int
    engine_lives: bool = True
    lives: bool = True
    interrupted: bool = False
    stop: Stop = field(default_factory=Stop)
    provider: CancelledTaskSetProvider = field(default_factory=CancelledTaskSetProvider)
    read_at: dict[tuple[str, str], float] = field(default_factory=dict)
    """Unix ms at which it was last answered a row, by job and device key."""

    @property
    def app_key(self) -> str:
        """Its application."""
        return _app_key(self.number)

    @property
    def arguments(self) -> list[str]:
        """As the launcher gives them: the engine's address stands last."""
        return ["provider", f"127.0.0.1:{self.number}"]


class World:
    """One simulator, one stack, and the processes that work on it, one after the other.

    Args:
        fleet: What `make_fleet` takes.
        schedule: What goes wrong.
        switches: How the simulator behaves.
        limits: How far one change goes; small batches make many requests of few keys.
    """

    def __init__(
        self,
        fleet: str,
        schedule: Schedule = Schedule(),
        *,
        switches: Mapping[str, object] | None = None,
        limits: Limits = Limits(batch_size=3),  # noqa: B008 - frozen
    ) -> None:
        self.schedule = schedule
        self.switches = switches or {}
        self.limits = limits
        self.clock = _Clock(self.tick)
        self.simulator = Simulator(
            make_fleet(fleet, json.dumps(switches or {})),
            clock=lambda: int(self.clock.now * 1000),
            rng=random.Random(1),  # noqa: S311 - repeatable, nothing to guard
        )
        self.engine = EngineModel(self._saved)
        self.environ: dict[str, str] = {}
        """The environment of every process."""
        self.audit_log = Path(gettempdir()) / f"crash-world-{os.getpid()}.jsonl"
        self.looks_first = True
        """Whether everything that is sent was read before, so that nothing futile need ever be sent."""
        self.violations: list[Violation] = []
        self.ticks: list[str] = []
        """What happened, a tick each."""
        self.requests: list[str] = []
        """The operations of the requests."""
        self._desired: dict[str, dict[str, Any]] = {}
        self._processes: list[Process] = []
        self._now: Process | None = None
        self._moments = [Moment(0, frozenset(), may_write=False)]
        self._counts = True
        self._disturbed = False
        self._overtaken = False
        self._held_back = False
        self._logged = 0  # bytes in the audit log when a process was killed
        self._deleted: set[str] = set()
        self._once_cancelled: dict[str, set[str]] = {}  # by set: keys that were recorded so, and never forgotten
        self._arrivals: list[Arrival] = []
        self._guards: list[Guarded] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.audit_log.unlink(missing_ok=True)
        self._stack.callback(self.audit_log.unlink, missing_ok=True)
        self._stack.enter_context(patch.object(liveness, "is_alive", self._engine_lives))
        self._stack.enter_context(patch.object(os, "fsync", lambda _: None))  # nothing here loses power
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # What a scenario does

    def up(self, *sets: dict[str, Any], held_back: bool = False) -> None:
        """`pulumi up` with these sets, and once more after a disturbance; then everything must be as declared.

        Args:
            sets: All that is declared.
            held_back: Nothing may be sent for them: a guard or an expectation is in the way.
        """
        desired = self._desired = {bag["setName"]: bag for bag in sets}
        self._held_back = held_back
        self._run(lambda process: self.engine.up(self._called(process), desired), may_write=not held_back)
        for bag in () if held_back else sets:
            job = bag["jobId"]
            self.violations += invariants.of_convergence(
                self._job(job), _keys(bag), self.simulator.switches, self._read_at(self._processes[-1], job)
            )

    def refresh(self) -> None:
        """`pulumi refresh`."""
        self._run(lambda process: self.engine.refresh(self._called(process)), may_write=False)

    def destroy(self) -> None:
        """`pulumi destroy`."""
        self._desired = {}
        self._run(lambda process: self.engine.destroy(self._called(process)), may_write=False)

    def finish(self) -> None:
        """The last words: another `up` must find nothing to do, and no write may have been a wrong one."""
        entries = self.simulator.journal.entries
        if self.simulator.switches.auto_retry_cancelled == "on":
            # A retryPolicy publishes a cancelled task a few times; only then is it quiet.
            self.pass_time(60)
            self._once_more()
        before = len(entries)
        steps = self._once_more()
        if steps and not self._held_back and not self._knows_no_job():
            self._note(Wrong.RESTLESS, f"another up has to {', '.join(steps)}; {self._told()}")
        if more := entries[before:]:
            self._note(Wrong.RESTLESS, f"another up sent {[entry.keys for entry in more]}; {self._told()}")
        # A key of two tasks, one of whose rows was left out, looks like any other [I]: nobody can tell by its key.
        ambiguous = set() if self.schedule.fault in {Fault.ROW_MISSED, Fault.ROW_HIDDEN} else self._ambiguous()
        self.violations += invariants.of_writes(entries, self._moments, ambiguous)
        self.violations += invariants.of_guards(entries, self._guards)
        self.violations += invariants.of_audit(
            self._arrivals, self.audit_log.read_bytes() if self.audit_log.exists() else b""
        )
        if self.looks_first and self._everything_shows():
            self.violations += invariants.of_needless(entries, self.simulator.switches)

    def _once_more(self) -> list[str]:
        try:
            with self.undisturbed(), self._process(may_write=self._overtaken or not self._held_back) as process:
                return self.engine.up(self._called(process), self._desired)
        except ProviderError as failure:
            self._note(Wrong.FAILED, str(failure))
            return []

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Preparations: nothing goes wrong, and nothing is counted."""
        before, self._counts = self._counts, False
        try:
            yield
        finally:
            self._counts = before

    def colleague_retries(self, job: str, *keys: str) -> None:
        """Somebody retries these tasks; time enough passes for a search to show it."""
        if held := self._job(job):
            self._retry(held, keys)
        self.pass_time()

    def devices_move(self, job: str, status: str, *keys: str) -> None:
        """The tasks of these devices go on; time enough passes for a search to show it."""
        if self._job(job):
            self.simulator.set_tasks(job, keys, status)
        self.pass_time()

    def job_is_set(self, job: str, status: str) -> None:
        """Somebody starts or stops the job."""
        if self._job(job):
            self.simulator.set_job(job, status)
        self.pass_time()

    def job_is_deleted(self, job: str) -> None:
        """Somebody deletes the job; time enough passes for a search to show it."""
        if self._job(job):
            self.simulator.delete_job(job)
        self._deleted.add(job)
        self.pass_time()

    def pass_time(self, seconds: float = 5.0) -> None:
        """Nothing happens for a while."""
        self.clock.advance(seconds)

    # How a run goes

    def _run(self, run: Callable[[Process], object], *, may_write: bool) -> None:
        for _ in range(4):
            self._disturbed = False
            failure: ProviderError | None = None
            try:
                with self._process(may_write=may_write) as process:
                    run(process)
            except Killed:
                if self._overtaken:
                    raise Overtaken from None
            except ProviderError as failed:
                failure = failed
            if self._overtaken:
                raise Overtaken
            if not self._disturbed:
                break
            self._mend()
        if failure:
            self._note(Wrong.FAILED, str(failure))

    def _mend(self) -> None:
        if self.schedule.fault is Fault.STOPPED:
            for held in self.simulator.jobs():
                self.simulator.set_job(held.job.job_id, "started")
            self.pass_time()
        if self.schedule.fault is Fault.STALE:
            self.pass_time()
            self.simulator.change_switches({"index_delay": 0})

    @contextmanager
    def _process(self, *, may_write: bool) -> Iterator[Process]:
        process = Process(len(self._processes))
        session = ProviderSession(self._configuration(process).get, environ=self.environ, stop=process.stop)
        session.connect = partial(self._connect, process)  # type: ignore[method-assign]
        process.provider._session = session
        self._processes.append(process)
        self._guards += [
            Guarded(process.app_key, bag["jobId"], frozenset(_keys(bag)), int(bag["maxDevices"]))
            for bag in self._desired.values()
            if "maxDevices" in bag and BREAK_GLASS not in self.environ
        ]
        outer, self._now = self._now, process
        self._moment(may_write=may_write)
        try:
            yield process
        finally:
            if not process.lives:
                self._forget_last_words()
            process.lives = process.engine_lives = False
            self._now = outer
            self._moment(may_write=outer is not None)

    def _configuration(self, process: Process) -> dict[str, str]:
        return {
            "enos:apiGateway": GATEWAY,
            "enos:orgId": ORG,
            "enos:appKey": process.app_key,
            "enos:appSecret": "secret",
            "enos:cancelledMarkers": json.dumps(MARKERS),
            "enos-ota:auditLog": str(self.audit_log),
        }

    def _connect(self, process: Process, connection: Connection) -> Reconciler:
        client = EnosClient(
            connection.gateway,
            connection.org_id,
            connection.credentials,
            clock=self.clock,
            random=lambda: 0.5,
            before_write=lambda: liveness.ensure_engine(process.arguments),
            adapter=lambda: Adapter(self),
        )
        return Reconciler(
            client,
            markers=connection.cancelled_markers,
            limits=self.limits,
            clock=self.clock,
            workers=SerialWorkers(),
            stop=process.stop,
        )

    def _log_size(self) -> int:
        return self.audit_log.stat().st_size if self.audit_log.exists() else 0

    def _forget_last_words(self) -> None:
        """What a killed process wrote in its `finally` clauses it did not write."""
        if self._log_size() > self._logged:
            os.truncate(self.audit_log, self._logged)

    def _engine_lives(self, address: liveness.Address) -> bool:
        return self._processes[address.port].engine_lives

    # What a process does

    def tick(self, what: str) -> None:
        """Something happens that could be the last thing."""
        now = self._now
        if now is None or not self._counts:
            return
        if not now.lives:
            raise Killed  # a killed process has no `finally` clauses, so what they do must not get out
        self.ticks.append(what)
        here = len(self.ticks)
        if here in {self.schedule.kill_at, self.schedule.kill_again_at}:
            self._disturbed = True
            now.lives = now.engine_lives = False
            self._logged = self._log_size()
            raise Killed
        if here == self.schedule.interrupt_at:
            self._disturbed = True
            now.interrupted = True
            now.stop.set("interrupted")
            # What has left may still arrive.
            self._moment(may_write=True, soon=what == "before cancelTask")
        if here == self.schedule.orphan_at:
            self._overtake(now)

    def arrives(self, request: Request) -> Fault | None:
        """A request is about to be processed; what is to happen to it."""
        self.clock.advance(_REQUEST_TAKES)
        if request.parameter("action") == "cancelTask":
            keys = json.loads(request.body or b"{}").get("deviceKeys") or ()
            self._arrivals.append(Arrival(request.parameter("jobId"), frozenset(keys), self._log_size()))
        if self._now is None or not self._counts:
            return None
        self.requests.append(operation_of(request))
        if len(self.requests) != self.schedule.fault_at:
            return None
        self._disturbed = True
        return self.schedule.fault

    def answered(self, request: Request, reply: Reply) -> None:
        """A request was processed."""
        if self._now and request.parameter("action") == "searchTask":
            expression = json.loads(request.body or b"{}").get("expression", "")
            for row in reply.body.get("data") or ():
                key = row["deviceKey"]
                # A whole job is read for the keys that no expression can hold; its other rows nobody asked for.
                if f"'{key}'" in expression or "'" in key or '"' in key:
                    self._now.read_at[row["jobId"], key] = int(self.clock.now * 1000)

    def meddle(self, fault: Fault) -> None:
        """Do what a fault does to the fleet."""
        if fault is Fault.STALE:
            self.simulator.change_switches({"index_delay": 2})
            return
        for bag in self._desired.values():
            if held := self._job(bag["jobId"]):
                self._meddle_with(held, _keys(bag), fault)

    def _meddle_with(self, held: JobTasks, keys: list[str], fault: Fault) -> None:
        job = held.job.job_id
        states = {key: held.task(places[0]).status for key in keys if (places := held.places(key))}
        published = [key for key, status in states.items() if status == "published"]
        cancellable = [key for key, status in states.items() if status in {"init", "published"}]
        if fault is Fault.STOPPED:
            self.simulator.set_job(job, "stopped")
        elif fault is Fault.DELETED:
            self._deleted.add(job)
            self.simulator.delete_job(job)
        elif fault is Fault.RETRIED:
            self._retry(held, [key for key in keys if states.get(key) in {"failed", "canceled"}][:1])
        elif fault is Fault.MOVED and published:
            self.simulator.set_tasks(job, published[:1], "upgrading")
        elif fault is Fault.CANCELLED and cancellable:
            self.simulator.set_tasks(job, cancellable[:1], "cancelled")

    def _overtake(self, orphan: Process) -> None:
        """The engine dies; keys are un-declared and retried, another run finishes. Then its provider goes on."""
        self._disturbed = self._overtaken = True
        orphan.engine_lives = False
        self._desired = {name: half for name, bag in self._desired.items() if (half := _half(bag))}
        self._moment(may_write=True)
        with self.undisturbed():
            for held in self.simulator.jobs():
                self._retry(held, dict.fromkeys(task.device_key for task in held.tasks()))
            self.pass_time()
            try:
                with self._process(may_write=True) as process:
                    self.engine.up(self._called(process), self._desired)
            except ProviderError as failure:
                self._note(Wrong.FAILED, f"the run that overtook an orphan: {failure}")

    def _retry(self, held: JobTasks, keys: Iterable[str]) -> None:
        """Retry what can be retried, one key a call: how many a call may carry is one of the switches."""
        for key in keys if held.job.status == "started" else ():
            if all(held.task(place).status in {"failed", "canceled"} for place in held.places(key)):
                self.simulator.retry_as_colleague(held.job.job_id, [key])

    def _job(self, job_id: str) -> JobTasks | None:
        try:
            return self.simulator.job(job_id)
        except UnknownJobError:
            return None

    def _called(self, process: Process) -> InProcessProvider:
        return InProcessProvider(process.provider, self._returned)

    def _returned(self, step: str) -> None:
        self.tick(f"{step} returned")
        if self._now and not self._now.engine_lives:
            raise Killed  # there is no engine to take the answer

    def _saved(self, step: str, before: Resource | None, now: Resource | None) -> None:
        if now is None:
            if step == "read":
                self._note(Wrong.GONE, "the refresh dropped a set from the state")
            return
        job, name = now.outputs["jobId"], now.outputs["setName"]
        record, held, switches = record_of(now.outputs), self._job(job), self.simulator.switches
        read_at = self._read_at(self._processes[-1], job)
        known = record_of(before.outputs).cancelled_keys() if before and step == "update" else ()
        self.violations += invariants.of_record(
            record, known, held, switches, read_at, was_deleted=job in self._deleted
        )
        if step == "read" and before:
            self.violations += invariants.of_refresh(_keys(before.inputs), _keys(now.inputs), held, switches, read_at)
        once = self._once_cancelled.get(name, set()) if before and before.id == now.id else set()
        self.violations += invariants.of_history(record, once)
        self._once_cancelled[name] = (once | record.cancelled_keys()) & {*record.known_keys(), *_keys(now.inputs)}

    @staticmethod
    def _read_at(process: Process, job: str) -> dict[str, float]:
        return {key: at for (there, key), at in process.read_at.items() if there == job}

    def _moment(self, *, may_write: bool, soon: bool = False) -> None:
        """Note what may be written from now on; `soon`: from the next entry of the journal but one."""
        declared = frozenset((bag["jobId"], key) for bag in self._desired.values() for key in _keys(bag))
        living = frozenset(one.app_key for one in self._processes if one.engine_lives and not one.interrupted)
        entries = len(self.simulator.journal.entries) + soon
        self._moments.append(Moment(entries, declared, may_write=may_write, living=living))

    def _ambiguous(self) -> set[tuple[str, str]]:
        jobs = self.simulator.jobs()
        return {
            (held.job.job_id, task.device_key)
            for held in jobs
            for task in held.tasks()
            if len(held.places(task.device_key)) > 1
        }

    def _everything_shows(self) -> bool:
        """Whether a search shows things as they are, and things stay as they are shown."""
        lasting = self.schedule.fault not in TO_THE_FLEET | TO_THE_ROWS
        switches = self.simulator.switches
        still = switches.cancel_published == "stops" and switches.auto_retry_cancelled == "off"
        return lasting and still and not self._overtaken and not switches.index_delay

    def _knows_no_job(self) -> bool:
        """Whether there is a set whose job was never found: it is tried again each time."""
        return any(
            self._job(one.outputs["jobId"]) is None and record_of(one.outputs).job.status is RecordedJobStatus.UNKNOWN
            for one in self.engine.resources.values()
        )

    def _told(self) -> str:
        records = {name: record_of(one.outputs) for name, one in self.engine.resources.items()}
        return "; ".join(f"{name}: {rows(record)} {record.problem}" for name, record in records.items())

    def _note(self, wrong: Wrong, detail: str) -> None:
        self.violations.append(Violation(wrong, detail))


class _Clock(FakeClock):
    def __init__(self, tick: Callable[[str], None]) -> None:
        super().__init__()
        self._tick = tick

    def sleep(self, seconds: float) -> None:
        self._tick("waits")
        super().sleep(seconds)


def a_set(name: str, job: str, *keys: str, **others: Any) -> dict[str, Any]:
    """The inputs that a program gives for a set."""
    return {
        "setName": name,
        "apiGateway": GATEWAY,
        "orgId": ORG,
        "jobId": job,
        "deviceKeys": "".join(f"{key}\n" for key in sorted(set(keys))),
        "onTooLate": "report",
        "onMissing": "fail",
        **others,
    }


@lru_cache(maxsize=200)
def make_fleet(jobs: str, switches: str) -> Any:
    """A fleet with these jobs and switches (JSON both, so that what was read once is kept) and enough applications."""
    apps = [{"appKey": _app_key(number), "appSecret": "secret"} for number in range(PROCESSES)]
    return parse_fleet({"orgs": [ORG], "apps": apps, "jobs": json.loads(jobs), "switches": json.loads(switches)})


def _app_key(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def _keys(bag: Mapping[str, Any]) -> list[str]:
    return [key for key in bag["deviceKeys"].split("\n") if key]


def _half(bag: Mapping[str, Any]) -> dict[str, Any] | None:
    """The set with every other key un-declared."""
    kept = _keys(bag)[1::2]
    return {**bag, "deviceKeys": "".join(f"{key}\n" for key in kept)} if kept else None
