"""A simulator, and the interpreters in which the provider must work."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.harness.servicer import ROOT
from tests.harness.simulator import RunningSimulator, running_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

NEWEST = ROOT / ".venv-newest" / "bin" / "python"


@pytest.fixture(params=["locked SDK", "newest SDK"])
def python(request: pytest.FixtureRequest) -> str:
    """An interpreter with the Pulumi SDK of the lock file, and one with the newest."""
    if request.param == "locked SDK":
        return sys.executable
    if not NEWEST.exists():
        pytest.skip("there is no environment with the newest SDK; `make test` makes it")
    return str(NEWEST)


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    with running_simulator() as running:
        yield running
