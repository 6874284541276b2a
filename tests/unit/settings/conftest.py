"""A project of its own for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.harness.stack_project import Project

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)
