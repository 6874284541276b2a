"""A stack of this repository's own program, in a directory of the test's own, driven through the real `pulumi`.

    def test_…(stack: Stack, simulator: RunningSimulator) -> None:
        stack.declare(a_set("dk-01", "dk-02"))
        stack.up()
        assert sent(simulator) == [["dk-01", "dk-02"]]
        assert stack.resource("pumps")["cancelledCount"] == 2

Nothing is written into the checkout. Whatever a run prints is looked through: no secret, no traceback, ever.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import yaml

from tests.support.engine import CHECKOUT, VENV, Result, UnexpectedExitError
from tests.support.simulator import JOB

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.support.engine import PulumiEngine
    from tests.support.simulator import RunningSimulator

NAME: Final = "dev"
"""Every stack's name."""

PROGRAM: Final = ("Pulumi.yaml", "__main__.py")

SETS: Final = "enos-ota:cancelledTaskSets"

NEVER_SHOWN: Final = ("Traceback (most recent call last)", "KeyboardInterrupt", 'File "')
"""What no operator should have to read."""

_OTHER_SECRET: Final = "99998888-7777-4666-8555-444433332222"


@dataclass(frozen=True, slots=True)
class Sealed:
    """Secrets as `pulumi config set --secret` writes them; valid in every stack file with the same salt."""

    salt: str
    right: str
    """The simulator's secret."""
    wrong: str
    """Another one."""
    wrong_text: str = field(default=_OTHER_SECRET, repr=False)
    """That other one in plain text."""


def seal(engine: PulumiEngine, folder: Path, secret: str) -> Sealed:
    """Have Pulumi encrypt the right and a wrong secret, in an empty directory."""
    (folder / "Pulumi.yaml").write_text("name: sealing\nruntime: python\n", encoding="utf-8")
    for key, value in (("right", secret), ("wrong", _OTHER_SECRET)):
        if key == "right":
            engine.run(["stack", "init", NAME], project=folder, home=folder)
        engine.run(["config", "set", "--secret", key, value], project=folder, home=folder)
    written = yaml.safe_load((folder / f"Pulumi.{NAME}.yaml").read_text(encoding="utf-8"))
    config = written["config"]
    return Sealed(written["encryptionsalt"], config["sealing:right"]["secure"], config["sealing:wrong"]["secure"])


def a_set(*device_keys: str, name: str = "pumps", job_id: str = JOB, **more: object) -> dict[str, object]:
    """A set as it stands in a stack file."""
    return {"name": name, "jobId": job_id, "deviceKeys": list(device_keys), **more}


def sent(simulator: RunningSimulator) -> list[list[str]]:
    """The keys of each cancelTask so far, in order; the test fails if anything else was written through the gateway."""
    entries = [entry for entry in simulator.journal() if entry["by"] != "control"]
    assert {entry["operation"] for entry in entries} <= {"cancelTask"}
    return [entry["keys"] for entry in entries]


def diagnostics(result: Result) -> list[str]:
    """Each warning and error under "Diagnostics", where the engine repeats at the end what an operator must know."""
    said = result.output.partition("Diagnostics:\n")[2].partition("\nResources:")[0]
    entries: list[str] = []
    for line in said.splitlines():
        # Messages stand four columns in, below the resource they are about; their further lines begin without a level.
        if re.match(r" {4}(error|warning|info): ", line):
            entries.append(line.strip())
        elif line.startswith("    ") and entries:
            entries[-1] += "\n" + line.strip()
    return [entry.rstrip() for entry in entries]


@dataclass(frozen=True, slots=True)
class Preview:
    """What `pulumi preview --json` says."""

    ops: Mapping[str, str]
    """By name of the set: `create`, `update`, `replace`, `delete`, …; a set that stays as it is is not listed."""

    messages: tuple[str, ...]
    """Warnings and errors in the order in which they came, `warning: ` or `error: ` before each."""


