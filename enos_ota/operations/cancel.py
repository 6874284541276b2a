"""`enos-ota cancel`: the 3-a.m. path, without a pull request and without an engine; the pull request follows.

The order is what makes it safe to die at any moment: the plan and the count first; then, right before the first request
that writes, the key file and the set's entry; then the requests, each in the audit log before it is sent. So a
cancellation that nobody declared cannot come about, and what was declared and not done `pulumi up` does.

Of a job with thousands of waiting tasks, `--waiting` calls back those first that are published already: to list all the
others takes EnOS a request for 200, and by then these would have begun.
"""

from __future__ import annotations

import contextlib
import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from enos_ota.cli.failures import Refused
from enos_ota.cli.output import say, say_aside, write_outcome
from enos_ota.cli.plain import plain
from enos_ota.devicekeys import rules as device_keys
from enos_ota.enos import IncompleteList, SearchWindow, TaskStatus
from enos_ota.enos import JobStatus as EnosJobStatus
from enos_ota.operations import commit_hints as written
from enos_ota.operations import key_input as keylist
from enos_ota.operations.bounds import bounds_of, has_guard, see_that_days_stay, sets_there
from enos_ota.operations.context import counted, opened
from enos_ota.operations.order import WAITING, WAY_OUT
from enos_ota.operations.report import tell_end
from enos_ota.operations.set_names import suggested_name
from enos_ota.operations.stages import Stages
from enos_ota.plan import JobFacts, JobStatus, Record, Severity, TaskSet, build_plan
from enos_ota.plan.classify import facts_of, normalise_markers
from enos_ota.plan.guard import break_glass
from enos_ota.plan.messages import describe_objection, preview_messages
from enos_ota.plan.naming import listed, name_of, one_line, shown
from enos_ota.plan.objections import firmware_objection
from enos_ota.reconciler import Pool
from enos_ota.reconciler.live_reader import read_job, read_live_set

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from enos_ota.enos import Job, Task
    from enos_ota.operations.bounds import Bounds
    from enos_ota.operations.context import Station
    from enos_ota.operations.order import Order
    from enos_ota.plan import Plan
    from enos_ota.settings import SetSettings

_LOOKED_AT: Final = 2_000
"""Keys whose tasks are read for the plan; of more only the job's counts are given, as somebody waits for it."""


def run(order: Order, *, stack: str | None, output: str) -> None:
    """See the command.

    Raises:
        click.ClickException: Nothing was sent.
        click.exceptions.Exit: With the exit code, after everything was told.
    """
    with opened(stack, edits=True, aside=order.aside, advice=WAY_OUT) as here:
        tell = say_aside if output == "json" else say
        here.warn_of_missing_limits()
        there = sets_there(here)
        scope = _scope(here, order, there, tell)
        crowd, keys, number = scope.crowd, scope.keys, scope.number
        if order.expect is not None and not scope.is_expected(order.expect):
            raise Refused(plain(f"{_not_as_expected(here, order, scope)}. Nothing was sent or written."))
        if not number:
            _job(here, order)
            say_aside(f"no task of job {order.job_id} waits: there is nothing to cancel")
            if output == "json":
                about = {"stack": here.config.stack, "job": order.job_id, "reason": order.reason}
                write_outcome(json.dumps(about | {"keys": 0, "cancelled": 0, "files": [], "exitCode": 0}))
            raise click.exceptions.Exit(0)
        bounds = _bounds(here, order, there, keys, tell)
        may_send = True
        if order.yes:
            # A script gets on without a look: what a look would refuse the reconciler refuses before anything is sent.
            stages = Stages(here, order, there, learn=lambda job: tell(_to_cancel(number, order, job)))
        else:
            plan = _plan(here, order, scope, bounds)
            may_send = not plan.is_held and bool(plan.cancels or plan.unread_count)
            _show_plan(plan, tell)
            announced = plan.override is not None
            stages = Stages(here, order, there, job=plan.job, is_override_told=announced, may_send=may_send)
        stages.cut_off, stages.skipped = scope.cut_off, scope.skipped
        declaration = stages.declare(keys)
        for line in written.already(declaration):
            tell(line)
        if may_send and not order.yes:
            _ask(here, number)
        if crowd:
            cancel_crowd(here, order, stages, crowd)
        else:
            stages.cancel(keys, declaration)
        if stages.record.problem and not here.requests and stages.record.job.status is JobStatus.UNKNOWN:
            _say_what_is_wrong_with_the_job(here, order)
        raise click.exceptions.Exit(tell_end(here, order, stages, output))


