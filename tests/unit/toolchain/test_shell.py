"""What `make env` sets, and what it leaves to the user."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from toolchain import shell

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


def test_a_backend_by_variable_or_token_counts_as_chosen() -> None:
    for name in ("PULUMI_BACKEND_URL", "PULUMI_ACCESS_TOKEN"):
        assert shell.is_logged_in({"HOME": "/nowhere", name: "x"})


def test_a_login_counts_as_chosen(tmp_path: Path) -> None:
    (tmp_path / ".pulumi").mkdir()
    (tmp_path / ".pulumi" / "credentials.json").write_text('{"current": "s3://states"}')
    assert shell.is_logged_in({"HOME": str(tmp_path)})


def test_a_logout_counts_as_not_chosen(tmp_path: Path) -> None:
    (tmp_path / ".pulumi").mkdir()
    (tmp_path / ".pulumi" / "credentials.json").write_text('{"current": "", "accounts": {}}')
    assert not shell.is_logged_in({"HOME": str(tmp_path)})


def test_a_fresh_home_counts_as_not_chosen(tmp_path: Path) -> None:
    assert not shell.is_logged_in({"HOME": str(tmp_path)})


def test_a_shell_reads_back_what_was_exported() -> None:
    value = 'it\'s $HOME `x` "y"\nz'
    code = shell.exports({"STRANGE": value}) + 'printf %s "$STRANGE"'
    done = subprocess.run(["/bin/sh", "-c", code], env={"PATH": os.defpath}, capture_output=True, text=True, check=True)
    assert done.stdout == value
