"""Control API under `/_simulator/`, for loopback, without authentication; docs/simulator.md lists the calls.

To keep web pages in a browser on the same machine from using it, it refuses three kinds of request: to a host name (a
page can point its own name at this address), from a page of another origin, and with a body that is not declared as
JSON (browsers send only such bodies without a preflight request).
"""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field

from enos_simulator.errors import BusinessError
from enos_simulator.gateway import Reply
from enos_simulator.movement import Movement
from enos_simulator.parsing import InputModel
from enos_simulator.simulator import UnknownJobError

if TYPE_CHECKING:
    from collections.abc import Callable

    from enos_simulator.gateway import Request
    from enos_simulator.simulator import Simulator
    from enos_simulator.store import JobTasks

PREFIX: Final = "/_simulator/"

_WRONG, _FORBIDDEN, _MISSING, _CONFLICT, _NO_JSON, _INTERNAL = 400, 403, 404, 409, 415, 500


class _ControlError(Exception):
    """The control API refuses a request."""

    def __init__(self, text: str, http: int) -> None:
        super().__init__(text)
        self.http = http


def answer(simulator: Simulator, request: Request, address: str) -> Reply:
    """Answer one request to the control API, which arrived at this address; raises nothing."""
    try:
        _check_sender(request, address)
        body = _call(simulator, request)
        simulator.save()
        return Reply(200, body)
    except _ControlError as error:
        return Reply(error.http, {"error": str(error)})
    except UnknownJobError as error:
        return Reply(_MISSING, {"error": str(error)})
    except BusinessError as error:
        return Reply(_CONFLICT, {"error": error.msg, "code": int(error.code)})
    except ValueError as error:
        return Reply(_WRONG, {"error": str(error)})
    except Exception as error:  # noqa: BLE001 - a caller always gets JSON
        return Reply(_INTERNAL, {"error": f"internal error of the simulator: {type(error).__name__}: {error}"})


def _check_sender(request: Request, address: str) -> None:
    """Refuse a request that a web page in a browser can send."""
    host = request.headers.get("host", "")
    if not _is_address(host, address):
        text = f"the control API answers requests to localhost, a loopback address or {address}, not to {host!r}"
        raise _ControlError(text, _FORBIDDEN)
    origin = request.headers.get("origin")
    if origin not in {None, f"http://{host}"}:
        raise _ControlError(f"the control API does not answer web pages of {origin}", _FORBIDDEN)
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.body and content_type != "application/json":
        text = f"a body needs the header 'content-type: application/json', not {content_type!r}"
        raise _ControlError(text, _NO_JSON)


def _is_address(host: str, address: str) -> bool:
    """Return whether a Host header is localhost or an address, not a name that others can point here."""
    try:
        name = urlsplit(f"//{host}").hostname
        return name in {"localhost", address} or ipaddress.ip_address(name or "").is_loopback
    except ValueError:
        return False


class JobChange(InputModel):
    """A new status of a job."""

    status: Literal["started", "stopped"]


class TaskRetry(InputModel):
    """Device keys to retry."""

    device_keys: Annotated[tuple[str, ...], Field(min_length=1)]


class TaskChange(TaskRetry):
    """Device keys, and the new values of their tasks."""

    status: str
    desc: str | None = None
    progress: int | None = None


@dataclass(frozen=True, slots=True)
class _Call:
    """A call of the control API. `job_id`: from its path; empty if there is none."""

    simulator: Simulator
    request: Request
    job_id: str

    def body(self) -> Any:
        return json.loads(self.request.body)

    def parameters(self, name: str) -> list[str]:
        return [value for known, value in self.request.query if known == name]


def _call(simulator: Simulator, request: Request) -> dict[str, Any]:
    path = request.path.removeprefix(PREFIX).rstrip("/")
    job_id, name = "", path
    if path.startswith("jobs/"):
        # The path is decoded already, so a job id must not contain a slash.
        job_id, slash, rest = path.removeprefix("jobs/").partition("/")
        name = "jobs/{jobId}" + slash + rest
    call = CALLS.get((request.method, name))
    if call is None:
        text = f"the control API has no {request.method} {PREFIX}{path}; docs/simulator.md lists its calls"
        raise _ControlError(text, _MISSING)
    return call(_Call(simulator, request, job_id))


