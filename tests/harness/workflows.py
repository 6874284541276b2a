"""Workflows of GitHub and GitLab as data, and a runner that executes the commands in them.

    run = WorkflowRun(project, environ=…, expressions={"secrets.ENOS_APP_KEY": "…"})
    ended = run.job(load(project / ".github/workflows/review.yml"), "review")
    assert ended["Review"].code == 0

What sets the machine up is not executed: the check-out, Python, Pulumi and the packages are what the tests run in.
Where it matters which commit is checked out, a test says how (`check_out`).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from ruamel.yaml import YAML

from tests.harness.engine import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

CHECK_OUT: Final = "actions/checkout"
GITHUB_SCRIPT: Final = "actions/github-script"
UPLOAD: Final = "actions/upload-artifact"
SET_UP_ACTIONS: Final = (CHECK_OUT, "actions/setup-python", "actions/setup-go", "pulumi/actions")
"""What they would make is there: the project's copy, and the Python and the engine of the tests."""

SET_UP_COMMANDS: Final = ("make install",)
"""The packages are in the environment of the tests; a package index is not at hand everywhere."""

GOES_ON: Final = ("${{ !cancelled() }}", "${{ always() }}")
"""Conditions of steps that run after another has failed."""

HARNESS: Final = Path(__file__).parent / "github_script.js"


def load(file: Path) -> dict[str, Any]:
    """A workflow as data. By the rules of YAML 1.2, as GitHub and GitLab read it: `on` is a word, no truth value."""
    content: dict[str, Any] = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
    return content


def workflow_files() -> list[Path]:
    """Every GitHub workflow of this repository and its examples."""
    return [*CHECKOUT.glob(".github/workflows/*.yml"), *CHECKOUT.glob("examples/*/.github/workflows/*.yml")]


