"""How devices move on by themselves: off, or on with the times that each step takes. `devices` makes it happen.

In a fleet file and over the control API a mapping, or on and off; on the command line one text:

    movement: {begin: [1, 5], failures: 0.1}
    --movement "on begin=1-5 finish=20 failures=0.1"
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from enos_simulator.settings import Seconds, from_words, problems_of

if TYPE_CHECKING:
    from typing_extensions import Self


class MovementError(ValueError):
    """A movement that is not one; `problems` has one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Movement(BaseModel):
    """Whether devices move, and how fast. Times go by chance within their ranges.

    Attributes:
        moving: Whether they do.
        push: Seconds from when a slot of the job's maximumConcurrency is free until an `init` task is published.
        begin: Seconds from `published` to `upgrading`.
        finish: Seconds from `upgrading` to `succeeded` or `failed`.
        failures: The share of upgrades that fail.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    moving: bool = True
    push: Seconds = (0.0, 1.0)
    begin: Seconds = (1.0, 10.0)
    finish: Seconds = (5.0, 30.0)
    failures: Annotated[float, Field(ge=0, le=1)] = 0.05

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: object) -> object:
        if isinstance(value, bool):
            return {"moving": value}
        return from_words(value, "moving") if isinstance(value, str) else value

    def as_json(self) -> dict[str, Any]:
        """As the control API gives it."""
        return self.model_dump(mode="json")

    @classmethod
    def parse(cls, data: object) -> Self:
        """A movement from a mapping, a text, on or off.

        Raises:
            MovementError: With all that is wrong at once.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise MovementError(problems_of(error, "movement")) from None


STILL = Movement(moving=False)
"""Nothing moves: tasks change only when somebody changes them."""
