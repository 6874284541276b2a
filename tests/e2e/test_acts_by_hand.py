"""The next `pulumi up` adopts what was cancelled from the command line without a write, and keeps it so."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.harness.engine import Result
from tests.harness.simulator import JOB
from tests.harness.stack import sent

if TYPE_CHECKING:
    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack import Stack


def enos_ota(stack: Stack, *arguments: str, typed: str = "") -> Result:
    """Run `enos-ota ARGS` in the project, with what a shell for pulumi has: secrets are decrypted by pulumi itself."""
    done = subprocess.run(
        [sys.executable, "-m", "enos_ota.cli", *arguments],
        cwd=stack.project,
        env=stack.engine.env(stack.project, stack.home, venv=stack.venv, extra=stack.environment()),
        input=typed,
        capture_output=True,
        text=True,
        check=False,
    )
    result = Result(arguments, done.returncode, done.stdout, done.stderr)
    stack.inspect(result)
    return result


def test_what_was_adopted_is_taken_over_without_a_write(stack: Stack, simulator: RunningSimulator) -> None:
    simulator.set_tasks(JOB, ["dk-01", "dk-02"], "cancelled")
    before = stack.file.read_text(encoding="utf-8")
    assert enos_ota(stack, "adopt", "--job", JOB, "--name", "pumps", "--reason", "INC-4711").code == 0
    assert stack.file.read_text(encoding="utf-8") == before
    stack.up()
    assert sent(simulator) == []
    assert (stack.resource()["cancelledCount"], stack.resource()["deviceKeys"]) == (3, "dk-01\ndk-02\ndk-11\n")
    stack.stands()


def test_what_was_cancelled_at_3_a_m_is_taken_over_without_a_write_and_undone_after_it_was_removed(
    stack: Stack, simulator: RunningSimulator
) -> None:
    (stack.project / "these.txt").write_text("dk-01\ndk-07\ndk-08\n", encoding="utf-8")
    act = ("cancel", "--job", JOB, "--keys", "these.txt", "--name", "pumps", "--reason", "INC-4711: fire")
    assert enos_ota(stack, *act, typed="3\n").code == 0
    assert sent(simulator) == [["dk-07"], ["dk-01"]]
    stack.up()
    assert sent(simulator) == [["dk-07"], ["dk-01"]]
    assert (stack.resource()["cancelledCount"], stack.resource()["reason"]) == (2, "INC-4711: fire")
    stack.stands()

    undo = ("retry", "--job", JOB, "--keys", "these.txt", "--expect", "3", "--reason", "all clear")
    refused = enos_ota(stack, *undo)
    assert (refused.code, "stack dev, set 'pumps': 3 keys" in refused.stderr) == (1, True)
    (stack.file.parent / "dev" / "pumps.yaml").unlink()
    assert enos_ota(stack, *undo).code == 0
    stack.up()
    assert {key: simulator.states()[key][0] for key in ("dk-01", "dk-07", "dk-08")} == {
        "dk-01": "init",
        "dk-07": "init",
        "dk-08": "upgrading",
    }
