"""What a program declares: sets of device keys whose OTA tasks are cancelled."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard, cast

import pulumi
from pulumi.dynamic import Resource
from pulumi.runtime.config import CONFIG

from enos_ota.devicekeys import rules as keys
from enos_ota.engine import properties as state
from enos_ota.engine.preview_hook import PreviewHook, is_reviewed, runs_in_preview
from enos_ota.engine.process import exit_immediately
from enos_ota.plan import Guard, SetVerdict, TaskSet, days, describe_record
from enos_ota.plan.guard import limit_problems
from enos_ota.plan.messages import summarize
from enos_ota.provider import CancelledTaskSetProvider
from enos_ota.settings import Checks, EnosAddress, Problem, SettingsError, load_address, load_checks
from enos_ota.settings.wording import describe_unknown_setting

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from types import FrameType

    from enos_ota.plan.task_set import OnMissing, OnTooLate

TaskException: TypeAlias = "tuple[str, str, str]"
"""A key that is not plainly cancelled: (device key, category, task status)."""


class CancelledTaskSet(Resource, module="enos_ota", name="CancelledTaskSet"):
    """The OTA tasks of some devices in one job, cancelled and kept cancelled.

    Creating or changing it cancels the tasks of the declared keys that are still `init` or `published`, and reads back
    the result. Tasks that are cancelled already are adopted. Removing a key, or the whole set, sends no request: a
    cancellation stays. A refresh shows tasks that were retried since, and the next `pulumi up` cancels them again.

    Outcomes never fail the resource, so that one set never keeps another from being cancelled. They are warnings: give
    all sets to `require_converged` to have the run fail at its end.

    Args:
        name: Name of the set, unique in the stack.
        job_id: The OTA job; another one replaces the resource.
        device_keys: The devices' keys; order and duplicates do not matter.
        org_id: The organization, where neither `ENOS_ORG_ID` nor the stack's `enos:orgId` names it; another than theirs
            is refused.
        reason: Why, for those who read the state later.
        on_too_late: "fail" makes `require_converged` fail for tasks that had gone too far already.
        on_missing: "report" keeps it from failing for keys without a task in the job.
        max_devices: How many devices one change may cancel at most, counted in those whose cancel would be sent. The
            stack's `enos-ota:guard`, if there is one, holds where this or `max_share` is left out.
        max_share: The same as a part of all tasks of the job, more than 0 and up to 1.
        expect_firmware_version: What the job must be about: with another version, or none, nothing is sent.
        expires: Last day, as an ISO date; afterwards the set is only reported, neither read nor written.
        opts: Pulumi's resource options.

    Raises:
        pulumi.RunError: Something above is wrong; nothing was registered.
    """

    def __init__(
        self,
        name: str,
        job_id: pulumi.Input[str],
        device_keys: pulumi.Input[Sequence[pulumi.Input[str]]],
        *,
        org_id: str | None = None,
        reason: str | None = None,
        on_too_late: OnTooLate = "report",
        on_missing: OnMissing = "fail",
        max_devices: int | None = None,
        max_share: float | None = None,
        expect_firmware_version: str | None = None,
        expires: str | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        leave_quietly_when_interrupted()
        _refuse(
            name,
            [
                *_bad_options(on_too_late, on_missing, expect_firmware_version, expires),
                *limit_problems(max_devices, max_share, names=("max_devices", "max_share")),
                *_bad_keys(device_keys),
            ],
        )
        address, checks = _settings(org_id)
        if org_id and org_id != address.org_id:
            _refuse(name, [f"org_id is {org_id}, but {address.org_id} is configured; a stack belongs to one of them"])
        self._is_required = False
        guard = Guard(max_devices, max_share).completed_by(checks.guard)
        # Its job and keys may be known only later.
        self._task_set = TaskSet(name, "", on_too_late=on_too_late, on_missing=on_missing, expires=expires or "")
        mode = checks.preflight
        hook = PreviewHook(name, address.org_id, mode, _config) if runs_in_preview(mode) else None
        super().__init__(
            CancelledTaskSetProvider(),
            name,
            {
                "setName": name,
                "apiGateway": address.gateway,
                "orgId": address.org_id,
                "jobId": _job_text(name, job_id),
                "deviceKeys": _key_text(name, device_keys),
                "reason": reason,
                "onTooLate": on_too_late,
                "onMissing": on_missing,
                "maxDevices": guard.max_devices,
                "maxShare": guard.max_share,
                "expectFirmwareVersion": expect_firmware_version,
                "expires": expires,
                **dict.fromkeys(state.OUTPUTS),
            },
            hook.options(opts) if hook else opts,
        )
        if hook:
            self.urn.apply(lambda _: hook.report(self))
        self._verdict = self._bag().apply(self._judge)
        self._verdict.apply(self._report)

    @property
    def device_keys(self) -> pulumi.Output[list[str]]:
        """The settled keys, sorted; keys that are still to be cancelled are not among them."""
        return self._output("deviceKeys").apply(lambda text: list(keys.from_text(text)))

    @property
    def cancelled_count(self) -> pulumi.Output[int]:
        """How many of the declared tasks are cancelled."""
        return self._output("cancelledCount").apply(int)

    @property
    def exceptions(self) -> pulumi.Output[list[TaskException]]:
        """What is not plainly cancelled, sorted by key."""
        return self._bag().apply(lambda bag: state.rows(state.record_of(bag)))

    @property
    def problem(self) -> pulumi.Output[str]:
        """Why the last change could not be finished; empty when it was."""
        return self._output("problem").apply(lambda text: text or "")

    def verdict(self) -> pulumi.Output[SetVerdict]:
        """The messages about the set, and whether they fail the run."""
        return self._verdict

    def _judge(self, bag: dict[str, Any]) -> SetVerdict:
        task_set = replace(self._task_set, job_id=bag["jobId"])
        return describe_record(state.record_of(bag), task_set, is_expired=task_set.is_expired(days.today()))

    def _report(self, verdict: SetVerdict) -> None:
        if is_reviewed():
            return
        # What fails the run is an error there, once; elsewhere, in previews too, it is a warning.
        in_the_end = self._is_required and not pulumi.runtime.is_dry_run()
        for text in verdict.warnings if in_the_end else (*verdict.errors, *verdict.warnings):
            pulumi.log.warn(text, self)

    def _bag(self) -> pulumi.Output[dict[str, Any]]:
        # Only what the provider always answers: in a preview anything absent counts as not known yet.
        return pulumi.Output.all(**{name: self._output(name) for name in ("jobId", "deviceKeys", *state.OUTPUTS)})

    def _output(self, name: str) -> pulumi.Output[Any]:
        # Pulumi keeps outputs under the provider's names; the typed views above are what programs see.
        return cast("pulumi.Output[Any]", self.__dict__[name])


def require_converged(*sets: CancelledTaskSet) -> None:
    """Fail the run once, at its end, if any set did not come out as declared.

    By then every set was worked on and saved. A preview only warns: failing there would block an otherwise fine change.
    `pulumi refresh` and `destroy` with --run-program fail like an `up`: Pulumi does not say which of them runs the
    program.
    """
    for each in sets:
        each._is_required = True  # noqa: SLF001 - two halves of one thing
    if not pulumi.runtime.is_dry_run():
        pulumi.Output.all(*(each.verdict() for each in sets)).apply(_fail_unless_converged)


def _fail_unless_converged(verdicts: Sequence[SetVerdict]) -> None:
    if text := summarize(verdicts):
        raise pulumi.RunError(text)


def _config(key: str) -> str | None:
    namespace, _, name = key.partition(":")
    return pulumi.Config(namespace).get(name)


def _refuse(name: str, problems: Sequence[str]) -> None:
    if problems:
        raise pulumi.RunError(f"set {name!r}: " + "; ".join(problems))


def _settings(org_id: str | None) -> tuple[EnosAddress, Checks]:
    # A limit that is misspelt would not hold.
    if problems := [Problem(text) for key in CONFIG.get() if (text := describe_unknown_setting(key))]:
        raise pulumi.RunError(str(SettingsError(problems)))
    try:
        return load_address(_config, os.environ, org_id=org_id), load_checks(_config)
    except SettingsError as error:
        raise pulumi.RunError(str(error)) from None


def _bad_options(on_too_late: str, on_missing: str, version: object, expires: object) -> list[str]:
    problems = [
        f"{name} must be 'report' or 'fail', not {value!r}"
        for name, value in (("on_too_late", on_too_late), ("on_missing", on_missing))
        if value not in {"report", "fail"}
    ]
    if expires is not None and not days.is_day(str(expires)):
        problems.append(f"expires must be a day such as 2027-03-31, not {expires!r}")
    if version is not None and not (isinstance(version, str) and version.strip()):
        problems.append(f"expect_firmware_version must be a version such as '2.3.0', not {version!r}")
    return problems


def _bad_keys(device_keys: object) -> list[str]:
    """Problems that can be seen right away; what is only known later is checked when it is."""
    if isinstance(device_keys, pulumi.Output) or hasattr(device_keys, "__await__"):
        return []
    if not _is_listing(device_keys):
        return [f"device_keys must be a list of texts, not {type(device_keys).__name__}"]
    if any(isinstance(key, pulumi.Output) or hasattr(key, "__await__") for key in device_keys):
        return []
    return keys.problems(device_keys)


def _is_listing(value: object) -> TypeGuard[Collection[object]]:
    # A text is a sequence too: each of its characters would become a device key.
    return isinstance(value, (list, tuple, set, frozenset))


def _key_text(name: str, device_keys: pulumi.Input[Sequence[pulumi.Input[str]]]) -> pulumi.Input[str]:
    # A list of plain keys, which was looked through already, is known here and now: Pulumi would make an output of
    # each key and each key's secrecy, which takes a large set longer than its requests.
    if _is_listing(device_keys) and all(isinstance(key, str) for key in device_keys):
        return keys.to_text(cast("Collection[str]", device_keys))
    known = list(device_keys) if _is_listing(device_keys) else device_keys

    def text_of(found: Any) -> str:
        _refuse(name, _bad_keys(found))
        return keys.to_text(found)

    return _not_secret(name, known, "device keys must not be secret: they are shown in outcomes").apply(text_of)


def _job_text(name: str, job_id: pulumi.Input[str]) -> pulumi.Input[str]:
    if isinstance(job_id, str):
        return job_id
    return _not_secret(name, job_id, "job_id must not be secret: it is part of the set's id, and shown in reviews")


def _not_secret(name: str, value: Any, problem: str) -> pulumi.Output[Any]:
    known: pulumi.Output[Any] = pulumi.Output.from_input(value)

    def refuse_secret(values: Sequence[Any]) -> Any:
        found, secret = values
        _refuse(name, [problem] if secret else [])
        return found

    return pulumi.Output.all(known, known.is_secret()).apply(refuse_secret)


def leave_quietly_when_interrupted() -> None:
    """Exit at once on an interrupt, which the engine sends when a resource fails: Python would print thirty lines."""
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)


def _leave(_signal: int, _frame: FrameType | None) -> None:
    exit_immediately(128 + signal.SIGINT)
