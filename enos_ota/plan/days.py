"""Days: a set's last one, in one form so that comparing texts compares days, and today's."""

from __future__ import annotations

import re
from datetime import date, datetime, timezone
from typing import Final

from enos_ota.enos import SYSTEM_CLOCK

_FORM: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def today() -> date:
    """The day in UTC, by which sets expire."""
    return datetime.fromtimestamp(SYSTEM_CLOCK.time(), timezone.utc).date()


def is_day(text: str) -> bool:
    """Whether a text is a day in the one form accepted: 2027-03-31."""
    try:
        return _FORM.fullmatch(text) is not None and date.fromisoformat(text) is not None
    except ValueError:
        return False


def is_over(day: str, on: date) -> bool:
    """Whether a day (empty: none was set) is over on another."""
    return bool(day) and on.isoformat() > day
