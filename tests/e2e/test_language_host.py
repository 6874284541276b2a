"""A program's output and errors reach the operator through the real CLI, whichever language host runs it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.harness.engine import PulumiEngine, Result
from toolchain import build, cache

if TYPE_CHECKING:
    from pathlib import Path

STAND_IN_SAYS = "stand-in of enos-ota"


@dataclass(frozen=True, slots=True)
class Project:
    """A small project with one stack."""

    engine: PulumiEngine
    folder: Path
    home: Path

    def write(self, program: str) -> None:
        """Replace the program."""
        (self.folder / "__main__.py").write_text(program, encoding="utf-8")

    def pulumi(self, *args: str, code: int | None = 0) -> Result:
        """Run a command in the project."""
        return self.engine.run(args, project=self.folder, home=self.home, code=code)

    def preview(self, program: str, *, code: int = 0) -> Result:
        """Preview with this program."""
        self.write(program)
        return self.pulumi("preview", code=code)


def make(engine: PulumiEngine, folder: Path) -> Project:
    """A project in `folder`, whose stack is `dev`."""
    made = Project(engine, folder / "project", folder / "home")
    made.folder.mkdir(parents=True)
    (made.folder / "Pulumi.yaml").write_text("name: small\nruntime: python\n", encoding="utf-8")
    made.write("")
    made.pulumi("stack", "init", "dev")
    return made


@pytest.fixture
def project(engine: PulumiEngine, tmp_path: Path) -> Project:
    """A project for one test."""
    return make(engine, tmp_path)


def diagnostics(result: Result) -> list[str]:
    """The final Diagnostics, line by line, without its heading."""
    text = result.stdout.partition("Diagnostics:\n")[2].partition("\nResources:")[0].partition("\nOutputs:")[0]
    return [line.strip() for line in text.splitlines()[1:] if line.strip()]


def test_what_a_program_prints_and_warns_of_is_shown(project: Project) -> None:
    program = "import pulumi, sys\nprint('hello')\nprint('from stderr', file=sys.stderr)\npulumi.log.warn('careful')\n"
    assert sorted(diagnostics(project.preview(program))) == ["from stderr", "hello", "warning: careful"]


def test_an_update_has_configuration_secrets_and_a_dynamic_resource_and_nothing_of_its_preview(
    project: Project,
) -> None:
    project.pulumi("config", "set", "size", "7")
    project.pulumi("config", "set", "--secret", "token", "hidden")
    (project.folder / "counter.py").write_text("count = 0\n")
    (project.folder / "thing.py").write_text(
        "from pulumi.dynamic import CreateResult, Resource, ResourceProvider\n"
        "class Provider(ResourceProvider):\n"
        "    def create(self, props):\n"
        "        return CreateResult('made', {**props, 'size': 8})\n"
        "class Thing(Resource):\n"
        "    def __init__(self, name):\n"
        "        super().__init__(Provider(), name, {'size': None})\n"
    )
    project.write(
        "import counter, pulumi, thing\nconfig = pulumi.Config()\ncounter.count += 1\n"
        "pulumi.export('count', counter.count)\npulumi.export('size', config.get_int('size'))\n"
        "pulumi.export('token', config.require_secret('token'))\npulumi.export('made', thing.Thing('one').size)\n"
    )
    project.pulumi("up", "--yes")
    shown = project.pulumi("stack", "output", "--json").json()
    assert shown == {"count": 1, "size": 7, "token": "[secret]", "made": 8}


def test_a_run_error_is_shown_as_one_line_without_a_traceback(project: Project) -> None:
    shown = diagnostics(project.preview('import pulumi; raise pulumi.RunError("3 keys are missing")', code=1))
    assert shown[0] == "error: 3 keys are missing"
    assert "Traceback" not in " ".join(shown)


def test_another_exception_is_shown_with_the_frames_of_the_program_only(project: Project) -> None:
    shown = diagnostics(project.preview("def broken():\n    1 / 0\n\nbroken()\n", code=1))
    program = project.folder / "__main__.py"
    assert [line for line in shown if line.startswith(("error", "File", "ZeroDivisionError"))] == [
        "error: Program failed with an unhandled exception:",
        f'File "{program}", line 4, in <module>',
        f'File "{program}", line 2, in broken',
        "ZeroDivisionError: division by zero",
    ]


def test_an_exit_code_is_shown(project: Project) -> None:
    assert diagnostics(project.preview("import sys; sys.exit(3)", code=1)) == [
        "error: an unhandled error occurred: program exited with non-zero exit code: 3"
    ]


def test_the_stand_in_tells_that_a_project_has_no_program(tmp_path: Path, engine: PulumiEngine) -> None:
    # The official host runs any `__main__` that it finds on the path of modules then, so this is not compared with it.
    project = make(with_stand_in(engine, tmp_path / "engine"), tmp_path)
    (project.folder / "__main__.py").unlink()
    shown = diagnostics(project.pulumi("preview", code=1))
    assert shown == [f"error: unable to find main python program `__main__.py` in `{project.folder}`"]


def test_about_names_the_python_that_runs_the_program(project: Project) -> None:
    assert "This project is written in python: executable='" in project.pulumi("about").stdout


def test_install_makes_the_environment_that_the_project_names(project: Project) -> None:
    (project.folder / "Pulumi.yaml").write_text(
        "name: small\nruntime: {name: python, options: {virtualenv: made, toolchain: pip}}\n", encoding="utf-8"
    )
    assert "Finished installing dependencies" in project.pulumi("install").output
    assert (project.folder / "made" / "bin" / "python").exists()


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A preview that was interrupted in the middle of its program."""

    code: int
    output: str
    left: list[int]
    """Processes of it that do not end."""


