"""Declaring the tasks of a job that are cancelled already as a set of the stack."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from enos_ota.devicekeys import rules as device_keys
from enos_ota.enos import InvalidArgument, TaskStatus
from enos_ota.operations import commit_hints
from enos_ota.operations.bounds import declared_sets
from enos_ota.operations.errors import OperationRefused
from enos_ota.operations.set_writer import NewSet, SetWriter, expectable, suggest_name
from enos_ota.plan.classify import is_cancelled, normalise_markers
from enos_ota.plan.naming import name_of, one_line, shown
from enos_ota.reconciler import Pool
from enos_ota.reconciler.reading import TaskReader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from enos_ota.enos import Job, Task
    from enos_ota.operations.context import OperationContext
    from enos_ota.operations.own_program import Program
    from enos_ota.operations.set_writer import SetFileChange


@dataclass(frozen=True, slots=True)
class AdoptRequest:
    """What the operator wants to adopt; an empty text means none."""

    job_id: str
    name: str = ""
    reason: str = ""
    expires: str = ""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class AdoptResult:
    """The result of an adoption: the keys whose tasks read as cancelled, and the set that was written for them."""

    stack: str
    request: AdoptRequest
    job_label: str
    cancelled: frozenset[str]
    change: SetFileChange
    new_set: NewSet
    program: Program | None

    def as_json(self) -> dict[str, Any]:
        """Return the result for machines."""
        return {
            "stack": self.stack,
            "job": self.request.job_id,
            "cancelled": len(self.cancelled),
            "set": self.change.set_name or None,
            "adopted": sorted(self.change.device_keys),
            "declaredAlready": {name: sorted(keys) for name, keys in self.change.elsewhere.items()},
            "files": commit_hints.places(self.change),
            "dryRun": self.request.dry_run,
            "programReadsSets": self.program.reads_sets if self.program else None,
            "exitCode": 0,
        }


def adopt(context: OperationContext, request: AdoptRequest) -> AdoptResult:
    """Write a set of the cancelled tasks that no set declares yet. No request that writes is sent."""
    sets = declared_sets(context)
    job = context.client.get_job(request.job_id)
    found, skipped = _cancelled(context, job)
    job_label = f"job {request.job_id}" + (f" ({one_line(job.name)})" if job.name else "")
    for name, why in sorted(skipped.items()):
        context.notify(f"{name} skipped: {why}")
    if not found:
        why = "no other cancelled task" if skipped else "no task reads as cancelled, so there is nothing to adopt"
        raise OperationRefused(f"{job_label}: {why}. No file was written.")
    new_set = NewSet(
        request.job_id,
        found,
        name=request.name or suggest_name(job, request.job_id),
        reason=request.reason,
        firmware_version=expectable(job.firmware_version),
        expires=request.expires,
        written_by="enos-ota adopt",
    )
    change = SetWriter(context.set_folder, sets).plan(new_set)
    if not request.dry_run:
        change.write()
    return AdoptResult(context.config.stack, request, job_label, found, change, new_set, context.program)


def _cancelled(context: OperationContext, job: Job) -> tuple[frozenset[str], dict[str, str]]:
    """Return the keys whose tasks read as cancelled; and by name those that cannot be adopted, with the reason."""
    markers = normalise_markers(context.connection.cancelled_markers)
    rows = list(context.tasks(job.job_id, [TaskStatus.FAILED]))
    with contextlib.suppress(InvalidArgument):
        # EnOS documents no such status: whether a search accepts it is unknown [U].
        rows += context.tasks(job.job_id, [TaskStatus.CANCELED])
    cancelled = [task for task in rows if is_cancelled(task, markers)]
    skipped = {name_of(task): f"its key {why}" for task in cancelled if (why := device_keys.problem(task.device_key))}
    found = {task.device_key for task in cancelled if not device_keys.problem(task.device_key)}
    tasks: dict[str, Sequence[Task]] = {}
    for task in rows:
        tasks[task.device_key] = [*tasks.get(task.device_key, ()), task]
    if not job.product_key:
        # Several products may have the same key [I]: then all tasks of the key count.
        reader = TaskReader(context.client, job.job_id, workers=Pool(context.connection.max_concurrency))
        tasks.update(reader.of_keys_surely(found).complete())
    mixed = {key for key in found if not tasks[key] or not all(is_cancelled(task, markers) for task in tasks[key])}
    for key in mixed:
        skipped[shown(key)] = "the job has it under several products, and not all of its tasks are cancelled"
    return frozenset(found - mixed), skipped
