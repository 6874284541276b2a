"""`enos-ota cancel`: the 3-a.m. path, without a pull request and without an engine; the pull request follows.

The order is what makes it safe to die at any moment: the plan and the count first; then, right before the first request
that writes, the key file and the set's entry; then the requests, each in the audit log before it is sent. So a
cancellation that nobody declared cannot come about, and what was declared and not done `pulumi up` does.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from enos_ota import keys as device_keys
from enos_ota.cli.acts import keylist, written
from enos_ota.cli.acts.recorder import Recorder
from enos_ota.cli.acts.station import all_tasks, counted, interruptible, opened, say, say_aside, shown_path
from enos_ota.cli.failures import Refused, Undetermined
from enos_ota.cli.plain import plain
from enos_ota.connect import reconciler_of
from enos_ota.declaration import Wish, declare, suggested_name, to_expect
from enos_ota.enos import EnosError, TaskStatus
from enos_ota.reconciler import Category, JobFacts, JobStatus, Pool, Record, Rules, Terms, judge, plan
from enos_ota.reconciler.forecast import Conditions, report
from enos_ota.reconciler.guard import WAYS_OUT, break_glass, expectation_objection
from enos_ota.reconciler.naming import listed, shown
from enos_ota.reconciler.outcome import AFTER_PUSH
from enos_ota.reconciler.survey import survey
from enos_ota.state import rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from enos_ota.cli.acts.station import Station
    from enos_ota.declaration import Declaration
    from enos_ota.enos import WriteWatch

_WAITING: Final = (TaskStatus.INIT, TaskStatus.PUBLISHED)
_LOOKED_AT: Final = 2_000
"""Keys whose tasks are read for the plan; of more only the job's counts are given, as somebody waits for it."""

_NO: Final = 1
_NOT_DONE: Final = 3


@dataclass(frozen=True, slots=True)
class Order:
    """What the operator asked for.

    Attributes:
        job_id: The job.
        keys: A key file, `-` for stdin; empty for everything that waits.
        reason: Why.
        name: The set's name, or empty.
        firmware_version: What the job must be about, or empty.
        yes: Nobody is asked.
        expect: The number of device keys, where it was given.
        overwrite: Whether a key file of other content may be replaced.
    """

    job_id: str
    keys: str
    reason: str
    name: str = ""
    firmware_version: str = ""
    yes: bool = False
    expect: int | None = None
    overwrite: bool = False


def run(order: Order, *, stack: str | None, output: str) -> None:
    """See the command.

    Raises:
        click.ClickException: Nothing was sent.
        click.exceptions.Exit: With the exit code, after everything was told.
    """
    with opened(stack, edits=True) as here:
        tell = say_aside if output == "json" else say
        keys = keylist.read(order.keys) if order.keys else _waiting(here, order.job_id)
        if order.expect is not None and order.expect != len(keys):
            raise Refused(_other_count(order.expect, len(keys)))
        if not keys:
            say_aside(f"no task of job {order.job_id} waits: there is nothing to cancel")
            if output == "json":
                click.echo(json.dumps({"stack": here.config.stack, "job": order.job_id, "keys": 0, "exitCode": 0}))
            raise click.exceptions.Exit(0)
        # A script gets on without a look: what a look would refuse the reconciler refuses before anything is sent.
        job = JobFacts(firmware_version=order.firmware_version) if order.yes else _show_plan(here, order, keys, tell)
        declaration = _declaration(here, order, keys, job)
        for line in written.already(declaration):
            tell(line)
        if not order.yes:
            _ask(len(keys))
        code = _cancel(here, order, keys, declaration, output)
        raise click.exceptions.Exit(code)


def _waiting(here: Station, job_id: str) -> frozenset[str]:
    """The keys of all tasks that wait, in as many requests as they have pages."""
    found = {task.device_key for task in all_tasks(here.client, job_id, _WAITING)}
    bad = sorted(key for key in found if device_keys.problem(key))
    if bad:
        some = listed([shown(key) for key in bad])
        say_aside(f"{counted(len(bad), 'device key')} that no set can hold left out ({some}): see to these by hand")
    return frozenset(found.difference(bad))