def interrupt(project: Project) -> Interrupted:
    """Interrupt a preview while its program runs."""
    started = project.home / "started"
    os.mkfifo(started)
    project.write(
        "import os, pathlib, time\n"
        f"pathlib.Path({str(started)!r}).write_text(f'{{os.getpid()}} {{os.getppid()}}')\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen(
        [project.engine.folder / "pulumi", "preview", "--non-interactive"],
        cwd=project.folder,
        env=project.engine.env(project.folder, project.home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as pulumi:
        program_and_host = [int(process) for process in started.read_text().split()]
        watched = {os.pidfd_open(process): process for process in program_and_host}
        pulumi.send_signal(signal.SIGINT)
        output = pulumi.communicate()[0]
    # The host ends by itself and may do so a moment after pulumi. The bound is for a machine under load.
    left = [process for watch, process in watched.items() if not select.select([watch], [], [], 30)[0]]
    for watch in watched:
        os.close(watch)
    return Interrupted(pulumi.returncode, output, left)


NEEDS_PIDFD = pytest.mark.skipif(sys.platform != "linux", reason="processes are watched in Linux's way")


@NEEDS_PIDFD
def test_an_interrupt_leaves_no_process(project: Project) -> None:
    ended = interrupt(project)
    assert ended.code != 0
    assert ended.left == []


@NEEDS_PIDFD
def test_the_stand_in_ends_an_interrupted_program_quietly(tmp_path: Path, engine: PulumiEngine) -> None:
    project = make(with_stand_in(engine, tmp_path / "engine"), tmp_path)
    output = interrupt(project).output
    assert "KeyboardInterrupt" not in output
    assert "Traceback" not in output


def with_stand_in(engine: PulumiEngine, folder: Path) -> PulumiEngine:
    """The same CLI with the stand-in host beside it, whatever host it has."""
    build.place_host(folder)
    cache.place(engine.folder / "pulumi", folder / "bin" / "pulumi")
    return PulumiEngine(folder / "bin", engine.version)


PROGRAMS = {
    "printing": "import sys; print('out'); print('err', file=sys.stderr)",
    "RunError": "import pulumi; raise pulumi.RunError('two\\nlines')",
    "an exception": "def broken(): raise ValueError('no')\nbroken()",
    "an exception in an apply": "import pulumi; pulumi.Output.from_input(1).apply(lambda _: 1 / 0)",
    "a missing module": "import nowhere",
    "exit with a text": "import sys; sys.exit('bye')",
    "exit 32": "import sys; sys.exit(32)",
    "argv and directory": "import os, sys; print(sys.argv, os.getcwd() == os.path.dirname(os.path.abspath(__file__)))",
    "the path of modules": "import sys; print(sys.path[0])",
}


@pytest.mark.skipif(
    "PULUMI_OFFICIAL" not in os.environ, reason="PULUMI_OFFICIAL names no official bundle to compare with"
)
def test_the_stand_in_shows_what_the_official_host_shows(tmp_path: Path, engine: PulumiEngine) -> None:
    official = make(engine, tmp_path / "same")
    stand_in = Project(with_stand_in(engine, tmp_path / "engine"), official.folder, official.home)
    assert STAND_IN_SAYS not in official.pulumi("about").stdout
    assert STAND_IN_SAYS in stand_in.pulumi("about").stdout
    shown: dict[str, dict[str, tuple[int, list[str]]]] = {}
    for host, project in {"official": official, "stand-in": stand_in}.items():
        shown[host] = {}
        for name, program in PROGRAMS.items():
            project.write(program)
            result = project.pulumi("preview", code=None)
            # stdout and stderr are two streams, shown in the order of their arrival.
            shown[host][name] = (result.code, sorted(diagnostics(result)))
    assert shown["stand-in"] == shown["official"]
