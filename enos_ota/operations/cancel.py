"""Cancelling tasks from the command line, without a pull request and without the engine.

The order makes it safe to end at any moment: first the preview and the confirmation; then, right before the first
request that cancels, the key file and the set file; then the requests, each in the audit log before it is sent. So
every cancellation is declared, and `pulumi up` completes what was declared and not done.

Of a job with thousands of waiting tasks, `--waiting` cancels the published ones first: EnOS lists 200 tasks a request,
and by the end of the list these devices would have started to upgrade.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from enos_ota.devicekeys import rules as device_keys
from enos_ota.enos import IncompleteList, TaskStatus
from enos_ota.operations import commit_hints
from enos_ota.operations.bounds import declared_sets, effective_limits, has_guard
from enos_ota.operations.errors import NOTHING_DONE, OperationRefused
from enos_ota.operations.key_input import read_keys
from enos_ota.operations.report import CancelReport
from enos_ota.operations.set_writer import suggest_name
from enos_ota.operations.stages import RECORD_ASIDE_ADVICE, CancelRun
from enos_ota.plan import JobFacts, Record, RecordedJobStatus, Severity, TaskSet, build_plan
from enos_ota.plan.classify import facts_of, normalise_markers
from enos_ota.plan.guard import break_glass
from enos_ota.plan.live import WAITING
from enos_ota.plan.messages import preview_messages
from enos_ota.plan.naming import counted, listed, name_of, one_line
from enos_ota.reconciler import Pool
from enos_ota.reconciler.live_reader import read_job, read_live_set

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from enos_ota.enos import Task
    from enos_ota.operations.bounds import EffectiveLimits
    from enos_ota.operations.context import OperationContext
    from enos_ota.operations.stages import CancelRequest
    from enos_ota.plan import Plan
    from enos_ota.settings import SetSettings

_MOST_READ: Final = 2_000
"""Keys whose tasks are read for the preview; for more only counts are read, because the operator waits for it."""


def cancel(
    context: OperationContext,
    request: CancelRequest,
    *,
    show: Callable[[str], None],
    confirm: Callable[[int], None],
) -> CancelReport | None:
    """Cancel tasks. Return None if no task is waiting.

    `show` is called with each line of the preview, `confirm` with the number of devices; it raises an exception unless
    the operator confirms it.
    """
    context.warn_of_missing_limits()
    sets = declared_sets(context, RECORD_ASIDE_ADVICE)
    scope = _scope(context, request, sets, show)
    keys, number = scope.keys, scope.number
    is_too_many = request.expect is not None and number > request.expect
    # A fleet moves between two counts, so of waiting tasks the expected number is the highest.
    if is_too_many or (request.keys and request.expect not in {None, number}):
        raise OperationRefused(f"{_unexpected_number(context, request, number)}. {NOTHING_DONE}")
    if not number:
        context.read_job(request.job_id, request.firmware_version)
        context.notify(f"no task of job {request.job_id} is waiting: there is nothing to cancel")
        return None
    limits = effective_limits(context, request, sets, keys)
    for line in limits.descriptions():
        show(line)
    may_send = True
    if request.yes:
        # A script needs no preview: the reconciler refuses whatever a preview would refuse, before the first request.
        run = CancelRun(context, request, sets, learn=lambda job: show(_describe(number, request, job)))
    else:
        plan = _plan(context, request, scope, limits)
        may_send = not plan.is_held and bool(plan.cancels or plan.unread_count)
        _show_plan(plan, show)
        announced = plan.override is not None
        run = CancelRun(context, request, sets, job=plan.job, is_override_announced=announced, may_send=may_send)
    run.cut_off, run.skipped = scope.cut_off, scope.skipped
    change = run.declare(keys)
    for line in commit_hints.already_declared(change):
        show(line)
    if may_send and not request.yes:
        confirm(number)
        context.ending.restart()  # the time of the operator does not count
    if scope.many:
        cancel_published_first(run, number)
    else:
        run.cancel(keys, change)
    is_job_unread = run.record.problem and run.record.job.status is RecordedJobStatus.UNKNOWN
    if is_job_unread and not context.requests and not context.stop.reason:
        context.client.get_job(request.job_id)  # an error of the job has its own message and exit code
    return CancelReport(run)


class _Scope(NamedTuple):
    """The tasks to cancel.

    Attributes:
        keys: The device keys; none if there are too many tasks to list before the first cancel.
        many: The number of waiting tasks if they are too many; else 0.
        skipped: The number of waiting tasks with a device key that no set can contain.
        cut_off: Why the list of waiting tasks is incomplete; None if it is complete.
    """

    keys: frozenset[str] = frozenset()
    many: int = 0
    skipped: int = 0
    cut_off: IncompleteList | None = None

    @property
    def number(self) -> int:
        """The number of devices."""
        return self.many or len(self.keys)


def _scope(
    context: OperationContext, request: CancelRequest, sets: Sequence[SetSettings], show: Callable[[str], None]
) -> _Scope:
    if request.keys:
        return _Scope(read_keys(request.keys, context.notify))
    if many := _too_many_to_list(context, request, sets):
        return _Scope(many=many)
    found: list[Task] = []
    cut_off: IncompleteList | None = None
    try:
        for task in context.tasks(request.job_id, WAITING):
            found.append(task)  # noqa: PERF402 - keeps what was read before an error
    except IncompleteList as incomplete:
        # Notified devices are the most urgent: read as many of them as possible.
        with contextlib.suppress(IncompleteList):
            for task in context.tasks(request.job_id, [TaskStatus.PUBLISHED]):
                found.append(task)  # noqa: PERF402 - as above
        show(f"warning: {incomplete} This run cancels what EnOS lists. Run the same command again for the rest.")
        cut_off = incomplete
    scope = _valid_tasks(context, found)
    if scope.skipped and not scope.keys:
        only = "only waiting tasks" if scope.skipped > 1 else "only waiting task"
        raise OperationRefused(f"the {only} of job {request.job_id} cannot be in a set. {NOTHING_DONE}")
    return scope._replace(cut_off=cut_off)


def _too_many_to_list(context: OperationContext, request: CancelRequest, sets: Sequence[SetSettings]) -> int:
    """Return the number of waiting tasks if they are too many to list before the first cancel; else 0.

    If a guard applies, all are listed first, because the guard decides once about their number.
    """
    if has_guard(context, request, sets) and not break_glass(context.environ):
        return 0
    waiting = context.client.count_tasks(request.job_id, statuses=WAITING)
    return waiting if waiting is not None and waiting > _MOST_READ else 0


def _valid_tasks(context: OperationContext, tasks: Iterable[Task]) -> _Scope:
    """Return the tasks that a set can contain; report the others."""
    valid: set[str] = set()
    skipped: set[str] = set()
    for task in tasks:
        if device_keys.problem(task.device_key):
            skipped.add(name_of(task))
        else:
            valid.add(task.device_key)
    if skipped:
        context.notify(
            f"Skipped {counted(len(skipped), 'task')} with an invalid device key ({listed(sorted(skipped))})."
            f" Cancel {'it' if len(skipped) == 1 else 'them'} in the EnOS console."
        )
    return _Scope(frozenset(valid), skipped=len(skipped))


def cancel_published_first(run: CancelRun, number: int) -> None:
    """Cancel all waiting tasks, the published ones first; never more devices than were counted or expected."""
    context, request = run.context, run.request
    most = number if request.expect is None else request.expect
    urgent = _valid_tasks(context, context.tasks(request.job_id, [TaskStatus.PUBLISHED])).keys
    run.unlisted = max(0, number - len(urgent))
    if urgent and len(urgent) <= most:
        run.cancel(urgent, run.declare(urgent))

    def cancel_the_rest() -> None:
        context.notify(f"listing {number} waiting tasks, 200 per request")
        waiting = _valid_tasks(context, context.tasks(request.job_id, WAITING))
        run.skipped, run.unlisted = waiting.skipped, 0
        rest = waiting.keys - urgent
        if len(urgent) + len(rest) > most:
            found = f"found {len(urgent) + len(rest)}, those already cancelled included"
            run.fail(f"expected at most {most} tasks, {found}; no further request was sent", is_refused=True)
        elif rest:
            run.cancel(rest, run.declare(rest))

    run.continue_with(cancel_the_rest)


def _unexpected_number(context: OperationContext, request: CancelRequest, number: int) -> str:
    if request.keys:
        return f"expected {counted(request.expect or 0, 'device key')}, found {number}"
    context.read_job(request.job_id, request.firmware_version)  # a wrong job explains more than a number
    return f"expected at most {counted(request.expect or 0, 'waiting task')} in job {request.job_id}, found {number}"


def _plan(context: OperationContext, request: CancelRequest, scope: _Scope, limits: EffectiveLimits) -> Plan:
    """Read what EnOS says now, and build the plan. If there are very many keys, their tasks are only counted."""
    task_set = TaskSet(
        request.name,
        request.job_id,
        tuple(sorted(scope.keys)),
        guard=limits.guard,
        expect_firmware_version=limits.firmware_version,
    )
    if scope.many:
        live = read_job(context.client, request.job_id, by_status=True)
    else:
        unread = build_plan(task_set, Record(), today=context.today)
        workers = Pool(context.connection.max_concurrency)
        live = read_live_set(context.client, unread, max_keys=_MOST_READ, workers=workers)
    if scope.cut_off:
        live = replace(live, waiting=None)  # where EnOS cuts off lists, its totals may be capped
    job = facts_of(live.job) if live.job else JobFacts()
    name = request.name or suggest_name(job, request.job_id)
    return build_plan(
        replace(task_set, name=name),
        Record(),
        live,
        today=context.today,
        markers=normalise_markers(context.connection.cancelled_markers),
        break_glass=break_glass(context.environ),
        unlisted=scope.many,
    )


def _show_plan(plan: Plan, show: Callable[[str], None]) -> None:
    """Show what the cancel would do."""
    messages = preview_messages(plan)
    for each in messages:
        if each.severity is not Severity.REFUSAL:
            show(each.text)
    if refusals := [each.text for each in messages if each.severity is Severity.REFUSAL]:
        raise OperationRefused("; ".join(refusals) + f". {NOTHING_DONE}")


def _describe(number: int, request: CancelRequest, job: JobFacts) -> str:
    known = (f"'{one_line(job.name)}'" if job.name else "", job.firmware_version and f"firmware {job.firmware_version}")
    about = ", ".join(filter(None, (*map(one_line, known), job.status.value)))
    return f"to cancel: {counted(number, 'device')} of job {request.job_id} ({about})"
