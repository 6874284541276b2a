"""The simulator for tests: `running_simulator` in a thread of this process, `simulator_process` as `enos-ota simulate`.

    with running_simulator() as simulator:                  # the small fleet below
        client(simulator.url, simulator.org_id, simulator.app_key, simulator.app_secret)
        assert [entry["operation"] for entry in simulator.journal()] == ["cancelTask"]
        assert simulator.states(JOB)["dk-01"] == ("failed", "Cancelled by user")

    with running_simulator({"jobs": […]}, cancel_mode="partial", index_delay=2) as simulator: …

The fleet is a mapping as in a fleet file (see `enos_simulator.fleet`); switches go by their Python names. Both are
real HTTP servers on loopback. Starting takes some milliseconds, stopping a tenth of a second; several can run at once.
A test module that needs many can keep one and call `reset()`.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import requests

from enos_simulator.fleet import parse_fleet
from enos_simulator.server import listen, make_server, url_of
from enos_simulator.simulator import Simulator, wall_clock

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

JOB = "65a1b2c3d4e5f60718293a4b"
"""The job of `SMALL_FLEET`: started, firmware 2.3.0."""

SMALL_FLEET: dict[str, Any] = {
    "jobs": [
        {
            "jobId": JOB,
            "name": "Pump firmware 2.3.0",
            "firmwareVersion": "2.3.0",
            "tasks": [
                *({"deviceKey": f"dk-{number:02}", "status": "init"} for number in range(1, 7)),
                {"deviceKey": "dk-07", "status": "published"},
                {"deviceKey": "dk-08", "status": "upgrading"},
                {"deviceKey": "dk-09", "status": "succeeded"},
                {"deviceKey": "dk-10", "status": "failed"},
                {"deviceKey": "dk-11", "status": "cancelled"},
            ],
        }
    ]
}
"""dk-01 … dk-06 init, dk-07 published, dk-08 upgrading, dk-09 succeeded, dk-10 failed, dk-11 cancelled."""


@dataclass
class RunningSimulator:
    """A simulator to talk to. All methods go over its control API, so they see what a test from outside would see."""

    url: str
    org_id: str
    app_key: str
    app_secret: str = field(repr=False)
    pid: int | None = None
    _session: requests.Session = field(default_factory=requests.Session, repr=False)

    def control(self, method: str, path: str, body: object = None) -> Any:
        """One call of the control API; fails the test with its text if it is refused."""
        # A fresh environment for each test may still hold a proxy.
        self._session.trust_env = False
        answer = self._session.request(method, f"{self.url}/_simulator/{path}", json=body, timeout=60)
        assert answer.ok, f"{method} {path}: {answer.text}"
        return answer.json()

    def journal(self) -> list[dict[str, Any]]:
        """Every write that reached the simulator; the fields of `enos_simulator.journal.Entry`, as in JSON."""
        entries: list[dict[str, Any]] = self.control("GET", "journal")["entries"]
        return entries

    def counters(self) -> dict[str, int]:
        """Requests by operation, `token/get`, `get`, `searchTask`, `cancelTask`, …; what did not occur is absent."""
        requests_by_operation: dict[str, int] = self.control("GET", "counters")["requests"]
        return requests_by_operation

    def states(self, job_id: str = JOB) -> dict[str, tuple[str, str]]:
        """Status and desc of every device key's task, as they are (not as searches may still see them)."""
        tasks = self.control("GET", f"jobs/{quote(job_id, safe='')}/tasks")["tasks"]
        return {task["deviceKey"]: (task["status"], task["desc"]) for task in tasks}

    def counts(self, job_id: str = JOB) -> dict[str, int]:
        """Number of tasks by status."""
        counts: dict[str, int] = self.control("GET", f"jobs/{quote(job_id, safe='')}")["counts"]
        return counts

    def set_tasks(self, job_id: str, keys: Collection[str], status: str, desc: str | None = None) -> None:
        """Set tasks whatever they are now. `status`: one of EnOS's, or `cancelled`; desc defaults to the usual one."""
        body = {"deviceKeys": list(keys), "status": status} | ({} if desc is None else {"desc": desc})
        self.control("POST", f"jobs/{quote(job_id, safe='')}/tasks", body)

    def retry(self, job_id: str, keys: Collection[str]) -> None:
        """A colleague retries these keys by the real rules; journal: `by` is `control`; the counters leave it out."""
        self.control("POST", f"jobs/{quote(job_id, safe='')}/retry", {"deviceKeys": list(keys)})

    def set_job(self, job_id: str, status: str) -> None:
        """Set a job `started` or `stopped`; not in the journal."""
        self.control("POST", f"jobs/{quote(job_id, safe='')}", {"status": status})

    def add_job(self, job: dict[str, Any]) -> None:
        """Add a job, written as under `jobs` in a fleet; without a status it is `stopped`."""
        self.control("POST", "jobs", job)

    def delete_job(self, job_id: str) -> None:
        """Delete a job and its tasks, started or not; not in the journal."""
        self.control("DELETE", f"jobs/{quote(job_id, safe='')}")

    def switch(self, **switches: object) -> None:
        """Turn switches, by their Python names."""
        self.control("POST", "switches", switches)

    def expire_tokens(self) -> None:
        """End every access token now."""
        self.control("POST", "tokens/expire")

    def fault(self, what: str, *operations: str, **settings: object) -> None:
        """Set a fault: `fault("close-after", "cancelTask", nth=3)`; without operations it concerns any.

        `what`: latency (`seconds`: a number or a pair), throttle (`retryAfter`), gateway (`status`), error (`status`,
        `envelope`, `code`, `processed`), html (`status`, `processed`), close-before, close-after, truncate, cut.
        When: `nth` counted from now, or `probability`, else each; at most `times`. docs/simulator.md has it all.
        """
        told = {"what": what, **settings} | ({"operations": list(operations)} if operations else {})
        self.control("POST", "faults", told)

    def clear_faults(self) -> None:
        """From now on nothing goes wrong."""
        self.control("DELETE", "faults")

    def fired(self) -> dict[str, int]:
        """How often each fault befell a request, since the start or the last reset: `{"cancelTask close-after": 1}`."""
        faults: dict[str, int] = self.control("GET", "counters")["faults"]
        return faults

    def move(self, *, moving: bool = True, **settings: object) -> None:
        """From now on devices act by themselves, or no longer; what is not set is the usual.

        `push`, `begin`, `finish`: seconds, a number or a pair, from a free slot to `published`, from there to
        `upgrading`, from there to the end; `failures`: the share that fails. The clock is the simulator's, and what is
        due happens when somebody next asks.
        """
        self.control("POST", "movement", {"moving": moving, **settings})

    def reset(self) -> None:
        """Back to the start: fleet, switches, faults, movement, journal, counters; tokens given out are void."""
        self.control("POST", "reset")


