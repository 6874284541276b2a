"""The command that starts the simulator. Help and completion work without the optional packages."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from enos_simulator.errors import SetupError
from enos_simulator.faults import Fault
from enos_simulator.movement import Movement
from enos_simulator.parsing import InputModel
from enos_simulator.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from enos_simulator.server import Server


class InvalidSetupError(click.ClickException):
    """A package is missing, or the fleet, the file of the state or a switch is invalid."""

    exit_code = 2


class Shutdown:
    """Ends the simulator with exit code 0 on SIGINT and SIGTERM, also while it starts.

    `server`: set it when there is one. The first signal lets it finish its answers, a second one does not wait.
    """

    def __init__(self) -> None:
        self.server: Server | None = None
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._end)

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        if self.server is None:
            sys.exit(0)
        self.server.force_exit = self.server.should_exit
        self.server.should_exit = True


class _OneLine(click.ParamType[InputModel]):
    """A fault or a movement, given as one text."""

    name = "text"

    def __init__(self, model: type[InputModel]) -> None:
        self._model = model

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> InputModel:
        try:
            return self._model.parse(value)
        except SetupError as error:
            self.fail("; ".join(error.problems), param, ctx)


def _switch_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add one option per switch, unset by default so that the fleet file can set it."""
    for name, switch in reversed(Switches.model_fields.items()):
        choices = [str(choice) for choice in get_args(switch.annotation)]
        command = click.option(
            f"--{name.replace('_', '-')}",
            name,
            type=click.Choice(choices) if choices else switch.annotation,
            help=f"{switch.description} (default {switch.default})",
        )(command)
    return command


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="address to listen on")
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0 takes a free port")
@click.option(
    "--fleet",
    "fleet_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="YAML file with organizations, jobs and devices (default: a pump firmware rollout to 40 devices)",
)
@click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="format of the printed address and credentials; json is one line",
)
@click.option(
    "--db",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="stores jobs, tasks, switches and faults in a file, and continues from it",
)
@click.option("--seed", type=int, help="makes all random decisions repeatable")
@click.option(
    "--fault",
    "faults",
    type=_OneLine(Fault),
    multiple=True,
    help='a fault, such as "close-after cancelTask nth=3"; may be repeated',
)
@click.option(
    "--movement",
    type=_OneLine(Movement),
    help='devices work on their tasks by themselves: on, off, or such as "on begin=1-5 failures=0.1"',
)
@_switch_options
def simulate(
    *,
    host: str,
    port: int,
    fleet_file: Path | None,
    output: str,
    db: Path | None,
    seed: int | None,
    faults: tuple[Fault, ...],
    movement: Movement | None,
    **switches: Any,
) -> None:
    """Run a simulated EnOS Connection Service: real HTTP, real signatures, your own fleet of devices.

    Prints its address and credentials, then runs until Ctrl-C. Without --db everything is in memory and lost at the
    end. Beside the API of EnOS there is a control API under /_simulator/, open to anyone who can reach the port.

    The options after --movement set how the simulator behaves where the documentation of EnOS is silent. Options win
    over the fleet file.
    """
    shutdown = Shutdown()
    try:
        from enos_simulator import start  # noqa: PLC0415 - an optional extra, and slow to import
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("enos_simulator"):  # a broken installation, not a missing extra
            raise
        raise InvalidSetupError(
            f"{(error.name or str(error)).partition('.')[0]} is not installed, which this command needs. It comes with "
            "the extra 'simulator': in a checkout of enos-ota, pip install \".[simulator]\""
        ) from None
    start.serve(
        shutdown,
        host=host,
        port=port,
        as_json=output == "json",
        db=db,
        fleet_file=fleet_file,
        seed=seed,
        faults=faults,
        movement=movement,
        switches={name: value for name, value in switches.items() if value is not None},
    )
