"""Movement: whether devices work on their tasks by themselves, and how fast. `devices` carries it out.

It is a mapping, on or off, or one text such as `on begin=1-5 finish=20 failures=0.1`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from enos_simulator.parsing import InputModel, Seconds, from_words


class Movement(InputModel):
    """How devices work on their tasks. Each step takes a random time within its range, in seconds.

    `push`: from a free slot of the job until an `init` task is published; `begin`: until it is `upgrading`; `finish`:
    until it ends; `failures`: the share of upgrades that fail.
    """

    moving: bool = True
    push: Seconds = (0.0, 1.0)
    begin: Seconds = (1.0, 10.0)
    finish: Seconds = (5.0, 30.0)
    failures: Annotated[float, Field(ge=0, le=1)] = 0.05

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: object) -> object:
        if isinstance(value, bool):
            return {"moving": value}
        return from_words(value, "moving") if isinstance(value, str) else value


NO_MOVEMENT = Movement(moving=False)
"""Tasks change only when a call or the control API changes them."""
