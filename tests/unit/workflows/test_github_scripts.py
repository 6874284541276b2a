"""What the example for GitHub tells people: one comment, one issue, and the right words in them.

The scripts are run by node with a GitHub of a few lists; the workflows as a whole are run in tests/e2e.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from enos_ota.review.model import OtherChange, Outcome
from tests.harness.engine import CHECKOUT
from tests.harness.nights import ADVISED, DECLARED_MEANWHILE, FAILS, LOST, MORE, OTHER, RETRIED, a_set, advice, leave
from tests.harness.workflows import Ended, GitHub, node

if TYPE_CHECKING:
    from pathlib import Path

    from enos_ota.review.model import SetReport

REVIEW = "<!-- enos-ota review: prod -->\n"
DRIFT = "<!-- enos-ota drift: prod: changes "
RUN = "https://github.example.com/fleet/ota/actions/runs/4711"


@pytest.fixture(autouse=True)
def _with_node() -> None:
    node()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The scripts of the example, and whatever a test writes beside them."""
    shutil.copytree(CHECKOUT / "examples/gitops-github/.github", tmp_path / ".github")
    return tmp_path


@pytest.fixture
def github() -> GitHub:
    """A repository with a pull request 7, nothing said so far."""
    return GitHub()


def run(github: GitHub, project: Path, name: str, **environ: str) -> Ended:
    script = f"await require('./.github/scripts/{name}.js')({{ github, context, core }})"
    return github.script(script, project, {"PULUMI_STACK": "prod", **environ})


def comment(github: GitHub, project: Path, review: str | None, **environ: str) -> Ended:
    (project / "review.md").unlink(missing_ok=True)
    if review is not None:
        (project / "review.md").write_text(review, encoding="utf-8")
    return run(github, project, "comment", **environ)


def night(
    github: GitHub,
    project: Path,
    outcome: str | None,
    review: str = "the whole review",
    sets: tuple[SetReport, ...] = (RETRIED,),
    **known: Any,
) -> None:
    """A night whose review came to this; None: it came to nothing."""
    leave(project, outcome, review, sets, **known)
    ended = run(github, project, "issue")
    assert ended.code == 0, ended.output


def test_the_review_is_one_comment_however_often_it_is_made(github: GitHub, project: Path) -> None:
    comment(github, project, "first")
    assert github.names() == ["createComment"]
    comment(github, project, "second")
    assert github.names() == ["updateComment"]
    assert [each["body"] for each in github.comments] == [f"{REVIEW}second"]


def test_it_is_found_again_behind_a_hundred_other_comments(github: GitHub, project: Path) -> None:
    others: list[dict[str, Any]] = [{"id": number, "user": {"type": "User"}, "body": "me too"} for number in range(130)]
    github.comments = others[:]
    comment(github, project, "first")
    github.comments.extend({**each, "id": each["id"] + 500} for each in others)
    comment(github, project, "second")
    assert github.names() == ["updateComment"]
    assert len([each for each in github.comments if each["body"] != "me too"]) == 1


def test_two_stacks_have_a_comment_each(github: GitHub, project: Path) -> None:
    comment(github, project, "of prod")
    comment(github, project, "of staging", PULUMI_STACK="staging")
    assert [each["body"].splitlines()[1] for each in github.comments] == ["of prod", "of staging"]


def test_a_comment_of_a_person_is_never_edited_whatever_it_begins_with(github: GitHub, project: Path) -> None:
    """Nor can anybody have a review of their own stand where the real one is looked for."""
    github.comments = [{"id": 1, "user": {"type": "User"}, "body": f"{REVIEW}Looks good!"}]
    comment(github, project, "the real one")
    assert github.names() == ["createComment"]
    assert github.comments[0]["body"] == f"{REVIEW}Looks good!"


def test_the_comment_leads_to_the_whole_report(github: GitHub, project: Path) -> None:
    comment(github, project, "text", REPORT_URL="https://github.example.com/artifact/1")
    assert "(https://github.example.com/artifact/1)" in github.comments[0]["body"]
    assert RUN in github.comments[0]["body"]


def test_a_review_that_was_not_made_is_said_in_place_of_the_one_before(github: GitHub, project: Path) -> None:
    """An old review under a new commit would be a lie."""
    comment(github, project, "of the commit before")
    comment(github, project, None)
    (only,) = github.comments
    assert "There is no review of `prod`" in only["body"]
    assert RUN in only["body"]
    assert "of the commit before" not in only["body"]


def test_without_the_state_the_comment_says_what_that_means(github: GitHub, project: Path) -> None:
    comment(github, project, "text", PULUMI_BACKEND_URL="file://.")
    assert "every declared set looks new here" in github.comments[0]["body"]
    comment(github, project, "text", PULUMI_BACKEND_URL="s3://state")
    assert "looks new" not in github.comments[0]["body"]


