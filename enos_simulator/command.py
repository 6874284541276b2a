"""What `enos-ota simulate` does: fleet and switches in, one server until a signal ends it."""

from __future__ import annotations

import contextlib
import gc
import ipaddress
import json
import os
import random
import shlex
import signal
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import click

from enos_simulator.faults import FaultError
from enos_simulator.fleet import FleetError, read_fleet
from enos_simulator.movement import Movement, MovementError
from enos_simulator.server import listen, make_server, url_of
from enos_simulator.simulator import Simulator
from enos_simulator.storage import Storage, StorageError
from enos_simulator.switches import SwitchError, Switches

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from enos_simulator.fleet import Fleet
    from enos_simulator.server import Server


_SHOWN: Final = 20
"""Problems of a fleet that are listed."""


class WrongSetupError(click.ClickException):
    """The fleet, a fault, the movement or a switch cannot be used."""

    exit_code = 2


class NoPortError(click.ClickException):
    """The port cannot be had."""

    exit_code = 3


def run(
    *,
    host: str,
    port: int,
    fleet_file: Path | None,
    as_json: bool,
    seed: int | None,
    faults: Sequence[str],
    movement: str | None,
    db: Path | None,
    switches: Mapping[str, str],
) -> int:
    """Serve until SIGINT or SIGTERM; gives the number of the signal that ended it.

    Args:
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        fleet_file: A fleet; None is the demo's.
        as_json: Tell the address as one line of JSON instead of as text.
        seed: For everything that goes by chance; None is another one each time.
        faults: Faults to begin with, beside the fleet's.
        movement: How devices move by themselves; None is as the fleet says.
        db: A file in which the state is kept; what is in it already is taken up. None: everything is in memory.
        switches: Values by option name, `--cancel-mode`; they win over the fleet's, and over what is kept.

    Raises:
        WrongSetupError: The fleet, the file, a fault, the movement or a switch cannot be used.
        NoPortError: The port cannot be had.
    """
    rng = random.Random(seed)  # noqa: S311 - ids and faults of a simulator, nothing to guard
    with _kept_in(db) as storage:
        simulator = _make_simulator(fleet_file, storage, rng=rng, faults=faults, movement=movement, switches=switches)
        # What is loaded stays: looking through a million tasks for garbage would be felt as a pause now and then.
        gc.freeze()
        try:
            listening = listen(host, port)
        except OSError as error:
            raise NoPortError(f"cannot listen on {host} port {port}: {error.strerror or error}") from None
        address = listening.getsockname()[0]
        server = make_server(simulator)
        with _ended_by_signals(server) as received:
            told = _about(simulator, url_of(listening))
            click.echo(json.dumps(told, ensure_ascii=False) if as_json else _as_text(told, db))
            if not ipaddress.ip_address(address.partition("%")[0]).is_loopback:
                click.echo("Warning: others on the network can reach this simulator and its control API.", err=True)
            server.run(sockets=[listening])
    return received[0]


@contextlib.contextmanager
def _kept_in(db: Path | None) -> Iterator[Storage | None]:
    if db is None:
        yield None
        return
    try:
        storage = Storage(db)
    except StorageError as error:
        raise WrongSetupError(f"--db {error}") from None
    with contextlib.closing(storage):
        yield storage