def _health(call: _Call) -> dict[str, Any]:
    return {"status": "ok", "version": version("enos-ota"), **call.simulator.info()}


def _counters(call: _Call) -> dict[str, Any]:
    journal = call.simulator.journal
    return {"requests": dict(journal.requests), "answers": dict(journal.answers), "faults": dict(journal.faults)}


def _set_switches(call: _Call) -> dict[str, Any]:
    call.simulator.change_switches(call.body())
    return _switches(call)


def _switches(call: _Call) -> dict[str, Any]:
    return call.simulator.switches.model_dump(by_alias=True)


def _set_movement(call: _Call) -> dict[str, Any]:
    call.simulator.movement = Movement.parse(call.body())
    return _movement(call)


def _movement(call: _Call) -> dict[str, Any]:
    return call.simulator.movement.model_dump(mode="json")


def _reset(call: _Call) -> dict[str, Any]:
    call.simulator.reset()
    return call.simulator.info()


def _set_job(call: _Call) -> dict[str, Any]:
    call.simulator.set_job(call.job_id, JobChange.parse(call.body()).status)
    return _one_job(call)


def _one_job(call: _Call) -> dict[str, Any]:
    return _job(call.simulator.job(call.job_id))


def _delete_job(call: _Call) -> dict[str, Any]:
    call.simulator.delete_job(call.job_id)
    return {"deleted": call.job_id}


def _retry(call: _Call) -> dict[str, Any]:
    keys = TaskRetry.parse(call.body()).device_keys
    call.simulator.retry_as_colleague(call.job_id, keys)
    return {"retried": len(set(keys))}


def _tasks(call: _Call) -> dict[str, Any]:
    job_tasks = call.simulator.job(call.job_id)
    statuses, keys = call.parameters("status"), call.parameters("deviceKey")
    tasks = (job_tasks.task(place) for key in keys for place in job_tasks.places(key)) if keys else job_tasks.tasks()
    rows = [job_tasks.as_json(task) for task in tasks if not statuses or task.status in statuses]
    return {"counts": job_tasks.counts(), "tasks": rows}


def _set_tasks(call: _Call) -> dict[str, Any]:
    change = TaskChange.parse(call.body())
    keys, status, desc, progress = change.device_keys, change.status, change.desc, change.progress
    return {"changed": call.simulator.set_tasks(call.job_id, keys, status, desc, progress)}


CALLS: Final[dict[tuple[str, str], Callable[[_Call], dict[str, Any]]]] = {
    ("GET", "health"): _health,
    ("GET", "jobs"): lambda call: {"jobs": [_job(job_tasks) for job_tasks in call.simulator.jobs()]},
    ("POST", "jobs"): lambda call: _job(call.simulator.add_job(call.body())),
    ("GET", "jobs/{jobId}"): _one_job,
    ("POST", "jobs/{jobId}"): _set_job,
    ("DELETE", "jobs/{jobId}"): _delete_job,
    ("GET", "jobs/{jobId}/tasks"): _tasks,
    ("POST", "jobs/{jobId}/tasks"): _set_tasks,
    ("POST", "jobs/{jobId}/retry"): _retry,
    ("GET", "journal"): lambda call: {"entries": [entry.as_json() for entry in call.simulator.journal.entries]},
    ("GET", "counters"): _counters,
    ("GET", "switches"): _switches,
    ("POST", "switches"): _set_switches,
    ("GET", "faults"): lambda call: {"faults": [one.as_json() for one in call.simulator.faults.active]},
    ("POST", "faults"): lambda call: call.simulator.add_fault(call.body()).as_json(),
    ("DELETE", "faults"): lambda call: {"cleared": call.simulator.faults.clear()},
    ("GET", "movement"): _movement,
    ("POST", "movement"): _set_movement,
    ("POST", "reset"): _reset,
    ("POST", "tokens/expire"): lambda call: {"expired": call.simulator.expire_tokens()},
}


def _job(job_tasks: JobTasks) -> dict[str, Any]:
    return {**job_tasks.job.as_json(), "tasks": len(job_tasks.indexed_tasks), "counts": job_tasks.counts()}
