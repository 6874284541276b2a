"""The simulated EnOS: `enos-ota simulate` in its own process, read through its control API."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import requests

from demo.checks import CannotRunError, Task, Write
from demo.processes import running

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from demo.interrupts import Interrupts

CALL_LIMIT: Final = 20.0
"""Seconds to wait for an answer of the control API."""


@dataclass(frozen=True, slots=True)
class Simulator:
    """A running simulator: the address of its gateway, its credentials, and its started job."""

    url: str
    org_id: str
    app_key: str
    app_secret: str = field(repr=False)
    job_id: str
    job_name: str
    firmware_version: str

    def tasks(self) -> dict[str, Task]:
        """Return the job's current tasks by device key."""
        rows = self._call("GET", "tasks")["tasks"]
        return {row["deviceKey"]: Task(row["deviceKey"], row["status"], row["desc"] or "") for row in rows}

    def writes(self) -> tuple[Write, ...]:
        """Return every request for a change so far, from the simulator's journal."""
        entries = self._request("GET", "journal")["entries"]
        return tuple(Write(entry["operation"], tuple(entry["keys"] or ()), entry["code"]) for entry in entries)

    def retry(self, device_key: str) -> None:
        """Retry a task by EnOS's rules, as another user does in the console."""
        self._call("POST", "retry", {"deviceKeys": [device_key]})

    def _call(self, method: str, what: str, body: object = None) -> Any:
        return self._request(method, f"jobs/{self.job_id}/{what}", body)

    def _request(self, method: str, path: str, body: object = None) -> Any:
        with requests.Session() as session:
            session.trust_env = False  # no proxy for loopback
            try:
                answer = session.request(method, f"{self.url}/_simulator/{path}", json=body, timeout=CALL_LIMIT)
            except requests.RequestException as error:
                raise CannotRunError(f"the simulator no longer answers: {type(error).__name__}") from None
        if not answer.ok:
            raise CannotRunError(f"the simulator refused {method} {path}: {answer.text}")
        return answer.json()


@contextlib.contextmanager
def simulator(command: Path, *, interrupts: Interrupts, cwd: Path, environ: Mapping[str, str]) -> Iterator[Simulator]:
    """Run `enos-ota simulate`, at this path, with its default fleet."""
    arguments = [str(command), "simulate", "--format", "json"]
    with running(arguments, interrupts=interrupts, cwd=cwd, environ=environ) as process:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            _, errors = process.communicate()
            raise CannotRunError(f"enos-ota simulate did not start: {errors.strip()}")
        summary = json.loads(line)
        job = next(job for job in summary["jobs"] if job["status"] == "started")
        yield Simulator(
            summary["url"],
            summary["orgId"],
            summary["appKey"],
            summary["appSecret"],
            job["jobId"],
            job["name"],
            job["firmwareVersion"],
        )


def count(tasks: Mapping[str, Task]) -> Counter[str]:
    """Return the number of tasks in each state; cancelled tasks do not count as failed."""
    return Counter(task.state for task in tasks.values())
