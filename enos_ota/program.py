"""The sets that a stack's configuration declares, in its stack file and in set files."""

from __future__ import annotations

import os
from pathlib import Path

import pulumi
from pulumi.runtime.config import CONFIG

from enos_ota.resource import CancelledTaskSet, leave_quietly_when_interrupted
from enos_ota.settings import SettingsError, load_sets
from enos_ota.settings.stackfile import require_project


def declare_sets() -> list[CancelledTaskSet]:
    """Declare every set of this stack: the items of `enos-ota:cancelledTaskSets`, and each set file.

    Raises:
        pulumi.RunError: The configuration has problems; the text names all of them. Nothing was registered.
    """
    leave_quietly_when_interrupted()  # also without a set: removing the last one can fail too
    try:
        stack_file = require_project(Path.cwd()).stack_file(pulumi.get_stack())
        sets = load_sets(dict(CONFIG.get()), os.environ, stack_file=stack_file, project=pulumi.get_project())
    except SettingsError as error:
        raise pulumi.RunError(str(error)) from None
    if not sets:
        where = f" in {stack_file.name} or a set file" if stack_file.is_file() else f": there is no {stack_file.name}"
        earlier = "sets recorded earlier are removed from the state (their tasks stay cancelled)"
        pulumi.log.warn(f"no cancelled task set is declared{where}; {earlier}")
    return [
        CancelledTaskSet(
            each.name,
            each.job_id,
            each.device_keys,
            reason=each.reason or None,
            on_too_late=each.on_too_late,
            on_missing=each.on_missing,
            max_devices=each.guard.max_devices,
            max_share=each.guard.max_share,
            expect_firmware_version=each.expect_firmware_version or None,
            expires=each.expires or None,
            opts=pulumi.ResourceOptions(
                aliases=[pulumi.Alias(name=former) for former in each.former_names],
                protect=each.protect,
            ),
        )
        for each in sets
    ]
