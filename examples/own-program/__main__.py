"""Cancel a firmware version: in every job that rolls it out, the tasks of all devices that it has not reached."""

import os
from collections.abc import Collection

import pulumi

from enos_ota import CancelledTaskSet, require_converged
from enos_ota.enos import Credentials, EnosClient, EnosError

SETTINGS = ("ENOS_API_GATEWAY", "ENOS_ORG_ID", "ENOS_APP_KEY", "ENOS_APP_SECRET")


def find(version: str, left_out: Collection[str]) -> dict[str, list[str]]:
    """Return the device keys of every job that rolls out the version, by job; without those that are left out.

    Tasks in every state are declared: EnOS does not show whether an upgrading device was cancelled before. If only
    waiting and cancelled tasks were declared, a device whose task is retried would leave the set when it begins to
    upgrade, and the run would be green. Devices that were too late from the start are reported as such.
    """
    if missing := [name for name in SETTINGS if not os.environ.get(name)]:
        raise pulumi.RunError(f"{' and '.join(missing)} must be set: this program asks EnOS which tasks to cancel")
    gateway, org_id, app_key, app_secret = (os.environ[name] for name in SETTINGS)
    try:
        with EnosClient(gateway, org_id, Credentials(app_key, app_secret)) as enos:
            return {
                job.job_id: sorted({task.device_key for task in enos.search_tasks(job.job_id)}.difference(left_out))
                for job in enos.search_jobs(firmware_version=version)
            }
    except EnosError as error:
        # Declaring nothing would remove every set from the state.
        text = f"the jobs that roll out {version} could not be read, so nothing was changed: {error}"
        raise pulumi.RunError(text) from None


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
    for job_id, device_keys in find(version, config.get_object("leftOut") or []).items()
    if device_keys
]
require_converged(*sets)
pulumi.export("cancelled", pulumi.Output.all(*(each.cancelled_count for each in sets)).apply(sum))
