"""What end-to-end tests need: a real engine."""

from __future__ import annotations

import pytest

from tests.support.engine import PulumiEngine, obtain


@pytest.fixture(scope="session")
def engine() -> PulumiEngine:
    """The Pulumi engine under test."""
    return obtain()
