"""Journal: counts of requests by operation, and an entry for each request that asks for a change, refused or not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields
from typing import Any, Final

from pydantic.alias_generators import to_camel

WRITES: Final = frozenset({"cancelTask", "retryTask", "start", "stop"})
"""The operations that get an entry."""


@dataclass(frozen=True, slots=True)
class Change:
    """How one task changed: status and desc before and after."""

    device_key: str
    product_key: str
    before: tuple[str, str]
    after: tuple[str, str]

    def as_json(self) -> dict[str, Any]:
        """Return the form of the control API."""
        return {
            "deviceKey": self.device_key,
            "productKey": self.product_key,
            "before": {"status": self.before[0], "desc": self.before[1]},
            "after": {"status": self.after[0], "desc": self.after[1]},
        }


@dataclass(frozen=True, slots=True)
class Entry:
    """One request that asked for a change; docs/simulator.md explains the fields. `sequence` counts from 1."""

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
        """Return the form of the control API."""
        values = {to_camel(one.name): getattr(self, one.name) for one in fields(self)}
        return values | {
            "keys": None if self.keys is None else list(self.keys),
            "changes": [change.as_json() for change in self.changes],
        }


class Journal:
    """Entries in the order of arrival, and the counters."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.requests: Counter[str] = Counter()
        """Requests by operation, whatever the answer was."""
        self.answers: Counter[str] = Counter()
        """Answers by operation and code, for example `cancelTask 24620`; for unprocessed requests the fault's name."""
        self.faults: Counter[str] = Counter()
        """Faults by operation and name, for example `cancelTask close-after`."""

    def count(self, operation: str, code: int | str) -> None:
        """Count a request by its operation, and by the code of its answer or the fault that stopped it."""
        self.requests[operation] += 1
        self.answers[f"{operation} {code}"] += 1

    def record(self, **values: Any) -> None:
        """Add an entry; `values` are all its attributes but `sequence`."""
        self.entries.append(Entry(sequence=len(self.entries) + 1, **values))
