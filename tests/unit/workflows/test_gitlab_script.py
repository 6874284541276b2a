"""What the example for GitLab tells people: one note, one issue, and the right words in them.

The script talks to a GitLab of a few lists, over HTTP; the pipeline as a whole is run in tests/e2e.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from enos_ota.review.model import Outcome
from tests.harness.engine import CHECKOUT
from tests.harness.gitlab import ME, TOKEN, GitLab, running_gitlab
from tests.harness.nights import ADVISED, DECLARED_MEANWHILE, LOST, MORE, OTHER, RETRIED, advice, leave

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from enos_ota.review.model import SetReport

SCRIPT = CHECKOUT / "examples" / "gitops-gitlab" / "ci" / "notify.py"
REVIEW = "<!-- enos-ota review: prod -->\n"
DRIFT = "<!-- enos-ota drift: prod: changes "
JOB = "https://gitlab.example.com/fleet/ota/-/jobs/4711"


@pytest.fixture
def gitlab() -> Iterator[GitLab]:
    """A project with a merge request 7, nothing said so far."""
    with running_gitlab() as running:
        yield running


def tell(gitlab: GitLab, project: Path, what: str, **environ: str) -> subprocess.CompletedProcess[str]:
    told = {"PULUMI_STACK": "prod", "CI_JOB_URL": JOB, **gitlab.environ, **environ}
    return subprocess.run(
        [sys.executable, SCRIPT, what], cwd=project, env=told, capture_output=True, text=True, check=False
    )


def note(gitlab: GitLab, project: Path, review: str | None, **environ: str) -> None:
    (project / "review.md").unlink(missing_ok=True)
    if review is not None:
        (project / "review.md").write_text(review, encoding="utf-8")
    done = tell(gitlab, project, "review", **environ)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def night(
    gitlab: GitLab,
    project: Path,
    outcome: str | None,
    review: str = "the whole review",
    sets: tuple[SetReport, ...] = (RETRIED,),
) -> None:
    """A night whose review came to this; None: it came to nothing."""
    leave(project, outcome, review, sets)
    done = tell(gitlab, project, "drift")
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_review_is_one_note_however_often_it_is_made(gitlab: GitLab, tmp_path: Path) -> None:
    note(gitlab, tmp_path, "first")
    note(gitlab, tmp_path, "second")
    assert [each["body"] for each in gitlab.notes] == [f"{REVIEW}second"]
    assert gitlab.writes() == ["POST merge_requests/7/notes", "PUT merge_requests/7/notes/1"]


def test_it_is_found_again_behind_a_hundred_other_notes(gitlab: GitLab, tmp_path: Path) -> None:
    gitlab.notes = [{"id": 1000 + number, "author": {"id": 1}, "body": "me too"} for number in range(130)]
    note(gitlab, tmp_path, "first")
    note(gitlab, tmp_path, "second")
    assert len([each for each in gitlab.notes if each["body"] != "me too"]) == 1


def test_a_note_of_somebody_else_is_never_edited_whatever_it_begins_with(gitlab: GitLab, tmp_path: Path) -> None:
    gitlab.notes = [{"id": 9, "author": {"id": ME + 1}, "body": f"{REVIEW}Looks good!"}]
    note(gitlab, tmp_path, "the real one")
    assert [each["body"] for each in gitlab.notes] == [f"{REVIEW}Looks good!", f"{REVIEW}the real one"]


def test_the_note_leads_to_the_whole_report(gitlab: GitLab, tmp_path: Path) -> None:
    (tmp_path / "review.html").write_text("<p>", encoding="utf-8")
    note(gitlab, tmp_path, "text")
    assert f"({JOB}/artifacts/file/review.html)" in gitlab.notes[0]["body"]


def test_a_review_that_was_not_made_is_said_in_place_of_the_one_before(gitlab: GitLab, tmp_path: Path) -> None:
    note(gitlab, tmp_path, "of the commit before")
    note(gitlab, tmp_path, None)
    (only,) = gitlab.notes
    assert "There is no review of `prod`" in only["body"]
    assert "of the commit before" not in only["body"]


def test_without_the_state_the_note_says_what_that_means(gitlab: GitLab, tmp_path: Path) -> None:
    note(gitlab, tmp_path, "text", PULUMI_BACKEND_URL="file://.")
    assert "every declared set looks new here" in gitlab.notes[0]["body"]


def test_without_a_token_nobody_is_told_and_nothing_fails(gitlab: GitLab, tmp_path: Path) -> None:
    """As in a fork."""
    done = tell(gitlab, tmp_path, "review", GITLAB_TOKEN="")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("GITLAB_TOKEN is not set, as in a fork: nothing is written")
    assert gitlab.calls == []


def test_a_token_that_may_not_is_told_in_one_line_that_does_not_show_it(gitlab: GitLab, tmp_path: Path) -> None:
    done = tell(gitlab, tmp_path, "review", GITLAB_TOKEN=f"not-{TOKEN}")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("GitLab refused the request (401 ")
    assert line.endswith("check GITLAB_TOKEN's role and scope")
    assert TOKEN not in line


def test_a_gitlab_that_cannot_be_reached_is_told_in_one_line(gitlab: GitLab, tmp_path: Path) -> None:
    done = tell(gitlab, tmp_path, "drift", CI_API_V4_URL="http://127.0.0.1:9/api/v4")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("GitLab could not be reached: ")


def test_drift_opens_one_issue_and_brings_it_up_to_date(gitlab: GitLab, tmp_path: Path) -> None:
    night(gitlab, tmp_path, "changes", "of the first night")
    night(gitlab, tmp_path, "changes", "of the second night")
    (issue,) = gitlab.issues
    assert issue["title"] == "enos-ota: prod is no longer as declared"
    assert issue["description"].startswith(DRIFT)
    assert issue["description"].splitlines()[1].startswith("**The headline of changes.**")
    assert issue["description"].endswith("of the second night")
    assert gitlab.said == [], "nobody is called every night for the same"


@pytest.mark.parametrize(
    ("outcome", "one", "counts"),
    [
        ("changes", MORE, "2 will be cancelled again"),
        ("changes", OTHER, "1 will be cancelled again"),
        ("fails", LOST, "1 escaped"),
        ("fails", RETRIED, "1 will be cancelled again"),
    ],
    ids=["more devices", "as many others", "gone for good", "an up would fail"],
)
def test_another_drift_than_the_night_before_is_said_aloud(
    gitlab: GitLab, tmp_path: Path, outcome: str, one: SetReport, counts: str
) -> None:
    """A changed text calls nobody. What is said has no text of others, for it is not escaped."""
    night(gitlab, tmp_path, "changes")
    for review in ("of the second night", "of the third night"):
        night(gitlab, tmp_path, outcome, review, (one,))
    (said,) = gitlab.said
    assert said.startswith(f"The drift has changed: {counts}. ")
    assert "@" not in said
    assert gitlab.issues[0]["description"].endswith("of the third night")


def test_a_device_that_is_declared_and_cancelled_meanwhile_is_no_news(gitlab: GitLab, tmp_path: Path) -> None:
    night(gitlab, tmp_path, "changes")
    night(gitlab, tmp_path, "changes", sets=(DECLARED_MEANWHILE,))
    assert gitlab.said == []


UP = "run `up` of the latest pipeline of the default branch"


@pytest.mark.parametrize(("sets", "advised"), ADVISED)
def test_an_up_is_advised_only_where_it_has_something_to_do(
    gitlab: GitLab, tmp_path: Path, sets: tuple[SetReport, ...], advised: list[str]
) -> None:
    night(gitlab, tmp_path, "fails", sets=sets)
    assert advice(gitlab.issues[0]["description"], UP) == advised


def test_the_issue_is_closed_with_a_word_when_all_is_well_again(gitlab: GitLab, tmp_path: Path) -> None:
    night(gitlab, tmp_path, "changes")
    night(gitlab, tmp_path, "fine")
    assert gitlab.issues[0]["state"] == "closed"
    assert gitlab.said[0].startswith("All sets are as declared again.")
    night(gitlab, tmp_path, "changes")
    assert [issue["state"] for issue in gitlab.issues] == ["closed", "opened"]


def test_a_good_night_says_nothing(gitlab: GitLab, tmp_path: Path) -> None:
    night(gitlab, tmp_path, "fine")
    assert gitlab.writes() == []


@pytest.mark.parametrize("outcome", ["undetermined", "of a later version", None])
def test_an_outage_is_told_as_such_and_never_as_drift(gitlab: GitLab, tmp_path: Path, outcome: str | None) -> None:
    """So is an outcome that nobody has told the script about."""
    night(gitlab, tmp_path, outcome)
    night(gitlab, tmp_path, outcome)
    (issue,) = gitlab.issues
    assert issue["title"] == "enos-ota: prod could not be checked"
    assert "This is not drift: the check failed." in issue["description"]


def test_an_outage_keeps_what_is_known_of_drift_and_is_said_once(gitlab: GitLab, tmp_path: Path) -> None:
    night(gitlab, tmp_path, "changes", "two keys")
    for _ in range(3):
        night(gitlab, tmp_path, "undetermined", "nothing is known")
    (issue,) = gitlab.issues
    assert issue["title"] == "enos-ota: prod is no longer as declared"
    assert issue["description"].endswith("two keys")
    (said,) = gitlab.said
    assert said.startswith("Tonight's check failed.")


def test_another_reason_why_nobody_knows_is_said(gitlab: GitLab, tmp_path: Path) -> None:
    for outcome in ("undetermined", "misconfigured", "misconfigured"):
        night(gitlab, tmp_path, outcome)
    assert [said.split("\n")[0] for said in gitlab.said] == ["The check failed again, for another reason."]


def test_drift_after_an_outage_is_told_in_the_same_issue_and_said_aloud(gitlab: GitLab, tmp_path: Path) -> None:
    night(gitlab, tmp_path, "undetermined")
    night(gitlab, tmp_path, "changes")
    (issue,) = gitlab.issues
    assert issue["description"].startswith(DRIFT)
    assert gitlab.said[0].startswith("The check succeeded: there is drift: 1 will be cancelled again.")


def test_every_outcome_that_a_review_can_have_is_told(gitlab: GitLab, tmp_path: Path) -> None:
    for outcome in Outcome:
        night(gitlab, tmp_path, outcome.value)