def _show_plan(here: Station, order: Order, keys: frozenset[str], tell: Callable[[str], None]) -> JobFacts:
    """Show what a cancel would meet now, and what job it is.

    Raises:
        Refused: It would be refused.
    """
    forecast = survey(
        here.client,
        order.job_id,
        keys,
        markers=here.connection.cancelled_markers,
        max_keys=_LOOKED_AT,
        workers=Pool(here.connection.max_concurrency),
    )
    rules = Rules(order.name or _suggested(order, forecast.job), order.job_id)
    conditions = Conditions(here.guard, order.firmware_version or None, break_glass(here.environ))
    found = report(forecast, rules, conditions)
    for text in (*found.information, *found.warnings):
        tell(text)
    if found.failures:
        raise Refused(plain("; ".join(found.failures) + ". Nothing was sent and nothing was written."))
    return forecast.job


def _suggested(order: Order, job: JobFacts) -> str:
    return suggested_name(job.name, job.firmware_version, order.job_id)


def _declaration(here: Station, order: Order, keys: frozenset[str], job: JobFacts) -> Declaration:
    """What to write. The firmware that the operator was shown, or named, is what the set is to expect from now on."""
    wish = Wish(
        order.job_id,
        keys,
        name=order.name,
        suggestion=_suggested(order, job),
        reason=order.reason,
        firmware_version=to_expect(job.firmware_version),
        by="enos-ota cancel",
        overwrite=order.overwrite,
    )
    return declare(here.stack_file, here.environ, wish, project=here.project_name)


def _ask(count: int) -> None:
    """Have the operator type the count.

    Raises:
        Refused: It is another one.
    """
    try:
        typed = click.prompt(f"To cancel, type the number of devices ({count})", err=True, type=str)
    except click.Abort:
        text = "nobody answered, so nothing was sent and nothing was written; in scripts: --yes --expect N"
        raise Refused(text) from None
    if typed.strip() != str(count):
        raise Refused(_other_count(typed.strip(), count))


def _other_count(said: int | str, count: int) -> str:
    return plain(f"{said} were expected, but these are {counted(count, 'device key')}. Nothing was sent or written.")


def _cancel(here: Station, order: Order, keys: frozenset[str], declaration: Declaration, output: str) -> int:
    """Cancel, and tell what came of it; the exit code."""
    names = ", ".join(declaration.set_names)
    places = " and ".join(written.places(declaration))
    recorder = Recorder(
        declaration,
        lambda: (
            say_aside(f"written before anything is sent: set {shown(declaration.set_name)!r}, in {places}")
            if places
            else None
        ),
    )

    def watch(batch: Sequence[str], override: str) -> WriteWatch:
        return recorder.watch(
            here.watch(
                "cancelTask",
                batch,
                job_id=order.job_id,
                reason=order.reason,
                set_name=names,
                break_glass=override,
            )
        )

    terms = Terms(
        guard=here.guard,
        expect_firmware_version=order.firmware_version,
        break_glass=break_glass(here.environ),
        watch=watch,
        say=say_aside,
    )
    record = _applied(here, order, keys, terms, recorder)
    if record.problem and not recorder.has_sent:
        if record.job.status is JobStatus.UNKNOWN and not here.stop.reason:
            here.client.get_job(order.job_id)  # says in its own words, with its own exit code, what is wrong with it
        return _Ending(here, order, declaration, record).told(len(keys), output, recorder)
    recorder.write()  # where nothing had to be sent: all were cancelled already, or are held
    return _Ending(here, order, declaration, record).told(len(keys), output, recorder)


def _applied(here: Station, order: Order, keys: frozenset[str], terms: Terms, recorder: Recorder) -> Record:
    """What came of it.

    Raises:
        EnosError: Nothing was sent.
        Undetermined: The operator would not wait for the end.
    """
    try:
        with interruptible(here.stop):
            reconciler = reconciler_of(here.connection, here.client, here.stop)
            return reconciler.apply(order.job_id, plan(keys, Record()), terms)
    except EnosError:
        if recorder.is_written:
            say_aside("The set was written into the project, but nothing was sent:")
        raise
    except KeyboardInterrupt:
        done = (
            "the set was written into the project: run this again, or `pulumi up`, to see what was done and do the rest"
        )
        what = done if recorder.is_written else "nothing was sent and nothing was written"
        raise Undetermined(f"interrupted twice; {what}") from None


