"""Moments as EnOS tells them, in Unix ms, for people and for spreadsheets; None is one that it does not tell."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Final

_DAY: Final = 86_400
_HOUR: Final = 3600
_MINUTE: Final = 60
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)


def age(moment: int | None, now: float) -> str:
    """How long before `now` (Unix s) a moment was, in the unit that tells most of it: `3 d`, `5 h`, `12 min`."""
    if moment is None:
        return ""
    seconds = max(0, int(now) - moment // 1000)
    for unit, name in ((_DAY, "d"), (_HOUR, "h")):
        if seconds >= unit:
            return f"{seconds // unit} {name}"
    return f"{seconds // _MINUTE} min"


def in_utc(moment: int | None) -> str:
    """A moment as ISO 8601 in UTC, `2026-12-01T04:36:01.250Z`; empty where no calendar has it."""
    if moment is None:
        return ""
    try:
        return (_EPOCH + timedelta(milliseconds=moment)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except OverflowError:
        return ""
