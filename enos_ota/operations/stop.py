"""Stopping a job, with one writing request. The waiting tasks of a stopped job are held, not cancelled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from enos_ota.enos import EnosError, JobHasStopped, JobStatus, TaskStatus
from enos_ota.operations.errors import OperationUndetermined
from enos_ota.plan.live import WAITING
from enos_ota.reconciler.deadline import DeadlineWatch

if TYPE_CHECKING:
    from enos_ota.enos import Job
    from enos_ota.operations.context import OperationContext

_WAITS: Final = (0.2, 0.4, 0.8, 1.6)
"""Seconds between two reads of the job's status: answers may lag behind by about 2 s [D]."""


@dataclass(frozen=True, slots=True)
class StopResult:
    """The result of a stop.

    Attributes:
        stack: The stack; empty without one.
        job: The job before the stop.
        was_stopped: Whether the job was stopped already, before or in the meantime.
        sent: Whether a stop request was sent.
        waiting: The number of waiting tasks, which are on hold; None if unknown.
        upgrading: The number of upgrades in progress; None if unknown.
    """

    stack: str
    job: Job
    was_stopped: bool
    sent: bool
    waiting: int | None
    upgrading: int | None

    def as_json(self) -> dict[str, Any]:
        """Return the result for machines."""
        return {
            "stack": self.stack or None,
            "job": self.job.job_id,
            "jobName": self.job.name,
            "firmwareVersion": self.job.firmware_version,
            "status": JobStatus.STOPPED.value,
            "wasStopped": self.was_stopped,
            "waiting": self.waiting,
            "upgrading": self.upgrading,
            "exitCode": 0,
        }


def stop_job(context: OperationContext, *, job_id: str, reason: str, firmware_version: str) -> StopResult:
    """Stop a job, and read its status until it is stopped."""
    client = context.client
    job = context.read_job(job_id, firmware_version)
    was_stopped = job.status is JobStatus.STOPPED
    sent = not was_stopped
    if sent:
        _warn_if_not_logged(context)
        was_stopped = _stop(context, job_id, reason)
    waiting = context.read_if_possible(lambda: client.count_tasks(job_id, statuses=WAITING))
    upgrading = context.read_if_possible(lambda: client.count_tasks(job_id, statuses=(TaskStatus.UPGRADING,)))
    return StopResult(context.config.stack, job, was_stopped, sent, waiting, upgrading)


def _warn_if_not_logged(context: OperationContext) -> None:
    if context.connection.audit_log or (context.has_stack_file and not context.stack_file_unusable):
        return
    why = "the place of the audit log is unknown" if context.has_stack_file else "there is no stack file"
    context.notify(f"WARNING: THIS STOP IS NOT IN AN AUDIT LOG, because {why}. Take a note of it")


def _stop(context: OperationContext, job_id: str, reason: str) -> bool:
    """Send the stop and wait until it shows. Return whether the job was stopped by someone else before."""
    is_lost = False
    watch = DeadlineWatch(context.ending, context.watch("stopJob", (), job_id=job_id, reason=reason))
    try:
        context.client.stop_job(job_id, watch=watch)
    except JobHasStopped:
        return True
    except EnosError as error:
        if not error.may_have_been_processed:
            raise
        is_lost = True
        context.notify(f"reading the job, because it is unknown whether the stop was processed: {error}")
    try:
        for wait in (*_WAITS, 0):
            if context.client.get_job(job_id).status is JobStatus.STOPPED:
                return False
            context.ending.sleep(wait)
    except EnosError as error:
        raise OperationUndetermined(
            f"the stop of job {job_id} was sent, but the job cannot be read: {error} Run the same command again."
        ) from None
    sent = "It is unknown whether EnOS processed the stop" if is_lost else "EnOS accepted the stop"
    advice = "Check with `enos-ota jobs`, then run the same command again."
    raise OperationUndetermined(f"job {job_id} still reads as started. {sent}. {advice}")
