"""The limits of a cancel from the command line: those of the stack and of the declared sets that have some of the keys.

`pulumi up` keeps to the same limits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from enos_ota.operations.errors import OperationRefused
from enos_ota.plan.guard import Guard, strictest
from enos_ota.plan.naming import counted, one_line, shown
from enos_ota.settings import SettingsError, read_stack_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from enos_ota.operations.context import OperationContext
    from enos_ota.operations.stages import CancelRequest
    from enos_ota.settings import Problem, SetSettings


@dataclass(frozen=True, slots=True)
class EffectiveLimits:
    """The limits of one cancel.

    Attributes:
        guard: The strictest limits of the stack and of the sets.
        firmware_version: The firmware version that the job must have; empty for any.
        sets: The declared sets that have some of the keys.
    """

    guard: Guard
    firmware_version: str = ""
    sets: tuple[SetSettings, ...] = ()

    def descriptions(self) -> Iterator[str]:
        """Return a line for each set that has a limit."""
        for each in self.sets:
            limits = [
                f"maxDevices {each.guard.max_devices}" if each.guard.max_devices is not None else "",
                f"maxShare {each.guard.max_share:g}" if each.guard.max_share is not None else "",
                f"firmware {one_line(each.expect_firmware_version)}" if each.expect_firmware_version else "",
            ]
            if named := ", ".join(filter(None, limits)):
                yield f"set {shown(each.name)!r} has some of these keys, so its limits apply: {named}"


def declared_sets(context: OperationContext, advice: str = "") -> tuple[SetSettings, ...]:
    """Return the declared sets of the stack, and those that were recorded aside.

    A set with a problem is an error, except for a cancel that does not write into the project or use the stack file.
    """
    sets, problems = _read(context, context.stack_file)
    if problems and context.has_stack_file and not context.stack_file_unusable and not context.aside:
        raise SettingsError(problems, advice)
    aside, _ = _read(context, context.aside / context.stack_file.name) if context.aside else ((), ())
    return tuple(dict.fromkeys((*sets, *aside)))


def _read(context: OperationContext, file: Path) -> tuple[tuple[SetSettings, ...], tuple[Problem, ...]]:
    try:
        return read_stack_file(file, context.environ, project=context.project_name)
    except SettingsError as error:
        return (), error.findings


def has_guard(context: OperationContext, request: CancelRequest, sets: Iterable[SetSettings]) -> bool:
    """Whether a guard may apply, whichever keys are cancelled."""
    return context.guard.is_set or any(each.guard.is_set for each in sets if each.job_id == request.job_id)


def effective_limits(
    context: OperationContext, request: CancelRequest, sets: Iterable[SetSettings], keys: frozenset[str]
) -> EffectiveLimits:
    """Return the limits of a cancel of some keys; none if the keys are not known yet."""
    affected = tuple(each for each in sets if each.job_id == request.job_id and not keys.isdisjoint(each.device_keys))
    for each in affected:
        if each.is_expired(context.today):
            common = counted(len(keys.intersection(each.device_keys)), "device key")
            raise OperationRefused(
                f"set {shown(each.name)!r} expired on {each.expires} and contains {common} of this cancel. Tasks of an"
                " expired set are not cancelled: remove the keys from it, or change its `expires`."
                f" {context.nothing_done}"
            )
    guards = (context.guard, *(each.guard for each in affected))
    return EffectiveLimits(strictest(guards), _expected_firmware(context, request, affected), affected)


def _expected_firmware(context: OperationContext, request: CancelRequest, affected: Iterable[SetSettings]) -> str:
    """Return the firmware version that the option and all sets expect."""
    sources = {request.firmware_version: "--expect-firmware"}
    for each in affected:
        sources.setdefault(each.expect_firmware_version or "", f"set {shown(each.name)!r}")
    sources.pop("", None)
    if len(sources) > 1:
        versions = " and ".join(f"{one_line(version)} ({source})" for version, source in sources.items())
        raise OperationRefused(
            f"different firmware is expected: {versions}. A job has one firmware: check --job and `expect`."
            f" {context.nothing_done}"
        )
    return next(iter(sources), "")
