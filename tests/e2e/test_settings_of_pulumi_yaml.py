"""The real Pulumi merges Pulumi.yaml and stack file as our commands do: the table is in `tests.harness`."""

from __future__ import annotations

import json
from textwrap import indent
from typing import TYPE_CHECKING

import pytest

from tests.harness.project_settings import MERGED, REFUSED, Shared
from tests.harness.stack import a_set, diagnostics, sent

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.engine import PulumiEngine
    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack import Stack

PROJECT = "name: enos-ota\nruntime: python\n"


@pytest.fixture(scope="module")
def home(engine: PulumiEngine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a stack `dev` of the project is known."""
    home = tmp_path_factory.mktemp("home")
    (home / "Pulumi.yaml").write_text(PROJECT)
    engine.run(["stack", "init", "dev"], project=home, home=home)
    return home


def write(folder: Path, project: str, stack: str) -> None:
    (folder / "Pulumi.yaml").write_text(f"{PROJECT}config:\n{indent(project, '  ')}\n")
    (folder / "Pulumi.dev.yaml").write_text(f"config:\n{indent(stack or '{}', '  ')}\n")


@pytest.mark.parametrize("case", MERGED.values(), ids=MERGED.keys())
def test_pulumi_merges_both_files_as_we_do(engine: PulumiEngine, tmp_path: Path, home: Path, case: Shared) -> None:
    write(tmp_path, case.project, case.stack)
    told = engine.run(["config", "--json", "--stack", "dev"], project=tmp_path, home=home).json()
    assert {key: each.get("objectValue", each["value"]) for key, each in told.items()} == {
        key: json.loads(text) if isinstance(told[key].get("objectValue"), (list, dict, float)) else text
        for key, text in case.merged.items()
    }


@pytest.mark.parametrize("settings", [settings for settings, _ in REFUSED.values()], ids=REFUSED.keys())
def test_pulumi_refuses_what_we_refuse(engine: PulumiEngine, tmp_path: Path, home: Path, settings: str) -> None:
    """It ends before the program, which is not there, is looked for."""
    write(tmp_path, settings, "")
    ended = engine.run(["preview", "--stack", "dev"], project=tmp_path, home=home, code=None)
    assert (ended.code != 0, ended.stdout) == (True, "")
    assert "Pulumi.yaml': " in ended.stderr or "validating stack config: " in ended.stderr


def test_the_file_of_a_stack_that_is_named_in_full_is_that_of_the_last_part(
    engine: PulumiEngine, tmp_path: Path, home: Path
) -> None:
    write(tmp_path, "{}", "enos:orgId: o1")
    whole = "organization/enos-ota/dev"
    told = engine.run(["config", "get", "enos:orgId", "--stack", whole], project=tmp_path, home=home)
    assert told.stdout.strip() == "o1"


def test_an_up_is_bound_by_pulumi_yaml_as_a_cancel_is(stack: Stack, simulator: RunningSimulator) -> None:
    """The guard stops it, whoever reads the file."""
    text = (stack.project / "Pulumi.yaml").read_text()
    (stack.project / "Pulumi.yaml").write_text(f"{text}config:\n  enos-ota:guard: {{value: {{maxDevices: 1}}}}\n")
    stack.declare(a_set("dk-01", "dk-02"))
    said = "\n".join(diagnostics(stack.up(code=None)))
    assert (sent(simulator), "at most 1 may be (maxDevices)" in said) == ([], True)
