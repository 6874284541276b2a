"""What holds for every workflow: pins, permissions, secrets, and where commands and calls may stand."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.engine import CHECKOUT
from tests.harness.workflows import CHECK_OUT, GITHUB_SCRIPT, SET_UP_COMMANDS, action, load, steps, workflow_files
from toolchain import build

if TYPE_CHECKING:
    from pathlib import Path

GITHUB = CHECKOUT / "examples" / "gitops-github" / ".github" / "workflows"
GITLAB = CHECKOUT / "examples" / "gitops-gitlab"

PINS = {
    action: (commit, tag)
    for action, commit, tag in re.findall(
        r"^(\S+)@([0-9a-f]{40}) (v\S+)$", (CHECKOUT / "tests/data/action-pins.txt").read_text("utf-8"), re.MULTILINE
    )
}

PERMISSIONS = {
    (".github/workflows/ci.yml", "test"): {"contents": "read"},
    (".github/workflows/release.yml", "build"): {"contents": "read"},
    (".github/workflows/release.yml", "publish"): {"contents": "read", "id-token": "write"},
    ("examples/gitops-github/.github/workflows/review.yml", "review"): {"contents": "read", "pull-requests": "write"},
    ("examples/gitops-github/.github/workflows/up.yml", "up"): {"contents": "read"},
    ("examples/gitops-github/.github/workflows/drift.yml", "drift"): {"contents": "read", "issues": "write"},
}

SCRIPTS = {
    "review.yml": {"script": "await require('./.github/scripts/comment.js')({ github, context, core })"},
    "up.yml": None,
    "drift.yml": {"script": "await require('./.github/scripts/issue.js')({ github, context, core })"},
}

INSTALLATION = (
    "--require-hashes --requirement requirements.lock",
    "--no-deps --no-build-isolation --requirement requirements.txt",
)
"""What pip is told, in this order: it takes no hash for a commit, so that enos-ota comes by itself, after the rest."""

COMMAND = re.compile(r"(pulumi|enos-ota|make)( [\w./=\"$:-]+)+")
"""One command and its arguments: no pipe, no list of commands, no substitution but that of a variable in quotes."""

every_workflow = pytest.mark.parametrize(
    "file", workflow_files(), ids=lambda file: str(file.relative_to(CHECKOUT)).replace(".github/workflows/", "")
)


def named(file: Path) -> str:
    return str(file.relative_to(CHECKOUT))


@every_workflow
def test_every_action_is_pinned_as_the_list_of_pins_says(file: Path) -> None:
    """By commit, and with the tag beside it for those who read."""
    lines = [line.strip(" -") for line in file.read_text(encoding="utf-8").splitlines() if re.search(r"\buses:", line)]
    assert lines
    expected = {f"uses: {action}@{commit} # {tag}" for action, (commit, tag) in PINS.items()}
    assert set(lines) <= expected


def test_the_list_of_pins_is_read() -> None:
    assert len(PINS) == 6


@every_workflow
def test_a_job_may_do_what_it_needs_and_nothing_else(file: Path) -> None:
    workflow = load(file)
    assert workflow["permissions"] == {}, "what is not said for a job is not allowed"
    told = {(named(file), name): job["permissions"] for name, job in workflow["jobs"].items()}
    assert told == {key: allowed for key, allowed in PERMISSIONS.items() if key[0] == named(file)}


@every_workflow
def test_a_fork_never_gets_secrets(file: Path) -> None:
    assert not {"pull_request_target", "workflow_run", "issue_comment"} & set(load(file)["on"])


@every_workflow
def test_a_checkout_leaves_no_token_behind(file: Path) -> None:
    checkouts = [step for step in steps(load(file)) if action(step) == CHECK_OUT]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@every_workflow
def test_a_step_runs_one_command_of_pulumi_enos_ota_or_make(file: Path) -> None:
    """What decides anything stands in programs that are tested, not in a workflow."""
    for step in steps(load(file)):
        if "run" in step:
            assert COMMAND.fullmatch(step["run"]), f"{step['name']}: {step['run']}"


@every_workflow
def test_no_text_of_others_gets_into_a_script(file: Path) -> None:
    """Expressions stand in env and in conditions, where their value is a value, whatever it is."""
    for step in steps(load(file)):
        assert "${{" not in step.get("run", "") + step.get("with", {}).get("script", "")


@every_workflow
def test_a_job_ends_some_time_and_runs_on_a_system_that_stays_the_same(file: Path) -> None:
    for name, job in load(file)["jobs"].items():
        assert job["timeout-minutes"] <= 120, name
        assert not job["runs-on"].endswith("-latest"), name


@pytest.mark.parametrize(("name", "expected"), SCRIPTS.items())
def test_github_is_called_in_one_step_with_these_arguments(name: str, expected: dict[str, str] | None) -> None:
    calls = [step["with"] for step in steps(load(GITHUB / name)) if action(step) == GITHUB_SCRIPT]
    assert calls == ([expected] if expected else [])


def test_an_up_is_approved_first_and_cut_off_by_no_other() -> None:
    workflow = load(GITHUB / "up.yml")
    assert workflow["on"]["push"] == {"branches": ["main"]}
    assert "pull_request" not in workflow["on"]
    assert workflow["concurrency"] == {"group": "enos-ota-prod", "cancel-in-progress": False}
    assert workflow["jobs"]["up"]["environment"] == "production"


def test_an_up_by_hand_is_of_main_alone() -> None:
    """Whoever starts it by hand names a branch; the environment's own rule is one that somebody may forget to set."""
    workflow = load(GITHUB / "up.yml")
    assert workflow["jobs"]["up"]["if"] == "github.ref == 'refs/heads/main'"


