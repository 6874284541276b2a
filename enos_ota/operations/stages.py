"""Cancelling in one or more stages: the set is written right before the first request that cancels anything."""

from __future__ import annotations

import threading
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import TYPE_CHECKING, Final

from enos_ota.enos import EnosError
from enos_ota.operations import commit_hints
from enos_ota.operations.bounds import effective_limits
from enos_ota.operations.errors import OperationRefused
from enos_ota.operations.sent_summary import describe_sent
from enos_ota.operations.set_writer import NewSet, SetFileChange, SetWriter, expectable, suggest_name
from enos_ota.plan import JobFacts, Record, TaskSet, build_plan
from enos_ota.plan.guard import break_glass
from enos_ota.plan.naming import shown
from enos_ota.reconciler import ApplyOptions, Stopped, create_reconciler
from enos_ota.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from enos_ota.enos import IncompleteList, WriteWatch
    from enos_ota.operations.bounds import EffectiveLimits
    from enos_ota.operations.context import OperationContext
    from enos_ota.plan import Objection
    from enos_ota.reconciler.sent import WriteLog
    from enos_ota.settings import SetSettings

RECORD_ASIDE_ADVICE: Final = (
    "To cancel anyway, use --record-aside DIR: it changes nothing in the project and writes the set and its key file"
    " into DIR."
)


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """A cancel that the operator asks for; an empty text means none.

    Attributes:
        keys: A key file, `-` for stdin; empty for all waiting tasks.
        yes: Whether to send without a confirmation.
        expect: The expected number of device keys; None if not given.
        aside: The directory to write the set into instead of the project.
    """

    job_id: str
    keys: str
    reason: str
    name: str = ""
    firmware_version: str = ""
    expires: str = ""
    yes: bool = False
    expect: int | None = None
    aside: Path | None = None


class NotRecorded(EnosError):  # noqa: N818 - named after what happened, like its relatives
    """The set could not be written, so the cancel was not sent."""


@dataclass
class Recorder:
    """Writes the files of a set once, so that the project records the cancel whatever ends the run afterwards.

    Attributes:
        change: The files; may be replaced until they are written.
        notify: Called after they were written.
        advice: What to do if they cannot be written.
    """

    change: SetFileChange
    notify: Callable[[], None]
    advice: str = ""
    is_written: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def write(self) -> None:
        """Write the files, if that was not done before."""
        with self._lock:
            if not self.is_written:
                try:
                    self.change.write()
                except SettingsError as error:
                    raise SettingsError(error.findings, self.advice) from None
                self.is_written = True
                self.notify()

    def watch(self, log: WriteLog) -> WriteWatch:
        """Return a watch that writes the files before the request, if the audit log can be written."""
        return _RecordingWatch(self, log)


@dataclass
class _RecordingWatch:
    recorder: Recorder
    log: WriteLog

    def before(self) -> None:
        if not self.recorder.is_written:
            self.log.try_out()
        try:
            self.recorder.write()
        except SettingsError as error:
            text = f"{'; '.join(error.problems)}. No cancel was sent, because the set was not written. {error.advice}"
            raise NotRecorded(text.rstrip()) from None
        self.log.before()

    def after(self, outcome: str | EnosError) -> None:
        self.log.after(outcome)


