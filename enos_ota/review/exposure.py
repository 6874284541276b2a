"""How exposed a device is to the firmware that is rolled back: what the colours of a review mean."""

from __future__ import annotations

from enum import Enum
from typing import Final

from enos_ota.review.model import Effect


class Exposure(Enum):
    """How exposed a device is, the worst first. The value is the name in the HTML page."""

    RUNS = "runs"
    """It runs the firmware."""
    UPGRADING = "upgrading"
    """It is installing the firmware."""
    WAITING = "waiting"
    """It will get the firmware."""
    CANCELLED = "cancelled"
    """Its task is called back."""
    UNKNOWN = "unknown"
    """Its status does not tell, such as `failed`, which a cancelled task has too."""


_OF_STATUS: Final = {
    "succeeded": Exposure.RUNS,
    "upgrading": Exposure.UPGRADING,
    "published": Exposure.WAITING,
    "init": Exposure.WAITING,
}

OF_EFFECT: Final = {
    Effect.CANCEL: Exposure.CANCELLED,
    Effect.CANCEL_AGAIN: Exposure.CANCELLED,
    Effect.CANCELLED: Exposure.CANCELLED,
    Effect.TOO_LATE: Exposure.RUNS,
    Effect.ESCAPED: Exposure.RUNS,
    Effect.AMBIGUOUS: Exposure.WAITING,
    Effect.HELD: Exposure.WAITING,
    Effect.PENDING: Exposure.WAITING,
    Effect.MISSING: Exposure.UNKNOWN,
    Effect.UNREAD: Exposure.UNKNOWN,
    Effect.RELEASED: Exposure.UNKNOWN,
}
"""The exposure of a device after the change; where devices differ, that of the worst."""


def of_status(status: str) -> Exposure:
    """Return the exposure of a device whose task has this status."""
    return _OF_STATUS.get(status, Exposure.UNKNOWN)
