"""What end-to-end tests need: a real engine, a simulator, and a stack of our program that points at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from enos_simulator.fleet import DEFAULT_APP_SECRET
from tests.harness.engine import CHECKOUT, VENV, PulumiEngine, obtain
from tests.harness.simulator import RunningSimulator, running_simulator
from tests.harness.stack import JumpingClock, Sealed, Stack, make_stack, seal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def engine() -> PulumiEngine:
    """The Pulumi engine under test."""
    return obtain()


@pytest.fixture(scope="session")
def sealed(engine: PulumiEngine, tmp_path_factory: pytest.TempPathFactory) -> Sealed:
    """The simulator's secret and another one, encrypted by Pulumi once for all stacks."""
    return seal(engine, tmp_path_factory.mktemp("sealing"), DEFAULT_APP_SECRET)


@pytest.fixture
def clock() -> JumpingClock:
    """The simulator's clock."""
    return JumpingClock()


@pytest.fixture
def simulator(clock: JumpingClock) -> Iterator[RunningSimulator]:
    """A simulator of the test's own, with the small fleet."""
    with running_simulator(clock=clock) as running:
        yield running


@pytest.fixture
def stack(engine: PulumiEngine, tmp_path: Path, simulator: RunningSimulator, sealed: Sealed) -> Stack:
    """A stack of our own program that points at the simulator."""
    return make_stack(engine, tmp_path, simulator, sealed)


@pytest.fixture(params=["locked SDK", "newest SDK"])
def stack_of_each_sdk(
    request: pytest.FixtureRequest,
    engine: PulumiEngine,
    tmp_path: Path,
    simulator: RunningSimulator,
    sealed: Sealed,
) -> Stack:
    """The same, with the Pulumi SDK of the lock file and with the newest one."""
    venv = VENV if request.param == "locked SDK" else CHECKOUT / ".venv-newest"
    if not (venv / "bin" / "python").exists():
        pytest.skip("there is no .venv-newest: `make test` makes it")
    return make_stack(engine, tmp_path, simulator, sealed, venv=venv)
