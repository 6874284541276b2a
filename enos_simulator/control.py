"""Control API under `/_simulator/`: read and set tasks, switches, faults; read the journal. JSON in and out.

It has no authentication and is meant for loopback. To keep web pages in a browser on the same machine from using it, it
refuses three kinds of request: to a host name (a page can point its own name at this address), from a page of another
origin, and with a body that is not declared as JSON (browsers send only such bodies without a preflight request).

docs/simulator.md lists the calls. An error is JSON too: `{"error": "…"}` with an HTTP status from 400 on.
"""

from __future__ import annotations

import ipaddress
import json
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from enos_simulator.errors import BusinessError, SetupError
from enos_simulator.gateway import Reply
from enos_simulator.movement import Movement
from enos_simulator.simulator import UnknownJobError

if TYPE_CHECKING:
    from collections.abc import Callable

    from enos_simulator.gateway import Request
    from enos_simulator.simulator import Simulator
    from enos_simulator.store import JobTasks

PREFIX: Final = "/_simulator/"

LARGEST_BODY: Final = 16 * 1024 * 1024
"""Largest body, in bytes."""

_WRONG, _FORBIDDEN, _MISSING, _CONFLICT, _TOO_LARGE, _NO_JSON, _INTERNAL = 400, 403, 404, 409, 413, 415, 500


class _ControlError(Exception):
    """The control API refuses a request."""

    def __init__(self, text: str, http: int = _WRONG) -> None:
        super().__init__(text)
        self.http = http


def answer(simulator: Simulator, request: Request, address: str) -> Reply:
    """Answer one request to the control API, which arrived at this address; raises nothing."""
    body: dict[str, Any]
    try:
        _check_sender(request, address)
        body = _call(simulator, request)
        simulator.save()
        return Reply(200, body)
    except _ControlError as error:
        http, body = error.http, {"error": str(error)}
    except UnknownJobError as error:
        http, body = _MISSING, {"error": error.args[0]}
    except BusinessError as error:
        http, body = _CONFLICT, {"error": error.msg, "code": int(error.code)}
    except SetupError as error:
        http, body = _WRONG, {"error": "; ".join(error.problems), "problems": error.problems}
    except ValueError as error:
        http, body = _WRONG, {"error": str(error)}
    except Exception as error:  # noqa: BLE001 - a caller always gets JSON
        http, body = _INTERNAL, {"error": f"internal error of the simulator: {type(error).__name__}: {error}"}
    return Reply(http, body)


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


def _call(simulator: Simulator, request: Request) -> dict[str, Any]:
    path = request.path.removeprefix(PREFIX).rstrip("/")
    if path.startswith("jobs/"):
        # The path is decoded already, so a job id must not contain a slash.
        _, job_id, *rest = path.split("/")
        call = _JOB_CALLS.get((request.method, "/".join(rest)))
        if call is not None:
            return call(simulator, job_id, request)
    elif (global_call := _GLOBAL_CALLS.get((request.method, path))) is not None:
        return global_call(simulator, request)
    text = f"the control API has no {request.method} {PREFIX}{path}; docs/simulator.md lists its calls"
    raise _ControlError(text, _MISSING)


def _health(simulator: Simulator, _: Request) -> dict[str, Any]:
    return {"status": "ok", "version": _version(), **simulator.info()}


def _version() -> str:
    try:
        return version("enos-ota")
    except PackageNotFoundError:
        return "not installed"  # run from a checkout


def _jobs(simulator: Simulator, _: Request) -> dict[str, Any]:
    return {"jobs": [_job(job_tasks) for job_tasks in simulator.jobs()]}


def _add_job(simulator: Simulator, request: Request) -> dict[str, Any]:
    return _job(simulator.add_job(_body(request)))


def _journal(simulator: Simulator, _: Request) -> dict[str, Any]:
    return {"entries": [entry.as_json() for entry in simulator.journal.entries]}


def _counters(simulator: Simulator, _: Request) -> dict[str, Any]:
    journal = simulator.journal
    return {"requests": dict(journal.requests), "answers": dict(journal.answers), "faults": dict(journal.faults)}


def _faults(simulator: Simulator, _: Request) -> dict[str, Any]:
    return {"faults": [one.as_json() for one in simulator.faults.active]}


def _add_fault(simulator: Simulator, request: Request) -> dict[str, Any]:
    return simulator.add_fault(_body(request)).as_json()


def _clear_faults(simulator: Simulator, _: Request) -> dict[str, Any]:
    return {"cleared": simulator.faults.clear()}


def _switches(simulator: Simulator, _: Request) -> dict[str, Any]:
    return simulator.switches.model_dump(by_alias=True)


def _set_switches(simulator: Simulator, request: Request) -> dict[str, Any]:
    simulator.change_switches(_body(request))
    return simulator.switches.model_dump(by_alias=True)


