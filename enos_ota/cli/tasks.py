"""`enos-ota tasks`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import click

from enos_ota.cli import options
from enos_ota.cli.failures import Refused, Undetermined
from enos_ota.cli.plain import plain
from enos_ota.cli.rows import Column, age, in_utc, is_formula, write_csv, write_json, write_table, write_text
from enos_ota.devicekeys import rules as keys
from enos_ota.devicekeys import writer as keytext
from enos_ota.devicekeys.visible import excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from enos_ota.enos import Task
    from enos_ota.operations.context import OperationContext

_CANCELLED: Final = "cancelled"
_STATUSES: Final = ("init", "published", "upgrading", "succeeded", "failed", _CANCELLED)
_FIELDS: Final = (
    "deviceKey",
    "status",
    _CANCELLED,
    "progress",
    "fromVersion",
    "toVersion",
    "desc",
    "productKey",
    "assetId",
    "taskId",
    "updateTime",
)
_FEW: Final = 3


@click.command(
    epilog=options.examples(
        "# everything that still waits, into a pull request",
        "enos-ota tasks --job J --status init --status published --format keys > stacks/keys/j.txt",
        "# what was cancelled, for a spreadsheet",
        "enos-ota tasks --job J --status cancelled --format csv > cancelled.csv",
    )
)
@options.stack
@options.job
@click.option(
    "--status",
    "statuses",
    type=click.Choice(_STATUSES),
    multiple=True,
    help="only tasks in this state; may be repeated. cancelled: failed with a text of enos:cancelledMarkers",
)
@click.option(
    "--format",
    "output",
    type=click.Choice(["table", "csv", "json", "keys", "yaml"]),
    default="table",
    show_default=True,
    help="keys is a .txt key file; yaml a key file too, for keys that a .txt cannot hold",
)
def tasks(*, stack: str | None, job_id: str, statuses: tuple[str, ...], output: str) -> None:
    """List the tasks of an OTA job, or write a key file of them.

    Only reads. Everything but a key file is written while pages are read. A key file is written when all have been
    read; when something goes wrong before that it stays empty, and an empty key file is refused everywhere.

    AGE is the time since EnOS last changed the task. updateTime is that moment: ISO 8601 in UTC as CSV, Unix ms as
    JSON.
    """
    from enos_ota.cli.operating import reading  # noqa: PLC0415 - slow to import, and help needs none of it

    with reading(stack) as context:
        search = _Search(context, job_id, statuses)
        if output in {"keys", "yaml"}:
            _write_keys(search, context.connection.gateway, as_yaml=output == "yaml")
        elif output == "json":
            write_json(search.as_json(task) for task in search.rows())
        elif output == "csv":
            _write_csv(search)
        elif not write_table(search.rows(), _columns(search, time.time())):
            click.echo(f"{search.nothing}.", err=True)


class _Search:
    """The tasks of a job that the operator asked for."""

    def __init__(self, context: OperationContext, job_id: str, wanted: Collection[str]) -> None:
        from enos_ota.enos import TaskStatus  # noqa: PLC0415 - slow to import, and help needs none of it
        from enos_ota.plan.classify import is_cancelled, normalise_markers  # noqa: PLC0415 - the same

        self.job = context.client.get_job(job_id)
        self._client = context.client
        self._wanted = frozenset(wanted)
        markers = normalise_markers(context.connection.cancelled_markers)
        self.is_cancelled: Callable[[Task], bool] = lambda task: is_cancelled(task, markers)
        self._unknown = TaskStatus.UNKNOWN
        named = {TaskStatus(status) for status in wanted if status != _CANCELLED}
        if _CANCELLED in self._wanted:
            named |= {TaskStatus.FAILED, TaskStatus.CANCELED}
        self._statuses = tuple(sorted(named)) or None

    @property
    def nothing(self) -> str:
        """The message if there is none."""
        return f"Job {self.job.job_id} has no task" + (f" that is {self._states}" if self._wanted else "")

    @property
    def something(self) -> str:
        """Their description."""
        return f"Tasks of job {self.job.job_id}" + (f" that were {self._states}" if self._wanted else "")

    @property
    def _states(self) -> str:
        return " or ".join(sorted(self._wanted, key=_STATUSES.index))

    def rows(self) -> Iterator[Task]:
        """Return the tasks, in EnOS's order, read page by page."""
        unknown: list[str] = []
        for task in self._client.search_tasks(self.job.job_id, statuses=self._statuses):
            wanted = task.status.value in self._wanted or (_CANCELLED in self._wanted and self.is_cancelled(task))
            if wanted or not self._wanted:
                yield task
            elif task.status is self._unknown:
                unknown.append(task.device_key)
        if unknown:
            raise Undetermined(
                f"EnOS gave {_count(len(unknown))} of job {plain(self.job.job_id)} a status that it does not document"
                f" ({_few(unknown)}), so it is unknown whether they belong in this list. Without --status every task is"
                " listed, with its status."
            )

    def as_json(self, task: Task) -> dict[str, Any]:
        """Return a task with EnOS's own names, and whether it reads as cancelled; times are Unix ms."""
        return {
            "deviceKey": task.device_key,
            "status": task.raw_status,
            _CANCELLED: self.is_cancelled(task),
            "progress": task.progress,
            "fromVersion": task.from_version,
            "toVersion": task.to_version,
            "desc": task.desc,
            "productKey": task.product_key,
            "assetId": task.asset_id,
            "taskId": task.task_id,
            "updateTime": task.update_time,
        }


