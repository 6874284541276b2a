"""The example for GitLab lets nobody bring about an old commit: its script is asked, with a real repository."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.harness.engine import CHECKOUT
from tests.harness.gitlab import Commits

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = CHECKOUT / "examples" / "gitops-gitlab" / "ci" / "tip.py"


@pytest.fixture
def commits(tmp_path: Path) -> Commits:
    """A repository whose main has two commits."""
    made = Commits(tmp_path / "repository")
    made.commit()
    made.commit()
    return made


def tip(environ: dict[str, str]) -> tuple[int, str]:
    done = subprocess.run([sys.executable, SCRIPT], env=environ, capture_output=True, text=True, check=False)
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_the_last_commit_goes_on(commits: Commits) -> None:
    assert tip(commits.environ()) == (0, "")


def test_an_older_commit_is_refused_with_what_to_do_instead(commits: Commits) -> None:
    code, said = tip(commits.environ(commits.all[0]))
    assert code == 1
    (line,) = said.splitlines()
    first, last = (each[:8] for each in commits.all)
    assert line.startswith(f"Nothing was done: {first} is no longer the last commit of main, which is {last}.")
    assert "Start `up` in its pipeline" in line


def test_another_branch_does_not_count(commits: Commits) -> None:
    """Nor a tag, nor a branch whose name only ends like it."""
    before = commits.all[-1]
    commits.commit("refs/heads/feature/main")
    commits.commit("refs/tags/main")
    assert tip(commits.environ(before)) == (0, "")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"CI_DEFAULT_BRANCH": "gone"}, "(there is no branch gone)"),
        ({"CI_REPOSITORY_URL": "/nowhere/enos-ota.git"}, "does not appear to be a git repository"),
        ({"CI_REPOSITORY_URL": "http://gitlab-ci-token:glcbt-9@127.0.0.1:9/ota.git"}, "unable to access"),
        ({"PATH": "/nowhere"}, "(git cannot be started: No such file or directory)"),
    ],
    ids=["no branch", "no repository", "no answer", "no git"],
)
def test_where_nobody_knows_nothing_is_done_and_no_token_is_shown(
    commits: Commits, change: dict[str, str], why: str
) -> None:
    code, said = tip(commits.environ() | change)
    assert code == 1
    (line,) = said.splitlines()
    assert line.startswith("Nothing was done: cannot check whether ")
    assert why in line
    assert "glcbt-9" not in line
