"""Call back a firmware version: in every job that rolls it out, whatever waits and whatever was called back before."""

import os

import pulumi

from enos_ota import CancelledTaskSet, require_converged
from enos_ota.enos import Credentials, EnosClient, EnosError, Task, TaskStatus

SETTINGS = ("ENOS_API_GATEWAY", "ENOS_ORG_ID", "ENOS_APP_KEY", "ENOS_APP_SECRET")
WAITING = (TaskStatus.INIT, TaskStatus.PUBLISHED)


def is_meant(task: Task) -> bool:
    """Whether a task waits, or was cancelled.

    What was cancelled must stay declared: a set is what is to be cancelled, not what is left to do. A task that
    somebody retried waits again, so it stays in the set, and the next `up` cancels it again.
    """
    # EnOS has no status for it: a cancelled task is a failed one with this text.
    cancelled = task.status is TaskStatus.FAILED and task.desc.strip().lower() == "cancelled by user"
    return task.status in WAITING or cancelled


def find(version: str) -> dict[str, list[str]]:
    """The device keys that are meant, by the job that they are in."""
    if missing := [name for name in SETTINGS if not os.environ.get(name)]:
        raise pulumi.RunError(f"{' and '.join(missing)} must be set: this program asks EnOS what is to be called back")
    gateway, org_id, app_key, app_secret = (os.environ[name] for name in SETTINGS)
    try:
        with EnosClient(gateway, org_id, Credentials(app_key, app_secret)) as enos:
            return {
                job.job_id: sorted({task.device_key for task in enos.search_tasks(job.job_id) if is_meant(task)})
                for job in enos.search_jobs(firmware_version=version)
            }
    except EnosError as error:
        # Not knowing is no reason to declare nothing: that would forget every set.
        raise pulumi.RunError(f"what rolls out {version} cannot be found out, so nothing is done: {error}") from None


config = pulumi.Config()
version = config.require("firmwareVersion")
sets = [
    CancelledTaskSet(
        f"{version}-in-{job_id}",
        job_id,
        device_keys,
        reason=config.require("reason"),
        expect_firmware_version=version,
        max_devices=config.require_int("maxDevices"),
    )
    for job_id, device_keys in find(version).items()
    if device_keys
]
require_converged(*sets)
pulumi.export("cancelled", pulumi.Output.all(*(each.cancelled_count for each in sets)).apply(sum))
