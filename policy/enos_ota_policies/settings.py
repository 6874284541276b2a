"""The settings of each policy: their schema for Pulumi, and their typed values.

Pulumi adds the defaults and checks types. This module refuses what Pulumi accepts: unknown settings, and values of the
right type that make no sense.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

PATTERN: Final = {"pattern": {"type": "string", "minLength": 1, "default": r"\b[A-Z][A-Z0-9]*-[0-9]+\b"}}
"""The regular expression that a reason must match; by default it must name a ticket, such as INC-4711."""

STACKS: Final = {"stacks": {"type": "array", "items": {"type": "string"}, "default": ["prod*"]}}
"""Names of protected stacks; `*`, `?` and `[…]` as in file names, case matters."""

MAX_KEYS: Final = {"maxKeys": {"type": "integer", "minimum": 0, "default": 1000}}
"""Device keys that one change may add."""

DAYS: Final = {"days": {"type": "integer", "minimum": 0, "maximum": 36500, "default": 180}}
"""Days from today within which a set must end."""


class SettingsError(Exception):
    """A setting of a policy is invalid; the text is for the operator."""


def pattern(given: Mapping[str, Any]) -> re.Pattern[str]:
    """The pattern of reasons.

    Raises:
        SettingsError: it is no regular expression.
    """
    text = _setting(given, PATTERN)
    try:
        return re.compile(text)
    except re.error as error:
        raise SettingsError(f"pattern is {text!r}, which is no regular expression: {error}") from None


def stacks(given: Mapping[str, Any]) -> tuple[str, ...]:
    """The patterns of protected stacks."""
    return tuple(_setting(given, STACKS))


def whole(given: Mapping[str, Any], schema: Mapping[str, Any]) -> int:
    """A whole number; Pulumi hands over all numbers as floating point."""
    return int(_setting(given, schema))


def _setting(given: Mapping[str, Any], schema: Mapping[str, Any]) -> Any:
    (name,) = schema
    for other in given:
        if other != name:
            raise SettingsError(f"it has no setting {other!r}; there are {name!r} and 'enforcementLevel'")
    return given.get(name, schema[name]["default"])
