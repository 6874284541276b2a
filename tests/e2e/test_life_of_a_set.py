"""The life of a declared set, through the real `pulumi`, our own program and a simulated EnOS.

The verdict is the simulator's: its journal says what was sent, its tasks say what came of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.harness.simulator import JOB
from tests.harness.stack import a_set, recorded, sent

if TYPE_CHECKING:
    from tests.harness.simulator import RunningSimulator
    from tests.harness.stack import Stack

CANCELLED = ("failed", "Cancelled by user")
OTHER_JOB = "65a1b2c3d4e5f60718293a4c"


def other_job(*keys: str) -> dict[str, object]:
    """A second job, started, whose devices all wait."""
    tasks = [{"deviceKey": key, "status": "init"} for key in keys]
    return {"jobId": OTHER_JOB, "name": "Valve firmware 1.1.0", "status": "started", "tasks": tasks}


def test_a_set_is_cancelled_once_and_grows_by_what_is_added(stack: Stack, simulator: RunningSimulator) -> None:
    """Up, up again, one key more, the same keys in another order."""
    stack.declare(a_set("dk-01", "dk-02", "dk-07", "dk-11", reason="INC-4711"))
    assert stack.preview().ops == {"pumps": "create"}
    assert sent(simulator) == [], "a preview writes nothing"

    stack.run("up", "--yes")
    assert sent(simulator) == [["dk-07"], ["dk-01", "dk-02"]], "the published task goes first, the cancelled one not"
    states = simulator.states()
    assert {key for key, state in states.items() if state == CANCELLED} == {"dk-01", "dk-02", "dk-07", "dk-11"}
    assert states["dk-03"] == ("init", ""), "what is not declared is not touched"
    recorded = stack.resource()
    assert recorded["deviceKeys"] == "dk-01\ndk-02\ndk-07\ndk-11\n"
    assert recorded["cancelledCount"] == 4
    assert recorded["exceptions"] == "dk-07\tcancelled\tpublished\n"

    again = stack.up()
    assert "1 unchanged" not in again.output
    assert "2 unchanged" in again.output
    assert len(sent(simulator)) == 2, "a second run has nothing to send"

    stack.declare(a_set("dk-01", "dk-02", "dk-07", "dk-11", "dk-03", reason="INC-4711"))
    assert stack.diff() == ["+ dk-03"]
    stack.up()
    assert sent(simulator)[2:] == [["dk-03"]], "only the key that was added is sent"

    stack.declare(a_set("dk-03", "dk-11", "dk-01", "dk-07", "dk-02", "dk-01", reason="INC-4711"))
    stack.stands()
    assert len(sent(simulator)) == 3


def test_a_task_that_was_retried_shows_as_its_key_and_is_cancelled_again(
    stack: Stack, simulator: RunningSimulator
) -> None:
    """The drift of a key in the middle, then of the last one, whose line is the end of the text."""
    stack.declare(a_set("dk-01", "dk-02", "dk-03"))
    stack.up()

    simulator.retry(JOB, ["dk-02"])
    assert stack.diff() == ["+ dk-02"]
    stack.up()
    assert simulator.states()["dk-02"] == CANCELLED

    simulator.retry(JOB, ["dk-03"])
    assert stack.diff() == ["+ dk-03"]
    assert "no changes were expected" in stack.run("preview", "--expect-no-changes", code=None).output
    stack.up()
    assert simulator.states()["dk-03"] == CANCELLED
    assert sent(simulator) == [["dk-01", "dk-02", "dk-03"], ["dk-02"], ["dk-03"]]
    stack.stands()


def test_a_retried_task_that_is_taken_out_of_the_set_is_left_alone_and_that_is_the_end_of_it(
    stack: Stack, simulator: RunningSimulator
) -> None:
    """The colleague was right: the device may have the firmware after all."""
    stack.declare(a_set("dk-01", "dk-02"))
    stack.up()
    simulator.retry(JOB, ["dk-02"])
    stack.declare(a_set("dk-01"))
    assert stack.preview().ops == {"pumps": "update"}
    stack.up()
    assert simulator.states()["dk-02"] == ("init", "")
    assert sent(simulator) == [["dk-01", "dk-02"]]
    stack.stands()


def test_a_retry_of_the_whole_set_is_seen_and_healed(stack_of_each_sdk: Stack, simulator: RunningSimulator) -> None:
    stack = stack_of_each_sdk
    stack.declare(a_set("dk-01", "dk-02"))
    stack.up()
    simulator.retry(JOB, ["dk-01", "dk-02"])
    assert stack.preview().ops == {"pumps": "update"}
    stack.up()
    assert sent(simulator) == [["dk-01", "dk-02"]] * 2
    assert stack.resource()["cancelledCount"] == 2


def test_what_cannot_be_cancelled_fails_the_run_once_and_keeps_nothing_else_from_it(
    stack: Stack, simulator: RunningSimulator
) -> None:
    """Too late and missing keys beside eligible ones; the state is saved, and the next run says it again."""
    stack.declare(a_set("dk-01", "dk-08", "dk-02", "nobody"), a_set("v-1", name="valves", job_id=OTHER_JOB))
    simulator.add_job(other_job("v-1", "v-2"))
    told = (
        f"set 'pumps' (job {JOB}): 1 key without a task in this job, so there is nothing to cancel (nobody): "
        f"check the key and the job, or take it out of the set (or set onMissing: report)"
    )
    too_late = f"set 'pumps' (job {JOB}): 1 key too late to cancel (dk-08 upgrading)"

    first = stack.up(code=1)
    # Once when it happens and once in the Diagnostics at the end, where an operator looks.
    diagnostics = first.output.partition("Diagnostics:")[2]
    assert diagnostics.count(told) == 1
    assert diagnostics.count(too_late) == 1, "too late is a warning, as onTooLate says nothing else"
    states = simulator.states()
    assert (states["dk-01"], states["dk-02"]) == (CANCELLED, CANCELLED)
    assert simulator.states(OTHER_JOB)["v-1"] == CANCELLED
    recorded = stack.resource()
    assert recorded["exceptions"] == "dk-08\ttoo late\tupgrading\nnobody\tmissing\t\n"
    assert recorded["cancelledCount"] == 2
    before = sent(simulator)

    second = stack.up(code=1)
    assert second.output.partition("Diagnostics:")[2].count(told) == 1
    assert sent(simulator) == before, "nothing is left to send"

    # While it fails, another set's change can be previewed, with the failure as a warning, and made.
    stack.declare(a_set("dk-01", "dk-08", "dk-02", "nobody"), a_set("v-1", "v-2", name="valves", job_id=OTHER_JOB))
    plan = stack.preview()
    assert plan.ops == {"valves": "update"}
    assert f"warning: {told}" in plan.messages
    stack.up(code=1)
    assert simulator.states(OTHER_JOB)["v-2"] == CANCELLED
    before.append(["v-2"])

    # Un-declaring the bad key ends it: it can be previewed, and it needs no request that writes.
    stack.declare(a_set("dk-01", "dk-08", "dk-02"), a_set("v-1", "v-2", name="valves", job_id=OTHER_JOB))
    assert stack.diff() == ["- nobody"]
    stack.up()
    assert sent(simulator) == before
    stack.stands()


def test_a_stuck_set_keeps_no_other_from_being_cancelled(stack: Stack, simulator: RunningSimulator) -> None:
    """A job that nobody knows is one set's problem."""
    stack.declare(
        a_set("dk-01", name="wrong-job", job_id="no-such-job"),
        *(a_set(f"dk-0{number}", name=f"site-{number}") for number in range(1, 6)),
    )
    ended = stack.up(code=1)
    assert "set 'wrong-job' (job no-such-job): " in ended.output
    assert "24404" in ended.output
    assert "Job not found" in ended.output
    assert sorted(sent(simulator)) == [[f"dk-0{number}"] for number in range(1, 6)]
    recorded = stack.resources()
    assert len(recorded) == 6
    assert recorded["wrong-job"]["outputs"]["cancelledCount"] == 0

    # The next run has one set to try again, and sets can be added beside it.
    stack.declare(
        a_set("dk-01", name="wrong-job", job_id="no-such-job"),
        *(a_set(f"dk-0{number}", name=f"site-{number}") for number in range(1, 7)),
    )
    assert stack.preview().ops["site-6"] == "create"
    stack.up(code=1)
    assert sorted(sent(simulator)) == [[f"dk-0{number}"] for number in range(1, 7)]