def _make_simulator(
    fleet_file: Path | None,
    storage: Storage | None,
    *,
    rng: random.Random,
    faults: Sequence[str],
    movement: str | None,
    switches: Mapping[str, str],
) -> Simulator:
    try:
        kept = storage.fleet if storage else None
        fleet = _fleet(fleet_file, kept)
        turned = Switches().changed(fleet.switches).changed(switches)
        moving = None if movement is None else Movement.parse(movement)
        simulator = Simulator(fleet, turned, rng=rng, faults=faults, movement=moving, storage=storage)
        if kept is not None:
            _override(simulator, faults=faults, movement=moving, switches=switches)
    except FleetError as error:
        more = f" ({len(error.problems)} problems)" if len(error.problems) > 1 else ""
        first = error.problems[:_SHOWN] + ["…"] * (len(error.problems) > _SHOWN)
        raise WrongSetupError(f"the fleet cannot be used{more}:\n" + "\n".join(first)) from None
    except SwitchError as error:
        raise WrongSetupError("; ".join(error.problems)) from None
    except MovementError as error:
        raise WrongSetupError(f"--movement: {'; '.join(error.problems)}") from None
    except FaultError as error:
        raise WrongSetupError(f"a fault cannot be used: {'; '.join(error.problems)}") from None
    except StorageError as error:
        raise WrongSetupError(f"--db {error}") from None
    return simulator


def _fleet(fleet_file: Path | None, kept: Fleet | None) -> Fleet:
    """The fleet of the file; or the one that is kept, which a file must not contradict."""
    given = None if fleet_file is None else read_fleet(fleet_file)
    if kept is None:
        return given or _demo_fleet()
    if given is not None and given != kept:
        raise FleetError([f"{fleet_file}: not the fleet that the --db file was made with; leave one of the two out"])
    return kept


def _override(
    simulator: Simulator, *, faults: Sequence[str], movement: Movement | None, switches: Mapping[str, str]
) -> None:
    """What the command line says wins over what is kept."""
    simulator.change_switches(switches)
    if movement is not None:
        simulator.movement = movement
    if faults:
        simulator.clear_faults()
        for fault in faults:
            simulator.add_fault(fault)
    simulator.save()


def _demo_fleet() -> Fleet:
    with resources.as_file(resources.files("enos_simulator") / "demo_fleet.yaml") as path:
        return read_fleet(path)


@contextlib.contextmanager
def _ended_by_signals(server: Server) -> Iterator[list[int]]:
    """The first signal lets answers under way go out, a second one does not wait; gives the list that they go into."""
    received: list[int] = []

    def end(number: int, _: object) -> None:
        received.append(number)
        server.force_exit = server.should_exit
        server.should_exit = True

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _about(simulator: Simulator, url: str) -> dict[str, Any]:
    """Where to reach the simulator, with what credentials, and what is there."""
    app = simulator.fleet.apps[0]
    jobs = [
        {
            "jobId": held.job.job_id,
            "orgId": held.job.org_id,
            "name": held.job.info["name"]["defaultValue"],
            "firmwareVersion": held.job.info["firmwareVersion"],
            "status": held.job.status,
            "counts": held.counts(),
        }
        for held in simulator.jobs()
    ]
    return {
        "url": url,
        "orgId": (app.orgs or simulator.fleet.orgs)[0],
        "appKey": app.app_key,
        "appSecret": app.app_secret,
        "controlUrl": f"{url}/_simulator/",
        "pid": os.getpid(),
        "jobs": jobs,
    }


def _as_text(told: dict[str, Any], db: Path | None) -> str:
    where = "in memory" if db is None else f"kept in {db}"
    lines = [f"EnOS simulator on {told['url']} ({where}; Ctrl-C ends it)", ""]
    lines += [
        f"export {name}={shlex.quote(told[key])}"
        for name, key in (
            ("ENOS_API_GATEWAY", "url"),
            ("ENOS_ORG_ID", "orgId"),
            ("ENOS_APP_KEY", "appKey"),
            ("ENOS_APP_SECRET", "appSecret"),
        )
    ]
    lines.append("")
    for job in told["jobs"]:
        counts = ", ".join(f"{count} {status}" for status, count in job["counts"].items() if count) or "no tasks"
        lines.append(f"Job {job['jobId']} ({job['status']}) {job['name']}: {counts}")
    lines.append(f"Tasks of a job: {told['controlUrl']}jobs/JOB/tasks; everything else: docs/simulator.md")
    return "\n".join(lines)
