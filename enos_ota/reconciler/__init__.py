"""Apply a plan: send cancels in batches, read back, keep to the deadline."""

from enos_ota.reconciler.cancellation import ApplyOptions, Limits
from enos_ota.reconciler.deadline import Deadline, Stop, StoppableClock, Stopped
from enos_ota.reconciler.reconciler import DEFAULT_MARKERS, ApplyResult, Reconciler, create_reconciler
from enos_ota.reconciler.workers import Pool, SerialWorkers

__all__ = [
    "DEFAULT_MARKERS",
    "ApplyOptions",
    "ApplyResult",
    "Deadline",
    "Limits",
    "Pool",
    "Reconciler",
    "SerialWorkers",
    "Stop",
    "StoppableClock",
    "Stopped",
    "create_reconciler",
]
