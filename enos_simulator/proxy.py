"""What stands between callers and the gateway, as the API manager and the network do: flow control and faults.

What it keeps from the gateway is counted and, if it is a write, recorded all the same: it arrived.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from enos_simulator.codes import GATEWAY_ERRORS, TokenCode
from enos_simulator.gateway import OTA_JOBS, Reply, addressed, gateway_message, operation_of
from enos_simulator.journal import WRITES
from enos_simulator.switches import parse_rate

if TYPE_CHECKING:
    from collections.abc import Callable

    from enos_simulator.faults import Fault, Faults, Strike
    from enos_simulator.gateway import Gateway, Request
    from enos_simulator.journal import Journal
    from enos_simulator.switches import Switches

_TOO_LARGE: Final = 413
_THROTTLED: Final = 429
_HTML: Final = b"<html><head><title>Bad Gateway</title></head><body><h1>Bad Gateway</h1><hr>proxy</body></html>\n"


class Proxy:
    """Answers requests, most of them by the gateway.

    Args:
        gateway: Who answers what is let through.
        faults: What goes wrong.
        journal: Where counts and writes go.
        switches: The switches of the moment.
        clock: Unix ms.
        new_id: A requestId, a UUID.
    """

    def __init__(
        self,
        gateway: Gateway,
        faults: Faults,
        *,
        journal: Journal,
        switches: Callable[[], Switches],
        clock: Callable[[], int],
        new_id: Callable[[], str],
    ) -> None:
        self._gateway = gateway
        self._faults = faults
        self._journal = journal
        self._switches = switches
        self._clock = clock
        self._new_id = new_id
        self._flow = _Flow(clock())

    def answer(self, request: Request) -> Reply:
        """Answer a request, or do with it what a fault demands; nothing is raised."""
        operation = operation_of(request)
        strike = self._faults.strike(operation)
        fault = strike.fault
        names = _names(strike)
        for name in names:
            self._journal.faults[f"{operation} {name}"] += 1
        processed = False
        if fault is not None and not fault.reaches_enos:
            reply = self._made_up(operation, fault)
        elif len(request.body) > self._switches().max_body:
            names.append("max-body")
            reply = self._gateway_error(operation, _TOO_LARGE)
        elif fault is None and request.path == OTA_JOBS and self._too_many():
            names.append("throttle")
            reply = self._gateway_error(operation, _THROTTLED, self._switches().throttle_retry_after or None)
        else:
            processed = True
            reply = self._gateway.answer(request, " ".join(names))
        if not processed:
            self._keep(request, operation, reply, " ".join(names))
        if fault is not None and fault.reaches_enos:
            reply = self._spoiled(operation, fault, reply)
        return dataclasses.replace(reply, delay=strike.delay) if strike.delay else reply

    def _too_many(self) -> bool:
        rate = self._switches().throttle
        return rate != "off" and not self._flow.lets_through(self._clock(), *parse_rate(rate))

    def _keep(self, request: Request, operation: str, reply: Reply, fault: str) -> None:
        """Count and record what does not reach the gateway."""
        self._journal.count(operation, fault)
        if operation in WRITES:
            self._journal.record(
                time=self._clock(),
                operation=operation,
                by="",
                **addressed(request),
                code=reply.body.get("code"),
                msg=reply.body.get("msg") or reply.body.get("message", ""),
                request_id=reply.body.get("requestId", ""),
                processed=False,
                fault=fault,
            )

    def _spoiled(self, operation: str, fault: Fault, reply: Reply) -> Reply:
        match fault.what:
            case "close-after":
                return dataclasses.replace(reply, kind="closed")
            case "truncate":
                return dataclasses.replace(reply, kind="truncated")
            case "cut":
                content = reply.content()
                return dataclasses.replace(reply, kind="raw", raw=content[: len(content) // 2])
            case _:
                return self._made_up(operation, fault)

    def _made_up(self, operation: str, fault: Fault) -> Reply:
        match fault.what:
            case "throttle" | "gateway":
                return self._gateway_error(operation, fault.http, fault.retry_after)
            case "html":
                return Reply(fault.http, {}, "raw", content_type="text/html", raw=_HTML)
            case "error" if fault.envelope:
                return Reply(fault.http, self._envelope(operation, fault.code, "Internal Server Error"))
            case "error":
                return Reply(fault.http, {}, "raw", content_type="text/plain", raw=b"Internal Server Error")
            case _:
                return Reply(0, {}, "closed")

    def _gateway_error(self, operation: str, http: int, retry_after: int | None = None) -> Reply:
        """What the gateway itself answers: text documented [D], form inferred [I], Retry-After unknown [U]."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        if self._switches().gateway_form == "message":
            return Reply(http, gateway_message(http), headers=headers)
        return Reply(http, self._envelope(operation, http, GATEWAY_ERRORS[http]), headers=headers)

    def _envelope(self, operation: str, code: int, msg: str) -> dict[str, Any]:
        if operation.startswith("token/"):
            status = code if code in GATEWAY_ERRORS else TokenCode.INTERNAL
            return {"status": status, "msg": msg, "business": "apim-token-service", "data": None}
        return {"code": code, "msg": msg, "requestId": self._new_id(), "data": None}


class _Flow:
    """A bucket that holds `count` requests and fills by so many in `seconds`. `now`: Unix ms."""

    def __init__(self, now: int) -> None:
        self._then = now
        self._left: float | None = None

    def lets_through(self, now: int, count: float, seconds: int) -> bool:
        most = max(1.0, count)
        since = max(0, now - self._then) / 1000
        left = most if self._left is None else min(most, self._left + since * count / seconds)
        through = left >= 1
        self._then, self._left = now, left - through
        return through


def _names(strike: Strike) -> list[str]:
    return ["latency"] * strike.late + ([strike.fault.what] if strike.fault else [])
