"""What reviewers of Python code usually refuse is in two modules of enos_ota/engine, and nowhere else."""

from __future__ import annotations

import ast
from pathlib import Path

import enos_ota

PACKAGE = Path(enos_ota.__file__).parent
TRICKS = {"_exit", "tracebacklimit", "__code__", "_getframe", "f_back", "f_locals", "_max_workers"}
ALLOWED = {"engine/interrupts.py", "engine/process.py"}


def test_only_the_engine_package_touches_frames_code_and_the_whole_process() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in TRICKS
    }
    assert found == ALLOWED
