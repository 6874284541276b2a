"""The workflows of the examples, executed: their commands in their order, against the simulator and the real `pulumi`.

Only what sets the machine up is left out, see `tests.harness.workflows`. GitHub and GitLab are lists (the same file);
what is told in which case, without a review behind it, is in tests/unit/workflows.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest
import yaml

from tests.harness.engine import CHECKOUT
from tests.harness.gitlab import Commits, GitLab, running_gitlab
from tests.harness.simulator import JOB, RunningSimulator, running_simulator
from tests.harness.stack import NEVER_SHOWN, touched
from tests.harness.workflows import Ended, GitHub, WorkflowRun, bash, load, node

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path

    from tests.harness.engine import PulumiEngine

EXAMPLES: Final = CHECKOUT / "examples"
KEYS: Final = "stacks/prod/pump-2.3.0.txt"
CANCELLED: Final = ("failed", "Cancelled by user")
DECLARED: Final = ("pump-00011", "pump-00012", "pump-00016", "pump-00017", "pump-00018", "pump-00019", "pump-00020")

NO_STATE: Final = "looks new here"
COMMIT: Final = "0123abcd"
"""The commit that a run of main begins with."""

HEAD: Final = "fedcba9876543210fedcba9876543210fedcba98"
"""The last commit of the pull request."""


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    """The fleet of `enos-ota simulate`, which the examples are about."""
    file = CHECKOUT / "enos_simulator" / "demo_fleet.yaml"
    with running_simulator(yaml.safe_load(file.read_text(encoding="utf-8"))) as running:
        yield running


def copy(name: str, folder: Path, simulator: RunningSimulator) -> Path:
    """An example in a directory of its own, with the one thing in it that its owner must change: the gateway."""
    project = folder / name
    shutil.copytree(EXAMPLES / name, project, ignore=shutil.ignore_patterns(".venv", ".pulumi", "__pycache__"))
    stack_file = project / "stacks" / "Pulumi.prod.yaml"
    text = stack_file.read_text(encoding="utf-8")
    assert text.count("https://apim.example.com") == 1
    assert f'enos:orgId: "{simulator.org_id}"' in text
    stack_file.write_text(text.replace("https://apim.example.com", simulator.url), encoding="utf-8")
    return project


def declare(project: Path, *more: str) -> None:
    """A commit that declares these devices too."""
    with (project / KEYS).open("a", encoding="utf-8") as file:
        file.writelines(f"{key}\n" for key in more)


def of_readme(name: str, kind: str) -> list[str]:
    """The lines of the first block of this kind in an example's README."""
    text = (EXAMPLES / name / "README.md").read_text(encoding="utf-8")
    found = re.search(rf"```{kind}\n(.*?)```", text, re.DOTALL)
    assert found, f"the README of {name} has no {kind}"
    return found[1].splitlines()


def inspect(simulator: RunningSimulator, *ended: Ended) -> None:
    """Logs of CI systems are read by many."""
    for each in ended:
        assert simulator.app_secret not in each.output
        assert [text for text in NEVER_SHOWN if text in each.output] == []


