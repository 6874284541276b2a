"""What is told at the end of `enos-ota cancel`."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Final

from enos_ota.cli.interrupts import describe_sent
from enos_ota.cli.output import say, say_aside, write_outcome
from enos_ota.engine.properties import rows
from enos_ota.enos import SearchWindow
from enos_ota.operations import commit_hints as written
from enos_ota.operations.context import counted, shown_path
from enos_ota.operations.order import WAITING
from enos_ota.plan import Category, TaskSet, describe_record
from enos_ota.plan.guard import BREAK_GLASS
from enos_ota.plan.messages import describe_limits, describe_objection
from enos_ota.plan.naming import shown
from enos_ota.plan.record import AFTER_PUSH

if TYPE_CHECKING:
    from collections.abc import Callable

    from enos_ota.operations.context import Station
    from enos_ota.operations.order import Order
    from enos_ota.operations.stages import Stages

_NO: Final = 1
_NOT_DONE: Final = 3


def tell_end(here: Station, order: Order, stages: Stages, output: str) -> int:
    """Tell it all; the exit code."""
    return _Ending(here, order, stages).told(output)


class _Ending:
    def __init__(self, here: Station, order: Order, stages: Stages) -> None:
        self._here = here
        self._order = order
        self._stages = stages
        self._declaration = stages.declaration
        self._record = stages.record
        self._program = here.program
        self._unread_by = self._program.path if self._program and not self._program.reads_sets else None
        task_set = TaskSet(", ".join(stages.declaration.set_names), order.job_id)
        self._verdict = describe_record(stages.record, task_set, is_expired=False)

    def told(self, output: str) -> int:
        number, is_written = len(self._stages.keys), self._stages.is_written
        places = written.places(self._declaration) if is_written else []
        waiting = self._still_waiting() if self._here.requests or not self._order.keys else None
        unfinished = self._unfinished(waiting)
        code = self._exit_code() or (_NOT_DONE if unfinished else 0)
        if output == "json":
            self._tell_machine(number, places, waiting, unfinished, code)
            if is_written:
                self._tell_what_is_to_add(say_aside)
        elif is_written:
            self._tell(number, waiting, unfinished)
            if unanswered := self._unanswered():
                say_aside(unanswered)
        if not is_written:
            objection = self._stages.objection
            problem = describe_objection(objection) if objection else self._record.problem.rstrip(".")
            say_aside(f"Error: {problem}. Nothing was sent and nothing was written.")
        return code

    def _exit_code(self) -> int:
        if not self._record.problem:
            # For an `up` held keys are fine, as it comes back to them. Who cancels by hand wants to know: not done.
            if self._record.accepted_count:
                return _NOT_DONE  # EnOS says it is done, and its searches do not show it yet
            is_left = self._record.of(Category.HELD) or self._stages.skipped
            return _NO if self._verdict.errors or is_left else 0
        return _NO if self._stages.is_refused else _NOT_DONE

    def _still_waiting(self) -> int | None:
        """Tasks of the job that wait and were not asked for; None if nobody knows."""
        if self._record.problem:
            return None  # EnOS may be down, or have asked for a long pause: that this ends comes first
        client, job_id = self._here.client, self._order.job_id
        page = self._here.read_if_possible(
            lambda: client.search_tasks_page(job_id, statuses=WAITING, page_no=1, page_size=1)
        )
        if page is None:
            return None
        # That something waits its row says; how many the total, as far as EnOS counts.
        waiting = max(len(page.items), page.total_size or 0)
        ours = sum(finding.category in {Category.PENDING, Category.HELD} for finding in self._record.outcomes.values())
        return max(0, waiting - ours - self._stages.skipped)

    def _unanswered(self) -> str:
        """What was sent and may have been processed, where that is why keys are pending; empty if nothing was."""
        requests = self._here.requests
        return describe_sent(requests) if requests.unknown and self._record.of(Category.PENDING) else ""

    def _unfinished(self, waiting: int | None) -> str:
        """Why not everything that waits is cancelled, where that was asked for; empty where it is."""
        job_id, cut_off = self._order.job_id, self._stages.cut_off
        if self._stages.unlisted:
            number = f"{self._stages.unlisted} of the waiting tasks of job {job_id}"
            return f"{number} were not listed yet and are in no set: run the same command again"
        if self._order.keys or self._record.problem or waiting == 0:
            return ""
        if isinstance(cut_off, SearchWindow):
            number = f"{self._record.cancelled_count} of at least {cut_off.total} waiting tasks"
            return f"{number} of job {job_id} were cancelled: run the same command again for the rest"
        if cut_off:
            number = counted(self._record.cancelled_count, "task")
            why = "but the list of waiting tasks was not complete"
            return f"{number} of job {job_id} cancelled, {why}: run the same command again"
        if waiting is None:
            return f"it is unknown whether other tasks of job {job_id} are waiting: run the same command again"
        are = "is" if waiting == 1 else "are"
        return f"{counted(waiting, 'other task')} of job {job_id} {are} still waiting: run the same command again"

    def _tell(self, number: int, waiting: int | None, unfinished: str) -> None:
        record = self._record
        say(f"{record.cancelled_count} of {counted(number, 'device')} read as cancelled (job {self._order.job_id})")
        if held := len(record.of(Category.HELD)):
            are, them = ("is", "it") if held == 1 else ("are", "them")
            say(
                f"The job is stopped: {held} could not be cancelled and {are} held."
                f" EnOS pushes {them} once the job is started."
            )
        for text in self._verdict.warnings:
            say(f"warning: {text}")
        for text in self._verdict.errors:
            say_aside(f"Error: {text}")
        if unfinished:
            say_aside(f"Error: {unfinished}")
        elif waiting:
            say(f"Still waiting: {counted(waiting, 'other task')} of the job; --waiting cancels what waits by then.")
        left = len(record.of(Category.PENDING)) + held
        if self._declaration.changes and self._here.aside and self._here.config.file:
            say(written.aside_hint(self._declaration, self._here.config.file, left=left))
        elif self._declaration.changes:
            message = f"{self._order.reason} ({self._declaration.set_name})"
            say(written.commit_hint(self._declaration, message, left=left, is_read=not self._unread_by))
        self._tell_what_is_to_add(say)
        if any(finding.can_be_sent for finding in record.outcomes.values()):
            say("To continue, run the same command again. Cancelled tasks are not sent again.")
        if record.cancelled_count:
            say(self._undo())

    def _tell_what_is_to_add(self, tell: Callable[[str], None]) -> None:
        wish = self._stages.wish
        hints = (written.lacking(self._declaration, wish), written.unread(self._declaration, wish, self._program))
        for text in filter(None, hints):
            tell(text)

    def _undo(self) -> str:
        declaration, cancelled = self._declaration, self._record.cancelled_keys()
        stack_file = shown_path(self._here.config.file or self._here.stack_file)
        program = f" and its devices out of {shown_path(self._unread_by)}" if self._unread_by else ""
        if declaration.is_new and declaration.key_file and declaration.device_keys == cancelled:
            file = shown_path(declaration.key_file)
            name = shown(declaration.set_name)
            # What was recorded aside is in no stack yet, and perhaps will be by then.
            take = f"see that no set {name!r} is in" if self._here.aside else f"take set {name!r} out of"
            first = f"{take} {stack_file}{program}, but keep its key file, then"
        else:
            file = "FILE"
            names = " and ".join(f"set {shown(name)!r}" for name in declaration.set_names)
            first = f"take the devices out of {names} in {stack_file}{program}, then, with a key file of them,"
        command = (
            f"enos-ota retry --job {shlex.quote(self._order.job_id)} --keys {shlex.quote(file)}"
            f" --expect {len(cancelled)} --reason WHY"
        )
        limits = self._limits_of_a_retry(len(cancelled))
        guard = f"\n(The guard stops that: {limits}. Raise it first, or set {BREAK_GLASS}=<reason>.)" if limits else ""
        return f"To undo: {first}\n  {command}{guard}"

    def _limits_of_a_retry(self, number: int) -> str:
        """What `retry` would object to, as far as anybody knows."""
        guard = self._here.guard
        if self._here.is_blind or not guard.is_set:
            return ""
        if guard.max_share is None:
            return describe_limits(guard, number, None)
        client, job_id = self._here.client, self._order.job_id
        total = self._here.read_if_possible(lambda: client.count_tasks(job_id))
        return "" if total is None else describe_limits(guard, number, total)

    def _tell_machine(self, number: int, places: list[str], waiting: int | None, unfinished: str, code: int) -> None:
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
            "cancelledAfterPush": len(record.keys_with(AFTER_PUSH)),
            "exceptions": [
                {"deviceKey": key, "category": category, "status": status} for key, category, status in rows(record)
            ],
            "problem": record.problem,
            "errors": [*self._verdict.errors, *filter(None, [unfinished, self._unanswered()])],
            "warnings": list(self._verdict.warnings),
            "stillWaiting": waiting,
            "set": (self._declaration.set_name or None) if places else None,
            "declaredAlready": {name: len(keys) for name, keys in self._declaration.elsewhere.items()},
            "files": places,
            "recordedAside": bool(places and self._here.aside),
            "programReadsSets": self._program.reads_sets if self._program else None,
            "exitCode": code,
        }
        write_outcome(json.dumps(told))