def _columns(search: _Search, now: float) -> list[Column[Task]]:
    from enos_ota.plan.naming import name_of  # noqa: PLC0415 - slow to import, and help needs none of it

    return [
        Column("DEVICE", lambda task: task.device_key if task.device_key.strip() else name_of(task)),
        Column("STATUS", lambda task: _CANCELLED if search.is_cancelled(task) else task.raw_status),
        Column("PROGRESS", lambda task: "" if task.progress is None else str(task.progress)),
        Column("FROM", lambda task: task.from_version),
        Column("TO", lambda task: task.to_version),
        Column("TEXT", lambda task: task.desc, folds=True),
        Column("AGE", lambda task: age(task.update_time, now)),
    ]


def _write_csv(search: _Search) -> None:
    changed = 0

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal changed
        for task in search.rows():
            changed += is_formula(task.device_key) or not task.device_key.isprintable()
            yield search.as_json(task) | {"updateTime": in_utc(task.update_time)}

    write_csv(rows(), _FIELDS)
    if changed:
        text = (
            f"{_count(changed)} changed in this table: a ' was added, so that no spreadsheet takes it for a formula, or"
            " characters that do not print are escaped. The table is no key file; --format keys writes one."
        )
        click.echo(text, err=True)


def _write_keys(search: _Search, gateway: str, *, as_yaml: bool) -> None:
    """Write a key file, or nothing unless it can contain every key."""
    from enos_ota.plan.naming import counted, listed, name_of  # noqa: PLC0415 - slow to import, and help needs none of it

    found: set[str] = set()
    twice: set[str] = set()
    invalid: list[Task] = []
    for task in search.rows():
        if keys.problem(task.device_key):
            invalid.append(task)
        (twice if task.device_key in found else found).add(task.device_key)
    about = f"job {search.job.job_id}"
    if not found:
        raise Refused(f"{search.nothing}: there is nothing to write.")
    if invalid:
        raise Refused(
            f"{counted(len(invalid), 'task')} of {about} cannot be in a set ({listed(sorted(map(name_of, invalid)))}):"
            " the device key is empty, too long, or has control or invisible characters. Nothing was written."
            " --format json lists them all."
        )
    if not as_yaml and (bad := sorted(key for key in found if not keytext.fits_txt(key))):
        raise Refused(
            f"{_count(len(bad))} of {about} cannot be in a .txt key file ({_few(bad)}: # at the beginning makes a"
            " comment, white space at the ends is cut off). Nothing was written. Use --format yaml."
        )
    comments = (f"{search.something}, on {gateway}; by `enos-ota tasks`",)
    write_text((keytext.to_yaml if as_yaml else keytext.to_txt)(found, comments))
    if twice:
        text = (
            f"{_count(len(twice))} of this job with several products ({_few(sorted(twice))}). A cancel cannot tell them"
            " apart: `pulumi up` will call this ambiguous and not send it."
        )
        click.echo(text, err=True)


def _count(number: int) -> str:
    return "1 device key" if number == 1 else f"{number} device keys"


def _few(names: Sequence[str]) -> str:
    return ", ".join(map(excerpt, names[:_FEW])) + (", …" if len(names) > _FEW else "")