@dataclass
class Repository:
    """A repository on GitHub with the example in it."""

    project: Path
    home: Path
    engine: PulumiEngine
    simulator: RunningSimulator
    github: GitHub

    def run(
        self,
        name: str,
        *,
        secrets: bool = True,
        expressions: Mapping[str, str] | None = None,
        check_out: Callable[[str], str] = lambda _: COMMIT,
        failing: Collection[str] = (),
    ) -> dict[str, Ended]:
        """Run a workflow; the audit log of the run before is gone, as a check-out has none."""
        shutil.rmtree(self.project / "audit", ignore_errors=True)
        state = (self.home / "state").as_uri() if secrets else ""
        known = {
            "secrets.PULUMI_BACKEND_URL": state,
            "secrets.PULUMI_BACKEND_URL || 'file://.'": state or "file://.",
            "secrets.ENOS_APP_KEY": self.simulator.app_key if secrets else "",
            "secrets.ENOS_APP_SECRET": self.simulator.app_secret if secrets else "",
            "secrets.AWS_ACCESS_KEY_ID": "",
            "secrets.AWS_SECRET_ACCESS_KEY": "",
            "vars.AWS_REGION": "",
            "inputs.breakGlass": "",
            "github.sha": COMMIT,
            "github.event.pull_request.head.sha": HEAD,
            **(expressions or {}),
        }
        summary = self.home / "summary.md"
        summary.write_text("", encoding="utf-8")
        environ = self.engine.env(
            self.project,
            self.home,
            extra={
                "CI": "true",
                "GITHUB_ACTIONS": "true",
                "GITHUB_ACTOR": "alice",
                "GITHUB_SHA": COMMIT,
                "GITHUB_STEP_SUMMARY": str(summary),
            },
        )
        # What the machine of a GitHub workflow does not have, and the workflow must bring.
        for brought in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE"):
            del environ[brought]
        runner = WorkflowRun(self.project, environ, known, self.github, check_out, failing)
        ended = runner.job(load(self.project / ".github" / "workflows" / f"{name}.yml"), name)
        inspect(self.simulator, *ended.values())
        return ended

    @property
    def summary(self) -> str:
        """What a command wrote into the summary of the last run."""
        return (self.home / "summary.md").read_text(encoding="utf-8")


@pytest.fixture
def repository(engine: PulumiEngine, tmp_path: Path, simulator: RunningSimulator) -> Repository:
    """A repository with the example in it, a pull request 7, and secrets that open the simulator."""
    node()
    home = tmp_path / "home"
    home.mkdir()
    return Repository(copy("gitops-github", tmp_path, simulator), home, engine, simulator, GitHub())


def test_a_pull_request_gets_one_comment_that_follows_its_commits(
    repository: Repository, simulator: RunningSimulator
) -> None:
    first = repository.run("review")
    assert {name: each.code for name, each in first.items()} == dict.fromkeys(
        ("Remove old reports", "Stack", "Review", "Keep the report", "Comment"), 0
    )
    assert first["Keep the report"].files == ("review.html", "review.json")
    assert repository.github.names() == ["createComment"]
    (comment,) = repository.github.comments
    assert comment["body"].startswith("<!-- enos-ota review: prod -->\n")
    assert comment["body"].count("<!--") == 1, "the review's own first line is the one that finds it again"
    shown = of_readme("gitops-github", "markdown")
    assert [line for line in shown if line not in comment["body"].splitlines()] == [], "the README shows another"
    assert "(https://github.example.com/artifact/1)" in comment["body"]
    assert NO_STATE not in comment["body"]
    assert f"commit `{HEAD[:12]}`" in comment["body"], "the one that people know"

    # A device that the job does not know: the commit is wrong, the check fails, and everybody sees why.
    declare(repository.project, "pump-99999")
    second = repository.run("review")
    assert (second["Review"].code, second["Comment"].code) == (1, 0)
    assert repository.github.names() == ["updateComment"]
    (comment,) = repository.github.comments
    assert "pump-99999" in comment["body"]
    assert simulator.journal() == [], "a review writes nothing"


@pytest.mark.parametrize("name", ["gitops-github", "gitops-gitlab"])
def test_the_commands_for_an_incident_declare_all_that_waits(
    name: str, engine: PulumiEngine, tmp_path: Path, simulator: RunningSimulator
) -> None:
    """As they stand in the README; what git does is left out."""
    project = copy(name, tmp_path, simulator)
    credentials = {"ENOS_APP_KEY": simulator.app_key, "ENOS_APP_SECRET": simulator.app_secret}
    commands = [line for line in of_readme(name, "sh") if line.startswith("enos-ota ")]
    assert len(commands) == 2
    for command in commands:
        ended = bash(command, project, engine.env(project, tmp_path / "home", extra=credentials))
        assert ended.code == 0, ended.output
    keys = (project / KEYS).read_text(encoding="utf-8")
    assert len([line for line in keys.splitlines() if line.startswith("pump-")]) == 29


