"""The smallest benchmarks run, from the command line to the table."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import __main__ as bench

CHECKOUT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", ["simulator", "core", "urgency", "emergency"])
def test_a_benchmark_without_pulumi_gives_figures(name: str) -> None:
    size = replace(bench.QUICK, keys=400, urgent=400, tasks=1_000)
    figures = list(bench.measure(name, size))
    assert figures
    assert all(figure.value for figure in figures)


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "nothing"], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "unknown benchmark nothing; known: simulator, core, urgency, emergency, small-set, large-set" in done.stderr
