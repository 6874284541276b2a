"""What a reconciler works with, and the options of one change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from enos_ota.enos import Clock, WriteWatch
    from enos_ota.plan import JobFacts, Objection, Record
    from enos_ota.reconciler.deadline import Stop
    from enos_ota.reconciler.reading import ServiceLimits
    from enos_ota.reconciler.workers import Workers


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one change in size and time.

    Attributes:
        batch_size: Keys in one cancelTask.
        deadline: Seconds for one set's change.
        settle: Seconds after the last cancelTask in which a search may still show old states; EnOS documents about 2.
    """

    batch_size: int = 200
    deadline: float = 1800.0
    settle: float = 10.0


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """Options of one change.

    Attributes:
        override_announced: Whether the operator was already notified that the guard is overridden.
        learn: Called with the facts of the job once it was read, before any request that writes.
        watch: Makes the watch of a cancelTask for some keys; the second argument is the reason for which the guard was
            overridden, empty when it did not object.
        say: Prints a line about the change while it lasts.
    """

    override_announced: bool = False
    learn: Callable[[JobFacts], None] | None = None
    watch: Callable[[Sequence[str], str], WriteWatch] | None = None
    say: Callable[[str], None] | None = None


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """The record after a change, and why no request was sent: None where nothing objected."""

    record: Record
    objection: Objection | None = None


@dataclass(frozen=True, slots=True)
class Runtime:
    """What all changes of a reconciler share."""

    markers: frozenset[str]
    limits: Limits
    service: ServiceLimits
    workers: Workers
    clock: Clock
    stop: Stop
