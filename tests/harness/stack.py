"""A stack of this repository's own program, in a directory of the test's own, driven through the real `pulumi`.

    def test_…(stack: Stack, simulator: RunningSimulator) -> None:
        stack.declare(a_set("dk-01", "dk-02"))
        stack.up()
        assert sent(simulator) == [["dk-01", "dk-02"]]
        assert stack.resource("pumps")["cancelledCount"] == 2

Nothing is written into the checkout. Whatever a run prints is looked through: no secret, no traceback, ever.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import yaml

from enos_simulator.simulator import wall_clock
from tests.harness.engine import CHECKOUT, VENV, Result, UnexpectedExitError
from tests.harness.simulator import JOB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.harness.engine import PulumiEngine
    from tests.harness.simulator import RunningSimulator

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
    new_stack: Path
    """The state of a stack without resources, as `pulumi stack init` makes it; each stack starts with a copy."""
    wrong_text: str = field(default=_OTHER_SECRET, repr=False)
    """That other one in plain text."""


class JumpingClock:
    """The machine's clock for a simulator, in Unix ms: what takes its time there need not be waited for.

    EnOS accepts a few minutes between its clock and a caller's.
    """

    def __init__(self) -> None:
        self._ahead = 0

    def __call__(self) -> int:
        return wall_clock() + self._ahead

    def jump(self, seconds: int) -> None:
        """So much time has passed."""
        self._ahead += seconds * 1000


def seal(engine: PulumiEngine, folder: Path, secret: str) -> Sealed:
    """Have Pulumi encrypt the right and a wrong secret and initialize a stack, in an empty directory."""
    (folder / "Pulumi.yaml").write_text("name: enos-ota\nruntime: python\n", encoding="utf-8")
    engine.run(["stack", "init", NAME], project=folder, home=folder)
    new_stack = shutil.copytree(folder / "state", folder / "new-stack")
    for key, value in (("right", secret), ("wrong", _OTHER_SECRET)):
        engine.run(["config", "set", "--secret", key, value], project=folder, home=folder)
    written = yaml.safe_load((folder / f"Pulumi.{NAME}.yaml").read_text(encoding="utf-8"))
    config = written["config"]
    right, wrong = config["enos-ota:right"]["secure"], config["enos-ota:wrong"]["secure"]
    return Sealed(written["encryptionsalt"], right, wrong, new_stack)


def a_set(*device_keys: str, name: str = "pumps", job_id: str = JOB, **more: object) -> dict[str, object]:
    """A set as it stands in a stack file."""
    return {"name": name, "jobId": job_id, "deviceKeys": list(device_keys), **more}


def sent(simulator: RunningSimulator) -> list[list[str]]:
    """The keys of each cancelTask so far, in order; the test fails if anything else was written through the gateway."""
    entries = [entry for entry in simulator.journal() if entry["by"] != "control"]
    assert {entry["operation"] for entry in entries} <= {"cancelTask"}
    return [entry["keys"] for entry in entries]


def touched(simulator: RunningSimulator) -> list[list[str]]:
    """The keys whose tasks were changed by each cancelTask that changed any, sorted.

    Unlike `sent` it leaves out what was refused or turned away, of which some platforms make more than others.
    """
    changes = [entry["changes"] for entry in simulator.journal() if entry["by"] != "control"]
    return [sorted(change["deviceKey"] for change in each) for each in changes if each]


def recorded(stack: Stack, name: str = "pumps") -> dict[str, str]:
    """What is recorded of the keys of a set that are not plainly cancelled: key → "category status"."""
    rows = (row.split("\t") for row in stack.resource(name)["exceptions"].splitlines())
    return {key: f"{category} {status}".strip() for key, category, status in rows}


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


def changes(diff: Result) -> list[str]:
    """The `+` and `-` lines of a `pulumi preview --diff`, as a reviewer reads them, without their indentation.

    Those of the plan alone: the refresh before it shows what it found the other way round.
    """
    plan = diff.stdout.rpartition("(refresh)")[2]
    plan = plan[plan.index("pulumi:pulumi:Stack: (same)") :]
    return [line.strip() for line in plan.splitlines() if re.match(r"\s*[+-] ", line)]


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
        """What `pulumi preview --diff` shows; see `changes`."""
        return changes(self.run("preview", "--diff", *args))

    def stands(self) -> Result:
        """Nothing is planned: `pulumi preview --expect-no-changes` exits 0."""
        return self.run("preview", "--expect-no-changes")

    def export(self) -> str:
        """The state, as `pulumi stack export` prints it."""
        return self.run("stack", "export").stdout

    def resources(self) -> dict[str, dict[str, Any]]:
        """Every set in the state, by name; read from the backend's file, as `pulumi` takes half a second for that."""
        (file,) = (self.home / "state" / ".pulumi" / "stacks").glob("*/*.json")
        latest = json.loads(file.read_text(encoding="utf-8"))["checkpoint"].get("latest") or {}
        return {
            each["urn"].rpartition("::")[2]: each
            for each in latest.get("resources") or ()
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

    @contextlib.contextmanager
    def running(self, *args: str) -> Iterator[Running]:
        """`pulumi ARGS` while it goes on. Whatever becomes of the test, nothing of it is left over."""
        run = Running(self, args, self.start(*args))
        try:
            yield run
        finally:
            run.note()
            for pid in [run.process.pid, *run.noted]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            run.process.communicate()


class _Listed(NamedTuple):
    """A process, as `ps` lists it."""

    pid: int
    parent: int
    status: str
    command: str


@dataclass
class Running:
    """A `pulumi` that goes on, and the processes that it started.

    Attributes:
        noted: their commands by process id, as far as somebody looked.
    """

    stack: Stack
    args: tuple[str, ...]
    process: subprocess.Popen[str]
    noted: dict[int, str] = field(default_factory=dict)

    def until(self, happened: Callable[[], bool]) -> None:
        """Wait for something that it is about to bring about, and note the processes it has by then."""
        wait_until(happened, self.process)
        self.note()

    def note(self) -> None:
        """Note what it started, and what that started: the engine gives each process a group of its own."""
        listed = _processes()
        found = [self.process.pid]
        for one in found:
            found.extend(each.pid for each in listed if each.parent == one)
        self.noted |= {each.pid: each.command for each in listed if each.pid in found[1:]}

    def provider(self) -> int:
        """The process in which sets are worked on."""
        return self._one(lambda command: "-m pulumi.dynamic" in command)

    def program(self) -> int:
        """The process that runs `__main__.py`."""
        return self._one(lambda command: "--root_directory" in command and "python" in command)

    def host(self) -> int:
        """The language host: it started the program."""
        program = self.program()
        return next(each.parent for each in _processes() if each.pid == program)

    def interrupt(self, number: signal.Signals) -> None:
        """SIGINT as a terminal sends it, to the whole group; anything else to `pulumi` alone, as a CI system does."""
        if number is signal.SIGINT:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)

    def end(self, *, within: float = 60) -> Result:
        """What it printed and its exit code, once it has ended by itself.

        Raises:
            subprocess.TimeoutExpired: It goes on.
        """
        stdout, stderr = self.process.communicate(timeout=within)
        result = Result(self.args, self.process.returncode, stdout, stderr)
        self.stack.inspect(result)
        return result

    def left_over(self, part: str = "", *, within: float = 60) -> list[str]:
        """The commands of processes it started, with a text in them, that have not ended by themselves in so long."""
        ends = time.monotonic() + within
        while True:
            # A process that nobody waits for stays listed as a zombie.
            living = {each.pid: each.command for each in _processes() if not each.status.startswith("Z")}
            left = [each for pid, each in self.noted.items() if part in each and living.get(pid) == each]
            if not left or time.monotonic() > ends:
                return left
            time.sleep(0.1)

    def _one(self, fits: Callable[[str], bool]) -> int:
        (pid,) = [pid for pid, command in self.noted.items() if fits(command)]
        return pid


def _processes() -> list[_Listed]:
    command = ["ps", "-A", "-ww", "-o", "pid=,ppid=,stat=,args="]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = (line.split(None, 3) for line in listed.stdout.splitlines())
    return [_Listed(int(row[0]), int(row[1]), row[2], row[3] if len(row) > 3 else "") for row in rows]


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
    shutil.copytree(sealed.new_stack, home / "state")
    return stack


def wait_until(happened: Callable[[], bool], process: subprocess.Popen[str], *, seconds: float = 60) -> None:
    """Wait for something that a running process is about to bring about."""
    ends = time.monotonic() + seconds
    while not happened():
        assert process.poll() is None, f"pulumi ended early: {process.communicate()}"
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.02)
