"""Check the two numbers of a guard, wherever they were written."""

from __future__ import annotations

import math
from typing import Any, Final

_PERCENT: Final = range(2, 101)


def limit_problems(max_devices: Any, max_share: Any, *, names: tuple[str, str]) -> list[str]:
    """List what is wrong with the two numbers of a guard, one sentence each; None is fine, and so is 500.0 for 500.

    Args:
        max_devices: See `enos_ota.plan.guard.Guard`.
        max_share: See `enos_ota.plan.guard.Guard`.
        names: The names of the two where they were written.
    """
    problems = []
    if max_devices is not None and not (
        _is_number(max_devices) and max_devices >= 0 and float(max_devices).is_integer()
    ):
        problems.append(f"{names[0]} must be a whole number from 0 on, not {max_devices!r}")
    if max_share is not None and not (_is_number(max_share) and 0 < max_share <= 1):
        hint = percent_hint(max_share) if _is_number(max_share) else ""
        problems.append(f"{names[1]} must be more than 0 and at most 1, not {max_share!r}{hint}")
    return problems


def percent_hint(share: float) -> str:
    """Return what to write for a share that was probably given in percent; empty if it was not."""
    return f"; for {share:g} % write {share / 100:g}" if share in _PERCENT else ""


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
