"""`enos-ota review` as a CI system runs it: formats, files, exit codes."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from enos_ota.review.model import ReviewReport
from tests.harness.engine import VENV, Result
from tests.harness.stack import Stack, a_set

if TYPE_CHECKING:
    from pathlib import Path


def run(stack: Stack, *args: str, code: int = 0, cwd: Path | None = None) -> Result:
    env = stack.engine.env(stack.project, stack.home, venv=stack.venv, extra=stack.environment())
    command = [str(VENV / "bin" / "enos-ota"), "review", *args]
    done = subprocess.run(
        command,
        cwd=cwd or stack.project,
        env=env,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    result = Result(args, done.returncode, done.stdout, done.stderr)
    stack.inspect(result)
    assert result.code == code, result.output
    return result


def test_one_run_gives_every_format_to_its_file(stack: Stack, tmp_path: Path) -> None:
    stack.declare(a_set("dk-01", "dk-08", reason="INC-1: <b>bad</b>"))
    out = tmp_path / "made" / "review.md"
    also = [
        f"html={tmp_path / 'review.html'}",
        f"json={tmp_path / 'review.json'}",
        f"terminal={tmp_path / 'review.txt'}",
    ]
    result = run(
        stack, "--format", "markdown", "--out", str(out), *(word for each in also for word in ("--also", each))
    )
    assert result.output == ""
    report = ReviewReport.model_validate_json((tmp_path / "review.json").read_text(encoding="utf-8"))
    assert report.headline == "`pulumi up` will cancel 1 task"
    for file in (out, tmp_path / "review.html", tmp_path / "review.txt"):
        text = file.read_text(encoding="utf-8")
        assert "will cancel 1 task" in text.replace("`", "").replace("<code>pulumi up</code>", "pulumi up"), file
        assert "dk-01" in text
        assert "<b>bad" not in text or file.suffix != ".html"


def test_json_on_standard_output_is_nothing_but_json(stack: Stack) -> None:
    stack.declare(a_set("dk-01"))
    told = json.loads(run(stack, "--format", "json").stdout)
    assert (told["version"], told["stack"], told["outcome"]) == (1, "dev", "fine")


def test_it_works_from_a_directory_below_the_project(stack: Stack) -> None:
    stack.declare(a_set("dk-01"))
    assert "will cancel 1 task" in run(stack, cwd=stack.project / "stacks").stdout


def test_exit_codes_tell_drift_outage_and_a_wrong_configuration_apart(stack: Stack) -> None:
    stack.declare(a_set("dk-01"))
    run(stack, code=0)
    run(stack, "--expect-no-changes", code=1)
    stack.environ |= {"ENOS_APP_KEY": "someone", "ENOS_APP_SECRET": stack.secrets[1]}
    assert "EnOS rejected the credentials" in run(stack, "--expect-no-changes", code=3).stdout
    stack.declare(a_set("dk-01", jobID="x"))
    assert "jobID" in run(stack, "--format", "markdown", code=2).stdout


@pytest.mark.parametrize("also", ["html", "html=", "pdf=x.pdf", "=x"])
def test_a_format_that_there_is_not_is_wrong_usage(stack: Stack, also: str) -> None:
    assert "is no FORMAT=FILE" in run(stack, "--also", also, code=2).stderr


def test_a_file_that_cannot_be_written_is_told(stack: Stack) -> None:
    stack.declare(a_set("dk-01"))
    place = stack.project / "Pulumi.yaml" / "review.md"
    assert f"{place} cannot be written: " in run(stack, "--out", str(place), code=2).stderr