@contextlib.contextmanager
def running_simulator(
    fleet: dict[str, Any] | None = None,
    *,
    clock: Callable[[], int] = wall_clock,
    seed: int | None = None,
    **switches: object,
) -> Iterator[RunningSimulator]:
    """A simulator in a thread of this process, with `SMALL_FLEET` if no fleet is given. It is gone at the end.

    With a clock of the test's own (Unix ms), waiting for the simulator takes no time. With a seed, everything that goes
    by chance comes out the same again.
    """
    content = SMALL_FLEET if fleet is None else fleet
    parsed = parse_fleet(content | {"switches": {**content.get("switches", {}), **switches}})
    listening = listen("127.0.0.1", 0)
    rng = random.Random(seed)  # noqa: S311 - repeatable, nothing to guard
    server = make_server(Simulator(parsed, clock=clock, rng=rng))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="simulator")
    app = parsed.apps[0]
    running = RunningSimulator(url_of(listening), parsed.orgs[0], app.app_key, app.app_secret, os.getpid())
    thread.start()
    try:
        yield running
    finally:
        running._session.close()
        server.should_exit = True
        thread.join()


@contextlib.contextmanager
def simulator_process(*arguments: str, cwd: Path | None = None) -> Iterator[RunningSimulator]:
    """`enos-ota simulate` in a process of its own, ended with SIGTERM; it must then exit 0 and say nothing."""
    command = [sys.executable, "-m", "enos_ota.cli", "simulate", "--format", "json", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            _, errors = process.communicate()
            raise AssertionError(f"enos-ota simulate did not start: {errors}")
        told = json.loads(line)
        running = RunningSimulator(told["url"], told["orgId"], told["appKey"], told["appSecret"], process.pid)
        try:
            yield running
        finally:
            running._session.close()
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=20)
        assert (process.returncode, errors) == (0, "")
