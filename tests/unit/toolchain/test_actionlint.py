"""How the linter of workflows is had: built once, pinned, with a Go that is new enough."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.toolchain.bundles import script
from toolchain import actionlint, golang
from toolchain.errors import ToolchainError
from toolchain.progress import Progress


def obtain(environ: dict[str, str], python: Path) -> Path:
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        return actionlint.obtain(environ, python, Progress(nowhere))


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A home of its own, and a `go` that notes how it was called and makes what it was told to."""
    go = script(
        tmp_path / "tools" / "go",
        f'[ "$1" = env ] && echo go1.99.0 && exit\necho "$@" >> {tmp_path}/calls; /bin/ls >> {tmp_path}/module\n'
        'while [ "$1" != -o ]; do shift; done; : > "$2"',
    )
    return {"PATH": str(go.parent), "HOME": str(tmp_path)}


def test_it_is_built_once_and_kept_for_all_checkouts(environ: dict[str, str], tmp_path: Path) -> None:
    first = obtain(environ, tmp_path / "no-python")
    assert first.is_relative_to(tmp_path / ".cache" / "enos-ota" / "actionlint")
    assert first.is_file()
    assert obtain(environ, tmp_path / "no-python") == first
    assert len((tmp_path / "calls").read_text().splitlines()) == 1


def test_it_is_built_from_what_go_sum_pins_and_nothing_else(environ: dict[str, str], tmp_path: Path) -> None:
    """`-mod=readonly`: a go.mod that does not say all is an error, and is not completed from the network."""
    obtain(environ, tmp_path / "no-python")
    assert (tmp_path / "calls").read_text().startswith("build -mod=readonly ")
    assert (tmp_path / "module").read_text().split() == ["go.mod", "go.sum"]


def test_the_go_it_needs_is_that_of_its_own_module(environ: dict[str, str], tmp_path: Path) -> None:
    """One that builds the engine may be too old for the linter, and the other way round."""
    newer = tmp_path / "go.mod"
    newer.write_text("module x\n\ngo 2.0\n", encoding="utf-8")
    python = script(tmp_path / "python", "echo 'No matching distribution found' >&2; exit 1")
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        assert golang.choose(environ, python, Progress(nowhere), actionlint.MODULE[0]) == str(tmp_path / "tools" / "go")
        with pytest.raises(ToolchainError, match=r"is 1\.99\.0, older than 2\.0"):
            golang.choose(environ, python, Progress(nowhere), newer)


def test_a_build_that_fails_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    go = script(tmp_path / "tools" / "go", '[ "$1" = env ] && echo go1.99.0 && exit\necho "dial tcp: refused"; exit 1')
    with pytest.raises(ToolchainError, match=r"(?s)Building actionlint 1\.\S+ .*dial tcp: refused"):
        obtain({"PATH": str(go.parent), "HOME": str(tmp_path)}, tmp_path / "no-python")
    assert [path for path in (tmp_path / ".cache/enos-ota/actionlint").iterdir() if path.is_dir()] == []


def test_its_version_is_read_from_go_mod() -> None:
    assert actionlint.version("require (\n\tgithub.com/rhysd/actionlint v1.7.12 // indirect\n)") == "1.7.12"


def test_a_go_mod_without_it_is_refused() -> None:
    with pytest.raises(ToolchainError, match="does not require"):
        actionlint.version("module x\n\ngo 1.25.0\n")
