"""`enos-ota validate`: every problem of stack files, set files and key files, without network or engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from enos_ota.cli import completion, options
from enos_ota.cli.output import write_verdict
from enos_ota.cli.plain import plain

if TYPE_CHECKING:
    from enos_ota.operations.own_program import Program
    from enos_ota.settings import SetSettings


@click.command(
    epilog=options.examples(
        "# all stacks of this project",
        "enos-ota validate",
        "# one stack, and the stack of a set file",
        "enos-ota validate prod stacks/test/pump-2.3.0.yaml",
    )
)
@click.argument("names", metavar="[STACK|FILE]...", nargs=-1, shell_complete=completion.stacks_and_files)
@options.text_or_json
@click.pass_context
def validate(ctx: click.Context, *, names: tuple[str, ...], output: str) -> None:
    """Check stack files, set files and key files; print every problem with file and line.

    Needs no network, engine or credentials, and changes nothing. Without a name it checks all stacks of the project,
    the example too. A set file or a file beside it selects its stack, any other file all stacks of its project: a
    pre-commit hook can pass every file that a commit changes.

    Warnings do not fail the check: device keys outside EnOS's default rule, a key file that no set names, a stack that
    declares no set, a stack file that Pulumi does not read.

    Exit codes: 0 no problem, with or without warnings; 2 at least one problem. Problems and warnings go to stdout; json
    is a list of severity (error or warning), file, line, path, text.
    """
    from enos_ota.operations.own_program import program_of  # noqa: PLC0415 - slow to import, and help needs none of it
    from enos_ota.settings.check import validate_stack_file  # noqa: PLC0415 - the same
    from enos_ota.settings.problems import Problem, in_order  # noqa: PLC0415 - the same
    from enos_ota.settings.stack_selection import select_stack_files  # noqa: PLC0415 - the same
    from enos_ota.settings.stackfile import shown_path  # noqa: PLC0415 - the same

    selection = select_stack_files(names, Path.cwd())
    found = list(selection.problems)
    sets: list[SetSettings] = []
    for file, project in selection.files.items():
        check = validate_stack_file(file, project=project.name)
        found += (*check.problems, *check.warnings)
        sets += check.sets
        if not (check.problems or check.sets or _declares_sets(program_of(project))):
            found.append(Problem("declares no set of cancelled tasks", shown_path(file), severity="warning"))
    problems = in_order(found)
    errors = sum(problem.severity == "error" for problem in problems)
    if output == "json":
        listed = [
            {"severity": p.severity, "file": p.file, "line": p.line, "path": p.path, "text": p.text} for p in problems
        ]
        write_verdict(json.dumps(listed, indent=2))
    else:
        for problem in problems:
            write_verdict(plain(str(problem)))
        for other in selection.others:
            click.echo(f"{plain(other)} does not belong to an enos-ota project: nothing to check.", err=True)
        read = [_count(len(selection.files), "stack file")]
        if selection.files and not errors:  # with errors the counts would be incomplete
            keys = sum(len(each.device_keys) for each in sets)
            read += [_count(len(sets), "set"), _count(keys, "device key")]
        warned = [_count(len(problems) - errors, "warning")] if len(problems) > errors else []
        click.echo(f"{', '.join(read)}: {', '.join([_count(errors, 'problem'), *warned])}", err=True)
    ctx.exit(2 if errors else 0)


def _declares_sets(program: Program | None) -> bool:
    return program is not None and program.declares_sets


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}".replace(",", " ") if number else f"no {noun}s"