def test_what_is_no_longer_declared_stays_cancelled(stack: Stack, simulator: RunningSimulator) -> None:
    """First one key is taken out, then the whole set: neither sends anything."""
    stack.declare(a_set("dk-01", "dk-02", "dk-03"))
    stack.up()

    stack.declare(a_set("dk-01", "dk-02"))
    assert stack.diff() == ["- dk-03"]
    told = f"set 'pumps' (job {JOB}): no longer declared: 1 cancelled task stays cancelled, no request was sent"
    assert told in stack.up().output
    assert stack.resource()["deviceKeys"] == "dk-01\ndk-02\n"

    stack.declare()
    assert stack.preview().ops == {"pumps": "delete"}
    told = f"set 'pumps' (job {JOB}): 2 cancelled tasks stay cancelled, no request was sent"
    assert told in stack.up().output
    assert stack.resources() == {}
    assert sent(simulator) == [["dk-01", "dk-02", "dk-03"]]
    assert {simulator.states()[f"dk-0{number}"] for number in (1, 2, 3)} == {CANCELLED}


def test_a_new_name_or_reason_sends_nothing(stack: Stack, simulator: RunningSimulator) -> None:
    """`formerNames` makes a rename no change at all; a reason is saved without asking EnOS about any task."""
    stack.declare(a_set("dk-01", "dk-02"))
    stack.up()

    stack.declare(a_set("dk-01", "dk-02", name="pumps-2.3.0", formerNames=["pumps"]))
    stack.stands()
    stack.up()
    assert list(stack.resources()) == ["pumps-2.3.0"]

    before = simulator.counters()
    stack.declare(a_set("dk-01", "dk-02", name="pumps-2.3.0", formerNames=["pumps"], reason="INC-4711"))
    stack.up("--refresh=false")
    assert stack.resource("pumps-2.3.0")["reason"] == "INC-4711"
    assert simulator.counters() == before
    assert sent(simulator) == [["dk-01", "dk-02"]]


