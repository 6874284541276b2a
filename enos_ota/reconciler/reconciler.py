"""Declared keys and a job → a record of where each key stands, after doing what can be done."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from enos_ota.enos import SYSTEM_CLOCK, ApiError, Clock, EnosClient, Job, JobNotFound
from enos_ota.enos import JobStatus as EnosJobStatus
from enos_ota.reconciler.cancellation import Cancellation, Limits
from enos_ota.reconciler.classify import classify, fold, past_of
from enos_ota.reconciler.outcome import AFTER_PUSH, Category, Finding, JobFacts, JobStatus, Record, rest, settle
from enos_ota.reconciler.reading import TaskReader

if TYPE_CHECKING:
    from collections.abc import Collection

DEFAULT_MARKERS = ("Cancelled by user",)
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
        clock: Time and waiting.
    """

    def __init__(
        self,
        client: EnosClient,
        *,
        markers: Collection[str] = DEFAULT_MARKERS,
        limits: Limits | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._client = client
        self._markers = fold(markers)
        self._limits = limits or Limits()
        self._clock = clock

    def apply(self, job_id: str, plan: Plan) -> Record:
        """Cancel what a plan has to do. A plan with nothing to do costs no request.

        A job that cannot be worked on is an outcome (`problem`, keys pending), so that other sets go on.

        Raises:
            EnosError: Configuration, authentication or transport failed before anything was sent; no `ApiError`.
        """
        kept, todo = plan.kept, plan.todo
        if not todo:
            return kept
        try:
            job = self._client.get_job(job_id)
            facts = _facts(job)
            if facts.status is JobStatus.STOPPED:
                return _merged(kept, self._hold(job_id, todo, kept), facts)
        except JobNotFound as error:
            if kept.job.status is JobStatus.UNKNOWN:
                return _undone(kept, todo, str(error))
            return rest(kept, todo, replace(kept.job, status=JobStatus.DELETED))
        except ApiError as error:
            return _undone(kept, todo, str(error))
        # A job that names its product has tasks of that product only [I]; newer firmware may name none [D].
        return self._cancel(job_id, facts, todo, kept, one_product=bool(job.product_key))

    def _hold(self, job_id: str, todo: frozenset[str], kept: Record) -> dict[str, Finding | None]:
        """Read the tasks of a stopped job: what could be cancelled is held, the rest is what it is."""
        tasks = TaskReader(self._client, job_id).of_keys_surely(todo)
        findings = {
            key: classify(rows, self._markers, past_of(kept.findings.get(key, _NEW))) for key, rows in tasks.items()
        }
        return {
            key: replace(finding, category=Category.HELD)
            if finding and finding.category is Category.PENDING
            else finding
            for key, finding in findings.items()
        }

    def _cancel(self, job_id: str, facts: JobFacts, todo: frozenset[str], kept: Record, *, one_product: bool) -> Record:
        todo |= kept.of(Category.HELD).keys()
        findings, problem = Cancellation(
            self._client,
            job_id,
            todo,
            past={key: past_of(kept.findings.get(key, _NEW)) for key in todo},
            markers=self._markers,
            limits=self._limits,
            clock=self._clock,
            one_product=one_product,
        ).run()
        return _merged(kept, findings, facts, problem)

    def refresh(self, job_id: str, previous: Record) -> Record:
        """Read where every key of a record stands now; nothing is written.

        A task that can be cancelled again leaves the settled keys, so that it shows as work to do. A stopped or deleted
        job costs one request: while nothing can be cancelled nothing is planned.

        Raises:
            EnosError: Any doubt. It never means "gone" and never "changed".
        """
        try:
            job = self._client.get_job(job_id)
        except JobNotFound:
            if previous.job.status is JobStatus.UNKNOWN:
                return previous
            return rest(previous, previous.known_keys(), replace(previous.job, status=JobStatus.DELETED))
        facts = _facts(job)
        if facts.status is JobStatus.STOPPED:
            return replace(previous, job=facts)
        tasks = TaskReader(self._client, job_id).of_keys_surely(previous.known_keys())
        findings: dict[str, Finding | None] = {}
        for key, rows in tasks.items():
            before = previous.findings.get(key)
            now = classify(rows, self._markers, past_of(before))
            findings[key] = before if now is None and before == AFTER_PUSH else now
        record = settle(findings, facts, previous.problem)
        return record if record.of(Category.PENDING) else replace(record, problem="")


_NEW = Finding(Category.PENDING)


def _undone(kept: Record, todo: Collection[str], problem: str) -> Record:
    return _merged(kept, {key: kept.findings.get(key, _NEW) for key in todo}, kept.job, problem)


def _merged(kept: Record, findings: dict[str, Finding | None], job: JobFacts, problem: str = "") -> Record:
    """The record of the keys worked on just now, beside those that were settled before."""
    now = settle(findings, job, problem)
    others = kept.without(findings.keys())
    return replace(now, keys=now.keys | others.keys, findings={**others.findings, **now.findings})


def _facts(job: Job) -> JobFacts:
    return JobFacts(
        # A status text that nobody knows is not taken for "stopped": EnOS itself will refuse what it does not allow.
        status=JobStatus.STOPPED if job.status is EnosJobStatus.STOPPED else JobStatus.STARTED,
        name=job.name,
        firmware_version=job.firmware_version,
        automatic_retry=job.automatic_retry,
    )
