"""Apply the plan of a set, and refresh its record."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from enos_ota.enos import SYSTEM_CLOCK, ApiError, Clock, EnosClient, JobNotFound
from enos_ota.plan import Category, Record
from enos_ota.plan.classify import (
    NEW,
    facts_of,
    hold,
    merge,
    normalise_markers,
    outcome_of,
    settle,
    settle_undone,
    settle_unfinished,
    settle_without_job,
)
from enos_ota.plan.guard import firmware_objection
from enos_ota.plan.messages import describe_refusal
from enos_ota.plan.record import RecordedJobStatus
from enos_ota.reconciler.cancellation import ApplyOptions, Cancellation, Limits, Runtime
from enos_ota.reconciler.deadline import Deadline, Stop, StoppableClock, Stopped
from enos_ota.reconciler.reading import ServiceLimits, TaskReader
from enos_ota.reconciler.workers import Pool, SerialWorkers, Workers, ask

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from enos_ota.enos import Job, Task
    from enos_ota.plan import Objection, Plan
    from enos_ota.settings import Connection

_NO_OPTIONS: Final = ApplyOptions()
DEFAULT_MARKERS: Final = ("Cancelled by user",)
"""The `desc` of a cancelled task: from EnOS's sample code, not documented [I]."""


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """The record after a change, and why no request was sent: None where nothing objected."""

    record: Record
    objection: Objection | None = None


class Reconciler:
    """Applies plans, one call a set; safe to share between threads.

    The client's `before_write` keeps an orphan, a process whose engine died, from cancelling what is no longer
    declared. The waits of `clock` should end once `stop` interrupts the run; then nothing new is sent, and what is
    known by then is the outcome. `markers` are the texts by which a failed task is known to have been cancelled.
    """

    def __init__(
        self,
        client: EnosClient,
        *,
        markers: Collection[str] = DEFAULT_MARKERS,
        limits: Limits | None = None,
        clock: Clock = SYSTEM_CLOCK,
        workers: Workers | None = None,
        stop: Stop | None = None,
    ) -> None:
        limits = limits or Limits()
        self._client = client
        self._runtime = Runtime(
            markers=normalise_markers(markers),
            limits=limits,
            service=ServiceLimits(batch=limits.batch_size),
            workers=workers or SerialWorkers(),
            clock=clock,
            stop=stop or Stop(),
        )

    def apply(self, plan: Plan, options: ApplyOptions = _NO_OPTIONS) -> ApplyResult:
        """Cancel the tasks of a plan's keys. A plan with no key to work on costs no request.

        A job that cannot be worked on is an outcome (`problem`, keys pending), so that other sets go on; so is an early
        end. The tasks are read again: the plan may be old, or without live data. Configuration, authentication or
        transport that fails before any request was sent raises an `EnosError`; never an `ApiError`.
        """
        kept, work, task_set = plan.kept, plan.work, plan.task_set
        if not work:
            return ApplyResult(kept)
        deadline = Deadline(self._runtime.clock, self._runtime.stop, self._runtime.limits.deadline)
        facts = kept.job
        try:
            job = self._get_job(task_set.job_id, deadline)
            facts = facts_of(job)
            if options.learn:
                options.learn(facts)
            if facts.status is RecordedJobStatus.STOPPED:
                tasks = self._read(task_set.job_id, work, deadline)
                outcomes = {
                    key: hold(outcome_of(each, self._runtime.markers, kept.outcomes.get(key, NEW)))
                    for key, each in tasks.items()
                }
                return ApplyResult(merge(kept, outcomes, facts))
        except JobNotFound as error:
            return ApplyResult(settle_without_job(kept, work, str(error)))
        except (ApiError, Stopped) as error:
            return ApplyResult(settle_undone(kept, work, str(error), facts))
        work |= kept.of(Category.HELD).keys()
        if objection := firmware_objection(task_set.expect_firmware_version, facts.firmware_version):
            return ApplyResult(settle_undone(kept, work, describe_refusal(objection), facts), objection)
        cancellation = Cancellation(
            self._client,
            replace(plan, work=work),
            runtime=self._runtime,
            options=options,
            deadline=deadline,
            # A job that names its product has tasks of that product only [I]; newer firmware may name none [D].
            one_product=bool(job.product_key),
        )
        outcomes, problem = cancellation.run()
        return ApplyResult(merge(kept, outcomes, facts, problem), cancellation.objection)

    def refresh(self, job_id: str, previous: Record) -> Record:
        """Read every key of a record again; no request writes.

        A task that can be cancelled again leaves the settled keys, so that it shows as work to do. A stopped or deleted
        job costs one request: while nothing can be cancelled nothing is planned. Any doubt raises an error
        (`EnosError`, or `Stopped` after an interrupt): it never means "gone" and never "changed".
        """
        deadline = Deadline(self._runtime.clock, self._runtime.stop)
        try:
            facts = facts_of(self._get_job(job_id, deadline))
            if facts.status is RecordedJobStatus.STOPPED:
                return replace(previous, job=facts)
            tasks = self._read(job_id, previous.known_keys(), deadline)
        except JobNotFound:
            if previous.job.status is RecordedJobStatus.UNKNOWN:
                return previous
            return settle_unfinished(
                previous, previous.known_keys(), replace(previous.job, status=RecordedJobStatus.DELETED)
            )
        markers = self._runtime.markers
        outcomes = {key: outcome_of(each, markers, previous.outcomes.get(key)) for key, each in tasks.items()}
        # With an unknown status the recorded problem is about that status, which may be known by now.
        had_unknown = any(each.has_unknown_status for each in previous.outcomes.values())
        record = settle(outcomes, facts, "" if had_unknown else previous.problem)
        return record if record.of(Category.PENDING) else replace(record, problem="")

    def _get_job(self, job_id: str, deadline: Deadline) -> Job:
        deadline.check()
        client = deadline.limit(self._client)
        return ask(self._runtime.workers, lambda: client.get_job(job_id), deadline)

    def _read(self, job_id: str, keys: Collection[str], deadline: Deadline) -> Mapping[str, Sequence[Task]]:
        """Read the tasks of all these keys; raise `JobNotFound` if the job was deleted meanwhile with its tasks."""
        reader = TaskReader(
            deadline.limit(self._client),
            job_id,
            service=self._runtime.service,
            workers=self._runtime.workers,
            deadline=deadline,
        )
        reading = reader.of_keys_surely(keys)
        deadline.check()
        tasks = reading.complete()
        if not all(tasks.values()):
            # Keys without a task, or a job that was just deleted with all its tasks [U].
            self._get_job(job_id, deadline)
        return tasks


def create_reconciler(connection: Connection, client: EnosClient, stop: Stop) -> Reconciler:
    """Create a reconciler from settings; the client must have a `StoppableClock` of the same `stop`."""
    return Reconciler(
        client,
        markers=connection.cancelled_markers,
        limits=Limits(batch_size=connection.batch_size, deadline=connection.deadline),
        clock=StoppableClock(stop),
        workers=Pool(connection.max_concurrency),
        stop=stop,
    )
