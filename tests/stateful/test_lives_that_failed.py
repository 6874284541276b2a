"""Lives of a stack that once broke a promise, in their shortest form; each is named after the promise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.stateful.peace import settle
from tests.stateful.stack import Stack
from tests.stateful.world import PUMPS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.stateful.process import Processes
    from tests.stateful.world import World


@pytest.fixture
def stack(world: World, processes: Processes, tmp_path: Path) -> Stack:
    return Stack(world, processes, tmp_path / "audit.jsonl")


def test_a_key_that_was_cancelled_has_escaped_even_if_it_goes_on_while_its_set_is_expired(
    world: World, stack: Stack
) -> None:
    stack.declare("one", PUMPS, ["a1"])
    stack.up()
    world.retry(PUMPS, ["a1"])
    stack.refresh()
    stack.change("one", expires="2001-01-01")
    stack.up()
    world.go_on(PUMPS, "a1")
    world.go_on(PUMPS, "a1")
    stack.change("one", expires=None)
    settle(stack)


def test_a_key_that_was_cancelled_has_escaped_even_if_it_goes_on_while_its_job_is_out_of_sight(
    world: World, stack: Stack
) -> None:
    stack.declare("one", PUMPS, ["a1"])
    stack.up()
    world.retry(PUMPS, ["a1"])
    stack.refresh()
    world.vanish(PUMPS)
    stack.refresh()
    world.come_back(PUMPS)
    world.go_on(PUMPS, "a1")
    world.go_on(PUMPS, "a1")
    settle(stack)
