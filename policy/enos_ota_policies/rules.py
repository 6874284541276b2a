"""The rules, as pure functions of a declared set or a change.

Each returns a text for the operator, or None without a violation. A value that is not known yet is no violation.
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
    """Require a reason that the pattern matches, anywhere in it."""
    if declared.reason is UNKNOWN:
        return None
    given = (declared.reason or "").strip()
    if given and pattern.search(given):
        return None
    what = f"its reason {given!r} does not match" if given else "it has no reason; it needs one that matches"
    return f"set {declared.name!r}: {what} {pattern.pattern}. Say why, and under which ticket"


def guard_and_expectation(declared: DeclaredSet, stack: str, protected: Sequence[str]) -> str | None:
    """Require a guard and an expected firmware version in protected stacks."""
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
    """Require a last day, at most so many days from today. An expired set is fine: it is only reported."""
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
    """Limit the device keys that one change adds, over all its sets.

    `recorded`: the keys of the state; None if they are unknown, then all keys of a changed set count as added.
    """
    added = {each.name: count for each in planned if (count := _added(each, recorded or {}))}
    total = sum(added.values())
    if total <= limit:
        return None
    largest = sorted(added.items(), key=lambda item: (-item[1], item[0]))
    listed = ", ".join(f"{name}: {count}" for name, count in largest[:_SHOWN])
    more = f" and {len(largest) - _SHOWN} more sets" if len(largest) > _SHOWN else ""
    doubt = (
        " The state could not be read, so all keys of a changed set count; keys of a new set count alone."
        if recorded is None
        else ""
    )
    what = f"{'up to ' if recorded is None else ''}{total} device key{'' if total == 1 else 's'}"
    return (
        f"this change adds {what} ({listed}{more}); one change may add {limit}.{doubt} "
        "Split the change, or let the owner of this policy raise maxKeys"
    )


def _added(planned: PlannedSet, recorded: Recorded) -> int:
    if not planned.changes or planned.keys is UNKNOWN:
        return 0
    before = [recorded.get((urn, planned.identity), frozenset()) for urn in planned.urns]
    return len(planned.keys.difference(*before))
