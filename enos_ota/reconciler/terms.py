"""What a reconciler works with, and what one set asks of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from enos_ota.reconciler.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from enos_ota.enos import Clock, WriteWatch
    from enos_ota.reconciler.ending import Stop
    from enos_ota.reconciler.outcome import JobFacts
    from enos_ota.reconciler.reading import Learned
    from enos_ota.reconciler.workers import Workers


@dataclass(frozen=True, slots=True)
class Limits:
    """How far one change may go.

    Attributes:
        batch_size: Keys in one cancelTask.
        deadline: Seconds for one set's change.
        settle: Seconds after the last cancelTask in which a search may still show old states; EnOS documents about 2.
    """

    batch_size: int = 200
    deadline: float = 1800.0
    settle: float = 10.0


@dataclass(frozen=True, slots=True)
class Terms:
    """What one set asks of a change.

    Attributes:
        guard: How much one change may cancel.
        expect_firmware_version: The job's target version; empty for any.
        break_glass: The reason for which the guard is overridden; empty when it is not.
        is_override_told: Whether whoever `say` speaks to knows already that it is, and need not hear it again.
        learn: Told what is known of the job once it was read, which is before anything is sent.
        watch: Makes what is told about a cancelTask for some keys; the second argument is the reason for which the
            guard was overridden, empty when it did not object.
        say: Where lines about the change go while it lasts.
    """

    guard: Guard = field(default_factory=Guard)
    expect_firmware_version: str = ""
    break_glass: str = ""
    is_override_told: bool = False
    learn: Callable[[JobFacts], None] | None = None
    watch: Callable[[Sequence[str], str], WriteWatch] | None = None
    say: Callable[[str], None] | None = None


@dataclass(frozen=True, slots=True)
class Tools:
    """What all changes of a reconciler share.

    Attributes:
        markers: Texts by which a failed task is known to have been cancelled, folded.
        limits: How far one change may go.
        learned: What the service turned out to allow.
        workers: Requests that may be under way at once.
        clock: Time and waiting.
        stop: Interrupts the run.
    """

    markers: frozenset[str]
    limits: Limits
    learned: Learned
    workers: Workers
    clock: Clock
    stop: Stop
