"""`enos-ota stop`. Operations are imported when the command runs: help does not need them."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

import click

from enos_ota.cli import options
from enos_ota.cli.output import say, write_outcome

if TYPE_CHECKING:
    from enos_ota.operations.stop import StopResult


@click.command()
@options.stack
@options.job
@options.reason
@options.expect_firmware
@options.text_or_json
def stop(*, stack: str | None, job_id: str, reason: str, firmware_version: str, output: str) -> None:
    """Stop an OTA job: the brake. It asks for no confirmation.

    One request, recorded in the audit log. A job that is stopped already is fine. Waiting tasks are on hold, not
    cancelled: EnOS pushes them once the job is started again, and until then none of them can be cancelled. Upgrades in
    progress probably continue.

    An invalid stack file does not block this command if ENOS_API_GATEWAY, ENOS_ORG_ID, ENOS_APP_KEY and ENOS_APP_SECRET
    are set. The stop is then not in an audit log, and the command says so.

    Exit codes: 0 the job is stopped; 1 refused: no such job, or other firmware; 3 the stop failed, or its result is
    unknown. Ctrl-C works as in cancel: the command says whether the request was sent.
    """
    from enos_ota.cli.operating import operation  # noqa: PLC0415 - slow to import, and help needs none of it
    from enos_ota.operations.stop import stop_job  # noqa: PLC0415 - the same

    with operation(stack, requires_stack=False, works_without_stack_file=True) as context:
        result = stop_job(context, job_id=job_id, reason=reason, firmware_version=firmware_version)
        if output == "json":
            write_outcome(json.dumps(result.as_json()))
        else:
            _write(result)


def _write(result: StopResult) -> None:
    from enos_ota.plan.naming import counted, one_line  # noqa: PLC0415 - as above

    job, waiting, upgrading = result.job, result.waiting, result.upgrading
    about = f" ({', '.join(filter(None, (one_line(job.name), one_line(job.firmware_version))))})" if job.name else ""
    already = "was stopped already" + ("" if result.sent else ": no request was sent")
    say(f"job {job.job_id}{about} {already if result.was_stopped else 'is stopped'}")
    waiting_tasks = "Waiting tasks" if waiting is None else counted(waiting, "waiting task")
    upgrades = "Upgrades" if upgrading is None else counted(upgrading, "upgrade")
    are, continues = "is" if waiting == 1 else "are", "continues" if upgrading == 1 else "continue"
    say(f"{waiting_tasks} {are} on hold (not cancelled). {upgrades} in progress probably {continues}.")
    if waiting == 0:
        return
    say(
        "The tasks of a stopped job cannot be cancelled. To cancel them, prepare a key file, start the job in the\n"
        "EnOS console, which makes EnOS push the waiting tasks, and run at once:\n"
        f"  enos-ota cancel --job {shlex.quote(job.job_id)} --keys FILE --reason WHY"
    )
