"""What the inputs of a simulator (fleet, switches, faults, movement) share: their error, and the form on one line."""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from enos_simulator.errors import SetupError

if TYPE_CHECKING:
    from pydantic import ValidationError


def from_words(text: str, leading: str, rest: str | None = None) -> dict[str, Any]:
    """Parse `word name=value …` into a mapping.

    Args:
        text: The text.
        leading: Name of the setting that the first word is.
        rest: Name of the setting that lists further words without `=`; None: there must be none.

    Raises:
        ValueError: A setting is given twice, or a word is not a setting.
    """
    first, *words = text.split() or [""]
    settings: dict[str, Any] = {leading: first}
    for word in words:
        name, equals, value = word.partition("=")
        if equals and name not in settings:
            settings[name] = value
        elif equals:
            raise ValueError(f"{name} is given twice")
        elif rest is not None:
            settings.setdefault(rest, []).append(word)
        else:
            raise ValueError(f"{word!r} is not a setting (name=value)")
    return settings


def setup_error(error: ValidationError, whole: str) -> SetupError:
    """Convert pydantic's error: one line per problem, with its place; `whole` is the place of a general problem."""
    problems = []
    for one in error.errors(include_url=False, include_context=False):
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in one["loc"]).lstrip(".")
        message = one["msg"].removeprefix("Value error, ")
        if one["type"] == "string_type":
            message = f"must be a text: put it in quotes (YAML reads it as {reprlib.repr(one['input'])})"
        problems.append(f"{place or whole}: {message}")
    return SetupError(problems)


def _as_pair(value: object) -> object:
    if isinstance(value, str):
        first, dash, last = value.partition("-")
        return (first, last if dash else first)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (value, value)
    return value


def _ordered(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError("the first number must not be greater than the second")
    return pair


_Number = Annotated[float, Field(ge=0, allow_inf_nan=False)]

Seconds = Annotated[tuple[_Number, _Number], BeforeValidator(_as_pair), AfterValidator(_ordered)]
"""A range of seconds, from which each use draws a random number: `[0.1, 2]`, `0.1-2`, or always `2`."""
