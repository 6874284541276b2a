"""What a review says where Pulumi prints no preview: its words, and what to do."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from enos_ota.engine.preview_run import Call, PulumiFailed, preview

if TYPE_CHECKING:
    from pathlib import Path


def said(folder: Path, stderr: str, stack: str = "prod") -> tuple[str, ...]:
    """The lines of a review where `pulumi` says this and nothing else."""
    (folder / "said.txt").write_text(stderr)
    engine = folder / "pulumi"
    engine.write_text(f"#!/bin/sh\ncat '{folder / 'said.txt'}' >&2\nexit 255\n")
    engine.chmod(0o755)
    with pytest.raises(PulumiFailed) as caught:
        preview(Call(folder, stack, {"PATH": f"{folder}{os.pathsep}{os.defpath}"}, refresh=True))
    return caught.value.lines


def test_a_stack_that_is_not_there_is_to_be_made_or_looked_for_elsewhere(tmp_path: Path) -> None:
    lines = said(tmp_path, "error: no stack named 'prod' found\n")
    assert lines == (
        "no stack named 'prod' found",
        "If this stack is new, make it: `pulumi stack init prod`. If not, its state is elsewhere: `pulumi login` or"
        " PULUMI_BACKEND_URL says where.",
    )


def test_a_stacks_name_in_a_command_is_quoted_for_a_shell(tmp_path: Path) -> None:
    assert "`pulumi stack init 'a b'`" in said(tmp_path, "error: no stack named 'a b' found\n", "a b")[1]


# As the engine says it.
@pytest.mark.parametrize(
    "words",
    [
        "PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions",
        'unable to open state directory "file:///gone": stat /gone: no such file or directory',
        'performing HTTP request: Get "https://api.pulumi.com/api/user": dial tcp: lookup api.pulumi.com: no such host',
        'read ".pulumi/meta.yaml": blob (key ".pulumi/meta.yaml") (code=Unknown): operation error S3: GetObject',
    ],
)
def test_a_state_that_cannot_be_reached_has_advice(tmp_path: Path, words: str) -> None:
    lines = said(tmp_path, f"Logging in using access token from PULUMI_ACCESS_TOKEN\nerror: {words}\n")
    assert lines[0] == words
    assert [line.split(":")[0] for line in lines[1:]] == ["The state of the stack cannot be reached"]


@pytest.mark.parametrize(
    "words",
    [
        "getting stack configuration: get stack secrets manager: incorrect passphrase",
        "get stack secrets manager: passphrase must be set with PULUMI_CONFIG_PASSPHRASE or …",
    ],
)
def test_a_passphrase_that_is_wrong_or_missing_has_advice(tmp_path: Path, words: str) -> None:
    assert said(tmp_path, f"error: {words}\n")[1].startswith("Set PULUMI_CONFIG_PASSPHRASE or ")


def test_what_is_anything_else_is_passed_on_as_it_is(tmp_path: Path) -> None:
    assert said(tmp_path, "error: something new\n\nand more\n") == ("something new", "and more")


def test_an_engine_without_output_is_reported_by_its_exit_code(tmp_path: Path) -> None:
    assert said(tmp_path, "") == ("`pulumi preview` ended with exit code 255",)