@dataclass
class CancelRun:
    """Writes the set and cancels its keys, in one or more stages.

    Attributes:
        sets: The declared sets, see `enos_ota.operations.bounds.declared_sets`.
        job: The job that the operator confirmed. None: the job as it is read before the first request that writes.
        learn: Called with the job once it is read, if it was None.
        is_override_announced: Whether the operator was notified that the guard is overridden.
        may_send: False if there was nothing to cancel, so that the operator confirmed nothing.
        keys: The keys of all stages so far.
        change: The files of the set, written or to be written.
        new_set: The set.
        record: The result.
        is_written: Whether the set was written.
        objection: Why the plan was refused, if it was.
        is_refused: Whether the problem is a refusal and not a failure.
        cut_off: Why EnOS's list of waiting tasks is incomplete; None if it is complete.
        skipped: The number of waiting tasks with a device key that no set can contain.
        unlisted: The number of confirmed tasks that were not listed yet, and are in no set.
    """

    context: OperationContext
    request: CancelRequest
    sets: Sequence[SetSettings]
    _: KW_ONLY
    job: JobFacts | None = None
    learn: Callable[[JobFacts], None] | None = None
    is_override_announced: bool = False
    may_send: bool = True
    keys: frozenset[str] = frozenset()
    change: SetFileChange = field(default_factory=SetFileChange)
    new_set: NewSet = field(init=False)
    record: Record = field(default_factory=Record)
    is_written: bool = False
    objection: Objection | None = None
    is_refused: bool = False
    cut_off: IncompleteList | None = None
    skipped: int = 0
    unlisted: int = 0

    def __post_init__(self) -> None:
        context = self.context
        self.new_set = NewSet(self.request.job_id, frozenset(), self.request.name)
        self._advice = "" if context.aside else RECORD_ASIDE_ADVICE
        folder = context.set_folder
        aside = context.aside / folder.name if context.aside else None
        self._writer = SetWriter(aside or folder, self.sets, reserved=folder if aside else None)
        self._reconciler = create_reconciler(context.connection, context.client, context.stop)

    def declare(self, keys: frozenset[str]) -> SetFileChange:
        """Plan the files of the set with some more keys.

        A new set is named after the job, and expects its firmware version from then on.
        """
        request, job = self.request, self.job or JobFacts(firmware_version=self.request.firmware_version)
        self.new_set = NewSet(
            request.job_id,
            self.keys | keys,
            name=request.name or suggest_name(job, request.job_id),
            reason=request.reason,
            firmware_version=expectable(job.firmware_version),
            expires=request.expires,
            written_by="enos-ota cancel",
        )
        try:
            return self._writer.plan(self.new_set, self.change if self.is_written else None)
        except SettingsError as error:
            raise SettingsError(error.findings, "\n".join(filter(None, [error.advice, self._advice]))) from None

    def cancel(self, keys: frozenset[str], change: SetFileChange) -> None:
        """Cancel some keys; write the set before the first request, or at the end if no request is needed."""
        limits = effective_limits(self.context, self.request, self.sets, keys)
        recorder = Recorder(change, lambda: self._report_written(recorder.change), self._advice)
        try:
            record = self._apply(keys, recorder, limits)
            if not record.problem:
                recorder.write()  # no request was needed: all tasks are cancelled already, or held
        except EnosError:
            if not self.is_written:
                has_files = recorder.is_written and recorder.change.changes
                files = "The set was written." if has_files else "No file was written."
                self.context.notify(f"{files} {describe_sent(self.context.requests)}")
            raise
        finally:
            if recorder.is_written or not self.is_written:
                self.change = recorder.change
            self.is_written = self.is_written or recorder.is_written
        self.keys |= keys
        self.record = Record(
            keys=self.record.keys | record.keys,
            outcomes={**self.record.outcomes, **record.outcomes},
            job=record.job,
            problem=self.record.problem or record.problem,
        )

    def continue_with(self, next_stage: Callable[[], None]) -> None:
        """Run another stage, unless the previous one has a problem. Its errors become the problem of the run."""
        if self.record.problem:
            return
        try:
            next_stage()
        except OperationRefused as error:
            self.fail(str(error), is_refused=True)
        except (EnosError, Stopped) as error:
            self.fail(str(error))
        except SettingsError as error:
            self.fail("; ".join(error.problems))

    def fail(self, problem: str, *, is_refused: bool = False) -> None:
        """Record why the run cannot, or must not, continue."""
        self.record = replace(self.record, problem=self.record.problem or problem)
        self.is_refused = is_refused

    def _apply(self, keys: frozenset[str], recorder: Recorder, limits: EffectiveLimits) -> Record:
        request, context = self.request, self.context

        def learn(job: JobFacts) -> None:
            if self.job is None:
                self.job = job
                recorder.change = self.declare(keys)
                if self.learn:
                    self.learn(job)

        def watch(batch: Sequence[str], override: str) -> WriteWatch:
            if not self.may_send:
                raise Stopped(
                    "Some tasks became cancellable after the check. No request was sent. Run the same command again to"
                    " confirm"
                )
            names = dict.fromkeys((*self.change.set_names, *recorder.change.set_names))
            self.is_override_announced = self.is_override_announced or bool(override)
            log = context.watch(
                "cancelTask",
                batch,
                job_id=request.job_id,
                reason=request.reason,
                set_name=", ".join(names),
                break_glass=override,
            )
            return recorder.watch(log)

        task_set = TaskSet(
            "",
            request.job_id,
            tuple(sorted(keys)),
            guard=limits.guard,
            expect_firmware_version=limits.firmware_version,
        )
        plan = build_plan(task_set, Record(), today=context.today, break_glass=break_glass(context.environ))
        options = ApplyOptions(
            override_announced=self.is_override_announced,
            learn=learn,
            watch=watch,
            say=context.notify,
        )
        result = self._reconciler.apply(plan, options)
        self.objection = result.objection
        self.is_refused = self.is_refused or result.objection is not None
        return result.record

    def _report_written(self, change: SetFileChange) -> None:
        if files := " and ".join(commit_hints.places(change)):
            self.context.notify(f"written before the first cancel: set {shown(change.set_name)!r}, in {files}")
