"""Declared keys and a job → a record of where each key stands, after doing what can be done."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from enos_ota.enos import SYSTEM_CLOCK, ApiError, Clock, EnosClient, JobNotFound
from enos_ota.reconciler.cancellation import Cancellation
from enos_ota.reconciler.classify import classify, facts_of, fold, past_of, was_told
from enos_ota.reconciler.ending import EarlyEnd, Ending, Stop
from enos_ota.reconciler.guard import expectation_objection
from enos_ota.reconciler.outcome import (
    AFTER_PUSH,
    Category,
    Finding,
    JobFacts,
    JobStatus,
    Record,
    merged,
    rest,
    settle,
    status_problem,
)
from enos_ota.reconciler.reading import Learned, TaskReader
from enos_ota.reconciler.terms import Limits, Terms, Tools
from enos_ota.reconciler.workers import InTurn, Workers, ask

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from enos_ota.enos import Job, Task

_NO_TERMS: Final = Terms()
DEFAULT_MARKERS: Final = ("Cancelled by user",)
"""What a cancelled task's `desc` reads: from EnOS's sample code, not documented [I]."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a change of a set comes down to.

    Attributes:
        kept: What is recorded already of the keys that are still declared.
        todo: The keys to work on.
    """

    kept: Record
    todo: frozenset[str]


def plan(declared: Collection[str], previous: Record, *, expired: bool = False) -> Plan:
    """Compare what is declared with what is recorded. Keys no longer declared are forgotten, which sends nothing.

    Keys that were settled as `PENDING` because nothing could be done (the set had expired) are taken up again once
    something can. An expired set has nothing to do.
    """
    kept = replace(previous.without(previous.known_keys().difference(declared)), problem="")
    todo = frozenset(declared) - kept.keys
    if expired:
        return Plan(rest(kept, todo, kept.job), frozenset())
    if kept.job.status is not JobStatus.DELETED:
        todo |= kept.of(Category.PENDING).keys()
    return Plan(kept, todo)


class Reconciler:
    """Brings declared sets about, one call a set; safe to share between threads.

    Args:
        client: The EnOS client. Its `before_write` is what keeps an orphan, a process whose engine died, from
            cancelling what is no longer declared.
        markers: Texts by which a failed task is known to have been cancelled.
        limits: How far one change may go.
        clock: Time and waiting; its waits should be over once the run is interrupted.
        workers: How many requests may be under way at once, over all sets.
        stop: Interrupts the run: nothing new is sent, and what is known by then is the outcome.
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
        self._tools = Tools(
            markers=fold(markers),
            limits=limits,
            learned=Learned(batch=limits.batch_size),
            workers=workers or InTurn(),
            clock=clock,
            stop=stop or Stop(),
        )

    def apply(self, job_id: str, plan: Plan, terms: Terms = _NO_TERMS) -> Record:
        """Cancel what a plan has to do. A plan with nothing to do costs no request.

        A job that cannot be worked on is an outcome (`problem`, keys pending), so that other sets go on; so is an early
        end.

        Raises:
            EnosError: Configuration, authentication or transport failed before anything was sent; no `ApiError`.
        """
        kept, todo = plan.kept, plan.todo
        if not todo:
            return kept
        ending = Ending(self._tools.clock, self._tools.stop, self._tools.limits.deadline)
        facts = kept.job
        try:
            job = self._get_job(job_id, ending)
            facts = facts_of(job)
            if terms.learn:
                terms.learn(facts)
            if facts.status is JobStatus.STOPPED:
                tasks = self._read(job_id, todo, ending)
                return merged(kept, self._hold(tasks, kept), facts)
        except JobNotFound as error:
            return _without_job(kept, todo, error)
        except (ApiError, EarlyEnd) as error:
            return _undone(kept, todo, str(error), facts)
        todo |= kept.of(Category.HELD).keys()
        if objection := expectation_objection(terms.expect_firmware_version, facts.firmware_version):
            return _undone(kept, todo, f"{objection}; nothing was sent", facts)
        findings, problem = Cancellation(
            self._client,
            job_id,
            todo,
            before={key: kept.findings.get(key, _NEW) for key in todo},
            tools=self._tools,
            terms=terms,
            ending=ending,
            # A job that names its product has tasks of that product only [I]; newer firmware may name none [D].
            one_product=bool(job.product_key),
        ).run()
        return merged(kept, findings, facts, problem)

    def _hold(self, tasks: Mapping[str, Sequence[Task]], kept: Record) -> dict[str, Finding | None]:
        """The tasks of a stopped job: what could be cancelled is held, the rest is what it is."""
        findings: dict[str, Finding | None] = {}
        for key, rows in tasks.items():
            before = kept.findings.get(key, _NEW)
            now = classify(rows, self._tools.markers, past_of(before))
            if now is None:
                findings[key] = AFTER_PUSH if was_told(before) else None
            else:
                findings[key] = replace(now, category=Category.HELD) if now.can_be_sent else now
        return findings

    def refresh(self, job_id: str, previous: Record) -> Record:
        """Read where every key of a record stands now; nothing is written.

        A task that can be cancelled again leaves the settled keys, so that it shows as work to do. A stopped or deleted
        job costs one request: while nothing can be cancelled nothing is planned.

        Raises:
            EnosError: Any doubt. It never means "gone" and never "changed".
            EarlyEnd: The run was interrupted.
        """
        ending = Ending(self._tools.clock, self._tools.stop)
        try:
            facts = facts_of(self._get_job(job_id, ending))
            if facts.status is JobStatus.STOPPED:
                return replace(previous, job=facts)
            tasks = self._read(job_id, previous.known_keys(), ending)
        except JobNotFound:
            if previous.job.status is JobStatus.UNKNOWN:
                return previous
            return rest(previous, previous.known_keys(), replace(previous.job, status=JobStatus.DELETED))
        findings: dict[str, Finding | None] = {}
        for key, rows in tasks.items():
            before = previous.findings.get(key)
            now = classify(rows, self._tools.markers, past_of(before))
            findings[key] = AFTER_PUSH if now is None and was_told(before) else now
        # A status that was unknown may be known by now.
        problem = "" if previous.problem == status_problem(previous.findings) else previous.problem
        record = settle(findings, facts, problem)
        return record if record.of(Category.PENDING) else replace(record, problem="")

    def _get_job(self, job_id: str, ending: Ending) -> Job:
        ending.check()
        client = ending.limit(self._client)
        return ask(self._tools.workers, lambda: client.get_job(job_id), ending)

    def _read(self, job_id: str, keys: Collection[str], ending: Ending) -> Mapping[str, Sequence[Task]]:
        """The tasks of all these keys.

        Raises:
            JobNotFound: The job, and with it its tasks, went away meanwhile.
        """
        reader = TaskReader(
            ending.limit(self._client),
            job_id,
            learned=self._tools.learned,
            workers=self._tools.workers,
            ending=ending,
        )
        reading = reader.of_keys_surely(keys)
        ending.check()
        tasks = reading.complete()
        if not all(tasks.values()):
            # Keys without a task, or a job that was just deleted with all its tasks [U].
            self._get_job(job_id, ending)
        return tasks


_NEW = Finding(Category.PENDING)


def _without_job(kept: Record, todo: Collection[str], error: JobNotFound) -> Record:
    if kept.job.status is JobStatus.UNKNOWN:
        return _undone(kept, todo, str(error))
    return rest(kept, todo, replace(kept.job, status=JobStatus.DELETED))


def _undone(kept: Record, todo: Collection[str], problem: str, job: JobFacts | None = None) -> Record:
    job = job or kept.job
    findings = {key: kept.findings.get(key, _NEW) for key in todo}
    if job.status is JobStatus.STARTED:
        # What was held while the job was stopped is just not done now.
        findings = {
            key: replace(each, category=Category.PENDING) if each.category is Category.HELD else each
            for key, each in findings.items()
        }
    return merged(kept, findings, job, problem)
