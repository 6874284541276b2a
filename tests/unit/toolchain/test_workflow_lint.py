"""`make lint` on workflows: both linters really run, and each finds what it is there for."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from toolchain import actionlint, workflows
from toolchain.errors import ToolchainError
from toolchain.progress import Progress

CHECKOUT = Path(__file__).parents[3]

GOOD = """\
    name: good
    on:
      push:
        branches: [main]
    permissions: {}
    concurrency:
      group: good
      cancel-in-progress: false
    jobs:
      one:
        name: One
        runs-on: ubuntu-24.04
        timeout-minutes: 5
        steps:
          - name: Build
            run: make
    """


@pytest.fixture(scope="session")
def linter() -> Path:
    """The real actionlint, from the cache or built for these tests."""
    try:
        return actionlint.obtain(os.environ, Path(sys.executable), Progress())
    except ToolchainError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"there is no actionlint, which `make lint` builds: {error}")


def place(checkout: Path, text: str, name: str = ".github/workflows/one.yml") -> None:
    file = checkout / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(dedent(text), encoding="utf-8")


def test_a_good_workflow_passes(tmp_path: Path, linter: Path) -> None:
    place(tmp_path, GOOD)
    assert workflows.lint(tmp_path, linter, Path(sys.executable))


@pytest.mark.parametrize(
    ("bad", "found"),
    [
        # Nothing is unsafe about a key that does not exist: actionlint alone sees it.
        (GOOD.replace("timeout-minutes", "time-out-minutes"), 'unexpected key "time-out-minutes"'),
        (GOOD.replace("run: make", "run: make ${{ steps.none.outputs.x }}"), 'property "none" is not defined'),
        # It works, and leaves a token on the disk of whatever runs next: zizmor alone sees it.
        (
            GOOD.replace("run: make", "uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1"),
            "artipacked",
        ),
        (
            GOOD.replace("run: make", "uses: actions/checkout@v7\n            with: {persist-credentials: false}"),
            "unpinned",
        ),
        (GOOD.replace("push:\n        branches: [main]", "pull_request_target:"), "dangerous-triggers"),
        (
            GOOD.replace("push:\n        branches: [main]", "pull_request:").replace(
                "run: make", 'run: make "${{ github.event.pull_request.title }}"'
            ),
            "template-injection",
        ),
    ],
    ids=[
        "unknown key",
        "unknown step",
        "credentials left",
        "tag instead of a commit",
        "fork with secrets",
        "injection",
    ],
)
def test_a_bad_workflow_fails_and_the_fault_is_named(
    tmp_path: Path, linter: Path, bad: str, found: str, capfd: pytest.CaptureFixture[str]
) -> None:
    place(tmp_path, bad)
    assert not workflows.lint(tmp_path, linter, Path(sys.executable))
    told = capfd.readouterr()
    assert found in told.out + told.err


def test_the_workflows_of_examples_are_linted_too(
    tmp_path: Path, linter: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    place(tmp_path, GOOD)
    place(tmp_path, GOOD.replace("runs-on", "runs-in"), "examples/mine/.github/workflows/one.yml")
    assert not workflows.lint(tmp_path, linter, Path(sys.executable))
    assert "examples/mine/.github/workflows/one.yml" in capfd.readouterr().out


def test_with_no_workflow_there_is_an_error_and_no_pass(tmp_path: Path) -> None:
    """A folder that was renamed must not look like one without faults."""
    with pytest.raises(ToolchainError, match="there is no workflow to lint"):
        workflows.find(tmp_path)


def test_a_linter_that_cannot_be_started_is_no_pass(tmp_path: Path) -> None:
    place(tmp_path, GOOD)
    with pytest.raises(ToolchainError, match=r"gone/actionlint cannot be started: No such file"):
        workflows.lint(tmp_path, tmp_path / "gone" / "actionlint", Path(sys.executable))


def test_every_workflow_of_this_repository_is_among_them() -> None:
    """None is written with another ending, or somewhere else."""
    tracked = {file.relative_to(CHECKOUT) for file in CHECKOUT.glob("*/**/.github/workflows/*")}
    tracked |= {file.relative_to(CHECKOUT) for file in CHECKOUT.glob(".github/workflows/*")}
    assert set(workflows.find(CHECKOUT)) == {file for file in tracked if ".venv" not in file.parts[0]}