def test_a_fork_gets_a_review_of_what_is_declared_and_nothing_secret(
    repository: Repository, simulator: RunningSimulator
) -> None:
    """Its token may not comment, so the summary has it. Nobody was asked."""
    repository.github.denied = ("createComment", "updateComment")
    ended = repository.run("review", secrets=False)
    assert {name: each.code for name, each in ended.items()} == dict.fromkeys(
        ("Remove old reports", "Stack", "Review", "Keep the report", "Comment"), 0
    ), ended["Review"].output
    summary = repository.github.summary()
    assert NO_STATE in summary
    assert "pump-2.3.0" in summary
    assert all(key in summary for key in DECLARED)
    assert simulator.counters() == {}
    assert not (repository.home / "state" / ".pulumi").exists()


@pytest.mark.timeout(900)  # five runs of workflows, on however busy a machine
def test_a_merge_is_brought_about_and_proved_and_no_later_run_undoes_what_was_done_since(
    repository: Repository, simulator: RunningSimulator
) -> None:
    # The run's own commit may be an older one: the audit log has the one that was brought about.
    ended = repository.run("up", check_out=lambda _: "4567abcd")
    assert {name: each.code for name, each in ended.items()} == dict.fromkeys(
        ("Stack", "Up", "Show", "Prove", "Keep the audit log"), 0
    )
    assert [key for key in DECLARED if simulator.states()[key] != CANCELLED] == []
    assert "nothing to do: every set is as declared" in repository.summary
    assert ended["Keep the audit log"].files == ("audit",)
    lines = (repository.project / "audit" / "prod.jsonl").read_text(encoding="utf-8").splitlines()
    assert {(each["actor"], each["commit"], each["reason"]) for each in map(json.loads, lines)} == {
        ("alice", "4567abcd", "INC-4711: 2.3.0 drains the battery")
    }
    before = touched(simulator)

    # A colleague retries a device while an `up` runs: what is left for the next one makes the proof red.
    simulator.retry(JOB, ["pump-00016"])
    assert repository.run("up", failing=["Up"])["Prove"].code != 0

    # The colleague was right: the key leaves the set. Then an operator re-runs the run that had cancelled it.
    keys = repository.project / KEYS
    commits = {COMMIT: keys.read_text(encoding="utf-8")}
    commits["89abcdef"] = commits[COMMIT].replace("pump-00016\n", "").replace("pump-00017\n", "")

    def check_out(ref: str) -> str:
        commit = {"main": "89abcdef", "": COMMIT}[ref]
        keys.write_text(commits[commit], encoding="utf-8")
        return commit

    assert repository.run("up", check_out=check_out)["Prove"].code == 0
    assert simulator.states()["pump-00016"] != CANCELLED
    assert touched(simulator) == before
    assert "commit `89abcdef`" in repository.summary

    # Another is retried and the job stopped: an `up` can do nothing, so it is green, and drift says the rest.
    simulator.retry(JOB, ["pump-00018"])
    simulator.set_job(JOB, "stopped")
    ended = repository.run("up")
    assert {name: each.code for name, each in ended.items() if each.code} == {}
    assert "no longer as recorded" in repository.summary
    assert repository.run("drift")["Review"].code == 1
    (issue,) = repository.github.issues
    advice = issue["body"].splitlines()[1]
    assert "`up` cannot cancel the tasks of some devices" in advice
    assert "start a new run" not in advice
    assert touched(simulator) == before


def test_a_guard_is_overridden_by_a_reason_and_for_no_later_commit_than_it_was_given_for(
    repository: Repository, simulator: RunningSimulator
) -> None:
    """A run keeps its inputs: run again, or approved late, it would do what was merged since without a guard."""
    stack_file = repository.project / "stacks" / "Pulumi.prod.yaml"
    stack_file.write_text(stack_file.read_text("utf-8").replace("maxDevices: 500", "maxDevices: 2"), encoding="utf-8")
    reason = {"inputs.breakGlass": 'INC-4711: "fire" $(touch /tmp/no)'}
    ended = repository.run("up", expressions=reason, check_out=lambda _: "4567abcd")
    assert ended["Up"].code != 0
    assert touched(simulator) == []
    ended = repository.run("up", expressions=reason)
    assert ended["Up"].code == 0, ended["Up"].output
    assert [key for key in DECLARED if simulator.states()[key] != CANCELLED] == []
    log = (repository.project / "audit" / "prod.jsonl").read_text(encoding="utf-8")
    assert json.loads(log.splitlines()[0])["breakGlass"] == 'INC-4711: "fire" $(touch /tmp/no)'


