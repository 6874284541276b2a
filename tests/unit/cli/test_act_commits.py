"""The commit in the audit log of acts by hand: what the environment names, else where the checkout is."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from enos_ota.cli.acts.checkout import head_of
from tests.support.simulator import JOB, running_simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result

    from tests.support.simulator import RunningSimulator
    from tests.support.stack_project import Project

    Run = Callable[..., Result]
    Reach = Callable[..., None]

WHY = ("--job", JOB, "--reason", "INC-4711")
CANCEL = ("cancel", *WHY, "--keys", "these.txt", "--yes", "--expect", "2")
RETRY = ("retry", *WHY, "--keys", "these.txt", "--expect", "2")
STOP = ("stop", *WHY)


@pytest.fixture
def simulator(reach: Reach, project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningSimulator]:
    for name in ("ENOS_OTA_COMMIT", "GITHUB_SHA", "CI_COMMIT_SHA", "BUILD_SOURCEVERSION", "GIT_COMMIT"):
        monkeypatch.delenv(name, raising=False)
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    project.write("enos-ota:auditLog: audit.jsonl\nenos:batchSize: 1\n")
    (project.root / "these.txt").write_text("dk-01\ndk-02\n")
    with running_simulator() as running:
        reach(running)
        yield running


def git(root: Path, *arguments: str) -> str:
    settings = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false")
    command = ["git", "-C", str(root), *settings, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def head(project: Project, simulator: RunningSimulator) -> str:
    """The project is a checkout at this commit, with nothing changed."""
    assert simulator.url
    git(project.root, "init", "--quiet")
    git(project.root, "add", ".")
    git(project.root, "commit", "--quiet", "--message", "All of it")
    git(project.root, "tag", "v1")
    return git(project.root, "rev-parse", "HEAD")


def commits(project: Project) -> set[str]:
    return {json.loads(line)["commit"] for line in (project.root / "audit.jsonl").read_text().splitlines()}


@pytest.mark.parametrize("command", [CANCEL, STOP], ids=["cancel", "stop"])
def test_it_is_where_the_checkout_is(run: Run, project: Project, head: str, command: tuple[str, ...]) -> None:
    assert run(*command).exit_code == 0
    assert commits(project) == {head}


def test_that_of_a_retry_too(run: Run, project: Project, simulator: RunningSimulator, head: str) -> None:
    simulator.set_tasks(JOB, ["dk-01", "dk-02"], "cancelled")
    assert run(*RETRY).exit_code == 0
    assert commits(project) == {head}


def test_files_that_were_changed_mark_it_as_dirty(run: Run, project: Project, head: str) -> None:
    project.write("enos-ota:auditLog: audit.jsonl\n# a change\n")
    assert run(*CANCEL).exit_code == 0
    assert commits(project) == {f"{head}-dirty"}


def test_what_the_environment_names_comes_first(run: Run, project: Project, head: str) -> None:
    assert run(*CANCEL, CI_COMMIT_SHA="c0ffee").exit_code == 0
    assert commits(project) == {"c0ffee"} != {head}


@pytest.mark.usefixtures("head")
def test_without_git_there_is_none_and_all_goes_on(
    run: Run, project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(*CANCEL).exit_code == 0
    assert commits(project) == {""}


@pytest.mark.usefixtures("simulator")
def test_outside_of_a_checkout_there_is_none_and_all_goes_on(run: Run, project: Project) -> None:
    assert run(*CANCEL).exit_code == 0
    assert commits(project) == {""}


def test_a_checkout_without_a_commit_has_none(project: Project) -> None:
    git(project.root, "init", "--quiet")
    assert head_of(project.root, {}) == ""


def test_no_file_system_monitor_is_started_for_it(project: Project, head: str) -> None:
    spy = project.root / "spy"
    spy.write_text(f"#!/bin/sh\ntouch {project.root}/ran\n")
    spy.chmod(0o755)
    git(project.root, "config", "core.fsmonitor", str(spy))
    assert head_of(project.root, {}) == head
    assert not (project.root / "ran").exists()
