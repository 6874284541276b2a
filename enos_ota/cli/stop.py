"""`enos-ota stop`. What it needs is imported when it runs: help needs none of it."""

from __future__ import annotations

import click

from enos_ota.cli import acting, options


@click.command()
@options.stack
@options.job
@acting.reason
@acting.expect_firmware
@options.text_or_json
def stop(*, stack: str | None, job_id: str, reason: str, firmware_version: str, output: str) -> None:
    """Stop an OTA job: the brake. Nothing is asked.

    One request, in the audit log. A job that is stopped already is fine. What waits is held, not cancelled: it is
    pushed once the job is started again, and until then nothing of it can be cancelled. What is upgrading goes on, as
    far as is known.

    A stack file that is broken does not keep from it if ENOS_API_GATEWAY, ENOS_ORG_ID, ENOS_APP_KEY and ENOS_APP_SECRET
    say how EnOS is reached. Where the audit log is may not be known then: it says so.

    Exit codes: 0 the job is stopped; 1 refused: no such job, or other firmware; 3 it could not be done, or whether EnOS
    did it is unknown. Ctrl-C works as in cancel: if the request was sent, it says so.
    """
    from enos_ota.operations.stop import run  # noqa: PLC0415 - slow to import, and help needs none of it

    run(stack=stack, job_id=job_id, reason=reason, firmware_version=firmware_version, output=output)
