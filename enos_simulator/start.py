"""Start: build a simulator from fleet file, options and stored state, and serve it until a signal ends it."""

from __future__ import annotations

import contextlib
import gc
import ipaddress
import json
import os
import random
import shlex
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import click

from enos_simulator.command import InvalidSetupError, Shutdown
from enos_simulator.errors import SetupError
from enos_simulator.fleet import read_fleet
from enos_simulator.server import listen, make_server, url_of
from enos_simulator.simulator import Simulator
from enos_simulator.storage import Storage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from enos_simulator.faults import Fault
    from enos_simulator.fleet import Fleet
    from enos_simulator.movement import Movement

_LISTED: Final = 20
"""Problems of a fleet that are listed."""


class NoPortError(click.ClickException):
    """Listening on the port failed."""

    exit_code = 3


def serve(shutdown: Shutdown, *, host: str, port: int, as_json: bool, db: Path | None, **options: Any) -> None:
    """Serve until a signal. `shutdown` receives the server that it ends; `options`: see `_make_simulator`."""
    with contextlib.ExitStack() as stack:
        try:
            storage = stack.enter_context(contextlib.closing(Storage(db))) if db else None
            simulator = _make_simulator(storage, **options)
        except SetupError as error:
            more = ["…"] * (len(error.problems) > _LISTED)
            raise InvalidSetupError("\n".join(error.problems[:_LISTED] + more)) from None
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


def _make_simulator(
    storage: Storage | None,
    *,
    fleet_file: Path | None,
    seed: int | None,
    faults: Sequence[Fault],
    movement: Movement | None,
    switches: Mapping[str, object],
) -> Simulator:
    """Build a simulator; the options win over the fleet and over stored state. Raises SetupError."""
    stored = storage.fleet if storage else None
    fleet = _fleet(fleet_file, stored)
    simulator = Simulator(
        fleet,
        fleet.switches.changed(switches),
        rng=random.Random(seed),  # noqa: S311 - no secrets
        faults=faults,
        movement=movement,
        storage=storage,
    )
    if stored is not None:
        simulator.change_switches(switches)
        simulator.movement = movement or simulator.movement
        if faults:
            simulator.faults.clear()
            for fault in faults:
                simulator.faults.add(fault)
        simulator.save()
    return simulator


def _fleet(fleet_file: Path | None, stored: Fleet | None) -> Fleet:
    """Return the stored fleet, which a given file must equal, or that of the file, or the demo's."""
    if fleet_file is None:
        return stored or _demo_fleet()
    given = read_fleet(fleet_file)
    if stored is not None and given != stored:
        raise SetupError([f"{fleet_file}: not the fleet that the --db file was created with; omit one of them"])
    return given


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
