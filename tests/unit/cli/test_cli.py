"""The command line: help, version, and life without the optional packages."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click import Command, Context, Option
from click.testing import CliRunner

from enos_ota import __version__
from enos_ota.cli import COMMANDS, main


def test_the_version_is_told() -> None:
    result = CliRunner().invoke(main, ["--version"])
    assert (result.exit_code, result.output) == (0, f"enos-ota {__version__}\n")


def test_help_names_every_command() -> None:
    output = CliRunner().invoke(main, ["--help"]).output
    assert [name for name in COMMANDS if name not in output] == []


def options_without_help(command: Command) -> list[str]:
    return [option.name or "" for option in command.params if isinstance(option, Option) and not option.help]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_every_option_has_help(name: str) -> None:
    context = Context(main, **main.context_settings)  # click keeps the help option of its first use
    command = main.get_command(context, name)
    assert command
    assert (bool(command.get_short_help_str()), options_without_help(command)) == (True, [])
    assert "--help" in command.get_help(Context(command, parent=context, info_name=name))


@pytest.mark.parametrize(("command", "needed"), [("cancel", set()), ("simulate", {"pydantic"})])
def test_help_needs_no_heavy_or_optional_package(command: str, needed: set[str]) -> None:
    """The options of `simulate` are the fields of a pydantic model, which every installation has."""
    program = (
        f"import sys; from enos_ota.cli import main; main(['{command}', '--help'], standalone_mode=False);"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert loaded & {"lark", "starlette", "uvicorn", "pydantic", "pulumi", "grpc", "requests", "yaml"} == needed


@pytest.mark.parametrize("package", ["lark", "starlette", "uvicorn"])
def test_without_the_extra_simulate_says_what_to_install(package: str) -> None:
    program = f"import sys; sys.modules[{package!r}] = None; from enos_ota.cli import main; main(['simulate'])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    told = (
        f"Error: {package} is not installed, which this command needs. It comes with the extra 'simulator': "
        'in a checkout of enos-ota, pip install ".[simulator]"\n'
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "", told)


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (KeyboardInterrupt(), "Error: interrupted\n"),
        (ZeroDivisionError("\x1b[31mred"), "This is a mistake in enos-ota: run it again with ENOS_OTA_DEBUG=1"),
    ],
    ids=["Ctrl-C", "a mistake of ours"],
)
def test_what_ends_a_command_unforeseen_is_told_without_a_traceback(
    raised: BaseException, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(**_: object) -> None:
        raise raised

    command = main.get_command(Context(main), "stop")
    assert command
    monkeypatch.setattr(command, "callback", end)
    result = CliRunner().invoke(main, ["stop", "--job", "j", "--reason", "r"])
    assert (result.exit_code, told in result.stderr, "\x1b" in result.stderr) == (3, True, False)


def test_whoever_looks_for_a_mistake_sees_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(**_: object) -> None:
        raise ZeroDivisionError

    command = main.get_command(Context(main), "stop")
    assert command
    monkeypatch.setattr(command, "callback", end)
    monkeypatch.setenv("ENOS_OTA_DEBUG", "1")
    result = CliRunner().invoke(main, ["stop", "--job", "j", "--reason", "r"])
    assert isinstance(result.exception, ZeroDivisionError)
