"""The commit in the audit log of acts by hand: what the environment names, else where the checkout is."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from enos_ota.operations.git_commit import head_of
from tests.harness.simulator import JOB, running_simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result

    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack_project import Project

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
    assert head_of(project.root, {}, pytest.fail) == ""


NO_SETTINGS = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
FOREIGN = {**NO_SETTINGS, "GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
"""Git's own way to test that a repository belongs to another user."""


@pytest.mark.usefixtures("head")
@pytest.mark.parametrize("command", [CANCEL, STOP], ids=["cancel", "stop"])
def test_a_checkout_of_another_user_is_told_once_with_the_ways_out(
    run: Run, project: Project, command: tuple[str, ...]
) -> None:
    """Two requests are sent and audited; the commit of both is empty."""
    result = run(*command, **FOREIGN)
    assert result.exit_code == 0
    assert commits(project) == {""}
    assert result.stderr.count("warning: the commit is unknown") == 1
    assert "warning: the commit is unknown. Name it in ENOS_OTA_COMMIT, or follow git's advice:\n" in result.stderr
    assert f"git config --global --add safe.directory {project.root}\n" in result.stderr


def test_the_way_out_that_is_told_leads_out(run: Run, project: Project, head: str, tmp_path: Path) -> None:
    settings = tmp_path / "gitconfig"
    settings.write_text(f"[safe]\n\tdirectory = {project.root}\n")
    result = run(*CANCEL, **{**FOREIGN, "GIT_CONFIG_GLOBAL": str(settings)})
    assert commits(project) == {head}
    assert "warning" not in result.stderr


@pytest.mark.usefixtures("head")
def test_a_commit_that_the_environment_names_needs_no_git(run: Run, project: Project) -> None:
    result = run(*CANCEL, ENOS_OTA_COMMIT="c0ffee", **FOREIGN)
    assert commits(project) == {"c0ffee"}
    assert "warning" not in result.stderr


def test_the_repository_that_is_named_is_the_one_around_the_project(project: Project, head: str) -> None:
    """A project may be a folder of a repository; git wants the top of it, quoted for a shell."""
    assert head
    inner = project.root / "a folder"
    inner.mkdir()
    git(inner, "init", "--quiet")
    (inner / "deeper").mkdir()
    told: list[str] = []
    assert head_of(inner / "deeper", FOREIGN, told.append) == ""
    assert f"safe.directory '{inner}'" in told[0]


def a_git(folder: Path, script: str) -> dict[str, str]:
    """An environment in which `git` is this script."""
    (folder / "git").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "git").chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def test_a_git_that_does_not_answer_is_given_up_and_told(tmp_path: Path) -> None:
    told: list[str] = []
    assert head_of(tmp_path, a_git(tmp_path, "exec sleep 600"), told.append, timeout=0.1) == ""
    assert told == ["warning: the commit is unknown: git did not answer within 0.1 s. Name it in ENOS_OTA_COMMIT."]


def test_git_asks_nobody_and_fetches_nothing(tmp_path: Path) -> None:
    environ = a_git(tmp_path, 'echo "prompt $GIT_TERMINAL_PROMPT, no fetch $GIT_NO_LAZY_FETCH"; cat')
    assert head_of(tmp_path, environ, pytest.fail) == "prompt 0, no fetch 1"


@pytest.mark.parametrize("setting", ["core.fsmonitor", "core.hooksPath"])
def test_no_program_that_the_repository_names_is_started(project: Project, head: str, setting: str) -> None:
    """Neither a file system monitor nor a hook. A touched file makes git write its index, for which there is a hook."""
    hooks = project.root / ".git" / "spies"
    hooks.mkdir()
    spy = hooks / "post-index-change"
    spy.write_text(f"#!/bin/sh\ntouch {project.root}/.git/ran\n")
    spy.chmod(0o755)
    git(project.root, "config", setting, str(hooks if setting == "core.hooksPath" else spy))
    (project.root / "these.txt").touch()
    assert head_of(project.root, {}, pytest.fail) == head
    assert not (project.root / ".git" / "ran").exists()
