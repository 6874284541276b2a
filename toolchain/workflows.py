"""Lints GitHub workflows, ours and those of the examples: actionlint for mistakes, zizmor for what is unsafe."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from toolchain.errors import ToolchainError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PLACES = (".github/workflows/*.yml", "examples/*/.github/workflows/*.yml")
"""Where workflows are, from the checkout."""


def find(checkout: Path) -> list[Path]:
    """Every workflow there is, relative to the checkout.

    Raises:
        ToolchainError: there is none, so that nothing would be linted.
    """
    found = sorted(file.relative_to(checkout) for place in PLACES for file in checkout.glob(place))
    if not found:
        raise ToolchainError(f"there is no workflow to lint in {checkout}: neither {' nor '.join(PLACES)}")
    return found


def commands(actionlint: Path, python: Path, workflows: Sequence[Path]) -> list[list[str]]:
    """What is run, in the checkout. Both linters see the same files, and neither asks the network."""
    files = [str(file) for file in workflows]
    zizmor = [str(python.parent / "zizmor"), "--offline", "--no-progress", "--quiet", "--strict-collection"]
    # What actionlint would hand to shellcheck and pyflakes is one command a step here; and without them, one machine
    # finds what another does.
    return [[str(actionlint), "-shellcheck=", "-pyflakes=", *files], [*zizmor, "--persona=pedantic", *files]]


def lint(checkout: Path, actionlint: Path, python: Path) -> bool:
    """Run both linters, which print what they find; gives whether they found nothing.

    Raises:
        ToolchainError: there is no workflow, or a linter cannot be started.
    """
    fine = True
    for command in commands(actionlint, python, find(checkout)):
        try:
            done = subprocess.run(command, cwd=checkout, stdin=subprocess.DEVNULL, check=False)
        except OSError as error:
            raise ToolchainError(f"{command[0]} cannot be started: {error.strerror}") from error
        fine = fine and done.returncode == 0
    return fine