def _movement(simulator: Simulator, _: Request) -> dict[str, Any]:
    return simulator.movement.model_dump(mode="json")


def _set_movement(simulator: Simulator, request: Request) -> dict[str, Any]:
    simulator.movement = Movement.parse(_body(request))
    return simulator.movement.model_dump(mode="json")


def _reset(simulator: Simulator, _: Request) -> dict[str, Any]:
    simulator.reset()
    return simulator.info()


def _expire_tokens(simulator: Simulator, _: Request) -> dict[str, Any]:
    return {"expired": simulator.expire_tokens()}


def _one_job(simulator: Simulator, job_id: str, _: Request) -> dict[str, Any]:
    return _job(simulator.job(job_id))


def _set_job(simulator: Simulator, job_id: str, request: Request) -> dict[str, Any]:
    simulator.set_job(job_id, _text(_only(_body(request), "status"), "status"))
    return _job(simulator.job(job_id))


def _delete_job(simulator: Simulator, job_id: str, _: Request) -> dict[str, Any]:
    simulator.delete_job(job_id)
    return {"deleted": job_id}


def _retry(simulator: Simulator, job_id: str, request: Request) -> dict[str, Any]:
    keys = _keys(_only(_body(request), "deviceKeys"))
    simulator.retry_as_colleague(job_id, keys)
    return {"retried": len(set(keys))}


def _tasks(simulator: Simulator, job_id: str, request: Request) -> dict[str, Any]:
    job_tasks = simulator.job(job_id)
    statuses = {value for name, value in request.query if name == "status"}
    keys = [value for name, value in request.query if name == "deviceKey"]
    tasks = (job_tasks.task(place) for key in keys for place in job_tasks.places(key)) if keys else job_tasks.tasks()
    rows = [job_tasks.as_json(task) for task in tasks if not statuses or task.status in statuses]
    return {"counts": job_tasks.counts(), "tasks": rows}


def _set_tasks(simulator: Simulator, job_id: str, request: Request) -> dict[str, Any]:
    body = _only(_body(request), "deviceKeys", "status", "desc", "progress")
    desc, progress = body.get("desc"), body.get("progress")
    if not isinstance(desc, str | None):
        raise _ControlError("desc: must be a text")
    if not isinstance(progress, int | None) or isinstance(progress, bool):
        raise _ControlError("progress: must be a whole number")
    return {"changed": simulator.set_tasks(job_id, _keys(body), _text(body, "status"), desc, progress)}


_GLOBAL_CALLS: Final[dict[tuple[str, str], Callable[[Simulator, Request], dict[str, Any]]]] = {
    ("GET", "health"): _health,
    ("GET", "jobs"): _jobs,
    ("POST", "jobs"): _add_job,
    ("GET", "journal"): _journal,
    ("GET", "counters"): _counters,
    ("GET", "switches"): _switches,
    ("POST", "switches"): _set_switches,
    ("GET", "faults"): _faults,
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _clear_faults,
    ("GET", "movement"): _movement,
    ("POST", "movement"): _set_movement,
    ("POST", "reset"): _reset,
    ("POST", "tokens/expire"): _expire_tokens,
}
_JOB_CALLS: Final[dict[tuple[str, str], Callable[[Simulator, str, Request], dict[str, Any]]]] = {
    ("GET", ""): _one_job,
    ("POST", ""): _set_job,
    ("DELETE", ""): _delete_job,
    ("GET", "tasks"): _tasks,
    ("POST", "tasks"): _set_tasks,
    ("POST", "retry"): _retry,
}


def _job(job_tasks: JobTasks) -> dict[str, Any]:
    return {**job_tasks.job.as_json(), "tasks": len(job_tasks.indexed_tasks), "counts": job_tasks.counts()}


def _body(request: Request) -> dict[str, Any]:
    if len(request.body) > LARGEST_BODY:
        raise _ControlError(f"the body is larger than {LARGEST_BODY} bytes", _TOO_LARGE)
    try:
        body = json.loads(request.body.decode())
    except (ValueError, RecursionError):
        raise _ControlError("the body is not JSON") from None
    if not isinstance(body, dict):
        raise _ControlError("the body must be a JSON object")
    return body


def _only(body: dict[str, Any], *known: str) -> dict[str, Any]:
    unknown = sorted(set(body) - set(known))
    if unknown:
        raise _ControlError(f"{', '.join(unknown)}: unknown; known: {', '.join(known)}")
    return body


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise _ControlError(f"{name}: must be a text")
    return value


def _keys(body: dict[str, Any]) -> list[str]:
    keys = body.get("deviceKeys")
    if not isinstance(keys, list) or not keys or not all(isinstance(key, str) for key in keys):
        raise _ControlError("deviceKeys: must be a non-empty list of texts")
    return keys