def test_the_longest_review_fits_and_what_is_cut_is_said(github: GitHub, project: Path) -> None:
    ended = comment(github, project, "x" * 65535, REPORT_URL="https://github.example.com/artifact/1")
    assert ended.code == 0, ended.output
    assert len(github.comments[0]["body"]) == 65536
    assert github.comments[0]["body"].endswith(f"… cut here: the rest is in the [run]({RUN}).")


@pytest.mark.parametrize("shift", ["", "x"])
def test_no_character_is_cut_in_half(github: GitHub, project: Path, shift: str) -> None:
    comment(github, project, shift + "😀" * 40_000)
    night(github, project, "changes", shift + "😀" * 40_000)
    for text in (github.comments[0]["body"], github.issues[0]["body"]):
        assert text.encode("utf-8"), "half a character cannot be encoded"
        assert 65_530 < len(text.encode("utf-16-le")) // 2 <= 65_536


def test_where_commenting_is_denied_the_summary_has_the_review_and_nothing_fails(github: GitHub, project: Path) -> None:
    github.denied = ("createComment",)
    ended = comment(github, project, "the review")
    assert ended.code == 0, ended.output
    assert github.comments == []
    assert github.summary() == f"{REVIEW}the review"
    assert [
        "warning",
        "This run may not comment, like every run of a fork: the review is in its summary.",
    ] in github.core


def test_a_github_that_fails_otherwise_fails_the_step(github: GitHub, project: Path) -> None:
    (project / "review.md").write_text("the review", encoding="utf-8")
    script = "context.issue.number = 8; await require('./.github/scripts/comment.js')({ github, context, core })"
    assert github.script(script, project, {"PULUMI_STACK": "prod"}).code == 1


def test_drift_opens_one_issue_and_brings_it_up_to_date(github: GitHub, project: Path) -> None:
    night(github, project, "changes", "of the first night")
    assert github.names() == ["create"]
    night(github, project, "changes", "of the second night")
    assert github.names() == ["update"], "nobody is called every night for the same"
    (issue,) = github.issues
    assert issue["title"] == "enos-ota: prod is no longer as declared"
    assert issue["body"].startswith(DRIFT)
    assert issue["body"].splitlines()[1].startswith("**The headline of changes.**")
    assert issue["body"].endswith("of the second night")
    assert RUN in issue["body"]


@pytest.mark.parametrize(
    ("outcome", "sets", "counts"),
    [
        ("changes", (MORE,), "2 will be cancelled again"),
        ("changes", (OTHER,), "1 will be cancelled again"),
        ("fails", (LOST,), "1 escaped"),
        ("fails", (RETRIED,), "1 will be cancelled again"),
        ("changes", (RETRIED, a_set("create", {"m-1": "will be cancelled"}, name="meters")), "1 will be cancelled"),
    ],
    ids=["more devices", "as many others", "gone for good", "an up would fail", "another set"],
)
def test_another_drift_than_the_night_before_is_said_aloud(
    github: GitHub, project: Path, outcome: str, sets: tuple[SetReport, ...], counts: str
) -> None:
    """A changed text calls nobody."""
    night(github, project, "changes")
    night(github, project, outcome, "the review of the second night", sets)
    assert github.names() == ["createComment", "update"]
    (note,) = github.notes
    assert note["body"].startswith("The drift has changed: ")
    assert counts in note["body"]
    assert github.issues[0]["body"].endswith("the review of the second night")
    night(github, project, outcome, "the review of the third night", sets)
    assert github.names() == ["update"], "and once"


def test_a_drift_that_comes_to_no_device_is_another_too(github: GitHub, project: Path) -> None:
    night(github, project, "changes")
    night(github, project, "changes", others=[OtherChange(op="create", type="my:mod:Thing", name="thing")])
    assert [note["body"].split(".")[0] for note in github.notes] == ["The drift has changed: 1 will be cancelled again"]


def test_a_device_that_is_declared_and_cancelled_meanwhile_is_no_news(github: GitHub, project: Path) -> None:
    night(github, project, "changes")
    night(github, project, "changes", sets=(DECLARED_MEANWHILE,))
    assert github.notes == []


def test_a_comment_has_no_text_of_others(github: GitHub, project: Path) -> None:
    """It is not escaped: a device key, a set and an error may hold anything."""
    bad = a_set("update", {"@everyone": "missing"}, name="@all", errors=["@owner <img>"])
    night(github, project, "changes")
    night(github, project, "fails", sets=(bad,))
    assert "@" not in github.notes[0]["body"]


UP = "start a new run of `up`"


@pytest.mark.parametrize(("sets", "advised"), ADVISED)
def test_an_up_is_advised_only_where_it_has_something_to_do(
    github: GitHub, project: Path, sets: tuple[SetReport, ...], advised: list[str]
) -> None:
    night(github, project, "fails", sets=sets)
    assert advice(github.issues[0]["body"], UP) == advised