def test_another_job_replaces_the_set_and_leaves_the_old_job_alone(stack: Stack, simulator: RunningSimulator) -> None:
    simulator.add_job(other_job("dk-01", "dk-02"))
    stack.declare(a_set("dk-01", "dk-02"))
    stack.up()

    stack.declare(a_set("dk-01", "dk-02", job_id=OTHER_JOB))
    plan = stack.preview()
    assert plan.ops["pumps"] in {"replace", "create-replacement", "delete-replaced"}
    stack.up()
    assert [(entry["jobId"], entry["keys"]) for entry in simulator.journal()] == [
        (JOB, ["dk-01", "dk-02"]),
        (OTHER_JOB, ["dk-01", "dk-02"]),
    ]
    assert stack.resource()["jobId"] == OTHER_JOB
    assert simulator.states()["dk-01"] == CANCELLED, "what was cancelled in the old job stays cancelled"


def test_a_new_set_that_is_a_target_is_named_by_a_pattern_or_without_a_refresh(
    stack: Stack, simulator: RunningSimulator
) -> None:
    """The refresh before an `up` (`refresh: always`) looks for the target in the state, where a new set is not yet."""
    stack.declare(a_set("dk-01"))
    stack.up()
    urn = stack.resources()["pumps"]["urn"].removesuffix("pumps")
    stack.declare(a_set("dk-01"), a_set("dk-02", name="second"), a_set("dk-03", name="third"))
    assert "could not be found in the stack" in stack.up("--target", f"{urn}second", code=1).output
    stack.up("--target", "**second")
    stack.up("--target", f"{urn}third", "--refresh=false")
    assert sent(simulator) == [["dk-01"], ["dk-02"], ["dk-03"]]


def test_a_program_that_runs_in_a_refresh_or_destroy_fails_it_while_a_set_is_not_as_declared(
    stack: Stack, simulator: RunningSimulator
) -> None:
    """With --run-program it cannot tell them from an `up`: the refresh is saved, the destroy removes nothing."""
    stack.declare(a_set("dk-01"))
    stack.up()
    simulator.retry(JOB, ["dk-01"])
    ended = stack.run("refresh", "--yes", "--skip-preview", "--run-program", code=1)
    assert "0 cancelled, 1 pending (dk-01 init)" in ended.output
    assert recorded(stack) == {"dk-01": "pending init, was cancelled"}
    stack.destroy("--run-program", code=1)
    assert list(stack.resources()) == ["pumps"]
    stack.destroy()
    assert stack.resources() == {}
    assert sent(simulator) == [["dk-01"]]


