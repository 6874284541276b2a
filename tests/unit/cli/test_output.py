"""What becomes of a command's text where stdout or stderr cannot be written. Real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.reconciling import many
from tests.harness.simulator import JOB, running_simulator

if TYPE_CHECKING:
    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack_project import Project

    Reach = Any

pytestmark = pytest.mark.usefixtures("audited")

WHY = ("--job", JOB, "--reason", "INC-4711")
STOP = ("stop", *WHY)
CANCEL = ("cancel", *WHY, "--keys", "these.txt", "--yes", "--expect", "1")
RETRY = ("retry", *WHY, "--keys", "cancelled.txt", "--expect", "1")
TASKS = ("tasks", "--job", JOB, "--format")
NO_ROOM = 8_192
"""Bytes that a file may have in a test of a full disk."""


def shell(line: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which `"$@"` is a command of enos-ota."""
    return subprocess.run(
        ["/bin/bash", "-c", f"set -o pipefail; {line}", "bash", sys.executable, "-m", "enos_ota.cli", *arguments],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def is_calm(done: subprocess.CompletedProcess[str]) -> bool:
    return not any(text in done.stderr for text in ("Traceback", "mistake", "ignored", "Broken pipe"))


# Commands that change something: the exit code is the outcome's, and the text is not lost


@pytest.mark.parametrize("where", ['"$@" > /dev/full', '"$@" | true'])
@pytest.mark.parametrize(
    ("command", "told"),
    [
        pytest.param(STOP, f"job {JOB} (Pump firmware 2.3.0, 2.3.0) is stopped", id="stop"),
        pytest.param((*STOP, "--format", "json"), '"wasStopped": false', id="stop, JSON"),
        pytest.param(CANCEL, "1 of 1 device read as cancelled", id="cancel"),
        pytest.param((*CANCEL, "--format", "json"), '"cancelled": 1', id="cancel, JSON"),
        pytest.param(RETRY, "1 of 1 device retried", id="retry"),
        pytest.param(("adopt", "--job", JOB), "1 task read as cancelled", id="adopt"),
    ],
)
@pytest.mark.usefixtures("simulator")
def test_the_outcome_goes_to_stderr_where_stdout_cannot_be_written(
    command: tuple[str, ...], told: str, where: str
) -> None:
    # `true` may end before the first line is written, or not: then the pipe takes it.
    done = shell(where, *command)
    assert (done.returncode, is_calm(done)) == (0, True), done.stderr
    if "true" not in where:
        assert told in done.stderr


@pytest.mark.usefixtures("simulator")
def test_an_outcome_that_is_no_stays_a_no_where_stdout_cannot_be_written(project: Project) -> None:
    (project.root / "these.txt").write_text("nobody\n")
    assert shell('"$@" > /dev/full', *CANCEL).returncode == 1


@pytest.mark.parametrize("where", ['"$@" 2>&-', '"$@" 2> /dev/full', '"$@" > /dev/full 2>&1', '"$@" >&- 2>&- <&-'])
def test_where_nothing_at_all_can_be_written_the_exit_code_and_the_audit_log_tell(
    project: Project, simulator: RunningSimulator, where: str
) -> None:
    assert shell(where, *STOP).returncode == 0
    assert simulator.control("GET", f"jobs/{JOB}")["status"] == "stopped"
    lines = (project.root / "audit.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["before", "after"]


def test_a_name_that_the_terminal_cannot_show_is_escaped(simulator: RunningSimulator) -> None:
    simulator.add_job({"jobId": "odd", "name": "鍵", "status": "started", "tasks": []})
    done = shell('"$@"', "stop", "--job", "odd", "--reason", "x", PYTHONIOENCODING="latin-1")
    assert (done.returncode, is_calm(done)) == (0, True)
    assert "job odd (\\u9375, 1.0.0) is stopped" in done.stdout


def test_a_reason_with_letters_beyond_ascii_is_taken_in_every_locale(
    project: Project, simulator: RunningSimulator
) -> None:
    done = shell('"$@"', *STOP, "--reason", "Größe", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert (done.returncode, simulator.counters()["stop"]) == (0, 1), done.stderr
    before = json.loads((project.root / "audit.jsonl").read_text().splitlines()[0])
    assert before["reason"] == "Größe"


def test_a_reason_that_is_not_utf_8_is_refused_before_anything_is_sent(simulator: RunningSimulator) -> None:
    done = shell('"$@" --reason $(printf "\\xe9")', *STOP)
    assert (done.returncode, "it is not UTF-8" in done.stderr) == (2, True)
    assert simulator.counters() == {}


# Commands that only read: the answer is whole, or there is none


@pytest.mark.parametrize("output", ["table", "csv", "json"])
def test_a_reader_that_leaves_ends_a_list_quietly(reach: Reach, project: Project, output: str) -> None:
    project.write("enos:batchSize: 200\n")
    with running_simulator(many(3_000)) as simulator:
        reach(simulator)
        done = shell('"$@" | head -c1', *TASKS, output)
    assert (done.returncode, done.stderr, len(done.stdout)) == (0, "", 1)


@pytest.mark.usefixtures("simulator")
def test_a_reader_that_leaves_does_not_change_the_answer_of_a_check(project: Project) -> None:
    project.write("enos-ota:gaurd: {}\nenos-ota:auditLgo: x\n")
    done = shell('"$@" | true', "validate")
    assert (done.returncode, is_calm(done)) == (2, True)


@pytest.mark.parametrize(
    "command",
    [
        (*TASKS, "table"),
        (*TASKS, "json"),
        (*TASKS, "csv"),
        (*TASKS, "keys"),
        ("jobs",),
        ("doctor",),
        ("validate", "--format", "json"),
    ],
)
@pytest.mark.usefixtures("simulator")
def test_an_answer_that_cannot_be_written_is_3_with_one_clear_line(command: tuple[str, ...]) -> None:
    done = shell('"$@" > /dev/full', *command)
    assert done.returncode == 3
    assert "Error: stdout cannot be written (No space left on device), so there is no answer\n" in done.stderr
    assert is_calm(done)


@pytest.mark.parametrize("output", ["keys", "yaml", "csv", "json"])
@pytest.mark.parametrize(("redirect", "unbuffered"), [(">", ""), (">>", ""), (">", "1")])
def test_a_file_that_stdout_goes_to_is_left_as_it_was_when_the_disk_is_full(
    reach: Reach, project: Project, output: str, redirect: str, unbuffered: str
) -> None:
    file = project.root / "out"
    file.write_text("before\n")
    project.write("enos:batchSize: 200\n")
    with running_simulator(many(3_000)) as simulator:
        reach(simulator)
        # bash's unit is 1 kB.
        done = shell(f'ulimit -f {NO_ROOM // 1024}; "$@" {redirect} out', *TASKS, output, PYTHONUNBUFFERED=unbuffered)
    assert (done.returncode, is_calm(done)) == (3, True), done.stderr
    assert "File too large" in done.stderr
    assert file.read_text() == ("before\n" if redirect == ">>" else "")
