"""What the browser tests do where there is no browser."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

MODULE = Path(__file__).with_name("test_review_page.py")


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """The browser tests, on a machine with nothing on its PATH."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(MODULE), *arguments]
    return subprocess.run(
        command,
        cwd=MODULE.parents[2],
        env={"PATH": "/nowhere", **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("environ", [{}, {"CI": "false"}])
def test_without_a_browser_there_is_one_skip_that_names_the_way_to_one(environ: dict[str, str]) -> None:
    done = run(**environ)
    assert "1 skipped" in done.stdout
    assert "no chromium and chromedriver on PATH: `make test-deps` tells more" in done.stdout


def test_in_ci_a_missing_browser_is_a_failure() -> None:
    done = run("-k", "slash_goes_to_the_search", CI="true")
    assert done.returncode == 1
    assert "no chromium and chromedriver on PATH; `make test-deps` says why" in done.stdout