def test_a_stopped_job_is_held_until_it_is_started_again(stack: Stack, simulator: RunningSimulator) -> None:
    """Nothing can be cancelled in a stopped job, and nothing runs there: that is no failure."""
    stack.declare(a_set("dk-01"))
    stack.up()
    simulator.set_job(JOB, "stopped")
    stack.declare(a_set("dk-01", "dk-02"))
    ended = stack.up()
    assert "1 key held (dk-02 init): the job is stopped" in ended.output
    assert stack.resource()["exceptions"] == "dk-02\theld\tinit\n"
    stack.stands()
    assert sent(simulator) == [["dk-01"]]

    simulator.set_job(JOB, "started")
    assert stack.diff() == ["+ dk-02"]
    stack.up()
    assert sent(simulator) == [["dk-01"], ["dk-02"]]


def test_a_job_that_is_stopped_or_deleted_later_is_noted_and_changes_nothing(
    stack: Stack, simulator: RunningSimulator
) -> None:
    stack.declare(a_set("dk-01", "dk-02"))
    stack.up()
    simulator.set_job(JOB, "stopped")
    assert f"set 'pumps' (job {JOB}): the job is stopped: nothing is pushed" in stack.stands().output

    simulator.delete_job(JOB)
    told = f"set 'pumps' (job {JOB}): job deleted: retire this set; last seen: 2 cancelled"
    assert told in stack.stands().output
    assert told in stack.up().output
    assert stack.resource()["cancelledCount"] == 2

    stack.declare()
    stack.up()
    assert stack.resources() == {}
    assert len(sent(simulator)) == 1


def test_destroy_sends_nothing(stack: Stack, simulator: RunningSimulator) -> None:
    stack.declare(a_set("dk-01", "dk-02"))
    stack.up()
    before = simulator.counters()["cancelTask"]
    stack.destroy()
    assert simulator.counters()["cancelTask"] == before
    assert set(simulator.counters()) <= {"token/get", "get", "searchTask", "cancelTask"}
    assert simulator.states()["dk-01"] == CANCELLED


def test_an_expired_set_is_reported_and_neither_read_nor_written(stack: Stack, simulator: RunningSimulator) -> None:
    stack.declare(a_set("dk-01"))
    stack.up()
    before = simulator.counters()

    stack.declare(a_set("dk-01", "dk-02", expires="2020-01-31"))
    stack.up("--refresh=false")  # as the state does not know yet that the set has expired, a refresh would read it
    ended = stack.up()
    assert f"set 'pumps' (job {JOB}): expired on 2020-01-31: neither read nor written" in ended.output
    assert simulator.counters() == before
    assert simulator.states()["dk-02"] == ("init", "")
    stack.stands()


def test_a_set_says_itself_what_fails_a_run(stack: Stack, simulator: RunningSimulator) -> None:
    """`onMissing: report` and `onTooLate: fail`; changing them is saved without a request that writes."""
    stack.declare(a_set("dk-01", "dk-09", "nobody", onMissing="report"))
    ended = stack.up()
    assert "1 key without a task in this job, so there is nothing to cancel (nobody)" in ended.output
    assert "1 key too late to cancel (dk-09 succeeded)" in ended.output
    before = sent(simulator)

    stack.declare(a_set("dk-01", "dk-09", "nobody", onMissing="report", onTooLate="fail"))
    ended = stack.up(code=1)
    assert (
        "1 key too late to cancel (dk-09 succeeded): take it out of the set (or set onTooLate: report)" in ended.output
    )
    assert stack.resource()["onTooLate"] == "fail"
    assert sent(simulator) == before


def test_a_protected_set_cannot_be_removed(stack: Stack, simulator: RunningSimulator) -> None:
    stack.declare(a_set("dk-01", protect=True))
    stack.up()
    stack.declare()
    assert "protected" in stack.up(code=None).output
    assert list(stack.resources()) == ["pumps"]

    stack.declare(a_set("dk-01"))
    stack.up()
    stack.declare()
    stack.up()
    assert stack.resources() == {}
    assert sent(simulator) == [["dk-01"]]
