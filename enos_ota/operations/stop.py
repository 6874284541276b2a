"""`enos-ota stop`: the brake, one request that writes. What is stopped is held, not cancelled."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from enos_ota.cli.failures import Refused, Undetermined
from enos_ota.cli.output import say, say_aside, write_outcome
from enos_ota.cli.plain import plain
from enos_ota.enos import EnosError, JobHasStopped, JobStatus, TaskStatus
from enos_ota.operations.context import counted, opened
from enos_ota.plan.messages import describe_objection
from enos_ota.plan.naming import one_line
from enos_ota.plan.objections import firmware_objection
from enos_ota.reconciler.deadline import DeadlineWatch

if TYPE_CHECKING:
    from enos_ota.enos import EnosClient, Job
    from enos_ota.operations.context import Station

_WAITS: Final = (0.2, 0.4, 0.8, 1.6)
"""Seconds between two looks at whether the job reads as stopped: answers may lag behind by about 2 s [D]."""


@dataclass(frozen=True, slots=True)
class _Held:
    """What a stopped job still has; None where nobody knows."""

    waiting: int | None
    upgrading: int | None


def run(*, stack: str | None, job_id: str, reason: str, firmware_version: str, output: str) -> None:
    """See the command.

    Raises:
        click.ClickException: It did not come to its end.
    """
    with opened(stack, edits=False) as here:
        client = here.client
        job = client.get_job(job_id)
        if objection := firmware_objection(firmware_version, job.firmware_version):
            raise Refused(plain(f"job {job_id} was not stopped: {describe_objection(objection, by_option=True)}"))
        was_stopped = was_seen_stopped = job.status is JobStatus.STOPPED
        if not was_stopped:
            if not here.connection.audit_log and (here.is_blind or not here.has_stack_file):
                why = "as the audit log's place is unknown" if here.has_stack_file else "as there is no stack file"
                say_aside(f"WARNING: NOTHING IS LOGGED, {why}. Take a note of this stop")
            was_stopped = _stop(here, client, job_id, reason)
        waiting = here.read_if_possible(
            lambda: client.count_tasks(job_id, statuses=(TaskStatus.INIT, TaskStatus.PUBLISHED))
        )
        upgrading = here.read_if_possible(lambda: client.count_tasks(job_id, statuses=(TaskStatus.UPGRADING,)))
        held = _Held(waiting, upgrading)
        if output == "json":
            _tell_machine(here, job, held, was_stopped=was_stopped)
        else:
            _tell(job, held, was_stopped=was_stopped, sent=not was_seen_stopped)


def _stop(here: Station, client: EnosClient, job_id: str, reason: str) -> bool:
    """Send the stop and see it done; whether somebody else was quicker.

    Raises:
        EnosError: It was not done, or nobody knows.
        Undetermined: It cannot be seen to be done.
        Stopped: The run was interrupted, or its deadline is over.
    """
    lost: EnosError | None = None
    try:
        client.stop_job(
            job_id, watch=DeadlineWatch(here.ending, here.watch("stopJob", (), job_id=job_id, reason=reason))
        )
    except JobHasStopped:
        return True
    except EnosError as error:
        if not error.may_have_been_processed:
            raise
        lost = error
        say_aside(f"looking whether it was done: {error}")
    for wait in (*_WAITS, None):
        if _reads_as_stopped(client, job_id):
            return False
        if wait:
            here.ending.sleep(wait)
    sent = "It is unknown whether EnOS processed the stop" if lost else "EnOS accepted the stop"
    advice = "Check with `enos-ota jobs`, then run the same command again."
    raise Undetermined(plain(f"job {job_id} still reads as started. {sent}. {advice}"))


def _reads_as_stopped(client: EnosClient, job_id: str) -> bool:
    try:
        return client.get_job(job_id).status is JobStatus.STOPPED
    except EnosError as error:
        text = f"the stop of job {job_id} was sent, but the job cannot be read: {error} Run this once more."
        raise Undetermined(plain(text)) from None


def _tell(job: Job, held: _Held, *, was_stopped: bool, sent: bool) -> None:
    about = f" ({', '.join(filter(None, (one_line(job.name), one_line(job.firmware_version))))})" if job.name else ""
    already = "was stopped already" + ("" if sent else ": nothing was sent")
    say(f"job {job.job_id}{about} " + (already if was_stopped else "is stopped"))
    waiting = "what waits" if held.waiting is None else f"{counted(held.waiting, 'task')} that wait"
    upgrading = "What is upgrading goes" if held.upgrading is None else f"{held.upgrading} that are upgrading go"
    say(f"Held, not cancelled: {waiting}. {upgrading} on, as far as is known.")
    if held.waiting == 0:
        return
    say(
        "No task of a stopped job can be cancelled. To call devices back have a key file ready, start the job in the\n"
        "EnOS console, so that EnOS pushes what waits, and at once:\n"
        f"  enos-ota cancel --job {shlex.quote(job.job_id)} --keys FILE --reason WHY"
    )


def _tell_machine(here: Station, job: Job, held: _Held, *, was_stopped: bool) -> None:
    told = {
        "stack": here.config.stack or None,
        "job": job.job_id,
        "jobName": job.name,
        "firmwareVersion": job.firmware_version,
        "status": JobStatus.STOPPED.value,
        "wasStopped": was_stopped,
        "waiting": held.waiting,
        "upgrading": held.upgrading,
        "exitCode": 0,
    }
    write_outcome(json.dumps(told))
