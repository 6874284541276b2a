"""`enos-ota validate`: what is wrong with stack files and key files, without network or engine."""

from __future__ import annotations

import json
from pathlib import Path

import click

from enos_ota.cli import completion, options
from enos_ota.cli.examples import WithExamples
from enos_ota.cli.output import write_verdict
from enos_ota.cli.plain import plain


@click.command(
    cls=WithExamples,
    examples={
        "all stacks of this project": "enos-ota validate",
        "one stack, and the stacks that name a key file": "enos-ota validate prod stacks/keys/pump-2.3.0.txt",
    },
)
@click.argument("names", metavar="[STACK|FILE]...", nargs=-1, shell_complete=completion.stacks_and_files)
@options.text_or_json
@click.pass_context
def validate(ctx: click.Context, *, names: tuple[str, ...], output: str) -> None:
    """Check stack files and their key files, every problem with file and line.

    Needs neither network nor engine nor credentials, and changes nothing. Without a name all stacks of the project are
    checked, the example too. A file that is no stack file stands for the stacks that name it, or for all of its
    project: so it can be called with whatever a commit changes.

    Exit codes: 0 no problem, 2 at least one. Problems go to stdout; json is a list of file, line, path, text.
    """
    from enos_ota.settings import check_stack_file  # noqa: PLC0415 - slow to import, and help needs none of it
    from enos_ota.settings.problems import in_order  # noqa: PLC0415 - the same
    from enos_ota.stackfiles import meant_by  # noqa: PLC0415 - the same

    meant = meant_by(names, Path.cwd())
    problems = list(meant.problems)
    for file in meant.files:
        problems += check_stack_file(file.path, project=file.project)
    problems = list(in_order(problems))
    if output == "json":
        told = ({"file": p.file, "line": p.line, "path": p.path, "text": p.text} for p in problems)
        write_verdict(json.dumps(list(told), indent=2))
    else:
        for problem in problems:
            write_verdict(plain(str(problem)))
        for other in meant.others:
            click.echo(f"{plain(other)} is no file of an enos-ota project: nothing to check.", err=True)
        click.echo(f"{_count(len(meant.files), 'stack file')}: {_count(len(problems), 'problem')}", err=True)
    ctx.exit(2 if problems else 0)


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
