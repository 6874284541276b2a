"""Cancelling in one or more stages: the set is written right before the first request that cancels anything."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from enos_ota.audit import AuditError
from enos_ota.enos import EnosError
from enos_ota.operations import commit_hints
from enos_ota.operations.bounds import effective_limits
from enos_ota.operations.errors import OperationRefused
from enos_ota.operations.recorder import Recorder
from enos_ota.operations.request import RECORD_ASIDE_ADVICE
from enos_ota.operations.set_names import suggested_name
from enos_ota.operations.set_writer import NewSet, SetFileChange, SetWriter, expectable
from enos_ota.plan import JobFacts, Record, TaskSet, build_plan
from enos_ota.plan.guard import break_glass
from enos_ota.plan.naming import shown
from enos_ota.reconciler import ApplyOptions, Stopped, create_reconciler
from enos_ota.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from enos_ota.enos import IncompleteList, WriteWatch
    from enos_ota.operations.bounds import EffectiveLimits
    from enos_ota.operations.context import OperationContext
    from enos_ota.operations.request import CancelRequest
    from enos_ota.plan import Objection
    from enos_ota.settings import SetSettings


class CancelRun:
    """Writes the set and cancels its keys, in one or more stages.

    Args:
        context: The context.
        request: The cancel.
        sets: The declared sets, see `enos_ota.operations.bounds.declared_sets`.
        job: The job that the operator confirmed. Left out: the job as it is read before the first request that writes.
        learn: Called with the job once it is read, if it was left out.
        is_override_told: Whether the operator was told before that the guard is overridden.
        may_send: False if there was nothing to cancel, so that the operator confirmed nothing.

    Attributes:
        keys: The keys of all stages so far.
        firmware_version: The firmware version that the job must have; empty for any.
        change: The files of the set, written or to be written.
        new_set: The set.
        record: The result.
        is_written: Whether the set was written.
        is_refused: Whether the problem is a refusal and not a failure.
        cut_off: Why EnOS's list of waiting tasks is incomplete; None if it is complete.
        skipped: The number of waiting tasks with a device key that no set can contain.
        unlisted: The number of confirmed tasks that were not listed yet, and are in no set.
    """

    def __init__(
        self,
        context: OperationContext,
        request: CancelRequest,
        sets: Sequence[SetSettings],
        *,
        job: JobFacts | None = None,
        learn: Callable[[JobFacts], None] | None = None,
        is_override_told: bool = False,
        may_send: bool = True,
    ) -> None:
        self.keys: frozenset[str] = frozenset()
        self.firmware_version = request.firmware_version
        self.change = SetFileChange()
        self.new_set = NewSet(request.job_id, frozenset(), request.name)
        self.record = Record()
        self.is_written = False
        self.objection: Objection | None = None
        self.is_refused = False
        self.cut_off: IncompleteList | None = None
        self.skipped = 0
        self.unlisted = 0
        self._context = context
        self._request = request
        self._job = job
        self._learn = learn
        self._may_send = may_send
        self._sets = sets
        folder = context.set_folder
        aside = context.aside / folder.name if context.aside else None
        self._writer = SetWriter(aside or folder, sets, reserved=folder if aside else None)
        self._is_override_told = is_override_told
        self._reconciler = create_reconciler(context.connection, context.client, context.stop)

    def declare(self, keys: frozenset[str]) -> SetFileChange:
        """Plan the files of the set with some more keys.

        A new set is named after the job, and expects its firmware version from then on.

        Raises:
            SettingsError: See `SetWriter.plan`.
        """
        request, job = self._request, self._job or JobFacts(firmware_version=self._request.firmware_version)
        self.new_set = NewSet(
            request.job_id,
            self.keys | keys,
            name=request.name or suggested_name(job.name, job.firmware_version, request.job_id),
            reason=request.reason,
            firmware_version=expectable(job.firmware_version),
            expires=request.expires,
            written_by="enos-ota cancel",
        )
        try:
            return self._writer.plan(self.new_set, self.change if self.is_written else None)
        except SettingsError as error:
            advice = [error.advice, "" if request.aside else RECORD_ASIDE_ADVICE]
            raise SettingsError(error.findings, "\n".join(filter(None, advice))) from None

    def cancel(self, keys: frozenset[str], change: SetFileChange) -> None:
        """Cancel some keys; write the set before the first request, or at the end if no request is needed.

        Raises:
            OperationRefused: A declared set does not allow it; this stage sent no request.
            EnosError: This stage sent no request, for a reason other than the job.
            SettingsError: No request was needed, and the set could not be written.
        """
        limits = effective_limits(self._context, self._request, self._sets, keys)
        self.firmware_version = limits.firmware_version
        advice = "" if self._request.aside else RECORD_ASIDE_ADVICE
        recorder = Recorder(change, lambda: self._report_written(recorder.change), advice)
        try:
            record = self._applied(keys, recorder, limits)
            if not record.problem:
                recorder.write()  # no request was needed: all tasks are cancelled already, or held
        finally:
            if recorder.is_written or not self.is_written:
                self.change = recorder.change
            self.is_written = self.is_written or recorder.is_written
        self.keys |= keys
        self.record = _joined(self.record, record)

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

    def _applied(self, keys: frozenset[str], recorder: Recorder, limits: EffectiveLimits) -> Record:
        request, context = self._request, self._context

        def learn(job: JobFacts) -> None:
            if self._job is None:
                self._job = job
                recorder.change = self.declare(keys)
                if self._learn:
                    self._learn(job)

        def watch(batch: Sequence[str], override: str) -> WriteWatch:
            if not self._may_send:
                raise Stopped(
                    "Some tasks became cancellable after the check. No request was sent. Run the same command again to"
                    " confirm"
                )
            names = dict.fromkeys((*self.change.set_names, *recorder.change.set_names))
            self._is_override_told = self._is_override_told or bool(override)
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
        reason = break_glass(context.environ)
        plan = build_plan(task_set, Record(), today=context.today, break_glass=reason)
        options = ApplyOptions(
            override_announced=self._is_override_told,
            learn=learn,
            watch=watch,
            say=context.notify,
        )
        try:
            result = self._reconciler.apply(plan, options)
        except EnosError as error:
            if recorder.is_written and not context.requests:
                sent = "EnOS refused the request" if context.requests.refused else "no request was sent"
                is_new = "The set was written, but " if recorder.change.changes else ""
                context.notify(f"{is_new}{sent if is_new else sent[0].upper() + sent[1:]}:")
            elif isinstance(error, AuditError) and not self.is_written:
                context.notify("No request was sent and no file was written:")
            raise
        self.objection = result.objection
        self.is_refused = self.is_refused or result.objection is not None
        return result.record

    def _report_written(self, change: SetFileChange) -> None:
        if files := " and ".join(commit_hints.places(change)):
            self._context.notify(f"written before the first cancel: set {shown(change.set_name)!r}, in {files}")


def _joined(before: Record, after: Record) -> Record:
    return Record(
        keys=before.keys | after.keys,
        outcomes={**before.outcomes, **after.outcomes},
        job=after.job,
        problem=before.problem or after.problem,
    )