def test_a_review_that_was_committed_is_never_told_as_this_run_s(repository: Repository) -> None:
    """Not even where the run comes to nothing."""
    for name in ("review.md", "review.html", "review.json"):
        (repository.project / name).write_text('{"outcome": "fine", "headline": "Fine!"}', encoding="utf-8")
    ended = repository.run("review", failing=["Install"])
    assert ended["Keep the report"].files == ()
    assert "There is no review of `prod`" in repository.github.comments[0]["body"]


def test_an_up_that_fails_is_red_and_still_says_what_is_so_and_keeps_the_audit_log(
    repository: Repository, simulator: RunningSimulator
) -> None:
    declare(repository.project, "pump-99999")
    ended = repository.run("up")
    assert ended["Up"].code != 0
    assert ended["Show"].code == 1
    assert "pump-99999" in repository.summary
    assert ended["Keep the audit log"].files
    assert simulator.states()["pump-00016"] == CANCELLED, "what could be done was done"


def test_nightly_drift_is_one_issue_from_the_first_night_to_the_last(
    repository: Repository, simulator: RunningSimulator
) -> None:
    """As declared, retried by a colleague, an outage, healed by an `up`."""
    repository.run("up")
    assert repository.run("drift")["Review"].code == 0
    assert repository.github.names() == []

    simulator.retry(JOB, ["pump-00016"])
    ended = repository.run("drift")
    assert (ended["Review"].code, ended["Update the issue"].code) == (1, 0)
    assert repository.github.names() == ["create"]
    (issue,) = repository.github.issues
    assert issue["title"] == "enos-ota: prod is no longer as declared"
    assert "pump-00016" in issue["body"]

    simulator.fault("throttle", retryAfter=1_000)  # more than anybody waits for: an outage that is told at once
    ended = repository.run("drift")
    assert (ended["Review"].code, ended["Update the issue"].code) == (3, 0)
    assert repository.github.names() == ["createComment", "update"]
    assert repository.github.notes[0]["body"].startswith("Tonight's check failed.")
    simulator.clear_faults()

    assert repository.run("up")["Up"].code == 0
    assert repository.run("drift")["Review"].code == 0
    assert [each["state"] for each in repository.github.issues] == ["closed"]
    assert [sorted(entry["keys"]) for entry in simulator.journal() if entry["by"] != "control"][-1] == ["pump-00016"]


def test_a_wrong_configuration_on_main_is_told_as_that(repository: Repository) -> None:
    (set_file,) = (repository.project / "stacks" / "prod").glob("*.yaml")
    set_file.write_text(set_file.read_text("utf-8").replace("jobId:", "jobID:"), encoding="utf-8")
    ended = repository.run("drift")
    assert ended["Review"].code == 2
    (issue,) = repository.github.issues
    assert issue["title"] == "enos-ota: prod cannot be checked: its configuration is wrong"


@dataclass
class GitLabProject:
    """A project on GitLab with the example in it."""

    project: Path
    home: Path
    engine: PulumiEngine
    simulator: RunningSimulator
    gitlab: GitLab
    commits: Commits
    """Which commit is the last; what is in it is what is in the folder."""

    def run(self, name: str, *, variables: bool = True, commit: str = "") -> list[Ended]:
        """Run a job as far as its script gets, then what comes after it; gives what ran.

        Of what comes before it, the packages are in the environment of the tests.
        """
        pipeline = load(self.project / ".gitlab-ci.yml")
        job = pipeline[name]
        settings = {
            "PULUMI_BACKEND_URL": (self.home / "state").as_uri(),
            "ENOS_APP_KEY": self.simulator.app_key,
            "ENOS_APP_SECRET": self.simulator.app_secret,
            **self.gitlab.environ,
        }
        own = {"CI_JOB_URL": "https://gitlab.example.com/fleet/ota/-/jobs/1", "GITLAB_USER_LOGIN": "alice"}
        environ = self.engine.env(self.project, self.home)
        del environ["PULUMI_BACKEND_URL"], environ["PULUMI_CONFIG_PASSPHRASE"]
        own |= {name: value for name, value in self.commits.environ(commit).items() if name != "PATH"}
        # The project's variables win over the file's.
        environ |= pipeline["variables"] | job.get("variables", {}) | own | (settings if variables else {})
        fresh, *_ = pipeline["default"]["before_script"]
        assert bash(fresh, self.project, environ).code == 0
        ended: list[Ended] = []
        for command in job["script"]:
            ended.append(bash(command, self.project, environ))
            if ended[-1].code:
                break
        ended += [bash(command, self.project, environ) for command in job.get("after_script", [])]
        inspect(self.simulator, *ended)
        return ended