def checkout(name: str) -> dict[str, Any]:
    (found,) = [step["with"] for step in steps(load(GITHUB / name)) if action(step) == CHECK_OUT]
    return dict(found)


def test_what_main_says_is_done_and_watched_whatever_run_is_run_again() -> None:
    """A run keeps the commit that started it: run again, it would cancel what has been un-declared since."""
    assert [checkout(name).get("ref") for name in ("up.yml", "drift.yml")] == ["main", "main"]
    assert "ref" not in checkout("review.yml"), "a pull request's own"


def test_what_is_reviewed_is_named_by_a_commit_that_people_know() -> None:
    """Not by the one that GitHub made for the moment, of the branch merged with main."""
    job = load(GITHUB / "review.yml")["jobs"]["review"]
    assert job["env"]["ENOS_OTA_COMMIT"] == "${{ github.event.pull_request.head.sha }}"


def test_what_an_up_did_is_named_by_the_commit_that_it_checked_out() -> None:
    told = [step.get("env", {}).get("ENOS_OTA_COMMIT") for step in steps(load(GITHUB / "up.yml"))]
    assert [each for each in told if each] == ["${{ steps.checkout.outputs.commit }}"] * 2


@pytest.mark.parametrize("name", ["review.yml", "drift.yml"])
def test_a_run_begins_without_a_review_before_anything_can_fail(name: str) -> None:
    """One that was committed would be told as this run's."""
    first, second, *_ = steps(load(GITHUB / name))
    assert action(first) == CHECK_OUT
    assert second["run"] == "make fresh"


def test_a_drift_check_never_takes_the_place_of_an_up_that_waits() -> None:
    """GitHub keeps one waiting run of a group and drops the others."""
    groups = [load(GITHUB / name)["concurrency"]["group"] for name in ("review.yml", "up.yml", "drift.yml")]
    assert max(Counter(groups).values()) == 1


def test_only_the_job_that_publishes_can_prove_who_it_is_and_it_is_approved_first() -> None:
    jobs = load(CHECKOUT / ".github/workflows/release.yml")["jobs"]
    assert jobs["publish"]["environment"]["name"] == "pypi"
    assert [step["run"] for step in jobs["publish"]["steps"] if "run" in step] == ["make dist", "make publish"]
    assert jobs["publish"]["needs"] == "build"


