"""Call back a firmware version: in every job that rolls it out, every device that it has not reached."""

import os
from collections.abc import Collection

import pulumi

from enos_ota import CancelledTaskSet, require_converged
from enos_ota.enos import Credentials, EnosClient, EnosError

SETTINGS = ("ENOS_API_GATEWAY", "ENOS_ORG_ID", "ENOS_APP_KEY", "ENOS_APP_SECRET")


def find(version: str, left_out: Collection[str]) -> dict[str, list[str]]:
    """Every device key of every job that rolls the version out, by job; without those that somebody has seen to.

    Whatever the state of its task: EnOS does not say of a device that upgrades whether it was called back before. Were
    only those declared that wait or read as cancelled, a device that somebody sends off again would leave the set at
    the moment it got away, and the run would be green. Those that were too late from the start are reported as that.
    """
    if missing := [name for name in SETTINGS if not os.environ.get(name)]:
        raise pulumi.RunError(f"{' and '.join(missing)} must be set: this program asks EnOS what is to be called back")
    gateway, org_id, app_key, app_secret = (os.environ[name] for name in SETTINGS)
    try:
        with EnosClient(gateway, org_id, Credentials(app_key, app_secret)) as enos:
            return {
                job.job_id: sorted({task.device_key for task in enos.search_tasks(job.job_id)}.difference(left_out))
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
    for job_id, device_keys in find(version, config.get_object("leftOut") or []).items()
    if device_keys
]
require_converged(*sets)
pulumi.export("cancelled", pulumi.Output.all(*(each.cancelled_count for each in sets)).apply(sum))