@pytest.fixture
def gitlab_project(engine: PulumiEngine, tmp_path: Path, simulator: RunningSimulator) -> Iterator[GitLabProject]:
    """A project with the example in it, a merge request 7, and variables that open the simulator."""
    home = tmp_path / "home"
    home.mkdir()
    commits = Commits(tmp_path / "commits")
    commits.commit()
    with running_gitlab() as gitlab:
        yield GitLabProject(copy("gitops-gitlab", tmp_path, simulator), home, engine, simulator, gitlab, commits)


def test_gitlab_from_a_merge_request_to_a_healed_drift(
    gitlab_project: GitLabProject, simulator: RunningSimulator
) -> None:
    """One note that follows the commits, an `up`, one issue for drift, closed in the end."""
    gitlab = gitlab_project.gitlab
    assert [each.code for each in gitlab_project.run("review")] == [0, 0, 0]
    (note,) = gitlab.notes
    shown = of_readme("gitops-gitlab", "markdown")
    assert [line for line in shown if line not in note["body"].splitlines()] == [], "the README shows another"
    declare(gitlab_project.project, "pump-00021")
    assert [each.code for each in gitlab_project.run("review")] == [0, 0, 0]
    (note,) = gitlab.notes
    assert "`pulumi up` will cancel 8 tasks" in note["body"]
    assert "/artifacts/file/review.html" in note["body"]
    assert simulator.journal() == []

    assert [each.code for each in gitlab_project.run("up")] == [0, 0, 0, 0, 0]
    assert [key for key in (*DECLARED, "pump-00021") if simulator.states()[key] != CANCELLED] == []
    assert (gitlab_project.project / "audit" / "prod.jsonl").exists()

    simulator.retry(JOB, ["pump-00016"])
    assert [each.code for each in gitlab_project.run("drift")] == [1, 0]
    (issue,) = gitlab.issues
    assert issue["title"] == "enos-ota: prod is no longer as declared"
    assert "pump-00016" in issue["description"]

    assert [each.code for each in gitlab_project.run("up")] == [0, 0, 0, 0, 0]
    assert [each.code for each in gitlab_project.run("drift")] == [0, 0]
    assert [each["state"] for each in gitlab.issues] == ["closed"]


def test_an_old_up_of_gitlab_that_is_retried_does_nothing(
    gitlab_project: GitLabProject, simulator: RunningSimulator
) -> None:
    """Its commit declares what has been un-declared since."""
    old = gitlab_project.commits.all[-1]
    gitlab_project.commits.commit()
    (refused,) = gitlab_project.run("up", commit=old)
    assert refused.code == 1
    assert refused.output.startswith(f"Nothing was done: {old[:8]} is no longer the last commit of main")
    assert simulator.counters() == {}


def test_the_pipeline_of_a_gitlab_fork_reviews_what_is_declared_and_tells_nobody(
    gitlab_project: GitLabProject, simulator: RunningSimulator
) -> None:
    ended = gitlab_project.run("review", variables=False)
    assert [each.code for each in ended] == [0, 0, 0]
    review = (gitlab_project.project / "review.md").read_text(encoding="utf-8")
    assert all(key in review for key in DECLARED)
    assert ended[-1].output.startswith("GITLAB_TOKEN is not set, as in a fork")
    assert simulator.counters() == {}
    assert gitlab_project.gitlab.calls == []
