"""What `make env` sets, and what it leaves to the user."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

import pytest

from toolchain import shell
from toolchain.errors import ToolchainError

CHECKOUT = Path("/src/enos-ota")
ENGINE = Path("/cache/engine/bin")


def variables(environ: dict[str, str], *, logged_in: bool) -> dict[str, str]:
    return shell.surroundings(environ, CHECKOUT, ENGINE, logged_in=logged_in).variables


def test_the_environment_and_the_engine_come_first_on_path() -> None:
    assert variables({"PATH": "/usr/bin:/bin"}, logged_in=True)["PATH"] == (
        "/src/enos-ota/.venv/bin:/cache/engine/bin:/usr/bin:/bin"
    )


def test_a_second_time_path_does_not_grow() -> None:
    once = variables({"PATH": "/usr/bin"}, logged_in=True)
    assert variables(once, logged_in=True)["PATH"] == once["PATH"]


def test_an_engine_of_an_earlier_time_leaves_path() -> None:
    environ = {"HOME": "/home/ann", "PATH": "/home/ann/.cache/enos-ota/engine/older/bin:/usr/bin"}
    assert variables(environ, logged_in=True)["PATH"] == "/src/enos-ota/.venv/bin:/cache/engine/bin:/usr/bin"


def test_the_backend_of_who_has_one_is_left_alone() -> None:
    assert not variables({"PATH": "/bin"}, logged_in=True).keys() & {"PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE"}


def test_who_has_no_backend_gets_a_directory_in_the_checkout() -> None:
    assert variables({"PATH": "/bin"}, logged_in=False)["PULUMI_BACKEND_URL"] == "file:///src/enos-ota"


def test_the_empty_passphrase_comes_with_that_directory_only() -> None:
    assert variables({"PATH": "/bin"}, logged_in=False)["PULUMI_CONFIG_PASSPHRASE"] == ""


def test_a_passphrase_of_ones_own_is_left_alone() -> None:
    for name in ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        assert "PULUMI_CONFIG_PASSPHRASE" not in variables({"PATH": "/bin", name: "x"}, logged_in=False)


def test_whoever_gets_a_backend_is_told_how_to_choose_one() -> None:
    notes = shell.surroundings({"PATH": "/bin"}, CHECKOUT, ENGINE, logged_in=False).notes
    assert "PULUMI_BACKEND_URL" in notes[0]


def test_the_note_names_the_way_that_works_where_there_is_no_pulumi_yet() -> None:
    note = shell.surroundings({"PATH": "/bin"}, CHECKOUT, ENGINE, logged_in=False).notes[0]
    assert "login" not in note
    assert "file:// backend must exist" in note


EARLIER = {"PATH": "/bin", "PULUMI_BACKEND_URL": "file:///src/enos-ota", "PULUMI_CONFIG_PASSPHRASE": ""}
"""A shell in which `make env` was used before."""


def test_the_empty_passphrase_of_an_earlier_time_stays_with_its_directory() -> None:
    made = shell.surroundings(EARLIER, CHECKOUT, ENGINE, logged_in=True)
    assert (made.removed, made.notes) == ((), ())


@pytest.mark.parametrize(
    ("since", "why"),
    [
        ({"PULUMI_CONFIG_PASSPHRASE_FILE": "/home/ann/.phrase"}, "it would win over PULUMI_CONFIG_PASSPHRASE_FILE"),
        ({"PULUMI_BACKEND_URL": "s3://states"}, "it is for the state in /src/enos-ota/.pulumi only"),
    ],
)
def test_an_empty_passphrase_never_wins_over_what_was_chosen_since(since: dict[str, str], why: str) -> None:
    made = shell.surroundings({**EARLIER, **since}, CHECKOUT, ENGINE, logged_in=True)
    assert made.removed == ("PULUMI_CONFIG_PASSPHRASE",)
    assert why in made.notes[0]


def test_a_file_with_the_passphrase_is_enough_without_a_backend_too() -> None:
    environ = {"PATH": "/bin", "PULUMI_CONFIG_PASSPHRASE": "", "PULUMI_CONFIG_PASSPHRASE_FILE": "/home/ann/.phrase"}
    made = shell.surroundings(environ, CHECKOUT, ENGINE, logged_in=False)
    assert "PULUMI_CONFIG_PASSPHRASE" not in shell.applied(environ, made)


def test_a_passphrase_that_is_not_empty_is_never_unset() -> None:
    environ = {**EARLIER, "PULUMI_CONFIG_PASSPHRASE": "x", "PULUMI_CONFIG_PASSPHRASE_FILE": "/home/ann/.phrase"}
    assert shell.surroundings(environ, CHECKOUT, ENGINE, logged_in=True).removed == ()


def test_a_backend_by_variable_or_token_counts_as_chosen(tmp_path: Path) -> None:
    for name in ("PULUMI_BACKEND_URL", "PULUMI_ACCESS_TOKEN"):
        assert shell.is_logged_in({name: "x"}, tmp_path)


def store(folder: Path, text: str) -> None:
    folder.mkdir()
    (folder / "credentials.json").write_text(text)


def test_a_login_counts_as_chosen(tmp_path: Path) -> None:
    store(tmp_path / ".pulumi", '{"current": "s3://states"}')
    assert shell.is_logged_in({}, tmp_path)


def test_a_login_counts_where_pulumi_itself_keeps_it(tmp_path: Path) -> None:
    """Pulumi takes the home directory from the user database, not from HOME."""
    store(tmp_path / ".pulumi", '{"current": "s3://states"}')
    assert not shell.is_logged_in({"HOME": str(tmp_path)}, tmp_path / "home")
    assert shell.users_home({"HOME": str(tmp_path)}) == Path(pwd.getpwuid(os.getuid()).pw_dir)


def test_pulumi_home_is_where_a_login_is_looked_for_when_it_is_set(tmp_path: Path) -> None:
    store(tmp_path / "elsewhere", '{"current": "s3://states"}')
    assert shell.is_logged_in({"PULUMI_HOME": str(tmp_path / "elsewhere")}, tmp_path)


def test_a_logout_counts_as_not_chosen(tmp_path: Path) -> None:
    store(tmp_path / ".pulumi", '{"current": "", "accounts": {}}')
    assert not shell.is_logged_in({}, tmp_path)


def test_a_fresh_home_counts_as_not_chosen(tmp_path: Path) -> None:
    assert not shell.is_logged_in({}, tmp_path)


def test_a_shell_reads_back_what_was_exported_and_unset() -> None:
    value = 'it\'s $HOME `x` "y"\nz'
    made = shell.Surroundings({"STRANGE": value}, (), ("GONE",))
    code = shell.exports(made) + 'printf %s "${GONE-unset} $STRANGE"'
    environ = {"PATH": os.defpath, "GONE": ""}
    done = subprocess.run(["/bin/sh", "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == f"unset {value}"


def test_the_code_of_the_last_command_of_a_subshell_is_no_error(tmp_path: Path) -> None:
    program = tmp_path / "shell"
    program.write_text("#!/bin/sh\nexit 130\n")
    program.chmod(0o755)
    shell.run(str(program), {})


def test_a_subshell_can_be_interrupted_and_make_cannot(tmp_path: Path) -> None:
    """Both get the SIGINT of a terminal when the shell does no job control."""
    program = tmp_path / "shell"
    program.write_text('#!/bin/sh\nkill -INT $PPID\nkill -INT $$\ntouch "$0.survived"\n')
    program.chmod(0o755)
    shell.run(str(program), {"PATH": os.defpath})
    assert not (tmp_path / "shell.survived").exists()


def test_a_shell_that_does_not_exist_is_named() -> None:
    with pytest.raises(ToolchainError, match="/nowhere/sh cannot be started: No such file"):
        shell.run("/nowhere/sh", {})
