"""`enos-ota adopt`: what is cancelled in a job already becomes a set of the stack."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from enos_ota.cli.failures import Refused
from enos_ota.cli.output import say, say_aside, write_outcome
from enos_ota.cli.plain import plain
from enos_ota.devicekeys import rules as device_keys
from enos_ota.enos import InvalidArgument, TaskStatus
from enos_ota.operations import commit_hints as written
from enos_ota.operations.bounds import is_over, sets_there
from enos_ota.operations.context import counted, opened
from enos_ota.operations.declaration import Wish, declare, to_expect
from enos_ota.operations.set_names import suggested_name
from enos_ota.plan.classify import is_cancelled, normalise_markers
from enos_ota.plan.naming import listed, name_of, one_line, shown
from enos_ota.reconciler import Pool
from enos_ota.reconciler.reading import TaskReader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from enos_ota.enos import Job, Task
    from enos_ota.operations.context import Station
    from enos_ota.operations.declaration import Declaration


@dataclass(frozen=True, slots=True)
class Order:
    """What the operator asked for.

    Attributes:
        job_id: The job.
        name: The set's name, or empty.
        reason: Why, or empty.
        expires: The last day of the set, or empty.
        overwrite: Whether a key file of other content may be replaced.
        dry_run: Whether nothing is written.
    """

    job_id: str
    name: str = ""
    reason: str = ""
    expires: str = ""
    overwrite: bool = False
    dry_run: bool = False


def run(order: Order, *, stack: str | None, output: str) -> None:
    """See the command.

    Raises:
        click.ClickException: It did not come to its end.
    """
    with opened(stack, edits=True) as here:
        job = here.client.get_job(order.job_id)
        found, doubtful = _cancelled(here, job)
        here_is = f"job {order.job_id}" + (f" ({one_line(job.name)})" if job.name else "")
        for name, why in sorted(doubtful.items()):
            say_aside(f"{name} left out: {why}")
        if not found:
            why = "nothing is left to adopt" if doubtful else "no task reads as cancelled, so there is nothing to adopt"
            raise Refused(plain(f"{here_is}: {why}. Nothing was written."))
        wish = Wish(
            order.job_id,
            found,
            name=order.name,
            suggestion=suggested_name(job.name, job.firmware_version, order.job_id),
            reason=order.reason,
            firmware_version=to_expect(job.firmware_version),
            expires=order.expires,
            by="enos-ota adopt",
            overwrite=order.overwrite,
        )
        declaration = declare(here.stack_file, here.environ, wish, project=here.project_name)
        for each in sets_there(here):
            if each.name == declaration.set_name and is_over(here, each):
                say_aside(
                    f"warning: set {shown(each.name)!r} expired on {each.expires}: what it gets is only reported,"
                    " neither read nor written, until it is given a later day"
                )
        if not order.dry_run:
            declaration.write()
        if output == "json":
            _tell_machine(here, order, found, declaration)
        else:
            _tell(here, order, here_is, found, declaration)
        tell = say_aside if output == "json" else say
        hints = (written.lacking(declaration, wish), written.unread(declaration, wish, here.program))
        for text in filter(None, hints):
            tell(text)


def _cancelled(here: Station, job: Job) -> tuple[frozenset[str], dict[str, str]]:
    """The keys whose tasks read as cancelled; and by name those that do but cannot be in a set, with why."""
    markers = normalise_markers(here.connection.cancelled_markers)
    rows = list(here.tasks(job.job_id, [TaskStatus.FAILED]))
    with contextlib.suppress(InvalidArgument):
        # EnOS documents no such status: whether it may be searched for is unknown [U].
        rows += here.tasks(job.job_id, [TaskStatus.CANCELED])
    cancelled = [task for task in rows if is_cancelled(task, markers)]
    doubtful = {name_of(task): f"its key {why}" for task in cancelled if (why := device_keys.problem(task.device_key))}
    found = {task.device_key for task in cancelled if not device_keys.problem(task.device_key)}
    tasks: Mapping[str, Sequence[Task]] = _by_key(rows)
    if not job.product_key:
        # Several products may share a key [I]: then all tasks of the key count.
        reader = TaskReader(here.client, job.job_id, workers=Pool(here.connection.max_concurrency))
        tasks = reader.of_keys_surely(found).complete()
    mixed = {key for key in found if not tasks[key] or not all(is_cancelled(task, markers) for task in tasks[key])}
    for key in mixed:
        doubtful[shown(key)] = "the job has it under several products, and not all of its tasks are cancelled"
    return frozenset(found - mixed), doubtful


def _by_key(rows: Sequence[Task]) -> dict[str, list[Task]]:
    tasks: dict[str, list[Task]] = {}
    for task in rows:
        tasks.setdefault(task.device_key, []).append(task)
    return tasks


def _tell(here: Station, order: Order, here_is: str, found: frozenset[str], declaration: Declaration) -> None:
    some = listed([shown(key) for key in sorted(found)])
    say(f"{here_is}: {counted(len(found), 'task')} read as cancelled ({some})")
    for line in written.already(declaration):
        say(line)
    if not declaration.set_name:
        say("Nothing to adopt: all of them are declared. Nothing was written.")
        return
    keys = counted(len(declaration.device_keys), "device key")
    if order.dry_run:
        say(f"Would be written, set {shown(declaration.set_name)!r} with {keys}:")
        for line in written.diff(declaration):
            say(line)
        return
    places = " and ".join(written.places(declaration))
    say(f"Written: set {shown(declaration.set_name)!r} with {keys}, in {places}")
    is_read = not here.program or here.program.reads_sets
    say(written.commit_hint(declaration, f"Adopt what is cancelled: set {declaration.set_name}", is_read=is_read))


def _tell_machine(here: Station, order: Order, found: frozenset[str], declaration: Declaration) -> None:
    told = {
        "stack": here.config.stack,
        "job": order.job_id,
        "cancelled": len(found),
        "set": declaration.set_name or None,
        "adopted": sorted(declaration.device_keys),
        "declaredAlready": {name: sorted(keys) for name, keys in declaration.elsewhere.items()},
        "files": written.places(declaration),
        "dryRun": order.dry_run,
        "programReadsSets": here.program.reads_sets if here.program else None,
        "exitCode": 0,
    }
    write_outcome(json.dumps(told))
