"""Tests here note how many schedules they explored; the sum is said at the end of the run."""

from __future__ import annotations

from tests.support import explored
from tests.support.explored import note

__all__ = ["note"]

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Say the sum, unless tests/conftest.py has already seen to it (as it must for workers of pytest-xdist)."""
    if not config.pluginmanager.has_plugin("explored"):
        config.pluginmanager.register(explored, "explored")
