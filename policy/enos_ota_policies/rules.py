"""The rules: from what is declared to what is wrong with it. Pure; today is an argument.

Each gives a text for the operator, or None where nothing is wrong. What is not known yet is no fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, TypeAlias

from enos_ota_policies.sets import UNKNOWN

if TYPE_CHECKING:
    import re
    from collections.abc import Sequence

    from enos_ota_policies.sets import DeclaredSet, PlannedSet

Recorded: TypeAlias = Mapping[tuple[str, tuple[object, ...]], frozenset[str]]
"""The device keys that the state has of each set, by the set's URN and identity."""

_SHOWN = 5
"""Sets that a message names."""


def reason(declared: DeclaredSet, pattern: re.Pattern[str]) -> str | None:
    """A set must have a reason that the pattern matches, anywhere in it."""
    if declared.reason is UNKNOWN:
        return None
    told = (declared.reason or "").strip()
    if told and pattern.search(told):
        return None
    what = f"its reason {told!r} does not match" if told else "it has no reason; it needs one that matches"
    return f"set {declared.name!r}: {what} {pattern.pattern}. Say why, and under which ticket"


def guard_and_expectation(declared: DeclaredSet, stack: str, protected: Sequence[str]) -> str | None:
    """In a protected stack a set must have a guard, and say which firmware its job is about."""
    pattern = next((pattern for pattern in protected if fnmatchcase(stack, pattern)), None)
    if pattern is None:
        return None
    missing = []
    if declared.max_devices is None and declared.max_share is None:
        missing.append("a guard (guard: {maxDevices: 500} in the set, or enos-ota:guard for the whole stack)")
    if not declared.expect_firmware_version:
        missing.append('the firmware that its job is about (expect: {firmwareVersion: "2.3.0"})')
    if not missing:
        return None
    return f"set {declared.name!r}: stack {stack} is protected (by {pattern!r}), so add {' and '.join(missing)}"


def expires(declared: DeclaredSet, today: date, within: int) -> str | None:
    """A set must end, at most so many days from today. One that has ended is fine: it is only reported."""
    if declared.expires is UNKNOWN:
        return None
    latest = today + timedelta(days=within)
    if not declared.expires:
        return f'set {declared.name!r}: it has no last day. Give it one up to {latest}: expires: "{latest}"'
    try:
        last = date.fromisoformat(declared.expires)
    except ValueError:
        return f"set {declared.name!r}: expires is {declared.expires!r}, which is no day. Write it as {latest}"
    if last <= latest:
        return None
    return (
        f"set {declared.name!r}: it expires on {last}, in {(last - today).days} days; {within} are allowed. "
        f"Give it a day up to {latest}, and a later one when that day is near"
    )


def max_keys(planned: Sequence[PlannedSet], limit: int, recorded: Recorded | None) -> str | None:
    """One change must not add more than so many device keys, over all its sets.

    `recorded`: what the state has; None where that is not known. Then all keys of a set that changes count as added.
    """
    added = {each.name: count for each in planned if (count := _added(each, recorded or {}))}
    total = sum(added.values())
    if total <= limit:
        return None
    largest = sorted(added.items(), key=lambda item: (-item[1], item[0]))
    listed = ", ".join(f"{name}: {count}" for name, count in largest[:_SHOWN])
    more = f" and {len(largest) - _SHOWN} more sets" if len(largest) > _SHOWN else ""
    doubt = (
        " What was recorded before could not be read, so all keys of a changed set count; "
        "keys that are added as a set of their own count alone."
        if recorded is None
        else ""
    )
    what = f"{'up to ' if recorded is None else ''}{total} device key{'' if total == 1 else 's'}"
    return (
        f"this change adds {what} ({listed}{more}); one change may add {limit}.{doubt} "
        "Make several changes of it, or have maxKeys of this policy raised"
    )


def _added(planned: PlannedSet, recorded: Recorded) -> int:
    if not planned.changes or planned.keys is UNKNOWN:
        return 0
    before = [recorded.get((urn, planned.identity), frozenset()) for urn in planned.urns]
    return len(planned.keys.difference(*before))
