"""`enos-ota retry`: the undo of a cancel, an act of its own: reviewed by its count, guarded, never against a stack."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from enos_ota.cli.failures import Refused
from enos_ota.cli.output import say, say_aside, write_outcome
from enos_ota.cli.plain import plain
from enos_ota.enos import JobStatus
from enos_ota.operations import key_input as keylist
from enos_ota.operations.context import counted, opened, shown_path
from enos_ota.operations.order import WAITING
from enos_ota.operations.retry_batches import Outcome, Retrial, Standing
from enos_ota.plan.classify import normalise_markers
from enos_ota.plan.guard import BREAK_GLASS, break_glass
from enos_ota.plan.messages import describe_limits, describe_objection
from enos_ota.plan.naming import listed, one_line, shown
from enos_ota.plan.objections import firmware_objection
from enos_ota.reconciler import Pool
from enos_ota.settings import SettingsError, read_stack_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from enos_ota.enos import WriteWatch
    from enos_ota.operations.context import Station
    from enos_ota.operations.retry_batches import Look

_NO: Final = 1
_NOT_DONE: Final = 3

_REFUSED: Final = (Standing.FAILED, Standing.MISSING, Standing.AMBIGUOUS, Standing.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Order:
    """What the operator asked for.

    Attributes:
        job_id: The job.
        keys: A key file, or `-` for stdin.
        expect: The number of device keys in it.
        reason: Why.
        firmware_version: What the job must be about, or empty.
        failed_too: Whether tasks that failed for other reasons are retried as well.
    """

    job_id: str
    keys: str
    expect: int
    reason: str
    firmware_version: str = ""
    failed_too: bool = False


def run(order: Order, *, stack: str | None, output: str) -> None:
    """See the command.

    Raises:
        click.ClickException: Nothing was sent.
        click.exceptions.Exit: With the exit code, after everything was told.
    """
    with opened(stack, edits=True) as here:
        here.warn_of_missing_limits()
        keys = keylist.read(order.keys)
        if order.expect != len(keys):
            number = counted(len(keys), "device key")
            raise Refused(f"{order.expect} were expected, but these are {number}. Nothing was sent.")
        _refuse_declared(here, order, keys)
        _say_what_only_the_program_knows(here)
        job = here.client.get_job(order.job_id)
        if objection := firmware_objection(order.firmware_version, job.firmware_version):
            why = describe_objection(objection, by_option=True)
            raise Refused(plain(f"job {order.job_id}: {why}. Nothing was sent."))
        if job.status is JobStatus.STOPPED:
            text = f"job {order.job_id} is stopped: start it first, in the EnOS console. Nothing was sent."
            raise Refused(plain(text))
        look, outcome = _retry(here, order, keys)
        told = _Ending(order, look, outcome, keys)
        told.tell_machine(here) if output == "json" else told.tell()
        raise click.exceptions.Exit(told.code)


def _refuse_declared(here: Station, order: Order, keys: frozenset[str]) -> None:
    """A key that a stack of this project declares would be cancelled again by its next `up`.

    Raises:
        Refused: There is such a key.
        SettingsError: A stack file cannot be read, so that nobody knows.
    """
    project = here.config.project
    found: list[str] = []
    # Without any stack file Pulumi.yaml alone may declare sets, for the stack that is named.
    for stack in project.stacks() or (here.config.stack,) if project else ():
        assert project is not None  # noqa: S101 - for the type checker
        sets, problems = read_stack_file(project.stack_file(stack), here.environ, project=project.name)
        if problems:
            raise SettingsError(problems)
        for each in sets:
            if each.job_id == order.job_id and (common := keys.intersection(each.device_keys)):
                some = listed([shown(key) for key in sorted(common)])
                found.append(f"stack {stack}, set {each.name!r}: {counted(len(common), 'key')} ({some})")
    if found:
        raise Refused(
            plain("still declared as cancelled, so that the next `pulumi up` would cancel them again: ")
            + "; ".join(map(plain, found))
            + ". Take them out there first. Nothing was sent."
        )


def _say_what_only_the_program_knows(here: Station) -> None:
    program = here.program
    if program and program.declares_sets:
        say_aside(
            f"warning: {shown_path(program.path)} declares sets of its own, and which keys are in them only running it"
            " tells: a device that it declares is cancelled again by the next `pulumi up`. Take these out of it first."
        )


def _retry(here: Station, order: Order, keys: frozenset[str]) -> tuple[Look, Outcome]:
    override = ""

    def watch(batch: Sequence[str]) -> WriteWatch:
        return here.watch("retryTask", batch, job_id=order.job_id, reason=order.reason, break_glass=override)

    retrial = Retrial(
        here.client,
        order.job_id,
        markers=normalise_markers(here.connection.cancelled_markers),
        batch_size=here.connection.batch_size,
        clock=here.clock,
        stop=here.stop,
        workers=Pool(here.connection.max_concurrency),
        deadline=here.connection.deadline,
        watch=watch,
    )
    look = retrial.look(keys)
    todo = look.of(*_sent(order))
    override = _ask_the_guard(here, order, len(todo))
    if not todo:
        return look, Outcome()
    return look, retrial.run(look, todo)


def _sent(order: Order) -> tuple[Standing, ...]:
    return (Standing.CANCELLED, Standing.FAILED) if order.failed_too else (Standing.CANCELLED,)


def _ask_the_guard(here: Station, order: Order, count: int) -> str:
    """The reason for which the guard is overridden; empty if it has no objection.

    Raises:
        Refused: It objects.
    """
    guard = here.guard
    if not guard.is_set or not count:
        return ""
    total = None if guard.max_share is None else here.client.count_tasks(order.job_id)
    if not (limits := describe_limits(guard, count, total)):
        return ""
    if reason := break_glass(here.environ):
        say_aside(f"the guard is overridden ({reason}): {counted(count, 'task')} retried all the same ({limits})")
        return reason
    raise Refused(
        f"the guard stops this retry of {counted(count, 'device')}: {limits}; raise the guard in the stack file, split"
        f" the key file, or set {BREAK_GLASS}=<reason> for this run. Nothing was sent."
    )


class _Ending:
    """What is told at the end."""

    def __init__(self, order: Order, look: Look, outcome: Outcome, keys: frozenset[str]) -> None:
        self._order = order
        self._look = look
        self._outcome = outcome
        self._keys = keys
        sent = _sent(order)
        self._refused = {each: look.of(each) for each in _REFUSED if each not in sent and look.of(each)}

    @property
    def code(self) -> int:
        """The exit code."""
        if self._outcome.problem:
            return _NOT_DONE
        # Who undoes a cancel of devices that were never cancelled has the wrong keys, or the wrong job.
        return _NO if self._refused or self._outcome.pending or not self._outcome.retried else 0

    def tell(self) -> None:
        """For people."""
        outcome = self._outcome
        say(f"{len(outcome.retried)} of {counted(len(self._keys), 'device')} retried (job {self._order.job_id})")
        if on := self._look.of(Standing.GOES_ON):
            waiting = [key for key in on if self._look.tasks[key][0].status in WAITING]
            for keys, they in (
                (waiting, "waiting already"),
                (sorted(set(on).difference(waiting)), "not failed"),
            ):
                if keys:
                    say(f"{counted(len(keys), 'device')} {they} ({self._some(keys)}): nothing to retry")
            if len(on) == len(self._keys):
                say_aside(
                    "Error: none of these reads as cancelled. Were they retried before? Then there is nothing to do."
                )
        for standing, keys in self._refused.items():
            hint = "; --failed-too retries them" if standing is Standing.FAILED else ""
            say_aside(f"Error: {counted(len(keys), 'device')} refused, {standing.value} ({self._some(keys)}){hint}")
        if outcome.pending:
            accepted = f", of which EnOS accepted {outcome.accepted}" if outcome.accepted else ""
            some = listed([shown(key) for key in outcome.pending])
            say_aside(f"Error: {counted(len(outcome.pending), 'device')} not read as retried ({some}){accepted}")
        if outcome.problem:
            problem = outcome.problem.rstrip(".")
            say_aside(f"Error: {problem}. Run this once more: only what still reads as cancelled is sent.")

    def tell_machine(self, here: Station) -> None:
        """For machines."""
        outcome = self._outcome
        told = {
            "stack": here.config.stack,
            "job": self._order.job_id,
            "reason": self._order.reason,
            "keys": len(self._keys),
            "retried": dict(outcome.retried),
            "notFailed": self._statuses(self._look.of(Standing.GOES_ON)),
            "refused": [
                {"deviceKey": key, "status": status, "why": standing.value}
                for standing, keys in self._refused.items()
                for key, status in self._statuses(keys).items()
            ],
            "pending": list(outcome.pending),
            "problem": outcome.problem,
            "exitCode": self.code,
        }
        write_outcome(json.dumps(told))

    def _statuses(self, keys: Sequence[str]) -> Mapping[str, str]:
        return {key: ",".join(sorted({task.raw_status for task in self._look.tasks[key]})) for key in keys}

    def _some(self, keys: Sequence[str]) -> str:
        return listed([f"{shown(key)} {one_line(status)}".strip() for key, status in self._statuses(keys).items()])
