"""`enos-ota review`."""

from __future__ import annotations

import importlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from enos_ota.cli import options
from enos_ota.cli.failures import NO_ROOM, Misconfigured, Undetermined
from enos_ota.cli.output import stdout_is_terminal, write_verdict
from enos_ota.devicekeys import files

if TYPE_CHECKING:
    from collections.abc import Callable

_FORMATS: Final = {"terminal": "terminal", "markdown": "markdown", "html": "html", "json": "jsontext"}
"""The modules of `enos_ota.review` whose `render` makes each; only those that are asked for are imported."""


def _formats_and_files(
    _ctx: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> list[tuple[str, Path]]:
    pairs = [value.partition("=") for value in values]
    for name, equals, file in pairs:
        if not file or name not in _FORMATS:
            raise click.BadParameter(f"{name + equals + file!r} is no FORMAT=FILE, FORMAT one of {', '.join(_FORMATS)}")
    return [(name, Path(file)) for name, _, file in pairs]


@click.command()
@options.stack
@click.option(
    "--format",
    "output",
    type=click.Choice([*_FORMATS]),
    default="terminal",
    show_default=True,
    help="markdown is for a comment on a pull request, html a page with every key, json for machines",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="where to write it; - is standard output (default)",
)
@click.option(
    "--also",
    "others",
    callback=_formats_and_files,
    multiple=True,
    metavar="FORMAT=FILE",
    help="write the same review in another format too, such as html=review.html; may be repeated",
)
@click.option(
    "--policy-pack",
    "packs",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    multiple=True,
    metavar="DIR",
    help="a policy pack that `pulumi up` will run too; what it forbids fails the review; may be repeated",
)
@click.option(
    "--policy-pack-config",
    "pack_configs",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    metavar="FILE",
    help="its settings; once for each pack, in their order",
)
@click.option("--expect-no-changes", is_flag=True, help="exit 1 if there is any change: for a nightly look at drift")
def review(
    *,
    stack: str | None,
    output: str,
    out: Path | None,
    others: list[tuple[str, Path]],
    packs: tuple[Path, ...],
    pack_configs: tuple[Path, ...],
    expect_no_changes: bool,
) -> None:
    """Show what `pulumi up` would do to a rollout, so that it can be approved.

    Runs `pulumi preview` and reads the tasks from EnOS. It changes nothing. Without credentials for EnOS it shows the
    declared change, and says so.

    Exit codes: 1 `pulumi up` would fail; 2 the configuration is invalid; 3 EnOS or Pulumi could not be read.
    """
    from enos_ota.review.reviewing import review as look  # noqa: PLC0415 - slow to import, and help needs none of it

    report = look(
        Path.cwd(), stack, os.environ, expect_no_changes=expect_no_changes, packs=packs, pack_configs=pack_configs
    )
    for name, file in others:
        _write(file, _renderer(name)(report))
    if out is not None and str(out) != "-":
        _write(out, _renderer(output)(report))
    elif output == "terminal":
        text = _renderer(output)(report, width=_width(), color=stdout_is_terminal())
        write_verdict(text, nl=False, color=True)
    else:
        write_verdict(_renderer(output)(report), nl=False)
    raise SystemExit(report.exit_code)


def _renderer(name: str) -> Callable[..., str]:
    render: Callable[..., str] = importlib.import_module(f"enos_ota.review.{_FORMATS[name]}").render
    return render


def _width() -> int:
    return max(60, min(120, shutil.get_terminal_size((100, 24)).columns))


def _write(file: Path, text: str) -> None:
    try:
        files.replace(file, text.encode())
    except OSError as error:
        kind = Undetermined if error.errno in NO_ROOM else Misconfigured
        raise kind(f"{file} cannot be written: {error.strerror}") from None
