"""The report of a cancel: its exit code, and its text for people and for machines."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, Final

from enos_ota.engine.properties import rows
from enos_ota.operations import commit_hints
from enos_ota.operations.errors import NOTHING_DONE
from enos_ota.operations.sent_summary import describe_sent
from enos_ota.plan import Category, TaskSet, describe_record
from enos_ota.plan.live import WAITING
from enos_ota.plan.messages import describe_objection
from enos_ota.plan.naming import counted, shown
from enos_ota.plan.record import AFTER_PUSH
from enos_ota.settings.stackfile import shown_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from enos_ota.operations.stages import CancelRun

_NO: Final = 1
_NOT_DONE: Final = 3


class CancelReport:
    """The result of a cancel. It reads how many other tasks are waiting.

    Attributes:
        exit_code: The exit code of the command.
        is_written: Whether the set was written, or none was needed.
    """

    def __init__(self, run: CancelRun) -> None:
        self._context = context = run.context
        self._request = request = run.request
        self._run = run
        self._change = run.change
        self._record = run.record
        self._program = context.program
        self._unread_by = self._program.path if self._program and not self._program.reads_sets else None
        task_set = TaskSet(", ".join(run.change.set_names), request.job_id)
        self._verdict = describe_record(run.record, task_set, is_expired=False)
        self.is_written = run.is_written
        self._waiting = self._still_waiting() if context.requests or not request.keys else None
        self._unfinished = self._why_unfinished(self._waiting)
        self.exit_code = self._exit_code() or (_NOT_DONE if self._unfinished else 0)

    def error(self) -> str:
        """Return why no request was sent and no file was written."""
        objection = self._run.objection
        problem = describe_objection(objection) if objection else self._record.problem.rstrip(".")
        return f"Error: {problem}. {NOTHING_DONE}"

    def hints(self) -> Iterator[str]:
        """Return what the set lacks, and what to do if the program does not read it."""
        return commit_hints.describe_gaps(self._change, self._run.new_set, self._program)

    def _exit_code(self) -> int:
        if not self._record.problem:
            # `pulumi up` returns to held keys later; this command does not, so they count as not done.
            if self._record.accepted_count:
                return _NOT_DONE  # EnOS says it is done, and its searches do not show it yet
            is_left = self._record.of(Category.HELD) or self._run.skipped
            return _NO if self._verdict.errors or is_left else 0
        return _NO if self._run.is_refused else _NOT_DONE

    def _still_waiting(self) -> int | None:
        """Count the other waiting tasks of the job; None if their number is unknown."""
        if self._record.problem:
            return None  # EnOS may be down, or have asked for a long pause: ending now is more important
        client, job_id = self._context.client, self._request.job_id
        page = self._context.read_if_possible(
            lambda: client.search_tasks_page(job_id, statuses=WAITING, page_no=1, page_size=1)
        )
        if page is None:
            return None
        # A row proves that a task waits; the total is exact only up to EnOS's cap.
        waiting = max(len(page.items), page.total_size or 0)
        ours = sum(finding.category in {Category.PENDING, Category.HELD} for finding in self._record.outcomes.values())
        return max(0, waiting - ours - self._run.skipped)

    def _unanswered(self) -> str:
        """Return which requests EnOS did not answer, if keys are pending because of them; else an empty text."""
        requests = self._context.requests
        return describe_sent(requests) if requests.unknown and self._record.of(Category.PENDING) else ""

    def _why_unfinished(self, waiting: int | None) -> str:
        """Return why `--waiting` did not cancel every waiting task; empty if it did, or was not given."""
        job_id = self._request.job_id
        if self._run.unlisted:
            number = f"{self._run.unlisted} of the waiting tasks of job {job_id}"
            return f"{number} were not listed yet and are in no set: run the same command again"
        if self._request.keys or self._record.problem or waiting == 0:
            return ""
        if waiting is None:
            return f"it is unknown whether other tasks of job {job_id} are waiting: run the same command again"
        at_least, are = "at least " if self._run.cut_off else "", "is" if waiting == 1 else "are"
        other = f"{at_least}{counted(waiting, 'other task')}"
        return f"{other} of job {job_id} {are} still waiting: run the same command again"

    def write(self, show: Callable[[str], None], notify: Callable[[str], None]) -> None:
        """Write the report for people: results to `show`, errors to `notify`."""
        if not self.is_written:
            notify(self.error())
            return
        record, number = self._record, len(self._run.keys)
        show(f"{record.cancelled_count} of {counted(number, 'device')} read as cancelled (job {self._request.job_id})")
        if held := len(record.of(Category.HELD)):
            are, them = ("is", "it") if held == 1 else ("are", "them")
            not_cancelled = f"{counted(held, 'task')} could not be cancelled and {are} held"
            show(f"The job is stopped: {not_cancelled}. EnOS pushes {them} once the job is started.")
        for text in self._verdict.warnings:
            show(f"warning: {text}")
        for text in self._verdict.errors:
            notify(f"Error: {text}")
        if self._unfinished:
            notify(f"Error: {self._unfinished}")
        elif self._waiting:
            show(f"{counted(self._waiting, 'other task')} of the job still waiting; --waiting cancels all that wait.")
        self._show_next_steps(show, left=len(record.of(Category.PENDING)) + held)
        if unanswered := self._unanswered():
            notify(unanswered)

    def _show_next_steps(self, show: Callable[[str], None], *, left: int) -> None:
        record, context = self._record, self._context
        if self._change.changes and context.aside:
            show(commit_hints.aside_hint(self._change, context.set_folder, left=left))
        elif self._change.changes:
            message = f"{self._request.reason} ({self._change.set_name})"
            show(commit_hints.commit_hint(self._change, message, self._program, left=left))
        for hint in self.hints():
            show(hint)
        if any(finding.can_be_sent for finding in record.outcomes.values()):
            show("To continue, run the same command again. Cancelled tasks are not sent again.")
        if record.cancelled_count:
            show(self._undo())

    def _undo(self) -> str:
        change, cancelled = self._change, self._record.cancelled_keys()
        program = f" and its devices from {shown_path(self._unread_by)}" if self._unread_by else ""
        if change.key_file and change.device_keys == cancelled:
            file = shown_path(change.key_file)
            if_any = " if it exists" if self._context.aside else ""
            first = f"remove {shown_path(self._context.set_folder / change.set_file.name)}{if_any}{program}, then run"
        else:
            file = "FILE"
            names = " and ".join(f"set {shown(name)!r}" for name in change.set_names)
            first = f"remove the devices from {names}{program}, write them into a key file, then run"
        command = (
            f"enos-ota retry --job {shlex.quote(self._request.job_id)} --keys {shlex.quote(file)}"
            f" --expect {len(cancelled)} --reason WHY"
        )
        return f"To undo, {first}:\n  {command}"

    def as_json(self) -> dict[str, Any]:
        """Return the report for machines."""
        record = self._record
        places = commit_hints.places(self._change) if self.is_written else []
        return {
            "stack": self._context.config.stack,
            "job": self._request.job_id,
            "jobStatus": record.job.status.value,
            "jobName": record.job.name,
            "firmwareVersion": record.job.firmware_version,
            "reason": self._request.reason,
            "keys": len(self._run.keys),
            "cancelled": record.cancelled_count,
            "cancelledAfterPush": len(record.keys_with(AFTER_PUSH)),
            "exceptions": [
                {"deviceKey": key, "category": category, "status": status} for key, category, status in rows(record)
            ],
            "problem": record.problem,
            "errors": [*self._verdict.errors, *filter(None, [self._unfinished, self._unanswered()])],
            "warnings": list(self._verdict.warnings),
            "stillWaiting": self._waiting,
            "set": (self._change.set_name or None) if self.is_written else None,
            "declaredAlready": {name: len(keys) for name, keys in self._change.elsewhere.items()},
            "files": places,
            "recordedAside": bool(places and self._context.aside),
            "programReadsSets": self._program.reads_sets if self._program else None,
            "exitCode": self.exit_code,
        }
