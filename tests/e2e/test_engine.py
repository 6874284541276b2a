"""The engine that a fresh machine gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.engine import PulumiEngine


def test_the_engine_says_its_version(engine: PulumiEngine, tmp_path: Path) -> None:
    said = engine.run(["version"], project=tmp_path, home=tmp_path)
    assert said.stdout.strip() == f"v{engine.version}"
