"""Ctrl-C and SIGTERM: exit code 3, and what was sent is told. Real processes; EnOS hangs for longer than any test."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import pytest

from enos_ota.cli import interrupts
from enos_ota.cli.interrupts import interruptible
from enos_ota.operations.sent_summary import describe_sent
from enos_ota.reconciler import Stop
from enos_ota.reconciler.sent import SentRequests
from tests.harness.simulator import JOB
from tests.harness.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack_project import Project

    Reach = Any

pytestmark = pytest.mark.usefixtures("audited")

WHY = ("--job", JOB, "--reason", "INC-4711")
STOP = ("stop", *WHY)
CANCEL = ("cancel", *WHY, "--keys", "these.txt", "--yes", "--expect", "1")
RETRY = ("retry", *WHY, "--keys", "cancelled.txt", "--expect", "1")
WAITS = "interrupted: no further request is sent; waiting up to 5 s for EnOS's answers"


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "enos_ota.cli", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def hang(simulator: RunningSimulator, operation: str, process: subprocess.Popen[str]) -> None:
    wait_until(lambda: simulator.counters().get(operation, 0) >= 1, process)


def read_until(stream: IO[str] | None, text: str) -> str:
    assert stream
    said = ""
    while text not in said:
        character = stream.read(1)
        assert character, said
        said += character
    return said


def audit(project: Project) -> list[tuple[str, bool | None]]:
    log = project.root / "audit.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return [(line["event"], line.get("mayHaveBeenProcessed")) for line in lines]


@pytest.mark.parametrize(
    ("command", "operation", "told"),
    [
        pytest.param(
            STOP,
            "stop",
            f"The stop request for job '{JOB}' was sent; whether EnOS stopped job '{JOB}' is unknown. "
            "Check with `enos-ota jobs`.",
            id="stop",
        ),
        pytest.param(
            CANCEL,
            "cancelTask",
            f"The cancel request for job '{JOB}' (1 device key) was sent; whether EnOS processed it is unknown. "
            "Check with `enos-ota tasks`, or run the same command again",
            id="cancel",
        ),
        pytest.param(
            RETRY,
            "retryTask",
            f"The retry request for job '{JOB}' (1 device key) was sent; whether EnOS processed it is unknown. "
            "Check with `enos-ota tasks`, or run the same command again",
            id="retry",
        ),
    ],
)
def test_a_second_signal_ends_a_command_at_once_and_what_was_sent_is_told_and_logged(
    project: Project, simulator: RunningSimulator, command: tuple[str, ...], operation: str, told: str
) -> None:
    simulator.fault("latency", operation, seconds=600)
    with running(*command) as process:
        hang(simulator, operation, process)
        process.send_signal(signal.SIGINT)
        said = read_until(process.stderr, WAITS)
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate()
    said += stderr
    assert process.returncode == 3
    assert f"Error: interrupted. {told}" in said
    assert not [text for text in ("Traceback", "ignored", "nothing was sent") if text in stdout + said]
    assert audit(project) == [("before", None), ("after", True)]


def test_one_signal_is_enough_for_a_cancel_to_say_what_it_sent(project: Project, simulator: RunningSimulator) -> None:
    """The requests without an answer are not among "read as cancelled", and must not be passed over."""
    simulator.fault("latency", "cancelTask", seconds=600)
    with running(*CANCEL) as process:
        hang(simulator, "cancelTask", process)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate()
    assert process.returncode == 3
    assert (
        f"The cancel request for job '{JOB}' (1 device key) was sent; whether EnOS processed it is unknown. "
        "Check with `enos-ota tasks`, or run the same command again"
    ) in stderr
    assert audit(project) == [("before", None), ("after", True)]


@pytest.mark.parametrize(
    ("command", "operation", "number"),
    [
        pytest.param(STOP, "get", signal.SIGTERM, id="stop"),
        pytest.param(RETRY, "get", signal.SIGHUP, id="retry, the job"),
        pytest.param(RETRY, "searchTask", signal.SIGINT, id="retry, the tasks"),
        pytest.param(CANCEL, "get", signal.SIGINT, id="cancel, the job"),
        pytest.param(CANCEL, "searchTask", signal.SIGINT, id="cancel, the tasks"),
        pytest.param(("adopt", "--job", JOB), "searchTask", signal.SIGINT, id="adopt"),
    ],
)
def test_a_command_that_is_interrupted_before_it_sends_anything_ends_at_once_and_says_so(
    project: Project,
    simulator: RunningSimulator,
    command: tuple[str, ...],
    operation: str,
    number: signal.Signals,
) -> None:
    simulator.fault("latency", operation, seconds=600)
    with running(*command) as process:
        hang(simulator, operation, process)
        process.send_signal(number)
        _, stderr = process.communicate()
    assert process.returncode == 3
    assert stderr == "Error: interrupted. No request that changes anything in EnOS was sent.\n"
    assert audit(project) == []


@pytest.mark.parametrize(
    ("command", "operation", "number"),
    [
        pytest.param(("jobs",), "search", signal.SIGINT, id="jobs"),
        pytest.param(("tasks", "--job", JOB), "searchTask", signal.SIGTERM, id="tasks"),
        pytest.param(("doctor", "--job", JOB), "searchTask", signal.SIGHUP, id="doctor"),
    ],
)
def test_a_command_that_only_reads_ends_at_once_when_it_is_interrupted(
    simulator: RunningSimulator, command: tuple[str, ...], operation: str, number: signal.Signals
) -> None:
    simulator.fault("latency", operation, seconds=600)
    with running(*command) as process:
        hang(simulator, operation, process)
        process.send_signal(number)
        _, stderr = process.communicate()
    assert (process.returncode, stderr) == (3, "Error: interrupted\n")


@pytest.mark.usefixtures("simulator")
def test_ctrl_c_at_the_question_is_an_interrupt_and_no_answer(project: Project) -> None:
    with running("cancel", *WHY, "--keys", "these.txt") as process:
        said = read_until(process.stderr, "type the number of devices")
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate()
    assert process.returncode == 3, said + stderr
    assert stderr.endswith("Error: interrupted. No request that changes anything in EnOS was sent.\n")
    assert audit(project) == []


def test_without_a_second_signal_a_command_ends_after_its_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "ANSWERS_PATIENCE", 0.01)
    requests = SentRequests()
    requests.watch("stopJob", "j", ()).before()

    def hang_in_a_request() -> None:
        with interruptible(Stop(), requests):
            signal.raise_signal(signal.SIGINT)
            threading.Event().wait(600)

    with pytest.raises(KeyboardInterrupt):
        hang_in_a_request()


def test_a_signal_that_the_caller_ignores_stays_ignored() -> None:
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible(stop := Stop(), SentRequests()):
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert stop.reason == ""


def test_what_was_accepted_is_told_apart_from_what_is_unknown() -> None:
    requests = SentRequests()
    for answered in (True, True, False):
        watch = requests.watch("cancelTask", "j", ["a", "b"])
        watch.before()
        if answered:
            watch.after("r-1")
    assert describe_sent(requests) == (
        "EnOS accepted 2 cancel requests for job 'j' (4 device keys). "
        "The cancel request for job 'j' (2 device keys) was sent; whether EnOS processed it is unknown. "
        "Check with `enos-ota tasks`, or run the same command again: it reads the tasks and sends only what is left."
    )
