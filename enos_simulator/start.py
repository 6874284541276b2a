"""Start: build a simulator from fleet file, options and stored state, and serve it until a signal ends it."""

from __future__ import annotations

import contextlib
import gc
import ipaddress
import json
import os
import random
import shlex
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import click

from enos_simulator.errors import SetupError
from enos_simulator.faults import parse_fault
from enos_simulator.fleet import read_fleet
from enos_simulator.movement import Movement
from enos_simulator.server import listen, make_server, url_of
from enos_simulator.simulator import Simulator
from enos_simulator.storage import Storage, StorageError
from enos_simulator.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from enos_simulator.command import Shutdown
    from enos_simulator.fleet import Fleet

_LISTED: Final = 20
"""Problems of a fleet that are listed."""


class InvalidOptionError(click.ClickException):
    """The fleet, the file of the state, a fault, the movement or a switch is invalid."""

    exit_code = 2


class NoPortError(click.ClickException):
    """Listening on the port failed."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Options:
    """Content and behaviour of the simulator; they win over the fleet and over stored state.

    Attributes:
        fleet_file: A fleet; None is the demo's.
        seed: For all random decisions; None differs each time.
        faults: Faults at the start, beside the fleet's.
        movement: How devices work on their tasks; None: as the fleet says.
        switches: Values by option name, `--cancel-mode`.
    """

    fleet_file: Path | None
    seed: int | None
    faults: Sequence[str]
    movement: str | None
    switches: Mapping[str, str]


def serve(shutdown: Shutdown, *, host: str, port: int, as_json: bool, db: Path | None, options: Options) -> None:
    """Serve until a signal.

    Args:
        shutdown: Receives the server that it ends.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        as_json: Print the address as one line of JSON instead of as text.
        db: File for the state; None: in memory.
        options: Content and behaviour.

    Raises:
        InvalidOptionError: An option or a file is invalid.
        NoPortError: Listening failed.
    """
    with _storage(db) as storage:
        simulator = _make_simulator(storage, options)
        # Exempt the loaded fleet from garbage collection: scanning a million tasks takes noticeably long.
        gc.freeze()
        try:
            listening = listen(host, port)
        except OSError as error:
            raise NoPortError(f"cannot listen on {host} port {port}: {error.strerror or error}") from None
        address = listening.getsockname()[0]
        shutdown.server = server = make_server(simulator)
        summary = _summary(simulator, url_of(listening))
        click.echo(json.dumps(summary, ensure_ascii=False) if as_json else _as_text(summary, db))
        if not ipaddress.ip_address(address.partition("%")[0]).is_loopback:
            click.echo("Warning: others on the network can reach this simulator and its control API.", err=True)
        server.run(sockets=[listening])


@contextlib.contextmanager
def _storage(db: Path | None) -> Iterator[Storage | None]:
    if db is None:
        yield None
        return
    try:
        storage = Storage(db)
    except StorageError as error:
        raise InvalidOptionError(f"--db {error}") from None
    with contextlib.closing(storage):
        yield storage


@contextlib.contextmanager
def _invalid(what: str) -> Iterator[None]:
    """Report a SetupError in this block as an invalid option; `what` begins its text."""
    try:
        yield
    except SetupError as error:
        raise InvalidOptionError(what + "; ".join(error.problems)) from None


def _make_simulator(storage: Storage | None, options: Options) -> Simulator:
    with _invalid("--fault: "):
        for fault in options.faults:
            parse_fault(fault)
    with _invalid("--movement: "):
        movement = None if options.movement is None else Movement.parse(options.movement)
    try:
        stored = storage.fleet if storage else None
        fleet = _fleet(options.fleet_file, stored)
        with _invalid(""):
            switches = Switches().changed(fleet.switches).changed(options.switches)
        simulator = Simulator(
            fleet,
            switches,
            rng=random.Random(options.seed),  # noqa: S311 - no secrets
            faults=options.faults,
            movement=movement,
            storage=storage,
        )
    except SetupError as error:
        count = f" ({len(error.problems)} problems)" if len(error.problems) > 1 else ""
        listed = error.problems[:_LISTED] + ["…"] * (len(error.problems) > _LISTED)
        raise InvalidOptionError(f"the fleet is invalid{count}:\n" + "\n".join(listed)) from None
    except StorageError as error:
        raise InvalidOptionError(f"--db {error}") from None
    if stored is not None:
        _override(simulator, options, movement)
    return simulator


def _fleet(fleet_file: Path | None, stored: Fleet | None) -> Fleet:
    """Return the stored fleet, which a given file must equal, or that of the file, or the demo's."""
    given = None if fleet_file is None else read_fleet(fleet_file)
    if stored is None:
        return given or _demo_fleet()
    if given is not None and given != stored:
        raise SetupError([f"{fleet_file}: not the fleet that the --db file was created with; omit one of them"])
    return stored


def _override(simulator: Simulator, options: Options, movement: Movement | None) -> None:
    """Apply options to a simulator with stored state."""
    simulator.change_switches(options.switches)
    if movement is not None:
        simulator.movement = movement
    if options.faults:
        simulator.clear_faults()
        for fault in options.faults:
            simulator.add_fault(fault)
    simulator.save()


def _demo_fleet() -> Fleet:
    with resources.as_file(resources.files("enos_simulator") / "demo_fleet.yaml") as path:
        return read_fleet(path)


def _summary(simulator: Simulator, url: str) -> dict[str, Any]:
    """Return address, credentials and jobs."""
    app = simulator.fleet.apps[0]
    jobs = [
        {
            "jobId": job_tasks.job.job_id,
            "orgId": job_tasks.job.org_id,
            "name": job_tasks.job.info["name"]["defaultValue"],
            "firmwareVersion": job_tasks.job.info["firmwareVersion"],
            "status": job_tasks.job.status,
            "counts": job_tasks.counts(),
        }
        for job_tasks in simulator.jobs()
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


def _as_text(summary: dict[str, Any], db: Path | None) -> str:
    where = "in memory" if db is None else f"stored in {db}"
    lines = [f"EnOS simulator on {summary['url']} ({where}; Ctrl-C ends it)", ""]
    lines += [
        f"export {name}={shlex.quote(summary[key])}"
        for name, key in (
            ("ENOS_API_GATEWAY", "url"),
            ("ENOS_ORG_ID", "orgId"),
            ("ENOS_APP_KEY", "appKey"),
            ("ENOS_APP_SECRET", "appSecret"),
        )
    ]
    lines.append("")
    for job in summary["jobs"]:
        counts = ", ".join(f"{count} {status}" for status, count in job["counts"].items() if count) or "no tasks"
        lines.append(f"Job {job['jobId']} ({job['status']}) {job['name']}: {counts}")
    lines.append(f"Tasks of a job: {summary['controlUrl']}jobs/JOB/tasks; all other calls: docs/simulator.md")
    return "\n".join(lines)
