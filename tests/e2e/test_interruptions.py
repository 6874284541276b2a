"""`pulumi` is killed or interrupted while a set is being cancelled; the next run converges."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import TYPE_CHECKING

from tests.support.engine import Result
from tests.support.stack import NAME, a_set, sent, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.simulator import RunningSimulator
    from tests.support.stack import Stack

CANCELLED = ("failed", "Cancelled by user")


def descendants(pid: int) -> list[int]:
    """The processes that a process started, and those that they started: the engine gives each a group of its own."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)  # noqa: S607 - whichever is on PATH
    parents = {int(child): int(parent) for child, parent in map(str.split, listed.stdout.splitlines())}
    found = [pid]
    for one in found:
        found.extend(child for child, parent in parents.items() if parent == one)
    return found[1:]


def read_until(text: str, process: subprocess.Popen[str]) -> str:
    """What a process prints up to and with the line that holds a text."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if text in line:
            return said
    raise AssertionError(f"it never said {text!r}: {said}")


@contextlib.contextmanager
def cancelling(stack: Stack, simulator: RunningSimulator) -> Iterator[subprocess.Popen[str]]:
    """A `pulumi up` that has sent its cancelTask and waits for the searches to catch up. Nothing of it is left over."""
    simulator.switch(index_delay=60)
    process = stack.start("up", "--yes", "--skip-preview")
    started: list[int] = []
    try:
        wait_until(lambda: "cancelTask" in simulator.counters(), process)
        started = descendants(process.pid)
        yield process
    finally:
        # A provider whose engine was killed stays, writes nothing, and would stay for good.
        for pid in [process.pid, *started]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.communicate()


def test_after_kill_9_a_cancel_of_the_lock_and_an_up_converge(stack: Stack, simulator: RunningSimulator) -> None:
    stack.declare(a_set("dk-01", "dk-02"))
    with cancelling(stack, simulator) as process:
        process.kill()
        process.wait()
    simulator.switch(index_delay=0)
    assert stack.resources() == {}, "it was killed before it could record anything"

    assert "pulumi cancel" in stack.up(code=None).output
    stack.run("cancel", "--yes", NAME)
    stack.up()
    assert stack.resource()["cancelledCount"] == 2
    assert {simulator.states()[key] for key in ("dk-01", "dk-02")} == {CANCELLED}
    assert sent(simulator) == [["dk-01", "dk-02"]], "what was cancelled before is adopted, not sent again"
    stack.stands()


def test_ctrl_c_lets_the_change_finish_is_quiet_and_loses_nothing(
    stack_of_each_sdk: Stack, simulator: RunningSimulator
) -> None:
    stack = stack_of_each_sdk
    stack.declare(a_set("dk-01", "dk-02"))
    with cancelling(stack, simulator) as process:
        # As a terminal does: to the whole group.
        os.killpg(process.pid, signal.SIGINT)
        said = read_until("^C received", process)
        simulator.switch(index_delay=0)
        stdout, stderr = process.communicate(timeout=60)
    stack.inspect(Result(("up",), process.returncode, said + stdout, stderr))
    assert process.returncode != 0
    assert stack.resource()["cancelledCount"] == 2, "what was under way is recorded"

    stack.up()
    assert sent(simulator) == [["dk-01", "dk-02"]]
