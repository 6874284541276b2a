"""`enos-ota adopt`. The names of its options are those of `AdoptRequest`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import click

from enos_ota.cli import options
from enos_ota.cli.output import say, say_aside, write_outcome

if TYPE_CHECKING:
    from enos_ota.operations.adopt import AdoptResult

_MOST_LINES: Final = 40
"""Lines of one file that --dry-run shows."""


@click.command()
@options.stack
@options.job
@options.name
@options.expires
@options.reason_if_any
@click.option("--dry-run", is_flag=True, help="show the files, and write nothing")
@options.text_or_json
def adopt(*, stack: str | None, output: str, **asked: Any) -> None:
    """Declare the tasks of an OTA job that are cancelled already as a set of a stack.

    Writes a new set, stacks/STACK/NAME.yaml, and its key file beside it. Keys that a set of the stack declares already
    stay in that set; no existing file is changed. No writing request is sent: `pulumi up` adopts the set, and from then
    on keeps its tasks cancelled. This is the import of a set; `pulumi import` cannot do it.

    Exit codes: 0 written, or nothing to write; 1 no task reads as cancelled; 3 EnOS could not be read, or the command
    was interrupted.
    """
    from enos_ota.cli.operating import operation  # noqa: PLC0415 - slow to import, and help needs none of it
    from enos_ota.operations import adopt as adopting  # noqa: PLC0415 - the same
    from enos_ota.operations import commit_hints  # noqa: PLC0415 - the same

    with operation(stack, requires_stack=True) as context:
        result = adopting.adopt(context, adopting.AdoptRequest(**asked))
        is_json = output == "json"
        if is_json:
            write_outcome(json.dumps(result.as_json()))
        else:
            _write(result)
        for hint in commit_hints.describe_gaps(result.change, result.new_set, result.program):
            (say_aside if is_json else say)(hint)


def _write(result: AdoptResult) -> None:
    from enos_ota.operations import commit_hints  # noqa: PLC0415 - as above
    from enos_ota.plan.naming import counted, listed, shown  # noqa: PLC0415 - as above
    from enos_ota.settings.stackfile import shown_path  # noqa: PLC0415 - as above

    change = result.change
    some = listed([shown(key) for key in sorted(result.cancelled)])
    say(f"{result.job_label}: {counted(len(result.cancelled), 'task')} read as cancelled ({some})")
    for line in commit_hints.already_declared(change):
        say(line)
    if not change.set_name:
        say("Nothing to adopt: sets declare all of them already. No file was written.")
        return
    keys = counted(len(change.device_keys), "device key")
    if result.request.dry_run:
        say(f"Would write set {shown(change.set_name)!r} with {keys}:")
        for each in change.changes:
            lines = each.after.decode().splitlines()
            more = [f"… {len(lines) - _MOST_LINES} more lines"] if len(lines) > _MOST_LINES else []
            say("\n  ".join([f"{shown_path(each.path)}:", *lines[:_MOST_LINES], *more]))
        return
    files = " and ".join(commit_hints.places(change))
    say(f"Written: set {shown(change.set_name)!r} with {keys}, in {files}")
    say(commit_hints.commit_hint(change, f"Adopt cancelled tasks: set {change.set_name}", result.program))