def test_where_the_program_itself_fails_no_up_is_advised(github: GitHub, project: Path) -> None:
    night(github, project, "fails", sets=(a_set("declared", {"x": "not looked at"}),), previewed=False)
    assert advice(github.issues[0]["body"], UP) == [FAILS]


def test_drift_that_an_up_cannot_mend_says_so(github: GitHub, project: Path) -> None:
    night(github, project, "changes")
    night(github, project, "fails")
    (issue,) = github.issues
    assert issue["title"] == "enos-ota: prod is no longer as declared, and an `up` would fail"


def test_the_issue_is_closed_with_a_word_when_all_is_well_again(github: GitHub, project: Path) -> None:
    night(github, project, "changes")
    night(github, project, "fine")
    assert github.names() == ["createComment", "update"]
    assert github.issues[0]["state"] == "closed"
    assert github.notes[0]["body"].startswith("All sets are as declared again.")
    night(github, project, "changes")
    assert [issue["state"] for issue in github.issues] == ["closed", "open"], "what is new has an issue of its own"


def test_a_good_night_says_nothing(github: GitHub, project: Path) -> None:
    night(github, project, "fine")
    assert github.names() == []


@pytest.mark.parametrize("outcome", ["undetermined", "of a later version", "constructor", None])
def test_an_outage_is_told_as_such_and_never_as_drift(github: GitHub, project: Path, outcome: str | None) -> None:
    """None: the review came not even to an end, as when the state or a package could not be had.

    So is an outcome that nobody has told the script about.
    """
    night(github, project, outcome)
    night(github, project, outcome)
    (issue,) = github.issues
    assert issue["title"] == "enos-ota: prod could not be checked"
    assert "This is not drift: the check failed." in issue["body"]
    assert "`up`" not in issue["body"]


def test_a_wrong_configuration_is_told_as_such(github: GitHub, project: Path) -> None:
    night(github, project, "misconfigured")
    assert github.issues[0]["title"] == "enos-ota: prod cannot be checked: its configuration is wrong"


def test_an_outage_keeps_what_is_known_of_drift_and_is_said_once(github: GitHub, project: Path) -> None:
    night(github, project, "changes", "two keys")
    for _ in range(3):
        night(github, project, "undetermined", "nothing is known")
    (issue,) = github.issues
    assert issue["title"] == "enos-ota: prod is no longer as declared"
    assert issue["body"].endswith("two keys")
    (note,) = github.notes
    assert note["body"].startswith("Tonight's check failed.")


def test_an_outage_that_fits_into_no_full_issue_is_said_all_the_same(github: GitHub, project: Path) -> None:
    night(github, project, "changes", "x" * 65535)
    night(github, project, "undetermined")
    assert len(github.issues[0]["body"]) == 65536
    assert len(github.notes) == 1


def test_another_reason_why_nobody_knows_is_said(github: GitHub, project: Path) -> None:
    """Who waits for EnOS to come back need not wait for a configuration to mend itself."""
    night(github, project, "undetermined")
    night(github, project, "misconfigured")
    night(github, project, "misconfigured")
    assert [note["body"].split("\n")[0] for note in github.notes] == ["The check failed again, for another reason."]


def test_drift_after_an_outage_is_told_in_the_same_issue_and_said_aloud(github: GitHub, project: Path) -> None:
    night(github, project, "undetermined")
    night(github, project, "changes", "two keys")
    (issue,) = github.issues
    assert issue["title"] == "enos-ota: prod is no longer as declared"
    assert issue["body"].startswith(DRIFT)
    assert github.notes[0]["body"].startswith("The check succeeded: there is drift: 1 will be cancelled again.")


def test_an_outage_between_two_nights_of_drift_makes_no_second_issue(github: GitHub, project: Path) -> None:
    for outcome in ("changes", "undetermined", "changes", "undetermined", "fine"):
        night(github, project, outcome)
    assert [issue["state"] for issue in github.issues] == ["closed"]
    assert len(github.notes) == 4, "lost, found, lost, well again"


def test_an_issue_of_a_person_is_left_alone(github: GitHub, project: Path) -> None:
    github.issues = [{"number": 1, "user": {"type": "User"}, "state": "open", "title": "", "body": DRIFT}]
    night(github, project, "fine")
    assert github.issues[0]["state"] == "open"


def test_the_longest_review_fits_into_an_issue(github: GitHub, project: Path) -> None:
    night(github, project, "changes", "x" * 65535)
    assert len(github.issues[0]["body"]) == 65536


def test_every_outcome_that_a_review_can_have_is_told(github: GitHub, project: Path) -> None:
    for outcome in Outcome:
        night(github, project, outcome.value)
