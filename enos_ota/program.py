"""The sets that a stack's configuration declares."""

from __future__ import annotations

import os
from pathlib import Path

import pulumi
from pulumi.runtime.config import CONFIG

from enos_ota.resource import CancelledTaskSet, leave_quietly_when_interrupted
from enos_ota.settings import SettingsError, load_stack, stack_file_path


def declare_sets() -> list[CancelledTaskSet]:
    """Declare every set of this stack's `enos-ota:cancelledTaskSets`.

    Raises:
        pulumi.RunError: Something in the configuration is wrong: all of it is said at once, nothing was registered.
    """
    leave_quietly_when_interrupted()  # also where no set does: the removal of one can fail too
    try:
        stack_file = stack_file_path(Path.cwd(), pulumi.get_stack())
        settings = load_stack(dict(CONFIG.get()), os.environ, stack_file=stack_file, project=pulumi.get_project())
    except SettingsError as error:
        raise pulumi.RunError(str(error)) from None
    if not settings.sets:
        where = f"in {stack_file.name}" if stack_file.is_file() else f"as there is no {stack_file.name}"
        pulumi.log.warn(f"no set of devices is declared {where}; any that was recorded before is forgotten")
    return [
        CancelledTaskSet(
            each.name,
            each.job_id,
            each.device_keys,
            reason=each.reason,
            on_too_late=each.on_too_late,
            on_missing=each.on_missing,
            max_devices=each.guard.max_devices,
            max_share=each.guard.max_share,
            expect_firmware_version=each.expect_firmware_version,
            expires=each.expires,
            opts=pulumi.ResourceOptions(
                aliases=[pulumi.Alias(name=former) for former in each.former_names],
                protect=each.protect,
            ),
        )
        for each in settings.sets
    ]
