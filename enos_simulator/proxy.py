"""Proxy: flow control and faults between a caller and the gateway, as the API manager and the network cause them.

Requests that it stops are counted and recorded too.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from enos_simulator.errors import GATEWAY_ERRORS, TokenCode
from enos_simulator.gateway import OTA_JOBS, Reply, addressed, gateway_message, operation_of
from enos_simulator.journal import WRITES
from enos_simulator.switches import parse_rate

if TYPE_CHECKING:
    from enos_simulator.environment import Environment
    from enos_simulator.faults import Fault, Faults, InjectedFault
    from enos_simulator.gateway import Gateway, Request

_TOO_LARGE: Final = 413
_THROTTLED: Final = 429
_HTML: Final = b"<html><head><title>Bad Gateway</title></head><body><h1>Bad Gateway</h1><hr>proxy</body></html>\n"


class Proxy:
    """Passes requests to the gateway, unless a fault or the rate limit stops them."""

    def __init__(self, gateway: Gateway, faults: Faults, environment: Environment) -> None:
        self._gateway = gateway
        self._faults = faults
        self._environment = environment
        self._rate_limit = _RateLimit(environment.clock())

    def answer(self, request: Request) -> Reply:
        """Answer a request, or apply a fault to it; raises nothing."""
        operation = operation_of(request)
        injected = self._faults.draw(operation)
        fault = injected.fault
        names = _names(injected)
        for name in names:
            self._environment.journal.faults[f"{operation} {name}"] += 1
        processed = False
        if fault is not None and not fault.reaches_enos:
            reply = self._substitute(operation, fault)
        elif len(request.body) > self._environment.switches.max_body:
            names.append("max-body")
            reply = self._gateway_error(operation, _TOO_LARGE)
        elif fault is None and request.path == OTA_JOBS and self._too_many():
            names.append("throttle")
            reply = self._gateway_error(operation, _THROTTLED, self._environment.switches.throttle_retry_after or None)
        else:
            processed = True
            reply = self._gateway.answer(request, " ".join(names))
        if not processed:
            self._record(request, operation, reply, " ".join(names))
        if fault is not None and fault.reaches_enos:
            reply = self._damage(operation, fault, reply)
        return dataclasses.replace(reply, delay=injected.delay) if injected.delay else reply

    def _too_many(self) -> bool:
        rate = self._environment.switches.throttle
        return rate != "off" and not self._rate_limit.allows(self._environment.clock(), *parse_rate(rate))

    def _record(self, request: Request, operation: str, reply: Reply, fault: str) -> None:
        """Count and record a request that does not reach the gateway."""
        self._environment.journal.count(operation, fault)
        if operation in WRITES:
            self._environment.journal.record(
                time=self._environment.clock(),
                operation=operation,
                by="",
                **addressed(request),
                code=reply.body.get("code"),
                msg=reply.body.get("msg") or reply.body.get("message", ""),
                request_id=reply.body.get("requestId", ""),
                processed=False,
                fault=fault,
            )

    def _damage(self, operation: str, fault: Fault, reply: Reply) -> Reply:
        match fault.what:
            case "close-after":
                return dataclasses.replace(reply, kind="closed")
            case "truncate":
                return dataclasses.replace(reply, kind="truncated")
            case "cut":
                content = reply.content()
                return dataclasses.replace(reply, kind="raw", raw=content[: len(content) // 2])
            case _:
                return self._substitute(operation, fault)

    def _substitute(self, operation: str, fault: Fault) -> Reply:
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
        """Build an error of the gateway itself: text documented [D], form inferred [I], Retry-After unknown [U]."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        if self._environment.switches.gateway_form == "message":
            return Reply(http, gateway_message(http), headers=headers)
        return Reply(http, self._envelope(operation, http, GATEWAY_ERRORS[http]), headers=headers)

    def _envelope(self, operation: str, code: int, msg: str) -> dict[str, Any]:
        if operation.startswith("token/"):
            status = code if code in GATEWAY_ERRORS else TokenCode.INTERNAL
            return {"status": status, "msg": msg, "business": "apim-token-service", "data": None}
        return {"code": code, "msg": msg, "requestId": self._environment.new_id(), "data": None}


class _RateLimit:
    """A token bucket for `count` requests, refilled within `seconds`. `now`: Unix ms."""

    def __init__(self, now: int) -> None:
        self._then = now
        self._left: float | None = None

    def allows(self, now: int, count: float, seconds: int) -> bool:
        capacity = max(1.0, count)
        since = max(0, now - self._then) / 1000
        left = capacity if self._left is None else min(capacity, self._left + since * count / seconds)
        allowed = left >= 1
        self._then, self._left = now, left - allowed
        return allowed


def _names(injected: InjectedFault) -> list[str]:
    return ["latency"] * injected.late + ([injected.fault.what] if injected.fault else [])
