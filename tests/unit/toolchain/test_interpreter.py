"""Which Python runs a program."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolchain.host.interpreter import HostError, Interpreter, Options, choose

ROOT = Path("/project")


def chosen(
    options: Options | None = None,
    root: Path = ROOT,
    environ: dict[str, str] | None = None,
    *,
    commands: str = "python3",
) -> Interpreter:
    return choose(
        options or Options(),
        root,
        root,
        environ=environ or {},
        which=lambda name: f"/bin/{name}" if name in commands.split() else None,
        poetry_env=lambda _program: "/poetry/env",
    )


def test_the_named_virtual_environment_is_relative_to_the_root() -> None:
    assert chosen(Options(virtualenv=".venv")) == Interpreter(
        "/project/.venv/bin/python", Path("/project/.venv"), "pip"
    )


def test_an_absolute_virtual_environment_is_taken_as_it_is() -> None:
    assert chosen(Options(virtualenv="/envs/a")).executable == "/envs/a/bin/python"


def test_the_named_environment_wins_over_the_command_in_the_environment() -> None:
    assert (
        chosen(Options(virtualenv="v"), environ={"PULUMI_PYTHON_CMD": "python4"}).executable == "/project/v/bin/python"
    )


def test_without_one_the_command_in_the_environment_is_used() -> None:
    assert chosen(environ={"PULUMI_PYTHON_CMD": "python4"}, commands="python3 python4").executable == "/bin/python4"


def test_else_python3_is_used() -> None:
    assert chosen(commands="python3 python").executable == "/bin/python3"


def test_else_python_is_used() -> None:
    assert chosen(commands="python").executable == "/bin/python"


def test_a_machine_without_python_is_told_so() -> None:
    with pytest.raises(HostError, match="no python3 or python on your PATH"):
        chosen(commands="")


def test_uv_keeps_its_environment_in_the_project() -> None:
    assert chosen(Options(toolchain="uv")).executable == "/project/.venv/bin/python"


def test_poetry_is_asked_for_its_environment() -> None:
    assert chosen(Options(toolchain="poetry")).executable == "/poetry/env/bin/python"


@pytest.mark.parametrize(("lock", "toolchain"), [("uv.lock", "uv"), ("poetry.lock", "poetry")])
def test_a_lock_file_in_a_directory_above_tells_the_toolchain(tmp_path: Path, lock: str, toolchain: str) -> None:
    (tmp_path / lock).touch()
    (tmp_path / "project").mkdir()
    assert chosen(root=tmp_path / "project").toolchain == toolchain


def test_a_named_toolchain_wins_over_a_lock_file(tmp_path: Path) -> None:
    (tmp_path / "uv.lock").touch()
    assert chosen(Options(toolchain="pip"), tmp_path).toolchain == "pip"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ({"virtualenv": 1.0}, "virtualenv option must be a string"),
        ({"toolchain": "conda"}, "unsupported toolchain option: conda"),
        ({"typechecker": "mypy"}, "runs no type checker"),
    ],
)
def test_options_that_cannot_be_met_are_refused(raw: dict[str, object], reason: str) -> None:
    with pytest.raises(HostError, match=reason):
        Options.parse(raw)


def test_an_active_environment_comes_first_on_path() -> None:
    active = chosen(Options(virtualenv=".venv")).environment({"PATH": "/bin", "PYTHONHOME": "/x", "VIRTUAL_ENV": "/y"})
    assert active == {"PATH": "/project/.venv/bin:/bin", "VIRTUAL_ENV": "/project/.venv"}


def test_a_python_of_the_machine_leaves_the_environment_as_it_is() -> None:
    assert chosen().environment({"PATH": "/bin"}) == {"PATH": "/bin"}
