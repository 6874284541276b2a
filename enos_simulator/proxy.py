"""Proxy: flow control and faults between a caller and the gateway, as the API manager and the network cause them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from enos_simulator.errors import GATEWAY_ERRORS, TokenCode
from enos_simulator.gateway import OTA_JOBS, Answer, Reply, gateway_message, operation_of, sent_keys
from enos_simulator.journal import WRITES
from enos_simulator.switches import parse_rate

if TYPE_CHECKING:
    from enos_simulator.environment import Environment
    from enos_simulator.faults import Fault, Faults
    from enos_simulator.gateway import Gateway, Request

_TOO_LARGE: Final = 413
_THROTTLED: Final = 429
_ROUNDING: Final = 0.001
_HTML: Final = b"<html><head><title>Bad Gateway</title></head><body><h1>Bad Gateway</h1><hr>proxy</body></html>\n"


class Proxy:
    """Passes requests to the gateway, unless a fault or the rate limit stops them."""

    def __init__(self, gateway: Gateway, faults: Faults, environment: Environment) -> None:
        self._gateway = gateway
        self._faults = faults
        self._environment = environment
        self._next_free = 0.0
        """Unix ms at which a request would be free again that keeps exactly to the rate limit."""

    def answer(self, request: Request) -> Reply:
        """Answer a request, or apply a fault to it; raises nothing."""
        switches, operation = self._environment.switches, operation_of(request)
        injected = self._faults.draw(operation)
        fault = injected.fault
        names = injected.names
        for name in names:
            self._environment.journal.faults[f"{operation} {name}"] += 1
        stopped: Reply | None = None
        if fault is not None and not fault.reaches_enos:
            stopped = self._substitute(operation, fault)
        elif len(request.body) > switches.max_body:
            names.append("max-body")
            stopped = self._gateway_error(operation, _TOO_LARGE)
        elif fault is None and request.path == OTA_JOBS and self._too_many():
            names.append("throttle")
            stopped = self._gateway_error(operation, _THROTTLED, switches.throttle_retry_after or None)
        answer = Answer(stopped, stopped.body) if stopped else self._gateway.answer(request)
        self._record(request, operation, answer, " ".join(names), processed=stopped is None)
        reply = answer.reply
        if fault is not None and fault.reaches_enos:
            reply = self._damage(operation, fault, reply)
        return dataclasses.replace(reply, delay=injected.delay) if injected.delay else reply

    def _too_many(self) -> bool:
        """Return whether the rate limit refuses a request now. A burst may have the requests of one period."""
        if self._environment.switches.throttle == "off":
            return False
        count, seconds = parse_rate(self._environment.switches.throttle)
        now, apart = self._environment.clock(), 1000 * seconds / count
        next_free = max(self._next_free, now) + apart
        if next_free - now > apart * max(1.0, count) + _ROUNDING:
            return True
        self._next_free = next_free
        return False

    def _record(self, request: Request, operation: str, answer: Answer, fault: str, *, processed: bool) -> None:
        """Count a request; record it if it asked for a change."""
        envelope, journal = answer.envelope, self._environment.journal
        code = envelope.get("code", envelope.get("status"))
        journal.count(operation, code if processed else fault)
        if operation in WRITES:
            journal.record(
                time=self._environment.clock(),
                operation=operation,
                by=answer.by,
                org_id=request.parameter("orgId"),
                job_id=request.parameter("jobId"),
                keys=sent_keys(request),
                code=code,
                msg=envelope.get("msg") or envelope.get("message", ""),
                request_id=envelope.get("requestId", ""),
                changes=answer.changes,
                processed=processed,
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