class _Scope(NamedTuple):
    """What to cancel.

    Attributes:
        crowd: The number of tasks that wait, if they are so many that the most urgent ones go first; else 0.
        keys: The device keys; none of a crowd.
        skipped: How many tasks wait that no set can hold.
        cut_off: Why the list of what waits is not complete; None where it is.
        is_most: Whether the number may be smaller than the one that is expected: while tasks start, it shrinks.
    """

    crowd: int = 0
    keys: frozenset[str] = frozenset()
    skipped: int = 0
    cut_off: IncompleteList | None = None
    is_most: bool = True

    @property
    def number(self) -> int:
        """How many devices these are."""
        return self.crowd or len(self.keys)

    def is_expected(self, number: int) -> bool:
        """Whether these are as many as expected; of what waits, no more than expected."""
        return self.number <= number if self.is_most else self.number == number


def _scope(here: Station, order: Order, there: Sequence[SetSettings], tell: Callable[[str], None]) -> _Scope:
    if order.keys:
        return _Scope(keys=keylist.read(order.keys), is_most=False)
    if crowd := _crowd(here, order, there):
        return _Scope(crowd)
    found: list[Task] = []
    cut_off: IncompleteList | None = None
    try:
        for task in here.tasks(order.job_id, WAITING):
            found.append(task)  # noqa: PERF402 - what was read before a refusal counts
    except IncompleteList as incomplete:
        # The devices that were notified are the most urgent: as many as can be are cancelled with the first.
        with contextlib.suppress(IncompleteList):
            for task in here.tasks(order.job_id, [TaskStatus.PUBLISHED]):
                found.append(task)  # noqa: PERF402 - the same
        tell(f"warning: {incomplete} This run cancels what EnOS lists. Run the same command again for the rest.")
        cut_off = incomplete
    waiting = _to_declare(found)
    if waiting.skipped and not waiting.keys:
        only = "the only waiting tasks of job" if waiting.skipped > 1 else "the only waiting task of job"
        raise Refused(plain(f"{only} {order.job_id} cannot be in a set. Nothing was sent or written."))
    return _Scope(keys=waiting.keys, skipped=waiting.skipped, cut_off=cut_off)


def _crowd(here: Station, order: Order, there: Sequence[SetSettings]) -> int:
    """How many tasks wait, if they are so many that the most urgent ones go first; else 0.

    With a guard that is in force all are listed first: it goes by their number, and is asked once.
    """
    if has_guard(here, order, there) and not break_glass(here.environ):
        return 0
    waiting = here.client.count_tasks(order.job_id, statuses=WAITING)
    return waiting if waiting is not None and waiting > _LOOKED_AT else 0


class _Waiting(NamedTuple):
    """Tasks that wait.

    Attributes:
        keys: The device keys that a set can hold.
        skipped: How many tasks have another key, or none.
    """

    keys: frozenset[str]
    skipped: int


def _waiting(here: Station, order: Order, statuses: Collection[TaskStatus]) -> _Waiting:
    """All tasks in these states, in as many requests as they have pages."""
    return _to_declare(here.tasks(order.job_id, statuses))


def _to_declare(tasks: Iterable[Task]) -> _Waiting:
    """Sort out the tasks that no set can hold, and name them."""
    valid: set[str] = set()
    skipped: set[str] = set()
    for task in tasks:
        if device_keys.problem(task.device_key):
            skipped.add(name_of(task))
        else:
            valid.add(task.device_key)
    if skipped:
        say_aside(
            f"Skipped {counted(len(skipped), 'task')} with an invalid device key ({listed(sorted(skipped))})."
            f" Cancel {'it' if len(skipped) == 1 else 'them'} in the EnOS console."
        )
    return _Waiting(frozenset(valid), len(skipped))


def cancel_crowd(here: Station, order: Order, stages: Stages, number: int) -> None:
    """Cancel everything that waits, what is published first. Never more devices than were counted or expected."""
    most = number if order.expect is None else order.expect
    urgent = _waiting(here, order, [TaskStatus.PUBLISHED]).keys
    stages.unlisted = max(0, number - len(urgent))
    if urgent and len(urgent) <= most:
        stages.cancel(urgent, stages.declare(urgent))

    def the_rest() -> None:
        say_aside(f"listing what waits, {number} at first, with a request for 200")
        waiting = _waiting(here, order, WAITING)
        stages.skipped, stages.unlisted = waiting.skipped, 0
        rest = waiting.keys - urgent
        if len(urgent) + len(rest) > most:
            more = f"{len(urgent) + len(rest)} wait by now or were cancelled"
            stages.fail(f"{most} were to be cancelled, but {more}, so nothing more was sent", is_refused=True)
        elif rest:
            stages.cancel(rest, stages.declare(rest))

    stages.go_on(the_rest)


def _bounds(
    here: Station, order: Order, there: Sequence[SetSettings], keys: frozenset[str], tell: Callable[[str], None]
) -> Bounds:
    """What must be kept to, told.

    Raises:
        Refused: It cannot be.
        SettingsError: A set would have to get another last day.
    """
    see_that_days_stay(here, order)
    bounds = bounds_of(here, order, there, keys)
    for line in bounds.told():
        tell(line)
    return bounds


