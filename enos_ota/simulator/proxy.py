"""What stands between callers and the gateway, as the API manager and the network do: flow control and faults.

What it keeps from the gateway is counted and, if it is a write, recorded all the same: it arrived.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from enos_ota.simulator.codes import Code, TokenCode
from enos_ota.simulator.gateway import OTA_JOBS, Reply, addressed, operation_of
from enos_ota.simulator.journal import WRITES

if TYPE_CHECKING:
    from collections.abc import Callable

    from enos_ota.simulator.faults import Fault, Faults, Strike
    from enos_ota.simulator.gateway import Gateway, Request
    from enos_ota.simulator.journal import Journal
    from enos_ota.simulator.switches import Switches

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
        for name in _names(strike):
            self._journal.faults[f"{operation} {name}"] += 1
        largest = self._switches().max_body
        if len(request.body) > largest and (fault is None or fault.reaches_enos):
            reply = self._too_large(operation, largest)
            self._keep(request, operation, reply, " ".join([*_names(strike), "max-body"]))
            if fault is not None:
                reply = self._spoiled(operation, fault, reply)
        elif fault is None and request.path == OTA_JOBS and self._too_many():
            reply = self._throttled(operation, self._switches().throttle_retry_after or None, envelope=True)
            self._keep(request, operation, reply, "throttle")
        elif fault is None or fault.reaches_enos:
            reply = self._gateway.answer(request, " ".join(_names(strike)))
            if fault is not None:
                reply = self._spoiled(operation, fault, reply)
        else:
            reply = self._made_up(operation, fault)
            self._keep(request, operation, reply, " ".join(_names(strike)))
        return dataclasses.replace(reply, delay=strike.delay) if strike.delay else reply

    def _too_many(self) -> bool:
        rate = self._switches().throttle
        return isinstance(rate, float) and not self._flow.lets_through(self._clock(), rate)

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
                msg=reply.body.get("msg", ""),
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
            case "throttle":
                return self._throttled(operation, fault.retry_after, envelope=fault.envelope)
            case "html":
                return Reply(fault.http, {}, "raw", content_type="text/html", raw=_HTML)
            case "error" if fault.envelope:
                return Reply(fault.http, self._envelope(operation, fault.code, "Internal Server Error"))
            case "error":
                return _bare(fault.http, "Internal Server Error")
            case _:
                return Reply(0, {}, "closed")

    def _too_large(self, operation: str, largest: int) -> Reply:
        """HTTP 413; its body is our choice [U]."""
        msg = f"Invalid Argument body:body is larger than {largest} bytes"
        return Reply(_TOO_LARGE, self._envelope(operation, Code.INVALID_ARGUMENT, msg))

    def _throttled(self, operation: str, retry_after: int | None, *, envelope: bool) -> Reply:
        """HTTP 429; that it is this, with this body and header, is our choice [U]."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        told = "Too Many Requests"
        if not envelope:
            return dataclasses.replace(_bare(_THROTTLED, told), headers=headers)
        return Reply(_THROTTLED, self._envelope(operation, _THROTTLED, told), headers=headers)

    def _envelope(self, operation: str, code: int, msg: str) -> dict[str, Any]:
        if operation.startswith("token/"):
            own = {_THROTTLED: _THROTTLED, Code.INVALID_ARGUMENT: TokenCode.BAD_PARAMETER}
            status = own.get(code, TokenCode.INTERNAL)
            return {"status": status, "msg": msg, "business": "apim-token-service", "data": None}
        return {"code": code, "msg": msg, "requestId": self._new_id(), "data": None}


class _Flow:
    """A bucket that fills at some requests a second, up to one second's worth. `now`: Unix ms."""

    def __init__(self, now: int) -> None:
        self._then = now
        self._left: float | None = None

    def lets_through(self, now: int, rate: float) -> bool:
        most = max(1.0, rate)
        left = most if self._left is None else min(most, self._left + max(0, now - self._then) * rate / 1000)
        through = left >= 1
        self._then, self._left = now, left - through
        return through


def _bare(http: int, text: str) -> Reply:
    return Reply(http, {}, "raw", content_type="text/plain", raw=text.encode())


def _names(strike: Strike) -> list[str]:
    return ["latency"] * strike.late + ([strike.fault.what] if strike.fault else [])
