"""The demo's temporary project: gone at the end, with nothing of what it has links to."""

from __future__ import annotations

import sys
import tempfile
from typing import TYPE_CHECKING

from demo import project
from demo.interrupts import Interrupts

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_it_is_removed_without_the_environment_that_it_has_a_link_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = tmp_path / "environment"
    environment.mkdir()
    (environment / "precious").touch()
    monkeypatch.setattr(sys, "prefix", str(environment))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with project.temporary(Interrupts()) as folder:
        project.write(folder, "job", ["dk-01"])
        assert (folder / ".venv" / "precious").exists()
    assert not folder.exists()
    assert (environment / "precious").exists()