def _say_what_is_wrong_with_the_job(here: Station, order: Order) -> None:
    """Ask for the job by itself: its error has its own words, and its own exit code.

    Raises:
        EnosError: What is wrong.
    """
    if not here.stop.reason:
        here.client.get_job(order.job_id)


def _not_as_expected(here: Station, order: Order, scope: _Scope) -> str:
    """Why the number is another than was expected: of a job that is not what it was meant to be, that comes first.

    Raises:
        EnosError: There is no such job, or it cannot be read.
        Refused: It is about other firmware.
    """
    number, expected = scope.number, f"{order.expect} were expected"
    if order.keys:
        return f"{expected}, but these are {counted(number, 'device key')}"
    if _job(here, order).status is EnosJobStatus.STOPPED:
        return f"job {order.job_id} is stopped, so nothing of it can be cancelled; {expected}, and {number} wait"
    if not number:
        return f"no task of job {order.job_id} waits, so there is nothing to cancel; {expected}"
    if isinstance(scope.cut_off, SearchWindow):
        return (
            f"{expected}, but EnOS lists {number} of at least {scope.cut_off.total} waiting tasks of job {order.job_id}"
        )
    return f"{expected}, but {counted(number, 'task')} of job {order.job_id} wait{'s' if number == 1 else ''}"


def _job(here: Station, order: Order) -> Job:
    """The job by itself, asked for where nothing is going to be sent.

    Raises:
        EnosError: There is none, or it cannot be read.
        Refused: It is about other firmware.
    """
    job = here.client.get_job(order.job_id)
    if objection := firmware_objection(order.firmware_version, job.firmware_version):
        why = describe_objection(objection, by_option=True)
        raise Refused(plain(f"job {order.job_id}: {why}. Nothing was sent or written."))
    return job


# Asking


def _plan(here: Station, order: Order, scope: _Scope, bounds: Bounds) -> Plan:
    """Read what EnOS says now, and build the plan. The tasks of a crowd, or of very many keys, are only counted.

    Raises:
        EnosError: There is no such job, or it cannot be read.
    """
    task_set = TaskSet(
        order.name,
        order.job_id,
        tuple(sorted(scope.keys)),
        guard=bounds.guard,
        expect_firmware_version=bounds.firmware_version,
    )
    if scope.crowd:
        live = read_job(here.client, order.job_id, by_status=True)
    else:
        unread = build_plan(task_set, Record(), today=here.today)
        workers = Pool(here.connection.max_concurrency)
        live = read_live_set(here.client, unread, max_keys=_LOOKED_AT, workers=workers)
    if scope.cut_off:
        live = replace(live, waiting=None)  # where lists are cut off totals may be capped
    job = facts_of(live.job) if live.job else JobFacts()
    name = order.name or suggested_name(job.name, job.firmware_version, order.job_id)
    return build_plan(
        replace(task_set, name=name),
        Record(),
        live,
        today=here.today,
        markers=normalise_markers(here.connection.cancelled_markers),
        break_glass=break_glass(here.environ),
        unlisted=scope.crowd,
    )


def _show_plan(plan: Plan, tell: Callable[[str], None]) -> None:
    """Show what a cancel would do.

    Raises:
        Refused: No request would be sent.
    """
    messages = preview_messages(plan)
    for each in messages:
        if each.severity is not Severity.REFUSAL:
            tell(each.text)
    if refusals := [each.text for each in messages if each.severity is Severity.REFUSAL]:
        raise Refused(plain("; ".join(refusals) + ". Nothing was sent and nothing was written."))


def _to_cancel(number: int, order: Order, job: JobFacts) -> str:
    known = (f"'{one_line(job.name)}'" if job.name else "", job.firmware_version and f"firmware {job.firmware_version}")
    about = ", ".join(filter(None, (*map(one_line, known), job.status.value)))
    return f"to cancel: {counted(number, 'device')} of job {order.job_id} ({about})"


def _ask(here: Station, count: int) -> None:
    """Have the operator type the count. The time that takes is not counted by the command's deadline.

    Raises:
        Refused: It is another one, or none.
        KeyboardInterrupt: The run was interrupted.
    """
    nothing = "Nothing was sent or written."
    try:
        question = f"To cancel, type the number of devices ({count})"
        typed = click.prompt(question, default="", show_default=False, err=True).strip()
    except click.Abort:  # Ctrl-C, or the end of what is typed
        say_aside("")  # the question's line is still open
        if here.stop.reason:
            raise KeyboardInterrupt from None
        in_scripts = "" if sys.stdin.isatty() else " In scripts: --yes --expect N."
        raise Refused(f"not confirmed. {nothing}{in_scripts}") from None
    here.ending.restart()
    if not sys.stdin.isatty():
        say_aside("")
    if typed != str(count):
        said = f"{shown(typed)!r} was typed" if typed else "nothing was typed"
        raise Refused(plain(f"{said}, but these are {counted(count, 'device key')}. {nothing}"))