def steps(workflow: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every step of every job."""
    for job in workflow["jobs"].values():
        yield from job["steps"]


def action(step: Mapping[str, Any]) -> str:
    """The name of the action a step uses, without its version; "" for a step that runs commands."""
    return str(step.get("uses", "")).partition("@")[0]


def node() -> str:
    """The path of `node`; without one the test is skipped, with CI=true it fails."""
    found = shutil.which("node")
    if not found and os.environ.get("CI"):
        pytest.fail("there is no node, and CI=true says that nothing may be left out")
    if not found:
        pytest.skip("there is no node, which runs what github-script would")
    return found


@dataclass(frozen=True, slots=True)
class Ended:
    """What one step did."""

    code: int
    output: str = ""
    files: tuple[str, ...] = ()
    """What an upload found, relative to the project."""


@dataclass
class GitHub:
    """What GitHub keeps from one run to the next, as far as scripts can see it, and who may do what.

    Attributes:
        comments: of pull request 7, as the API has them.
        issues: of the repository, pull requests left out.
        notes: comments on issues: number and text.
        denied: calls that the token may not make.
        calls: name and arguments of each call of the last script.
        core: what the last script told the run: `["notice", text]`, `["summary", text]`, …
    """

    comments: list[dict[str, Any]] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)
    denied: tuple[str, ...] = ()
    calls: list[dict[str, Any]] = field(default_factory=list)
    core: list[list[str]] = field(default_factory=list)

    def script(self, text: str, project: Path, environ: Mapping[str, str]) -> Ended:
        """Run the JavaScript of a github-script step, with this in place of GitHub."""
        given = {"script": text, "comments": self.comments, "issues": self.issues, "notes": self.notes}
        told = project / ".github-script.json"
        done = subprocess.run(
            [node(), HARNESS, told],
            input=json.dumps(given | {"denied": self.denied}),
            cwd=project,
            env={"PATH": os.defpath, **environ},
            capture_output=True,
            text=True,
            check=False,
        )
        assert told.exists(), done.stderr
        after = json.loads(told.read_text(encoding="utf-8"))
        told.unlink()
        for name in ("comments", "issues", "notes", "calls", "core"):
            setattr(self, name, after[name])
        return Ended(done.returncode, done.stdout + done.stderr)

    def names(self) -> list[str]:
        """The calls of the last script that change something."""
        return [call["name"] for call in self.calls if not call["name"].startswith("list")]

    def summary(self) -> str:
        """The run's summary, as the last script left it."""
        return "".join(text for what, text in self.core if what == "summary")


@dataclass
class WorkflowRun:
    """Runs the jobs of a GitHub workflow in a project.

    Attributes:
        environ: what the machine has; on top of it comes what the workflow sets.
        expressions: what stands for `${{ … }}`; an expression that is not in here fails the test.
        check_out: puts what a ref names into the project, and gives the commit; "" is the run's own.
        failing: steps that fail before they do anything.
    """

    project: Path
    environ: Mapping[str, str]
    expressions: Mapping[str, str]
    github: GitHub = field(default_factory=GitHub)
    check_out: Callable[[str], str] | None = None
    failing: Collection[str] = ()

    def job(self, workflow: Mapping[str, Any], name: str) -> dict[str, Ended]:
        """Execute a job as a runner would; gives what each step did, by its name. What was skipped is not in it."""
        job = workflow["jobs"][name]
        environ = {**self.environ, **self._values(workflow.get("env", {})), **self._values(job.get("env", {}))}
        ended: dict[str, Ended] = {}
        outputs: dict[str, str] = {}
        for step in job["steps"]:
            condition = step.get("if", "")
            assert condition in {"", *GOES_ON}, f"the runner does not know {condition}"
            if not condition and any(each.code for each in ended.values()):
                continue
            if step["name"] in self.failing:
                ended[step["name"]] = Ended(1)
                continue
            if action(step) == CHECK_OUT and self.check_out:
                outputs[f"steps.{step.get('id')}.outputs.commit"] = self.check_out(step["with"].get("ref", ""))
            done = self._step(step, {**environ, **self._values(step.get("env", {}), outputs)})
            if done is None:
                continue
            ended[step["name"]] = done
            if action(step) == UPLOAD and done.files:
                outputs[f"steps.{step.get('id')}.outputs.artifact-url"] = "https://github.example.com/artifact/1"
        return ended

    def _step(self, step: Mapping[str, Any], environ: Mapping[str, str]) -> Ended | None:
        if "run" in step:
            return None if step["run"] in SET_UP_COMMANDS else bash(step["run"], self.project, environ)
        uses = action(step)
        if uses == UPLOAD:
            wanted = [self.project / line for line in step["with"]["path"].split()]
            found = tuple(str(file.relative_to(self.project)) for file in wanted if file.exists())
            return Ended(0, files=found)
        if uses == GITHUB_SCRIPT:
            return self.github.script(step["with"]["script"], self.project, environ)
        assert uses in SET_UP_ACTIONS, f"the runner does not know {uses}"
        return None

    def _values(self, env: Mapping[str, str], outputs: Mapping[str, str] | None = None) -> dict[str, str]:
        return {name: self._value(str(value), outputs or {}) for name, value in env.items()}

    def _value(self, text: str, outputs: Mapping[str, str]) -> str:
        whole = re.fullmatch(r"\$\{\{ (.+) \}\}", text)
        if whole is None:
            assert "${{" not in text, f"more than one expression in {text}"
            return text
        known = {**outputs, **self.expressions}
        if condition := re.fullmatch(r"(\S+) == (\S+) && (\S+) \|\| ''", whole[1]):
            one, other, value = (self._value(f"${{{{ {name} }}}}", outputs) for name in condition.groups())
            return value if one == other else ""
        return known.get(whole[1], "") if whole[1].startswith("steps.") else known[whole[1]]


def bash(command: str, project: Path, environ: Mapping[str, str]) -> Ended:
    """Run a command as GitHub and GitLab do: by bash, which ends at the first thing that fails."""
    done = subprocess.run(
        ["bash", "-e", "-c", command],  # noqa: S607 - the runners take the one on PATH too
        cwd=project,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return Ended(done.returncode, done.stdout + done.stderr)
