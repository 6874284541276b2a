"""A `pulumi` that enos-ota runs answers in one form, whatever the environment of the caller asks of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from enos_ota.engine.preview_run import Call, preview, unreadable
from enos_ota.engine.pulumi_cli import child_environment, ignored_options
from enos_ota.engine.stack_secrets import read_stack
from enos_ota.operations.doctor.engine import check_engine
from tests.harness.stack_project import BASE, Project

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STEERING = {
    "PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "1",
    "PULUMI_EXPERIMENTAL": "1",
    "PULUMI_OPTION_OUTPUT": "json",
    "PULUMI_OPTION_EXPECT_NO_CHANGES": "true",
    "PULUMI_OPTION_TARGET": "**second",
    "PULUMI_OPTION_SOMETHING_NEW": "true",
}
KEPT = {
    "PULUMI_BACKEND_URL": "file://state",
    "PULUMI_CONFIG_PASSPHRASE": "",
    "PULUMI_PARALLEL": "4",
    "HOME": "/home/me",
}


def test_options_come_from_the_command_line_alone() -> None:
    assert child_environment(STEERING | KEPT) == KEPT | {"PULUMI_SKIP_UPDATE_CHECK": "true"}


def a_preview(root: Path, environ: dict[str, str]) -> object:
    return preview(Call(root, "prod", environ, refresh=True))


def a_look_at_the_state(root: Path, environ: dict[str, str]) -> object:
    return unreadable(root, "prod", root / "stacks" / "Pulumi.prod.yaml", environ, 30)


def a_version(_: Path, environ: dict[str, str]) -> object:
    return check_engine(environ)


def a_secret(root: Path, environ: dict[str, str]) -> object:
    return read_stack(root, "prod", environ).get("enos:appSecret")


@pytest.mark.parametrize("ask", [a_preview, a_look_at_the_state, a_version, a_secret])
def test_every_pulumi_that_is_run_has_that_environment(
    tmp_path: Path, ask: Callable[[Path, dict[str, str]], object]
) -> None:
    Project(tmp_path).write(f"{BASE}enos:appSecret:\n  secure: AAA\n")
    engine = tmp_path / "pulumi"
    engine.write_text(f"#!/bin/sh\nenv > '{tmp_path}/seen'\necho '{{}}'\n")
    engine.chmod(0o755)
    ask(tmp_path, STEERING | {"PATH": f"{tmp_path}{os.pathsep}{os.defpath}"})
    seen = (tmp_path / "seen").read_text()
    assert "PULUMI_SKIP_UPDATE_CHECK=true" in seen
    assert [name for name in STEERING if name in seen] == []


def test_an_option_that_changes_what_an_up_does_is_named_and_one_for_the_eye_is_not() -> None:
    """An option that nobody here knows may change what an `up` does."""
    environ = STEERING | {"PULUMI_OPTION_SHOW_SAMES": "1", "PULUMI_OPTION_PARALLEL": "4", "PULUMI_OPTION_REPLACE": ""}
    assert ignored_options(environ) == (
        "PULUMI_OPTION_PARALLEL",
        "PULUMI_OPTION_SOMETHING_NEW",
        "PULUMI_OPTION_TARGET",
    )
