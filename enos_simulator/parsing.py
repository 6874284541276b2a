"""What the inputs of a simulator (fleet, switches, faults, movement) share: their model, and the form on one line."""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from enos_simulator.errors import SetupError

if TYPE_CHECKING:
    from typing_extensions import Self


class InputModel(BaseModel):
    """An input: frozen, with camelCase names in files and JSON; unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)

    @classmethod
    def parse(cls, data: object) -> Self:
        """Validate data. Raises SetupError with every problem, one line each, with its place."""
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise SetupError([_line(one, cls) for one in error.errors(include_url=False)]) from None


def _line(problem: Any, model: type[InputModel]) -> str:
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in problem["loc"]).lstrip(".")
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "string_type":
        message = f"must be a text: put it in quotes (YAML reads it as {reprlib.repr(problem['input'])})"
    return f"{place or model.__name__.removesuffix('Spec').lower()}: {message}"


def from_words(text: str, leading: str, rest: str | None = None) -> dict[str, Any]:
    """Parse `word name=value …` into a mapping; raises ValueError.

    `leading` names the setting of the first word, `rest` that of further words without `=`; None: there must be none.
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


def _as_pair(value: object) -> object:
    if isinstance(value, str):
        first, dash, last = value.partition("-")
        return (first, last if dash else first)
    return (value, value) if isinstance(value, int | float) else value


def _ordered(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError("the first number must not be greater than the second")
    return pair


NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]

Seconds = Annotated[tuple[NotNegative, NotNegative], BeforeValidator(_as_pair), AfterValidator(_ordered)]
"""A range of seconds, from which each use draws a random number: `[0.1, 2]`, `0.1-2`, or always `2`."""

AsNumber = BeforeValidator(lambda value: int(value) if isinstance(value, str) and value.isdecimal() else value)
"""Before a choice of numbers: the command line has texts only."""
