"""`pulumi` is killed or interrupted while a set is being cancelled; the next run converges."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

from tests.support.engine import Result
from tests.support.stack import NAME, a_set, sent, wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.support.simulator import RunningSimulator
    from tests.support.stack import Stack

CANCELLED = ("failed", "Cancelled by user")


@contextlib.contextmanager
def cancelling(stack: Stack, simulator: RunningSimulator) -> Iterator[subprocess.Popen[str]]:
    """A `pulumi up` that has sent its cancelTask and waits for the searches to catch up. Nothing of it is left over."""
    simulator.switch(index_delay=3)
    process = stack.start("up", "--yes", "--skip-preview")
    try:
        wait_until(lambda: "cancelTask" in simulator.counters(), process)
        yield process
    finally:
        # With it go the language host and the provider, should they still be there.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_after_kill_9_a_cancel_of_the_lock_and_an_up_converge(stack: Stack, simulator: RunningSimulator) -> None:
    stack.declare(a_set("dk-01", "dk-02"))
    with cancelling(stack, simulator) as process:
        process.kill()
        process.wait()
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
        stdout, stderr = process.communicate(timeout=60)
    stack.inspect(Result(("up",), process.returncode, stdout, stderr))
    assert process.returncode != 0

    stack.up()
    assert stack.resource()["cancelledCount"] == 2
    assert sent(simulator) == [["dk-01", "dk-02"]]
