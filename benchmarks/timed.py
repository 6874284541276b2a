"""A simulator that measures its processing time, without sockets."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

from enos_simulator.fleet import parse_fleet
from enos_simulator.simulator import Simulator, wall_clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from enos_simulator.gateway import Reply, Request


class TimedSimulator(Simulator):
    """A simulator that records the seconds of each answer, including its JSON."""

    def __init__(self, content: dict[str, Any], *, clock: Callable[[], int] = wall_clock) -> None:
        self.took: list[float] = []
        super().__init__(parse_fleet(content), clock=clock, rng=random.Random(1))  # noqa: S311 - no secrets

    def answer(self, request: Request) -> Reply:
        """See Simulator."""
        started = time.perf_counter()
        reply = super().answer(request)
        reply.content()
        self.took.append(time.perf_counter() - started)
        return reply
