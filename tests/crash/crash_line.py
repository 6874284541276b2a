"""The line between a provider process and the simulator: each request can be the last, or go wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from tests.harness.in_process import InProcessAdapter

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from enos_simulator.gateway import Reply, Request
    from tests.crash.crash_world import World


class Fault(Enum):
    """What may happen to one request. The value of what the simulator itself can do is how it is told so."""

    LOST_BEFORE = "close-before times=1"
    LOST_AFTER = "close-after times=1"
    ERROR_BEFORE = "error times=1"
    ERROR_AFTER = "error processed=true times=1"
    PROXY = "html times=1"
    TRUNCATED = "truncate times=1"
    THROTTLED = "throttle times=1"
    THROTTLED_WAIT = "throttle retryAfter=2 times=1"
    OUTAGE = "error times=5"
    STALE = "searches lag by 2 s from here on"
    ROW_TWICE = "a row comes twice"
    ROW_MISSED = "a row is left out"
    ROW_HIDDEN = "a row is left out, and not counted either"
    MOVED = "a published task moves on just before"
    STOPPED = "the job is stopped just before"
    DELETED = "the job is deleted just before"
    RETRIED = "a colleague retries a cancelled task just before"
    CANCELLED = "a colleague cancels a task just before"


TO_THE_FLEET: Final = frozenset(
    {Fault.STALE, Fault.MOVED, Fault.STOPPED, Fault.DELETED, Fault.RETRIED, Fault.CANCELLED}
)
"""Faults that change what the simulator holds, or shows."""
TO_THE_ROWS: Final = frozenset({Fault.ROW_TWICE, Fault.ROW_MISSED, Fault.ROW_HIDDEN})
"""Faults of a search whose pages shift while they are read."""


class Adapter(InProcessAdapter):
    """Answers a client's requests over such a line."""

    def __init__(self, world: World) -> None:
        super().__init__(_Line(world))  # type: ignore[arg-type] # all it needs of a simulator is `answer`
        self.world = world

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Answer one request; one more tick once the client has read the answer."""
        response = super().send(request, *args, **kwargs)
        response.close = self._closing(response.close)  # type: ignore[method-assign] # called when all was read
        return response

    def _closing(self, close: Callable[[], None]) -> Callable[[], None]:
        def closed() -> None:
            close()
            self.world.tick("answered")

        return closed


class _Line:
    def __init__(self, world: World) -> None:
        self._world = world

    def answer(self, request: Request) -> Reply:
        operation = operation_of(request)
        self._world.tick(f"before {operation}")
        fault = self._world.arrives(request)
        if fault in TO_THE_FLEET:
            self._world.meddle(fault)
        elif fault and fault not in TO_THE_ROWS:
            self._world.simulator.add_fault(fault.value)
        reply = self._world.simulator.answer(request)
        self._world.answered(request, reply)
        self._world.tick(f"{operation} processed")
        return _with_other_rows(reply, fault) if fault in TO_THE_ROWS else reply


def operation_of(request: Request) -> str:
    """The operation, as EnOS names it."""
    return request.parameter("action") or request.path.rpartition("/v2.0/")[2]


def _with_other_rows(reply: Reply, fault: Fault) -> Reply:
    rows = reply.body.get("data")
    if not isinstance(rows, list) or not rows:
        return reply
    body = json.loads(json.dumps(reply.body))
    body["data"] = [*rows, rows[0]] if fault is Fault.ROW_TWICE else rows[1:]
    if fault is Fault.ROW_HIDDEN:
        body["pagination"]["totalSize"] -= 1
    return replace(reply, body=body)
