"""The life of declared sets, through the real `pulumi`, our own program and a simulated EnOS.

The verdict is the simulator's: its journal says what was sent, its tasks say what came of it. A command takes seconds,
so each story holds several promises; the life of one set, step by step, is in test_undocumented_choices.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.harness.simulator import JOB
from tests.harness.stack import a_set, diagnostics, recorded, sent

if TYPE_CHECKING:
    from tests.harness.engine import Result
    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack import Stack

CANCELLED = ("failed", "Cancelled by user")
OTHER_JOB = "65a1b2c3d4e5f60718293a4c"


def other_job(*keys: str) -> dict[str, object]:
    """A second job, started, whose devices all wait."""
    tasks = [{"deviceKey": key, "status": "init"} for key in keys]
    return {"jobId": OTHER_JOB, "name": "Valve firmware 1.1.0", "status": "started", "tasks": tasks}


def lines(ended: Result) -> list[str]:
    """The lines of all diagnostics."""
    return "\n".join(diagnostics(ended)).splitlines()


def test_a_retry_of_the_whole_set_is_seen_and_healed(stack_of_each_sdk: Stack, simulator: RunningSimulator) -> None:
    stack = stack_of_each_sdk
    stack.declare(a_set("dk-01", "dk-02"))
    assert " keys" not in stack.up().output, "a change that is quick says nothing"
    simulator.retry(JOB, ["dk-01", "dk-02"])
    stack.up()
    assert sent(simulator) == [["dk-01", "dk-02"]] * 2
    assert stack.resource()["cancelledCount"] == 2


def test_what_cannot_be_cancelled_fails_the_run_once_and_keeps_nothing_else_from_it(
    stack: Stack, simulator: RunningSimulator
) -> None:
    """Missing and late keys beside eligible ones, and an unknown job; the settings of each set decide what fails."""
    simulator.add_job(other_job("v-1", "v-2"))
    stuck = a_set("dk-01", name="wrong-job", job_id="no-such-job")
    tolerant = a_set("dk-03", "dk-09", "no-one", name="tolerant", onMissing="report")
    stack.declare(
        stuck, tolerant, a_set("dk-01", "dk-08", "dk-02", "nobody"), a_set("v-1", name="valves", job_id=OTHER_JOB)
    )
    missing = (
        f"set 'pumps' (job {JOB}): 1 key without a task in this job, so there is nothing to cancel (nobody): "
        f"check the key and the job, or take it out of the set (or set onMissing: report)"
    )
    too_late = f"set 'pumps' (job {JOB}): 1 key too late to cancel (dk-08 upgrading)"

    # Each once when it happens and once in the Diagnostics at the end, where an operator looks.
    first = lines(stack.up(code=1))
    assert "error: 2 of 4 sets did not come out as declared:" in first
    assert [line for line in first if missing in line] == [missing]
    assert [line for line in first if too_late in line] == [f"warning: {too_late}"]
    (wrong,) = [line for line in first if "set 'wrong-job' (job no-such-job): " in line]
    assert "24404 Job not found" in wrong
    warned = f"warning: set 'tolerant' (job {JOB}): "
    assert [line for line in first if "set 'tolerant'" in line] == [
        f"{warned}1 key without a task in this job, so there is nothing to cancel (no-one)",
        f"{warned}1 key too late to cancel (dk-09 succeeded)",
    ]
    states = simulator.states()
    assert {states[key] for key in ("dk-01", "dk-02", "dk-03")} == {CANCELLED}
    assert simulator.states(OTHER_JOB) == {"v-1": CANCELLED, "v-2": ("init", "")}
    assert recorded(stack) == {"dk-08": "too late upgrading", "nobody": "missing"}
    assert stack.resource()["cancelledCount"] == 2
    assert stack.resource("wrong-job")["cancelledCount"] == 0
    before = sorted(sent(simulator))
    assert before == [["dk-01", "dk-02"], ["dk-03"], ["v-1"]]

    # While it fails, another set's change can be previewed, with the failure as a warning, and made.
    strict = {**tolerant, "onTooLate": "fail"}
    stack.declare(
        stuck, strict, a_set("dk-01", "dk-08", "dk-02", "nobody"), a_set("v-1", "v-2", name="valves", job_id=OTHER_JOB)
    )
    plan = stack.preview()
    assert plan.ops.keys() >= {"valves", "tolerant"}
    assert "pumps" not in plan.ops
    assert f"warning: {missing}" in plan.messages
    second = lines(stack.up(code=1))
    assert "error: 3 of 4 sets did not come out as declared:" in second
    assert [line for line in second if missing in line] == [missing]
    strictly = "1 key too late to cancel (dk-09 succeeded): take it out of the set (or set onTooLate: report)"
    assert f"set 'tolerant' (job {JOB}): {strictly}" in second
    assert stack.resource("tolerant")["onTooLate"] == "fail"
    assert sorted(sent(simulator)) == [*before, ["v-2"]], "nothing else is left to send"

    # Un-declaring what is wrong ends it: that can be previewed, and it needs no request that writes.
    stack.declare(tolerant, a_set("dk-01", "dk-08", "dk-02"), a_set("v-1", "v-2", name="valves", job_id=OTHER_JOB))
    assert "- nobody" in stack.diff()
    stack.up()
    assert sorted(sent(simulator)) == [*before, ["v-2"]]


def test_what_is_changed_of_a_set_beside_its_keys_sends_nothing_unless_it_is_the_job(
    stack: Stack, simulator: RunningSimulator
) -> None:
    """A rename with `formerNames`, a reason, `expires`, `protect`, and a new job, which replaces the set."""
    simulator.add_job(other_job("dk-03"))
    stack.declare(
        a_set("dk-01", "dk-02"), a_set("dk-03", name="mover"), a_set("dk-04", name="old"), a_set("dk-05", name="kept")
    )
    stack.up()
    before = sent(simulator)
    counters = simulator.counters()

    kept = a_set("dk-05", name="kept", protect=True)
    others = (
        a_set("dk-01", "dk-02", name="pumps-2.3.0", formerNames=["pumps"], reason="INC-4711"),
        a_set("dk-04", "dk-06", name="old", expires="2020-01-31"),
    )
    # As the state does not know yet that the set has expired, a refresh would read it.
    stack.declare(kept, *others, a_set("dk-03", name="mover"))
    stack.up("--refresh=false")
    assert set(stack.resources()) == {"kept", "mover", "old", "pumps-2.3.0"}
    assert stack.resource("pumps-2.3.0")["reason"] == "INC-4711"
    assert simulator.counters() == counters, "EnOS was not even asked"

    stack.declare(kept, *others, a_set("dk-03", name="mover", job_id=OTHER_JOB))
    plan = stack.preview()
    assert plan.ops.keys() == {"mover"}
    assert plan.ops["mover"] in {"replace", "create-replacement", "delete-replaced"}
    ended = stack.up()
    assert f"set 'old' (job {JOB}): expired on 2020-01-31: neither read nor written" in ended.output
    assert simulator.states()["dk-06"] == ("init", "")
    assert [(entry["jobId"], entry["keys"]) for entry in simulator.journal()][len(before) :] == [(OTHER_JOB, ["dk-03"])]
    assert stack.resource("mover")["jobId"] == OTHER_JOB
    assert simulator.states()["dk-03"] == CANCELLED, "what was cancelled in the old job stays cancelled"

    stack.declare()
    assert "protected" in stack.up(code=None).output
    assert "kept" in stack.resources()
    stack.declare(a_set("dk-05", name="kept"))
    stack.up()
    assert set(stack.resources()) == {"kept"}
    stack.declare()
    stack.up("--refresh=false")
    assert stack.resources() == {}
    assert len(sent(simulator)) == len(before) + 1


def test_targets_refreshes_and_destroys_that_run_the_program_or_do_not(
    stack: Stack, simulator: RunningSimulator
) -> None:
    """The refresh before an `up` (`refresh: always`) looks for a target in the state, where a new set is not yet.

    With --run-program the program cannot tell a refresh or a destroy from an `up`, and fails while a set is not as
    declared: the refresh is saved, the destroy removes nothing.
    """
    stack.declare(a_set("dk-01"))
    stack.up()
    urn = stack.resources()["pumps"]["urn"].removesuffix("pumps")
    stack.declare(a_set("dk-01"), a_set("dk-02", name="second"), a_set("dk-03", name="third"))
    assert "could not be found in the stack" in stack.up("--target", f"{urn}second", code=1).output
    stack.up("--target", "**second")
    stack.up("--target", f"{urn}third", "--refresh=false")
    before = [["dk-01"], ["dk-02"], ["dk-03"]]
    assert sent(simulator) == before

    simulator.retry(JOB, ["dk-01"])
    ended = stack.run("refresh", "--yes", "--skip-preview", "--run-program", code=1)
    assert "0 cancelled, 1 pending (dk-01 init)" in ended.output
    assert recorded(stack) == {"dk-01": "pending init, was cancelled"}
    stack.destroy("--run-program", code=1)
    assert set(stack.resources()) == {"pumps", "second", "third"}
    stack.destroy()
    assert stack.resources() == {}
    assert sent(simulator) == before
    assert set(simulator.counters()) <= {"token/get", "get", "searchTask", "cancelTask"}
    assert (simulator.states()["dk-01"], simulator.states()["dk-02"]) == (("init", ""), CANCELLED)


def test_a_stopped_job_holds_its_keys_and_a_deleted_one_is_noted(stack: Stack, simulator: RunningSimulator) -> None:
    """Nothing can be cancelled in a stopped job, and nothing runs there: that is no failure."""
    stack.declare(a_set("dk-01"))
    stack.up()
    simulator.set_job(JOB, "stopped")
    stack.declare(a_set("dk-01", "dk-02"))
    assert "1 key held (dk-02 init): the job is stopped" in stack.up().output
    assert recorded(stack) == {"dk-02": "held init"}
    stack.stands()
    assert sent(simulator) == [["dk-01"]]

    simulator.set_job(JOB, "started")
    assert stack.diff() == ["+ dk-02"]
    stack.up()
    assert sent(simulator) == [["dk-01"], ["dk-02"]]

    simulator.set_job(JOB, "stopped")
    assert f"set 'pumps' (job {JOB}): the job is stopped: nothing is pushed" in stack.stands().output
    simulator.delete_job(JOB)
    told = f"set 'pumps' (job {JOB}): job deleted: retire this set; last seen: 2 cancelled"
    assert told in stack.up().output
    assert stack.resource()["cancelledCount"] == 2
    assert told in stack.stands().output

    stack.declare()
    stack.up()
    assert stack.resources() == {}
    assert len(sent(simulator)) == 2
