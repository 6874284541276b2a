"""One world and its provider processes for all tests of this folder that one worker runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.stateful.provider_process import Processes
from tests.stateful.served_world import running_world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.stateful.served_world import ServedWorld


@pytest.fixture(scope="session")
def world() -> Iterator[ServedWorld]:
    with running_world() as running:
        yield running


@pytest.fixture(scope="session")
def processes() -> Iterator[Processes]:
    running = Processes()
    yield running
    running.end()
