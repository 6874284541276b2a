"""Lives of a stack that once broke a promise, in their shortest form; each is named after the promise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.stateful.served_world import PUMPS
from tests.stateful.settled_checks import settle
from tests.stateful.stack_model import StackModel

if TYPE_CHECKING:
    from pathlib import Path

    from tests.stateful.provider_process import Processes
    from tests.stateful.served_world import ServedWorld


@pytest.fixture
def stack(world: ServedWorld, processes: Processes, tmp_path: Path) -> StackModel:
    """A stack whose one key was cancelled and then retried by a colleague; a refresh has seen that."""
    stack = StackModel(world, processes, tmp_path / "audit.jsonl")
    stack.declare("one", PUMPS, ["a1"])
    stack.up()
    world.retry(PUMPS, ["a1"])
    stack.refresh()
    return stack


def test_a_key_that_was_cancelled_has_escaped_even_if_it_goes_on_while_its_set_is_expired(
    world: ServedWorld, stack: StackModel
) -> None:
    stack.change("one", expires="2001-01-01")
    stack.up()
    world.go_on(PUMPS, "a1")
    world.go_on(PUMPS, "a1")
    stack.change("one", expires=None)
    settle(stack)


def test_a_key_that_was_cancelled_has_escaped_even_if_it_goes_on_while_its_job_is_out_of_sight(
    world: ServedWorld, stack: StackModel
) -> None:
    world.vanish(PUMPS)
    stack.refresh()
    world.come_back(PUMPS)
    world.go_on(PUMPS, "a1")
    world.go_on(PUMPS, "a1")
    settle(stack)
