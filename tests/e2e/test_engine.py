"""The engine that a fresh machine gets, and the shell around it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.harness.engine import CHECKOUT
from toolchain import build
from toolchain import engine as choice

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.engine import PulumiEngine


@pytest.fixture
def user(tmp_path: Path) -> dict[str, str]:
    """The environment of a user who has no backend yet; the engine is where it is."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")}
    if official := os.environ.get("PULUMI_OFFICIAL"):
        kept["PULUMI_OFFICIAL"] = official
    return {**kept, "PULUMI_HOME": str(tmp_path / "pulumi")}


def make(target: str, environ: dict[str, str], code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a make target in the checkout, with the Python that runs the tests."""
    base = getattr(sys, "_base_executable", sys.executable)
    command = ["make", "-s", "--no-print-directory", f"PYTHON={base}", target]
    done = subprocess.run(
        command, cwd=CHECKOUT, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def test_the_engine_says_its_version(engine: PulumiEngine, tmp_path: Path) -> None:
    said = engine.run(["version"], project=tmp_path, home=tmp_path)
    assert said.stdout.strip() == f"v{engine.version}"


def test_the_host_says_the_version_of_the_engine(engine: PulumiEngine, tmp_path: Path) -> None:
    about = engine.run(["about", "--json"], project=tmp_path, home=tmp_path)
    assert about.json()["cliAbout"]["version"] == engine.version


def test_env_prints_export_lines_and_nothing_else(user: dict[str, str]) -> None:
    lines = make("env", user).stdout.splitlines()
    assert [line for line in lines if not line.startswith("export ")] == []


def test_in_that_shell_plain_pulumi_and_enos_ota_work(user: dict[str, str], engine: PulumiEngine) -> None:
    exports = make("env", user).stdout
    code = f"{exports}pulumi version && enos-ota --help >/dev/null && command -v enos-ota"
    done = subprocess.run(["/bin/sh", "-c", code], env=user, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"v{engine.version}", str(CHECKOUT / ".venv" / "bin" / "enos-ota")]


def test_env_tells_who_has_no_backend_how_to_choose_one(user: dict[str, str]) -> None:
    assert "No backend is chosen" in make("env", user).stderr


def test_env_leaves_the_backend_of_who_has_one_alone(user: dict[str, str], tmp_path: Path) -> None:
    user["PULUMI_BACKEND_URL"] = tmp_path.as_uri()
    assert "BACKEND" not in make("env", user).stdout


def test_a_named_official_bundle_that_is_none_stops_make_with_one_text(user: dict[str, str], tmp_path: Path) -> None:
    user["PULUMI_OFFICIAL"] = str(tmp_path)
    stderr = make("toolchain", user, code=2).stderr
    assert f"error: PULUMI_OFFICIAL={tmp_path} is refused: {tmp_path} lacks pulumi, pulumi-language-python" in stderr
    assert "Traceback" not in stderr


def test_an_engine_whose_language_host_was_lost_is_not_used(engine: PulumiEngine, tmp_path: Path) -> None:
    build.place_host(tmp_path)
    shutil.copy(engine.folder / "pulumi", tmp_path / "bin")
    (tmp_path / "bin" / "pulumi-language-python").unlink()
    assert choice.refusal(choice.look(tmp_path / "bin" / "pulumi")) == f"{tmp_path}/bin lacks pulumi-language-python"