class _Ending:
    """What is told at the end."""

    def __init__(self, here: Station, order: Order, declaration: Declaration, record: Record) -> None:
        self._here = here
        self._order = order
        self._declaration = declaration
        self._record = record
        self._verdict = judge(record, Rules(", ".join(declaration.set_names), order.job_id))

    def told(self, number: int, output: str, recorder: Recorder) -> int:
        """Tell it all; the exit code."""
        places = written.places(self._declaration) if recorder.is_written else []
        waiting = self._still_waiting() if recorder.has_sent else None
        code = self._exit_code()
        if output == "json":
            self._tell_machine(number, places, waiting, code)
        elif recorder.is_written:
            self._tell(number, waiting)
        if not recorder.is_written:
            problem = self._record.problem.removesuffix("; nothing was sent")
            say_aside(f"Error: {problem}. Nothing was sent and nothing was written.")
        return code

    def _exit_code(self) -> int:
        problem = self._record.problem
        if not problem:
            return _NO if self._verdict.errors else 0
        expected = self._order.firmware_version
        is_no = WAYS_OUT in problem or expectation_objection(expected, self._record.job.firmware_version)
        return _NO if is_no else _NOT_DONE

    def _still_waiting(self) -> int | None:
        """Tasks of the job that wait and were not asked for; None if nobody knows."""
        if self._record.problem:
            return None  # EnOS may be down, or have asked for a long pause: that this ends comes first
        try:
            waiting = self._here.client.count_tasks(self._order.job_id, statuses=_WAITING)
        except EnosError:
            return None
        ours = sum(finding.category in {Category.PENDING, Category.HELD} for finding in self._record.findings.values())
        return None if waiting is None else max(0, waiting - ours)

    def _tell(self, number: int, waiting: int | None) -> None:
        record = self._record
        say(f"{record.cancelled_count} of {counted(number, 'device')} read as cancelled (job {self._order.job_id})")
        if held := len(record.of(Category.HELD)):
            say(f"The job is stopped: {held} could not be cancelled and are held. EnOS pushes them once it is started.")
        for text in self._verdict.warnings:
            say(f"warning: {text}")
        for text in self._verdict.errors:
            say_aside(f"Error: {text}")
        if waiting:
            say(f"Still waiting: {counted(waiting, 'other task')} of the job; --waiting cancels what waits by then.")
        if self._declaration.changes:
            say(written.commit_hint(self._declaration, f"{self._order.reason} ({self._declaration.set_name})"))
        say(self._undo())

    def _undo(self) -> str:
        changes = self._declaration.changes
        file = shown_path(changes[0].path) if changes and changes[0].before is None else "FILE"
        number = len(self._declaration.device_keys) if file != "FILE" else "N"
        return (
            "To undo: take it out of the stack file, but keep the key file, then\n"
            f"  enos-ota retry --job {shlex.quote(self._order.job_id)} --keys {shlex.quote(file)} --expect {number}"
            " --reason WHY"
        )

    def _tell_machine(self, number: int, places: list[str], waiting: int | None, code: int) -> None:
        record = self._record
        told = {
            "stack": self._here.config.stack,
            "job": self._order.job_id,
            "jobStatus": record.job.status.value,
            "jobName": record.job.name,
            "firmwareVersion": record.job.firmware_version,
            "reason": self._order.reason,
            "keys": number,
            "cancelled": record.cancelled_count,
            "cancelledAfterPush": sum(finding == AFTER_PUSH for finding in record.findings.values()),
            "exceptions": [
                {"deviceKey": key, "category": category, "status": status} for key, category, status in rows(record)
            ],
            "problem": record.problem,
            "errors": list(self._verdict.errors),
            "warnings": list(self._verdict.warnings),
            "stillWaiting": waiting,
            "set": (self._declaration.set_name or None) if places else None,
            "declaredAlready": {name: len(keys) for name, keys in self._declaration.elsewhere.items()},
            "files": places,
            "exitCode": code,
        }
        click.echo(json.dumps(told))