@dataclass
class Stack:
    """A project in a directory of its own with one stack, `dev`.

    Attributes:
        project: the directory with Pulumi.yaml.
        home: where state and Pulumi's own files are.
        config: the stack's configuration; `write` puts it into the stack file.
        environ: environment variables of every run, on top of what `PulumiEngine.env` makes.
        secrets: texts that no run may print.
    """

    engine: PulumiEngine
    project: Path
    home: Path
    salt: str
    venv: Path = VENV
    config: dict[str, object] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()

    @property
    def file(self) -> Path:
        """The stack file."""
        folder = self.project / "stacks"
        return (folder if folder.is_dir() else self.project) / f"Pulumi.{NAME}.yaml"

    def declare(self, *sets: Mapping[str, object]) -> None:
        """Make these the stack's sets."""
        self.config[SETS] = [dict(each) for each in sets]
        self.write()

    def write(self, **raw: str) -> None:
        """Write the stack file. `raw`: YAML text instead of the sets, exactly as a person might type it."""
        config = {key: value for key, value in self.config.items() if not (raw and key == SETS)}
        text = yaml.safe_dump({"encryptionsalt": self.salt, "config": config}, sort_keys=False, allow_unicode=True)
        # `config` is last, so that its lines can be continued.
        self.file.write_text(text + raw.get("sets", ""), encoding="utf-8")

    def run(self, *args: str, code: int | None = 0, environ: Mapping[str, str] | None = None) -> Result:
        """Run `pulumi ARGS`; no run prints a secret or a traceback.

        Raises:
            UnexpectedExitError: another exit code than `code`; None stands for any but 0.
        """
        result = self.engine.run(
            ["--color", "never", *args],
            project=self.project,
            home=self.home,
            venv=self.venv,
            extra=self.environment(environ),
            code=None,
        )
        self.inspect(result)
        if result.code != code if code is not None else result.code == 0:
            raise UnexpectedExitError(f"pulumi {' '.join(args)}: exit code {result.code}\n{result.output}")
        return result

    def inspect(self, result: Result) -> None:
        """Fail if a run printed what none may print."""
        shown = [text for text in self.secrets if text in result.output]
        assert not shown, f"pulumi {' '.join(result.args)} shows a secret"
        noise = [text for text in NEVER_SHOWN if text in result.output]
        assert not noise, f"pulumi {' '.join(result.args)} shows {noise}\n{result.output}"

    def environment(self, environ: Mapping[str, str] | None = None) -> dict[str, str]:
        """What a run finds in its environment beside what every engine's run does."""
        return {"PULUMI_STACK": NAME, **self.environ, **(environ or {})}

    def up(self, *args: str, code: int | None = 0, environ: Mapping[str, str] | None = None) -> Result:
        """`pulumi up` without the preview before it."""
        return self.run("up", "--yes", "--skip-preview", *args, code=code, environ=environ)

    def destroy(self, *args: str, code: int | None = 0) -> Result:
        """`pulumi destroy` without the preview before it."""
        return self.run("destroy", "--yes", "--skip-preview", *args, code=code)

    def preview(self, *args: str, environ: Mapping[str, str] | None = None) -> Preview:
        """`pulumi preview --json`; it must succeed."""
        digest = self.run("preview", "--json", *args, environ=environ).json()
        ops = {
            step["urn"].rpartition("::")[2]: step["op"]
            for step in digest["steps"]
            if ":CancelledTaskSet::" in step["urn"] and step["op"] not in {"refresh", "same"}
        }
        said = [one for one in digest.get("diagnostics") or () if one["severity"] in {"warning", "error"}]
        return Preview(ops, tuple(one["message"].strip() for one in said))

    def diff(self, *args: str) -> list[str]:
        """The `+` and `-` lines of `pulumi preview --diff`, as a reviewer reads them, without their indentation.

        Those of the plan alone: what the refresh before it found out is told above and turned the other way round.
        """
        text = self.run("preview", "--diff", *args).stdout
        plan = text.rpartition("(refresh)")[2]
        plan = plan[plan.index("pulumi:pulumi:Stack: (same)") :]
        return [line.strip() for line in plan.splitlines() if re.match(r"\s*[+-] ", line)]

    def stands(self) -> Result:
        """Nothing is planned: `pulumi preview --expect-no-changes` exits 0."""
        return self.run("preview", "--expect-no-changes")

    def export(self) -> str:
        """The state, as `pulumi stack export` prints it."""
        return self.run("stack", "export").stdout

    def resources(self) -> dict[str, dict[str, Any]]:
        """Every set in the state, by name."""
        return {
            each["urn"].rpartition("::")[2]: each
            for each in json.loads(self.export())["deployment"].get("resources") or ()
            if ":CancelledTaskSet::" in each["urn"]
        }

    def resource(self, name: str = "pumps") -> dict[str, Any]:
        """The recorded outputs of a set."""
        outputs: dict[str, Any] = self.resources()[name]["outputs"]
        return outputs

    def start(self, *args: str) -> subprocess.Popen[str]:
        """Start `pulumi ARGS` in a process group of its own, for tests that interrupt it."""
        return subprocess.Popen(
            [self.engine.folder / "pulumi", "--non-interactive", "--color", "never", *args],
            cwd=self.project,
            env=self.engine.env(self.project, self.home, venv=self.venv, extra=self.environment()),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


def our_program(folder: Path) -> None:
    """Put this repository's program into a directory, with a directory for stacks of its own."""
    for name in PROGRAM:
        shutil.copy(CHECKOUT / name, folder)
    (folder / "stacks").mkdir()


def make_stack(
    engine: PulumiEngine, folder: Path, simulator: RunningSimulator, sealed: Sealed, *, venv: Path = VENV
) -> Stack:
    """A new stack in `folder`, whose configuration names the simulator; no set is declared yet."""
    project, home = folder / "project", folder / "home"
    project.mkdir()
    home.mkdir()
    our_program(project)
    # Pulumi.yaml names an environment in the project.
    (project / ".venv").symlink_to(venv)
    stack = Stack(
        engine,
        project,
        home,
        sealed.salt,
        venv,
        config={
            "enos:apiGateway": simulator.url,
            "enos:orgId": simulator.org_id,
            "enos:appKey": simulator.app_key,
            "enos:appSecret": {"secure": sealed.right},
        },
        secrets=(simulator.app_secret, _OTHER_SECRET),
    )
    stack.write()
    stack.run("stack", "init", NAME)
    return stack


def wait_until(happened: Callable[[], bool], process: subprocess.Popen[str], *, seconds: float = 60) -> None:
    """Wait for something that a running process is about to bring about."""
    ends = time.monotonic() + seconds
    while not happened():
        assert process.poll() is None, f"pulumi ended early: {process.communicate()}"
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.02)
