"""What reached the simulator: a count of requests by operation, and each request that was meant to change something.

Tests take their verdicts from here, so every write that arrived is recorded, whether it was accepted, refused, turned
away at the gateway, or kept from it by a fault.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

WRITES: Final = frozenset({"cancelTask", "retryTask", "start", "stop"})
"""The operations that are recorded."""


@dataclass(frozen=True, slots=True)
class Change:
    """How one task changed: status and desc before and after."""

    device_key: str
    product_key: str
    before: tuple[str, str]
    after: tuple[str, str]

    def as_json(self) -> dict[str, Any]:
        """As the control API gives it."""
        return {
            "deviceKey": self.device_key,
            "productKey": self.product_key,
            "before": {"status": self.before[0], "desc": self.before[1]},
            "after": {"status": self.after[0], "desc": self.after[1]},
        }


@dataclass(frozen=True, slots=True)
class Entry:
    """One request that was meant to write.

    Attributes:
        sequence: 1 for the first since the start or the last reset.
        time: When it came, Unix ms.
        operation: `cancelTask`, `retryTask`, `start` or `stop`.
        by: appKey of the caller, `control` for the control API, empty if the gateway turned it away or never got it.
        org_id, job_id: As sent; empty if missing.
        keys: Device keys as sent, in their order; None if the request had none that could be read.
        code: What was answered; 0 is accepted. Of the token service's codes if the gateway turned it away. None if
            it was not processed and what was answered, if anything, held no code.
        msg: The text of the answer.
        request_id: That of the answer; empty if the gateway turned the request away.
        changes: Every task that this request changed.
        processed: Whether it was looked at at all, be it that it was refused then. False if a fault or a
            switch (`throttle`, `max_body`) kept it from EnOS: then it changed nothing.
        fault: What befell the request or its answer, by the name of the fault; empty if nothing did.
    """

    sequence: int
    time: int
    operation: str
    by: str
    org_id: str
    job_id: str
    keys: tuple[str, ...] | None
    code: int | None
    msg: str
    request_id: str
    changes: tuple[Change, ...] = ()
    processed: bool = True
    fault: str = ""

    def as_json(self) -> dict[str, Any]:
        """As the control API gives it."""
        return {
            "sequence": self.sequence,
            "time": self.time,
            "operation": self.operation,
            "by": self.by,
            "orgId": self.org_id,
            "jobId": self.job_id,
            "keys": None if self.keys is None else list(self.keys),
            "code": self.code,
            "msg": self.msg,
            "requestId": self.request_id,
            "changes": [change.as_json() for change in self.changes],
            "processed": self.processed,
            "fault": self.fault,
        }


class Journal:
    """Entries in the order in which requests came, and the counters."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.requests: Counter[str] = Counter()
        """Requests by operation, answered in whatever way."""
        self.answers: Counter[str] = Counter()
        """Answers by operation and code, for example `cancelTask 24620`; what was not processed by the fault's name."""
        self.faults: Counter[str] = Counter()
        """Faults by operation and name, for example `cancelTask close-after`."""

    def count(self, operation: str, code: int | str) -> None:
        """One request of this operation was answered with this code, or kept from EnOS by this fault."""
        self.requests[operation] += 1
        self.answers[f"{operation} {code}"] += 1

    def record(self, **values: Any) -> None:
        """Add an entry; all its attributes but `sequence`."""
        self.entries.append(Entry(sequence=len(self.entries) + 1, **values))
