"""Shell completion, by click's own means, in a real bash."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.harness.stack_project import BASE, ONE_SET

if TYPE_CHECKING:
    from tests.harness.stack_project import Project

BASH = shutil.which("bash")

# What bash itself does when TAB is pressed, for a function given to `complete -F`.
SCRIPT = """
eval "$(_ENOS_OTA_COMPLETE=bash_source enos-ota)"
function=$(complete -p enos-ota | sed 's/.*-F \\([^ ]*\\).*/\\1/')
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
compopt() { :; }  # there is no line being edited
"$function" "$1" "${@: -1}" "${@: -2:1}"
printf '%s\\n' "${COMPREPLY[@]}"
"""

pytestmark = pytest.mark.skipif(BASH is None, reason="there is no bash")


def complete(project: Project, *words: str) -> list[str]:
    """What is offered for the last of these words."""
    environ = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [BASH or "bash", "--norc", "-c", SCRIPT, "bash", "enos-ota", *words]
    done = subprocess.run(
        command, cwd=project.root, env=environ, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.fixture
def stacks(project: Project) -> Project:
    for name in ("pilot", "example", "prod"):
        project.write(BASE, sets=ONE_SET)
        project.file.rename(project.file.with_name(f"Pulumi.{name}.yaml"))
    return project


def test_commands_are_offered(stacks: Project) -> None:
    assert complete(stacks, "va") == ["validate"]


def test_options_are_offered(stacks: Project) -> None:
    assert complete(stacks, "jobs", "--firm") == ["--firmware-version"]


def test_stacks_are_offered_where_one_is_named(stacks: Project) -> None:
    assert complete(stacks, "jobs", "--stack", "p") == ["pilot", "prod"]


def test_the_example_is_nobodys_stack(stacks: Project) -> None:
    assert complete(stacks, "jobs", "--stack", "") == ["pilot", "prod"]


def test_validate_offers_every_stack(stacks: Project) -> None:
    assert complete(stacks, "validate", "") == ["example", "pilot", "prod"]


def test_a_broken_project_offers_nothing_and_says_nothing(stacks: Project) -> None:
    (stacks.root / "Pulumi.yaml").write_text("name: [\n")
    assert complete(stacks, "jobs", "--stack", "") == []
