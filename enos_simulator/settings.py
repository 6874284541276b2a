"""Settings that are written as a mapping or, for the command line, as one text of words: what they have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

if TYPE_CHECKING:
    from pydantic import ValidationError


def from_words(text: str, leading: str, rest: str | None = None) -> dict[str, Any]:
    """The mapping that a text stands for: a first word, settings `name=value`, and what other words are.

    Args:
        text: The text.
        leading: Name of the setting that the first word is.
        rest: Name of the setting that further words without `=` make up, as a list; None: there must be none.

    Raises:
        ValueError: A word that cannot be one.
    """
    first, *words = text.split() or [""]
    settings: dict[str, Any] = {leading: first}
    for word in words:
        name, equals, value = word.partition("=")
        if equals and name not in settings:
            settings[name] = value
        elif equals:
            raise ValueError(f"{name} stands twice")
        elif rest is not None:
            settings.setdefault(rest, []).append(word)
        else:
            raise ValueError(f"{word!r} is no setting such as name=value")
    return settings


def problems_of(error: ValidationError, whole: str) -> list[str]:
    """One line for each problem, with where it is; `whole` names the settings if it is nowhere in particular."""
    return [
        f"{'.'.join(map(str, one['loc'])) or whole}: {one['msg'].removeprefix('Value error, ')}"
        for one in error.errors(include_url=False, include_context=False)
    ]


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
"""A range of seconds, from which each use takes a number by chance: `[0.1, 2]`, `0.1-2`, or always `2`."""
