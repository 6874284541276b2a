"""`enos-ota simulate`. What it needs is imported when it runs: help works without the optional packages."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from enos_ota.cli.failures import MissingExtraError
from enos_simulator.switches import Switches, kebab

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def _switch_options(command: Callable[..., None]) -> Callable[..., None]:
    """One option for each switch of the simulator, unset by default so that the fleet file can have its say."""
    for known in reversed(dataclasses.fields(Switches)):
        choices = known.metadata.get("choices")
        add = click.option(
            f"--{kebab(known.name)}",
            known.name,
            type=click.Choice([str(choice) for choice in choices]) if choices else str,
            metavar=None if choices else known.metadata.get("unit", "text").upper(),
            help=f"{known.metadata['says']} (default {_shown(known.default)})",
        )
        command = add(command)
    return command


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="address to listen on")
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0 takes a free one")
@click.option(
    "--fleet",
    "fleet_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="YAML file with organisations, jobs and devices (default: a pump firmware rollout over 40 devices)",
)
@click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="how to say where it listens; json is one line",
)
@click.option(
    "--db",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="keeps jobs, tasks, switches and faults in a file, and takes up what is in it",
)
@click.option("--seed", type=int, help="makes all that goes by chance come out the same again")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    help='something that goes wrong, such as "close-after cancelTask nth=3"; may be repeated',
)
@click.option("--movement", help='devices that act by themselves: on, off, or such as "on begin=1-5 failures=0.1"')
@_switch_options
def simulate(
    *,
    host: str,
    port: int,
    fleet_file: Path | None,
    output: str,
    db: Path | None,
    seed: int | None,
    faults: tuple[str, ...],
    movement: str | None,
    **switches: str | None,
) -> None:
    """Run an EnOS Connection Service to try things on: real HTTP, real signatures, devices of your choice.

    Prints its address and credentials, then runs until Ctrl-C. Without --db everything is in memory and gone
    afterwards. Beside the API of EnOS there is a control API under /_simulator/, open to anyone who can reach the port.

    The options after --movement decide what the documentation of EnOS leaves open. Options win over the fleet file.
    """
    as_json = output == "json"
    with _quiet_end(as_json=as_json):
        try:
            from enos_simulator import command  # noqa: PLC0415 - an optional extra, and slow to import
        except ModuleNotFoundError as error:
            # A module of our own that is missing is a broken installation, not a missing extra.
            if (error.name or "").startswith("enos_ota"):
                raise
            raise MissingExtraError("simulator", (error.name or str(error)).partition(".")[0]) from None
        ended_by = command.run(
            host=host,
            port=port,
            fleet_file=fleet_file,
            as_json=as_json,
            db=db,
            seed=seed,
            faults=faults,
            movement=movement,
            switches={f"--{kebab(name)}": value for name, value in switches.items() if value is not None},
        )
        _end_line(ended_by, as_json=as_json)


@contextlib.contextmanager
def _quiet_end(*, as_json: bool) -> Iterator[None]:
    """Ctrl-C and SIGTERM are the usual way to end this command: exit 0, from its first moment on."""

    def end(number: int, _: object) -> None:
        _end_line(number, as_json=as_json)
        sys.exit(0)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_line(ended_by: int, *, as_json: bool) -> None:
    """On a terminal Ctrl-C shows as ^C: without a line's end the prompt would stand right behind it."""
    if ended_by == signal.SIGINT and not as_json and sys.stderr.isatty():
        click.echo(err=True)
