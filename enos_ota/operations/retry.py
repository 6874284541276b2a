"""Undoing a cancel: the tasks of a key file are retried, within the guard, and never against a stack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from enos_ota.enos import JobStatus
from enos_ota.operations.errors import OperationRefused
from enos_ota.operations.key_input import read_keys
from enos_ota.operations.retry_batches import RetryOperation, RetryOutcome, RetryState
from enos_ota.plan.classify import normalise_markers
from enos_ota.plan.guard import BREAK_GLASS, break_glass
from enos_ota.plan.messages import describe_limits
from enos_ota.plan.naming import counted, listed, shown
from enos_ota.reconciler import Limits, Pool
from enos_ota.reconciler.cancellation import Runtime
from enos_ota.reconciler.reading import ServiceLimits
from enos_ota.settings import SettingsError, read_stack_file
from enos_ota.settings.stackfile import shown_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from enos_ota.enos import WriteWatch
    from enos_ota.operations.context import OperationContext
    from enos_ota.operations.retry_batches import RetryCheck

_NO: Final = 1
_NOT_DONE: Final = 3

_REFUSED: Final = (RetryState.FAILED, RetryState.MISSING, RetryState.AMBIGUOUS, RetryState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class RetryRequest:
    """What the operator wants to retry; an empty text means none.

    Attributes:
        keys: A key file, or `-` for stdin.
        expect: The expected number of device keys.
        failed_too: Whether to retry tasks that failed for other reasons, too.
    """

    job_id: str
    keys: str
    expect: int
    reason: str
    firmware_version: str = ""
    failed_too: bool = False

    @property
    def states(self) -> tuple[RetryState, ...]:
        """The states in which a task is retried."""
        return (RetryState.CANCELLED, RetryState.FAILED) if self.failed_too else (RetryState.CANCELLED,)


@dataclass(frozen=True, slots=True)
class RetryResult:
    """The result of a retry: the tasks before (`check`) and after it (`outcome`)."""

    stack: str
    request: RetryRequest
    keys: frozenset[str]
    check: RetryCheck
    outcome: RetryOutcome

    @property
    def refused(self) -> Mapping[RetryState, list[str]]:
        """The keys that were not sent because of their state."""
        return {
            state: keys for state in _REFUSED if state not in self.request.states and (keys := self.check.of(state))
        }

    @property
    def exit_code(self) -> int:
        """The exit code of the command."""
        if self.outcome.problem:
            return _NOT_DONE
        # If no task was cancelled, the operator has the wrong keys or the wrong job.
        return _NO if self.refused or self.outcome.pending or not self.outcome.retried else 0

    def statuses(self, keys: Sequence[str]) -> Mapping[str, str]:
        """Return the statuses of these keys before the retry, as EnOS names them."""
        return {key: ",".join(sorted({task.raw_status for task in self.check.tasks[key]})) for key in keys}

    def as_json(self) -> dict[str, Any]:
        """Return the result for machines."""
        outcome = self.outcome
        return {
            "stack": self.stack,
            "job": self.request.job_id,
            "reason": self.request.reason,
            "keys": len(self.keys),
            "retried": dict(outcome.retried),
            "notFailed": self.statuses(self.check.of(RetryState.NOT_FAILED)),
            "refused": [
                {"deviceKey": key, "status": status, "why": state.value}
                for state, keys in self.refused.items()
                for key, status in self.statuses(keys).items()
            ],
            "pending": list(outcome.pending),
            "problem": outcome.problem,
            "exitCode": self.exit_code,
        }


def retry(context: OperationContext, request: RetryRequest) -> RetryResult:
    """Retry the cancelled tasks of a key file."""
    context.warn_of_missing_limits()
    keys = read_keys(request.keys, context.notify)
    if request.expect != len(keys):
        raise OperationRefused(
            f"expected {counted(request.expect, 'device key')}, found {len(keys)}. No request was sent."
        )
    _refuse_declared(context, request, keys)
    _warn_of_own_sets(context)
    job = context.read_job(request.job_id, request.firmware_version)
    if job.status is JobStatus.STOPPED:
        raise OperationRefused(
            f"job {request.job_id} is stopped: start it first, in the EnOS console. No request was sent."
        )
    check, outcome = _retry(context, request, keys)
    return RetryResult(context.config.stack, request, keys, check, outcome)


def _refuse_declared(context: OperationContext, request: RetryRequest, keys: frozenset[str]) -> None:
    """Refuse keys that a stack of this project declares, because its next `up` would cancel them again."""
    project = context.config.project
    found: list[str] = []
    # Without any stack file, Pulumi.yaml may declare sets for the named stack.
    for stack in project.stacks() or (context.config.stack,) if project else ():
        assert project is not None  # noqa: S101 - for the type checker
        sets, problems = read_stack_file(project.stack_file(stack), context.environ, project=project.name)
        if problems:
            raise SettingsError(problems)
        for each in sets:
            if each.job_id == request.job_id and (common := keys.intersection(each.device_keys)):
                some = listed([shown(key) for key in sorted(common)])
                found.append(f"stack {stack}, set {each.name!r}: {counted(len(common), 'key')} ({some})")
    if found:
        raise OperationRefused(
            "the next `pulumi up` would cancel these tasks again, because a stack still declares them:"
            f" {'; '.join(found)}. Remove the keys from these sets first. No request was sent."
        )


def _warn_of_own_sets(context: OperationContext) -> None:
    program = context.program
    if program and program.declares_sets:
        context.notify(
            f"warning: {shown_path(program.path)} declares sets of its own, and enos-ota cannot read their keys: the"
            " next `pulumi up` cancels the devices again that it declares. Remove these devices from it first."
        )


def _retry(context: OperationContext, request: RetryRequest, keys: frozenset[str]) -> tuple[RetryCheck, RetryOutcome]:
    override = ""

    def watch(batch: Sequence[str]) -> WriteWatch:
        return context.watch("retryTask", batch, job_id=request.job_id, reason=request.reason, break_glass=override)

    connection = context.connection
    runtime = Runtime(
        markers=normalise_markers(connection.cancelled_markers),
        limits=Limits(deadline=connection.deadline),
        service=ServiceLimits(batch=connection.batch_size),
        workers=Pool(connection.max_concurrency),
        clock=context.clock,
        stop=context.stop,
    )
    operation = RetryOperation(context.client, request.job_id, runtime, watch)
    check = operation.check(keys)
    todo = check.of(*request.states)
    override = _guard_override(context, request, len(todo))
    return check, operation.run(check, todo) if todo else RetryOutcome()


def _guard_override(context: OperationContext, request: RetryRequest, count: int) -> str:
    """Return the reason why the guard is overridden; empty if the guard allows the retry."""
    guard = context.guard
    if not guard.is_set or not count:
        return ""
    total = None if guard.max_share is None else context.client.count_tasks(request.job_id)
    if not (limits := describe_limits(guard, count, total)):
        return ""
    if reason := break_glass(context.environ):
        context.notify(f"Guard overridden (break-glass reason: {reason}). Retrying {counted(count, 'task')} ({limits})")
        return reason
    raise OperationRefused(
        f"the guard stops this retry of {counted(count, 'device')}: {limits}; raise the guard in the stack file, split"
        f" the key file, or set {BREAK_GLASS}=<reason> for this run. No request was sent."
    )
