"""How exposed a device is to the firmware that is rolled back, and the text of each effect.

The colour of an exposure is in `html/page.css`, `terminal.py` and `markdown.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    """Its task is cancelled."""
    UNKNOWN = "unknown"
    """Its status does not tell, such as `failed`, which a cancelled task has too."""


@dataclass(frozen=True, slots=True)
class EffectDisplay:
    """What a report shows of an effect. The exposure is that after the change, the worst where devices differ."""

    meaning: str
    exposure: Exposure


EFFECTS: Final = {
    Effect.CANCEL_AGAIN: EffectDisplay("recorded as cancelled, retried since", Exposure.CANCELLED),
    Effect.ESCAPED: EffectDisplay("were cancelled, no longer are, and cannot be cancelled again", Exposure.RUNS),
    Effect.AMBIGUOUS: EffectDisplay(
        "in several products, which a cancel cannot tell apart, so none is sent", Exposure.WAITING
    ),
    Effect.MISSING: EffectDisplay("the job has no task for them", Exposure.UNKNOWN),
    Effect.TOO_LATE: EffectDisplay("upgrading, succeeded or failed: nothing left to cancel", Exposure.RUNS),
    Effect.PENDING: EffectDisplay("not cancelled yet, and no cancel is planned", Exposure.WAITING),
    Effect.HELD: EffectDisplay(
        "waiting, but the job is stopped: EnOS does not push and cannot cancel", Exposure.WAITING
    ),
    Effect.UNREAD: EffectDisplay("their tasks were not read", Exposure.UNKNOWN),
    Effect.CANCEL: EffectDisplay("", Exposure.CANCELLED),
    Effect.RELEASED: EffectDisplay("no request is sent, cancelled tasks stay cancelled", Exposure.UNKNOWN),
    Effect.CANCELLED: EffectDisplay("no request is sent", Exposure.CANCELLED),
}
"""Every effect, the one that a reviewer has to see first at the beginning."""

_OF_STATUS: Final = {
    "succeeded": Exposure.RUNS,
    "upgrading": Exposure.UPGRADING,
    "published": Exposure.WAITING,
    "init": Exposure.WAITING,
}


def of_status(status: str) -> Exposure:
    """Return the exposure of a device whose task has this status."""
    return _OF_STATUS.get(status, Exposure.UNKNOWN)
