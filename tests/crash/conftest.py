"""Tests here note how many schedules they explored; the sum is said at the end of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support import explored

if TYPE_CHECKING:
    import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Have the sum said, unless tests/conftest.py sees to it, as it must for workers of pytest-xdist."""
    if not config.pluginmanager.has_plugin(explored.__name__):
        config.pluginmanager.register(explored, explored.__name__)