def test_what_is_published_is_what_was_tested() -> None:
    jobs = load(CHECKOUT / ".github/workflows/release.yml")["jobs"]
    assert jobs["build"]["outputs"] == {"digests": "${{ steps.dist.outputs.digests }}"}
    assert jobs["publish"]["steps"][-1]["env"] == {"DIST_DIGESTS": "${{ needs.build.outputs.digests }}"}
    commands = [step["run"] for step in jobs["build"]["steps"] if "run" in step]
    assert commands.index("make test") < commands.index("make dist")


def test_ci_tests_the_oldest_python_and_a_new_one() -> None:
    pythons = load(CHECKOUT / ".github/workflows/ci.yml")["jobs"]["test"]["strategy"]["matrix"]["python"]
    oldest = re.search(r'^requires-python = ">=(.+)"$', (CHECKOUT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    assert oldest
    assert pythons[0] == oldest[1]
    assert "3.13" in pythons


@every_workflow
def test_the_pulumi_of_workflows_is_the_one_that_is_tested(file: Path) -> None:
    told = [step["with"]["pulumi-version"] for step in steps(load(file)) if action(step) == "pulumi/actions"]
    assert set(told) <= {build.CURRENT.version}


def gitlab() -> dict[str, Any]:
    return load(GITLAB / ".gitlab-ci.yml")


def gitlab_jobs() -> dict[str, Any]:
    return {name: job for name, job in gitlab().items() if "script" in job}


def test_gitlab_s_jobs_run_commands_of_pulumi_and_enos_ota() -> None:
    for name, job in gitlab_jobs().items():
        for command in job["script"]:
            assert COMMAND.fullmatch(command) or command == TIP, f"{name}: {command}"


TIP = "python3 ci/tip.py"


def test_gitlab_is_called_in_one_command_of_a_job() -> None:
    called = {
        name: [command for command in job["script"] + job.get("after_script", []) if not COMMAND.fullmatch(command)]
        for name, job in gitlab_jobs().items()
    }
    assert called == {
        "review": ["python3 ci/tell.py review"],
        "up": [TIP],
        "drift": ["python3 ci/tell.py drift"],
    }


def test_an_up_in_gitlab_looks_first_whether_its_commit_is_the_last() -> None:
    """An old job can be started late, retried, and rolled back to: it would cancel what has been un-declared since."""
    assert gitlab_jobs()["up"]["script"][0] == TIP


def test_gitlab_s_set_up_is_the_installation_and_nothing_else() -> None:
    """Pulumi's own image has no make."""
    fresh, *commands = gitlab()["default"]["before_script"]
    assert fresh == "rm -rf review.md review.html review.json", "one that was committed would be told as this job's"
    assert commands == [f"pip install --quiet --root-user-action ignore {options}" for options in INSTALLATION]
    assert gitlab()["default"]["image"] == f"pulumi/pulumi-python-3.13:{build.CURRENT.version}"


def test_an_up_in_gitlab_is_started_by_hand_and_cut_off_by_no_other() -> None:
    job = gitlab_jobs()["up"]
    assert job["rules"] == [{"if": '$CI_PIPELINE_SOURCE == "push" || $CI_PIPELINE_SOURCE == "web"', "when": "manual"}]
    assert job["environment"] == "production"
    assert job["resource_group"] == "enos-ota-prod"
    assert job["allow_failure"] is False, "a merge that nobody brought about is no green pipeline"
    assert job["interruptible"] is False


def test_an_up_in_gitlab_is_of_the_default_branch_alone() -> None:
    assert gitlab()["workflow"]["rules"] == [
        {"if": '$CI_PIPELINE_SOURCE == "merge_request_event"'},
        {"if": "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH"},
    ]


def test_an_outage_in_gitlab_is_a_warning_and_drift_is_red() -> None:
    assert gitlab_jobs()["drift"]["allow_failure"] == {"exit_codes": [3]}


def test_the_make_target_that_is_not_executed_installs_and_does_nothing_else() -> None:
    makefile = (CHECKOUT / "examples/gitops-github/Makefile").read_text(encoding="utf-8")
    assert SET_UP_COMMANDS == ("make install",)
    (recipe,) = re.findall(r"^install:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert recipe == "".join(f"\t$(PYTHON) -m pip install --quiet {options}\n" for options in INSTALLATION)
