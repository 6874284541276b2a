"""What all parts of a simulator share: clock, random numbers, switches, journal."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from enos_simulator.journal import Journal

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from enos_simulator.switches import Switches


@dataclass(slots=True)
class Environment:
    """Shared by all parts of one simulator, from one reset to the next. `clock`: Unix time in ms."""

    clock: Callable[[], int]
    rng: random.Random
    switches: Switches
    journal: Journal = field(default_factory=Journal)

    def new_id(self) -> str:
        """Return a new UUID."""
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))
