"""A set's last day: one form, so that comparing texts compares days."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

_FORM: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def is_day(text: str) -> bool:
    """Whether a text is a day in the one form accepted: 2027-03-31."""
    try:
        return _FORM.fullmatch(text) is not None and date.fromisoformat(text) is not None
    except ValueError:
        return False


def is_over(day: str, today: date) -> bool:
    """Whether a day (empty: none was set) is over."""
    return bool(day) and today.isoformat() > day
