"""The demo with the real `pulumi`: it runs and checks every step, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.harness.engine import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.engine import PulumiEngine

MARK = "DEMO_TEST_RUN"
"""A variable by which the processes of one run are known; the demo hands on all but ENOS_* and PULUMI_*."""

PATIENCE = 120
"""Seconds after which a demo counts as hanging, on however busy a machine."""


@dataclass(frozen=True)
class Run:
    """A run of the demo that has ended."""

    code: int
    stdout: str
    stderr: str
    left_files: list[str]
    left_processes: list[str]


class Demo:
    """The demo, with a temporary directory of its own to look into afterwards."""

    def __init__(self, folder: Path, engine: Path, **variables: str) -> None:
        self.temporary = folder / "tmp"
        self.temporary.mkdir(parents=True)
        self.run_id = uuid.uuid4().hex
        home = folder / "home"
        home.mkdir()
        self.environ = {
            "HOME": str(home),
            "PATH": os.pathsep.join([str(engine), os.defpath]),
            "LANG": "C.UTF-8",
            "TMPDIR": str(self.temporary),
            # Nothing of these may reach the demo's pulumi.
            "PULUMI_BACKEND_URL": "file:///does/not/exist",
            "ENOS_API_GATEWAY": "https://enos.invalid",
            MARK: self.run_id,
            **variables,
        }

    @contextlib.contextmanager
    def started(self) -> Iterator[subprocess.Popen[str]]:
        """The demo; killed at the end of the block if it is not over."""
        with subprocess.Popen(
            [sys.executable, "-m", "demo"],
            cwd=CHECKOUT,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            hanging = threading.Timer(PATIENCE, process.kill)
            hanging.start()
            try:
                yield process
            finally:
                hanging.cancel()
                process.kill()

    def end(self, process: subprocess.Popen[str]) -> Run:
        """Wait for its end and look around."""
        out, errors = process.communicate()
        left = sorted(path.name for path in self.temporary.iterdir())
        return Run(process.returncode, out, errors, left, list(_processes(self.run_id)))

    def run(self) -> Run:
        """The demo from beginning to end."""
        with self.started() as process:
            return self.end(process)


def _read_until(process: subprocess.Popen[str], words: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            return
    pytest.fail(f"the demo ended before it said {words!r}")


def _processes(run_id: str) -> Iterator[str]:
    """Command lines of processes with this run's mark in their environment."""
    if not Path("/proc/self/environ").exists():
        pytest.skip("needs /proc to look for processes that are left")
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and f"{MARK}={run_id}".encode() in (entry / "environ").read_bytes():
                yield (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # ended meanwhile, or not ours


@pytest.fixture(scope="module")
def told(engine: PulumiEngine, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The whole demo, once."""
    return Demo(tmp_path_factory.mktemp("demo"), engine.folder).run()


def test_it_ends_well_by_itself(told: Run) -> None:
    assert (told.code, told.stderr) == (0, "")


def test_it_leaves_nothing_behind(told: Run) -> None:
    assert (told.left_files, told.left_processes) == ([], [])


def test_it_tells_every_step_with_what_was_checked(told: Run) -> None:
    steps = re.split(r"^\d\. ", told.stdout, flags=re.MULTILINE)[1:]
    assert [step.splitlines()[0].rstrip("─ ") for step in steps] == [
        "A rollout in progress",
        "Declare which tasks to cancel",
        "Preview",
        "Cancel",
        "Run it again: no change",
        "A colleague retries a task",
        "The preview shows the retried task",
        "Cancel it again",
        "The end",
    ]
    assert ["Checked: " in step for step in steps] == [False, False, True, True, True, True, True, True, False]


def test_it_shows_the_commands_as_one_would_type_them(told: Run) -> None:
    assert re.findall(r"^\$ (pulumi .*)", told.stdout, flags=re.MULTILINE) == [
        "pulumi stack init demo",
        "pulumi preview --diff",
        "pulumi up --yes --skip-preview",
        "pulumi up --yes --skip-preview --expect-no-changes",
        "pulumi preview --diff --suppress-outputs",
        "pulumi up --yes --skip-preview",
    ]


def test_it_shows_the_warning_for_devices_that_are_too_late(told: Run) -> None:
    assert "2 keys too late to cancel (pump-00009 upgrading" in " ".join(told.stdout.split())


def test_it_shows_the_one_key_that_was_retried(told: Run) -> None:
    assert [line.strip() for line in told.stdout.splitlines() if line.strip().startswith("+ pump")] == ["+ pump-00016"]


def test_it_reads_on_eighty_columns_without_colour(told: Run) -> None:
    assert "\x1b" not in told.stdout
    # Only what is to be copied whole may be longer, and nothing is at present.
    assert [line for line in told.stdout.splitlines() if len(line) > 80] == []


def test_it_shows_no_secret(told: Run) -> None:
    assert "aaaabbbb-cccc-4ddd-8eee-ffff00001111" not in told.stdout


@pytest.mark.parametrize(
    ("number", "name", "moment"),
    [
        (signal.SIGINT, "SIGINT", "Engine: pulumi"),
        (signal.SIGINT, "SIGINT", "$ pulumi stack init"),
        (signal.SIGINT, "SIGINT", "$ pulumi up --yes"),
        (signal.SIGINT, "SIGINT", "3. Preview"),
        (signal.SIGTERM, "SIGTERM", "$ pulumi up --yes"),
        (signal.SIGHUP, "SIGHUP", "1. A rollout"),
    ],
)
def test_interrupted_it_says_one_line_and_leaves_nothing_behind(
    engine: PulumiEngine, tmp_path: Path, number: signal.Signals, name: str, moment: str
) -> None:
    demo = Demo(tmp_path, engine.folder, PYTHONUNBUFFERED="1")
    with demo.started() as process:
        _read_until(process, moment)
        process.send_signal(number)
        run = demo.end(process)
    assert (run.code, run.stderr, run.left_files, run.left_processes) == (
        128 + number,
        f"Ended by {name}: no process is left running, the temporary directory is removed.\n",
        [],
        [],
    )


def test_signals_that_keep_coming_do_not_disturb_the_clearing_up(engine: PulumiEngine, tmp_path: Path) -> None:
    demo = Demo(tmp_path, engine.folder, PYTHONUNBUFFERED="1")
    with demo.started() as process:
        _read_until(process, "$ pulumi up")
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
        run = demo.end(process)
    assert (run.code, run.stderr.count("\n"), run.left_files, run.left_processes) == (130, 1, [], [])


def _engine_with(engine: PulumiEngine, folder: Path, script: str) -> Path:
    """A bundle like the engine's, but for `pulumi`, which is a shell script; REAL is the engine's own."""
    bundle = folder / "bundle" / "bin"
    bundle.mkdir(parents=True)
    (bundle.parent / "lib").symlink_to(engine.folder.parent / "lib")
    for beside in engine.folder.iterdir():
        if beside.name != "pulumi":
            (bundle / beside.name).symlink_to(beside)
    pulumi = bundle / "pulumi"
    pulumi.write_text(f'#!/bin/sh\nREAL="{engine.folder}/pulumi"\n{script}\n')
    pulumi.chmod(0o755)
    return bundle


def test_it_fails_when_what_it_claims_is_not_so(engine: PulumiEngine, tmp_path: Path) -> None:
    """A `pulumi` whose `up` says all is well and does nothing is found out by what the simulator saw."""
    script = 'case " $* " in *" up "*) echo "Everything is fine."; exit 0;; esac\nexec "$REAL" "$@"'
    run = Demo(tmp_path, tmp_path, PULUMI_OFFICIAL=str(_engine_with(engine, tmp_path, script))).run()
    assert (run.code, run.left_files, run.left_processes) == (1, [], [])
    assert run.stderr == (
        "The demo failed: expected cancelTask for pump-00011, pump-00012, pump-00013 and 21 more,"
        " but EnOS received nothing.\n"
    )


def test_it_says_why_when_pulumi_fails(engine: PulumiEngine, tmp_path: Path) -> None:
    script = '[ "$1" = version ] && exec "$REAL" version\necho no such luck >&2\nexit 3'
    run = Demo(tmp_path, tmp_path, PULUMI_OFFICIAL=str(_engine_with(engine, tmp_path, script))).run()
    assert (run.code, run.left_files, run.left_processes) == (1, [], [])
    assert run.stderr == "The demo failed: pulumi stack init demo ended with exit code 3:\nno such luck\n"


def test_it_says_why_when_there_is_no_engine(tmp_path: Path) -> None:
    run = Demo(tmp_path, tmp_path, PULUMI_OFFICIAL=str(tmp_path / "nowhere")).run()
    assert (run.code, run.stdout, run.left_files, run.left_processes) == (3, "", [], [])
    assert run.stderr.startswith("The demo cannot run: PULUMI_OFFICIAL=")
    assert "Traceback" not in run.stderr
